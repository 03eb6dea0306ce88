// Elements, made without ever reading HTML.

export const find = (id) => document.getElementById(id);

/** An element with attributes; `onclick` and the like are listeners, false and null leave an attribute out. */
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value !== false && value !== null && value !== undefined) {
      element.setAttribute(name, value === true ? "" : value);
    }
  }
  element.append(...children);
  return element;
}

const SVG = "http://www.w3.org/2000/svg";

export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS(SVG, "use");
  use.setAttribute("href", `#icon-${name}`);
  svg.append(use);
  return svg;
}

/** Shows a sentence in its place, or hides the place. */
export function say(place, sentence) {
  place.textContent = sentence;
  place.hidden = !sentence;
}

/** A button that copies what `text` gives, and says so for two seconds. */
export function copyButton(label, text) {
  const word = make("span", {}, "Copy");
  const button = make("button", { type: "button", class: "copy", "aria-label": label }, icon("copy"), word);
  let timer;
  button.addEventListener("click", async () => {
    const copied = await copy(text());
    word.textContent = copied ? "Copied" : "Not copied";
    announce(copied ? "Copied." : "The browser did not let it be copied.");
    clearTimeout(timer);
    timer = setTimeout(() => (word.textContent = "Copy"), 2000);
  });
  return button;
}

async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    // Without https, or without a permission, the old way may still be open.
    const area = make("textarea", { class: "unseen", "aria-hidden": "true" });
    area.value = text;
    document.body.append(area);
    area.select();
    const copied = document.execCommand("copy");
    area.remove();
    return copied;
  }
}

/** Tells a screen reader, once, when it has finished what it is saying. */
export function announce(sentence) {
  const place = find("announcer");
  place.textContent = "";
  // A text that is the same as before would not be told again.
  setTimeout(() => (place.textContent = sentence), 50);
}
