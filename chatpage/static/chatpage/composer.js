// The line in which a message is written, and what is attached to it.

import { read } from "./attachments.js";
import { announce, find, icon, make, say } from "./dom.js";

const MOST_ATTACHED = 20;

export class Composer {
  #words = find("words");
  #list = find("attached");
  #problem = find("composer-problem");
  #attached = [];
  #reading = 0;
  #sendsThen = false; // somebody sent while files were still being read
  #running = false;

  /** `send(blocks)` is called with a message that holds something. */
  constructor(send) {
    this.send = send;
    find("composer").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#submit();
    });
    this.#words.addEventListener("keydown", (event) => this.#key(event));
    this.#words.addEventListener("input", () => this.#fit());
    find("attach").addEventListener("click", () => find("files").click());
    find("files").addEventListener("change", ({ target }) => {
      this.attach([...target.files]);
      target.value = "";
    });
    this.#words.addEventListener("paste", (event) => {
      const files = [...event.clipboardData.files];
      // A picture from a web page comes as text too; from an office program the text is what is meant.
      if (!files.length || event.clipboardData.getData("text/plain")) return;
      event.preventDefault();
      this.attach(files);
    });
    this.#takeDrops();
  }

  focus() {
    this.#words.focus();
  }

  /** While an answer is being written there is a button to stop it in the place of the one to send. */
  running(running) {
    const held = document.activeElement === find("send") || document.activeElement === find("stop");
    this.#running = running;
    find("send").hidden = running;
    find("stop").hidden = !running;
    if (held) this.focus();
  }

  complain(sentence) {
    say(this.#problem, sentence);
  }

  /** Puts a message back, to be mended or sent later. */
  restore({ text, attached }) {
    this.#words.value = text;
    this.#attached = attached;
    this.#showAttached();
    this.#fit();
  }

  clear() {
    this.restore({ text: "", attached: [] });
    this.complain("");
  }

  write(text) {
    this.#words.value = text;
    this.#submit();
  }

  async attach(files) {
    this.complain("");
    this.#reading += files.length;
    this.#showAttached();
    for (const file of files) {
      try {
        if (this.#attached.length >= MOST_ATTACHED)
          throw new Error(`A message takes ${MOST_ATTACHED} attachments at most.`);
        this.#attached.push(await read(file));
        announce(`Attached ${file.name}.`);
      } catch (error) {
        this.complain(error.message);
        this.#sendsThen = false;
      }
      this.#reading -= 1;
      this.#showAttached();
    }
    this.focus();
    if (this.#sendsThen && !this.#reading) this.#submit();
  }

  #submit() {
    const text = this.#words.value;
    this.#sendsThen = this.#reading > 0;
    if (this.#running || this.#reading || !(text.trim() || this.#attached.length)) return;
    const kept = { text, attached: this.#attached };
    const blocks = this.#attached.map(({ block }) => block);
    if (text.trim()) blocks.push({ type: "text", text });
    this.clear();
    this.send(blocks, kept);
  }

  #key(event) {
    // On a phone's keyboard Enter is the only way to a new line; while an input method composes, it is its own.
    const phone = matchMedia("(pointer: coarse)").matches;
    if (event.key !== "Enter" || event.shiftKey || event.isComposing || event.keyCode === 229 || phone) return;
    event.preventDefault();
    this.#submit();
  }

  #fit() {
    this.#words.style.height = "auto";
    this.#words.style.height = `${this.#words.scrollHeight}px`;
  }

  #showAttached() {
    const items = this.#attached.map((each) => {
      const remove = () => {
        this.#attached = this.#attached.filter((other) => other !== each);
        this.#showAttached();
        this.focus();
      };
      const button = make(
        "button",
        { type: "button", "aria-label": `Remove ${each.name}`, onclick: remove },
        icon("remove"),
      );
      const look = each.preview ? make("img", { src: each.preview, alt: "" }) : icon("file");
      return make("li", {}, look, make("span", {}, each.name), button);
    });
    if (this.#reading) items.push(make("li", {}, make("span", {}, "Reading…")));
    this.#list.replaceChildren(...items);
    this.#list.hidden = !items.length;
  }

  #takeDrops() {
    const curtain = find("drop");
    const holdsFiles = (event) => !find("room").hidden && event.dataTransfer?.types.includes("Files");
    let depth = 0; // entering a child comes before leaving its parent
    const show = (change) => {
      depth = Math.max(0, depth + change);
      curtain.hidden = depth === 0;
    };
    addEventListener("dragenter", (event) => holdsFiles(event) && show(1));
    addEventListener("dragleave", (event) => holdsFiles(event) && show(-1));
    addEventListener("dragover", (event) => event.preventDefault()); // else the browser opens what is dropped
    addEventListener("drop", (event) => {
      event.preventDefault();
      show(-depth);
      if (holdsFiles(event)) this.attach([...event.dataTransfer.files]);
    });
  }
}
