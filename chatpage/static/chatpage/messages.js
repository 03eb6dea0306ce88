// How questions and answers look.

import { address } from "./attachments.js";
import { copyButton, icon, make } from "./dom.js";
import { Growing } from "./growing.js";

const day = new Intl.DateTimeFormat(undefined, { weekday: "long", day: "numeric", month: "long" });
const withYear = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "long", year: "numeric" });
const time = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });

/** The name of a message's day, as the line between two days has it. */
export function dayOf(date) {
  const today = new Date();
  if (date.toDateString() === today.toDateString()) return "Today";
  return (date.getFullYear() === today.getFullYear() ? day : withYear).format(date);
}

export function dayLine(name) {
  return make("li", { class: "day" }, make("span", {}, name));
}

/** A person's message; `previews` has an address for each block that is an image. */
export function question(blocks, date) {
  const shown = blocks.flatMap((block) => (block.type === "text" && !block.text.trim() ? [] : [part(block)]));
  return make(
    "li",
    { class: "message question" },
    make("h2", { class: "unseen" }, "You"),
    make("div", { class: "said" }, ...shown),
    make("time", { datetime: date.toISOString() }, time.format(date)),
  );
}

function part(block) {
  if (block.type === "image") return make("img", { src: address(block), alt: block.name || "Image", loading: "lazy" });
  if (block.type === "file") return file(block);
  return make("p", { class: "plain" }, block.text);
}

/** A file's name, and its text for who asks. */
function file({ name, text }) {
  if (text === undefined) return make("p", { class: "file" }, icon("file"), name || "File");
  const words = make("pre", { tabindex: 0 });
  const about = make("details", { class: "file" }, make("summary", {}, icon("file"), name || "File"), words);
  about.addEventListener("toggle", () => (words.textContent = about.open ? text : ""));
  return about;
}

/** An answer, whole or growing. */
export class Answer {
  #words = make("div", { class: "words" });
  #waiting = make("p", { class: "waiting" }, make("span", { class: "unseen" }, "The answer is being written."));
  #growing;
  isOperators = false; // somebody writes it instead of the agent

  constructor(name, grown = () => {}) {
    this.#waiting.append(make("i"), make("i"), make("i"));
    this.element = make("li", { class: "message answer" }, make("h2", { class: "unseen" }, name), this.#words);
    this.#growing = new Growing(this.#words, grown);
  }

  /** One that is complete. */
  static whole(name, text, date, sources) {
    const answer = new Answer(name);
    answer.#growing.set(text);
    answer.#foot(date, sources);
    return answer;
  }

  get text() {
    return this.#growing.text;
  }

  /** What it says to somebody who cannot see it. */
  get spoken() {
    return this.#words.innerText;
  }

  wait() {
    this.element.querySelector(".trouble")?.remove();
    this.element.querySelector(".foot")?.remove();
    this.element.classList.add("running");
    if (!this.text) this.#words.append(this.#waiting);
  }

  add(text) {
    this.#waiting.remove();
    this.#growing.add(text);
  }

  /** The end, with what it was made from. */
  end(sources) {
    this.#still();
    this.#growing.end();
    this.#foot(new Date(), sources);
  }

  /** What stands under it, such as why it ended. */
  note(sentence) {
    this.#still();
    this.element.append(make("p", { class: "note" }, sentence));
  }

  /** A sentence, and a button that does something about it. */
  fail(sentence, label, again) {
    this.#still();
    if (this.text) this.#growing.end();
    const button = make("button", { type: "button", onclick: again }, label);
    this.element.append(make("div", { class: "trouble" }, make("p", {}, sentence), button));
  }

  #still() {
    this.#waiting.remove();
    this.element.classList.remove("running");
  }

  #foot(date, sources = []) {
    const copy = copyButton("Copy the answer", () => this.text);
    const foot = make(
      "div",
      { class: "foot" },
      make("time", { datetime: date.toISOString() }, time.format(date)),
      copy,
    );
    if (sources.length) foot.append(sourceList(sources));
    this.element.append(foot);
  }
}

function sourceList(sources) {
  const label = sources.length === 1 ? "1 source" : `${sources.length} sources`;
  const list = make(
    "details",
    { class: "sources" },
    make("summary", {}, label),
    make("ol", {}, ...sources.map(source)),
  );
  list.addEventListener("toggle", () => list.scrollIntoView({ block: "nearest" }));
  return list;
}

function source({ title, source }) {
  const name = title || source || "A text without a title";
  if (!/^https?:\/\//i.test(source)) return make("li", { title: source || null }, name);
  return make("li", {}, make("a", { href: source, target: "_blank", rel: "noopener noreferrer" }, name));
}
