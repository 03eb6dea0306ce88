// The conversation on the page: its messages with the days between them, and the way back to older ones.

import { find, make, say } from "./dom.js";
import { Answer, dayLine, dayOf, question } from "./messages.js";

const PAGE = 30;

export class Room {
  #list = find("messages");
  #older = find("older");
  #before = null; // where the next page of older messages begins
  #loading = false;

  constructor(name, scroll) {
    this.name = name;
    this.scroll = scroll;
    const top = find("top");
    this.watch = new IntersectionObserver(([{ isIntersecting }]) => isIntersecting && this.#showOlder(), {
      root: find("scroll"),
      rootMargin: "400px 0px 0px",
    });
    this.watch.observe(top);
    this.again = () => {
      // An observer tells of changes only, and the top may still be in sight.
      this.watch.unobserve(top);
      this.watch.observe(top);
    };
  }

  clear() {
    this.#list.replaceChildren();
    this.#before = null;
    this.history = null;
    this.trouble("");
    say(this.#older, "");
    find("welcome").hidden = true;
  }

  /** A sentence in the place of the conversation, with a way to try again. */
  trouble(sentence, again) {
    const place = find("trouble");
    say(place, "");
    if (!sentence) return;
    place.append(make("p", {}, sentence), make("button", { type: "button", onclick: again }, "Try again"));
    place.hidden = false;
  }

  /**
   * Shows the newest messages. With `running`, an answer is being written: the last one, or one that has no word yet.
   * Returns that answer.
   */
  async open(history, running) {
    this.clear();
    const { messages, before } = await history(PAGE);
    this.history = history;
    const text = running && messages.at(-1)?.role === "assistant" ? textOf(messages.pop()) : "";
    this.lastAsked = messages.findLast(({ role }) => role === "user")?.content;
    this.#list.append(...this.#elements(messages));
    if (messages.at(-1)?.role === "user" && !running) this.#list.append(unanswered());
    find("welcome").hidden = messages.length > 0;
    const answer = running ? this.addAnswer() : null;
    if (text) answer.add(text);
    this.scroll.toEnd();
    this.#before = before;
    this.again();
    return answer;
  }

  addQuestion(blocks) {
    find("welcome").hidden = true;
    this.lastAsked = blocks;
    const now = new Date();
    const shownDays = this.#list.querySelectorAll(".day");
    if ([...shownDays].at(-1)?.textContent !== dayOf(now)) this.#list.append(dayLine(dayOf(now)));
    const element = question(blocks, now);
    this.#list.append(element);
    this.scroll.toEnd();
    return element;
  }

  addAnswer() {
    const answer = new Answer(this.name, () => this.scroll.keep());
    this.#list.append(answer.element);
    return answer;
  }

  /** Leaves no line of a day that has no message. */
  remove(...elements) {
    for (const element of elements) element?.remove();
    if (this.#list.lastElementChild?.className === "day") this.#list.lastElementChild.remove();
    find("welcome").hidden = this.#list.childElementCount > 0;
  }

  async #showOlder() {
    if (this.#before === null || this.#loading) return;
    const { history } = this;
    this.#loading = true;
    say(this.#older, "Loading earlier messages…");
    try {
      const { messages, before } = await history(PAGE, this.#before);
      if (history !== this.history) return; // somebody left meanwhile
      this.#before = before;
      say(this.#older, "");
      this.scroll.hold(() => this.#prepend(messages));
      this.again();
    } catch (error) {
      say(this.#older, `${error.message} `);
      this.#older.append(make("button", { type: "button", onclick: () => this.#showOlder() }, "Try again"));
    } finally {
      this.#loading = false;
    }
  }

  #prepend(messages) {
    const first = this.#list.firstElementChild;
    const elements = this.#elements(messages);
    const lastDay = elements.findLast((element) => element.className === "day")?.textContent;
    if (first?.className === "day" && first.textContent === lastDay) first.remove();
    this.#list.prepend(...elements);
  }

  #elements(messages) {
    const elements = [];
    let day = "";
    messages.forEach(({ role, content, date, sources }, place) => {
      const when = new Date(date);
      if (dayOf(when) !== day) elements.push(dayLine((day = dayOf(when))));
      if (role === "user") elements.push(question(content, when));
      else elements.push(Answer.whole(this.name, textOf({ content }), when, sources).element);
      if (role === "user" && messages[place + 1]?.role === "user") elements.push(unanswered());
    });
    return elements;
  }
}

const textOf = ({ content }) => content.map(({ text }) => text ?? "").join("");

const unanswered = () => make("li", { class: "message answer" }, make("p", { class: "note" }, "This has no answer."));
