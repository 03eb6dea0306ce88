// Where the conversation is scrolled to.

import { find } from "./dom.js";

const NEAR = 80;

export class Scroll {
  #frame = find("scroll");
  #button = find("latest");
  #follows = true;

  constructor() {
    this.#frame.addEventListener("scroll", () => this.#look(), { passive: true });
    this.#button.addEventListener("click", () => {
      this.toEnd();
      find("words").focus();
    });
    // A keyboard that slides in, or a picture that arrives, must not push the end out of sight.
    new ResizeObserver(() => this.keep()).observe(this.#frame);
  }

  #look() {
    const { scrollHeight, scrollTop, clientHeight } = this.#frame;
    this.#follows = scrollHeight - scrollTop - clientHeight < NEAR;
    this.#button.hidden = this.#follows;
  }

  toEnd() {
    this.#follows = true;
    this.keep();
  }

  /** Stays at the end, for somebody who is there. */
  keep() {
    if (this.#follows) this.#frame.scrollTop = this.#frame.scrollHeight;
    this.#look();
  }

  /** Does what puts something above, and leaves in its place what is being read. */
  hold(work) {
    const before = this.#frame.scrollHeight - this.#frame.scrollTop;
    work();
    this.#frame.scrollTop = this.#frame.scrollHeight - before;
  }
}
