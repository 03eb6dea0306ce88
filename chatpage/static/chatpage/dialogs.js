// Adding knowledge, and starting over.

import { find, say } from "./dom.js";

/** `api()` gives the one in use; `refused(sentence)` is for a key that is no longer right. */
export function addDialog(api, refused) {
  const dialog = find("add");
  const form = find("add-form");
  const kind = () => form.elements.kind.value;
  const fields = { text: find("add-text"), url: find("add-url") };

  form.addEventListener("change", () => {
    for (const part of form.querySelectorAll("[data-kind]")) part.hidden = part.dataset.kind !== kind();
    tell("", "");
  });
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const value = fields[kind()].value.trim();
    if (!value) return missing();
    await busy(
      form,
      async () => {
        tell("", kind() === "url" ? "Fetching the page…" : "Adding…");
        const added =
          kind() === "url" ? await api().addUrl(value) : await api().addText(value, find("add-heading").value.trim());
        tell("", `Added “${added.title}”: ${added.characters.toLocaleString()} characters.`);
        for (const field of [find("add-heading"), ...Object.values(fields)]) field.value = "";
        fields[kind()].focus();
      },
      complain,
    );
  });
  find("add-close").addEventListener("click", () => dialog.close());

  function missing() {
    tell(kind() === "url" ? "Enter an address." : "Enter a text.", "");
    fields[kind()].focus();
  }

  function complain(error) {
    tell(error.message, "");
    if (error.status !== 401) return;
    dialog.close();
    refused(error.message);
  }

  function tell(problem, done) {
    say(find("add-problem"), problem);
    say(find("add-done"), done);
  }

  return () => {
    tell("", "");
    dialog.showModal();
    fields[kind()].focus();
  };
}

/** `startOver()` is called once somebody confirms. */
export function overDialog(startOver, refused) {
  const dialog = find("over");
  find("over-form").addEventListener("submit", async (event) => {
    event.preventDefault();
    await busy(
      event.target,
      async () => {
        await startOver();
        dialog.close();
      },
      (error) => {
        say(find("over-problem"), error.message);
        if (error.status !== 401) return;
        dialog.close();
        refused(error.message);
      },
    );
  });
  find("over-close").addEventListener("click", () => dialog.close());

  return () => {
    say(find("over-problem"), "");
    dialog.showModal();
    find("over-close").focus();
  };
}

/** Twice pressed is once done. */
async function busy(form, work, complain) {
  if (form.dataset.busy) return;
  form.dataset.busy = "yes";
  form.setAttribute("aria-busy", "true");
  try {
    await work();
  } catch (error) {
    complain(error);
  } finally {
    delete form.dataset.busy;
    form.removeAttribute("aria-busy");
  }
}
