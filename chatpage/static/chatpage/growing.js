// A Markdown text on the page while it grows.

import { block, blocks, plain } from "./markdown.js";

// Of the processor's time drawing may have a fifth, however long the text has become.
const SHARE = 4;
const LONGEST_WAIT = 2000;
const FENCE = /^(`{3,}|~{3,})[^\n]*\n/;

/**
 * Blocks that are followed by another one are left alone; only the last block is drawn again, at most once a frame. A
 * block of code, which may be very long, is not even read again while it grows.
 */
export class Growing {
  #root;
  #drawn; // called after each drawing
  #settled = 0; // so many characters belong to blocks that are left alone
  #kept = []; // what was read of those
  #links = {};
  #tail = []; // the nodes of the last block
  #code = null; // the last block, where it is code that has not ended
  #plain = null; // stands for everything where Markdown fails
  #cost = 0;
  #waiting = false;
  #ended = false;
  text = "";

  constructor(root, drawn = () => {}) {
    this.#root = root;
    this.#drawn = drawn;
  }

  add(text) {
    if (this.#ended) this.#begin();
    this.text += text;
    if (this.#waiting) return;
    this.#waiting = true;
    setTimeout(() => requestAnimationFrame(() => this.#draw()), Math.min(this.#cost * SHARE, LONGEST_WAIT));
  }

  /** A text that is complete. */
  set(text) {
    this.text = text;
    this.end();
  }

  /** The whole text, read once more as one: a later line may have changed what an earlier one means. */
  end() {
    this.#ended = true;
    this.#orPlain(() => {
      const tokens = blocks(this.text);
      const defines = tokens.some((token) => token.type === "def");
      const same = defines ? 0 : commonStart(this.#kept, tokens);
      for (const { nodes } of this.#kept.splice(same)) remove(nodes);
      this.#clearTail();
      this.#root.append(...tokens.slice(same).flatMap(block));
    });
    this.#drawn();
  }

  /** From the start: an answer that seemed to have ended goes on. */
  #begin() {
    this.#root.replaceChildren();
    this.#ended = false;
    this.#settled = 0;
    this.#kept = [];
    this.#links = {};
    this.#tail = [];
    this.#code = this.#plain = null;
  }

  #draw() {
    this.#waiting = false;
    if (this.#ended) return;
    const start = performance.now();
    this.#orPlain(() => this.#code?.take(this.text) || this.#read());
    this.#drawn();
    void this.#root.offsetHeight; // to lay it out costs most, and counts
    this.#cost = performance.now() - start;
  }

  #orPlain(work) {
    try {
      if (!this.#plain) work();
    } catch {
      // Nested so deep that reading it is beyond the browser.
      this.#plain = plain("");
      this.#root.replaceChildren(this.#plain);
    }
    if (this.#plain) this.#plain.textContent = this.text;
  }

  #read() {
    const tokens = blocks(this.text.slice(this.#settled), this.#links);
    this.#clearTail();
    const last = tokens.findLastIndex((token) => token.type !== "space");
    for (const token of tokens.slice(0, Math.max(last, 0))) {
      this.#kept.push({ raw: token.raw, type: token.type, nodes: this.#append(token) });
      this.#settled += token.raw.length;
    }
    if (last < 0) return;
    this.#tail = this.#append(tokens[last]);
    this.#code = OpenCode.of(tokens[last], this.#tail[0], this.text, this.#settled);
  }

  #append(token) {
    const nodes = block(token).map((node) => (typeof node === "string" ? new Text(node) : node));
    this.#root.append(...nodes);
    return nodes;
  }

  #clearTail() {
    remove(this.#tail);
    this.#tail = [];
    this.#code = null;
  }
}

const remove = (nodes) => nodes.forEach((node) => node.remove());

/** Of how many blocks both begin the same. */
function commonStart(kept, tokens) {
  const differs = kept.findIndex(({ raw, type }, place) => tokens[place]?.raw !== raw || tokens[place].type !== type);
  return differs < 0 ? kept.length : differs;
}

/** Fenced code whose end has not come: more of it is added to what stands there. */
class OpenCode {
  #whole = new Text();
  #begun = new Text(); // a line that has not ended
  #taken;
  #end;

  /** Null where the block, which begins at `start` of the text, is nothing of the kind. */
  static of(token, element, text, start) {
    const fence = token.type === "code" && FENCE.exec(token.raw);
    if (!fence) return null;
    const open = new OpenCode(start + fence[0].length, fence[1]);
    if (!open.take(text)) return null;
    element.querySelector("pre code").replaceChildren(open.#whole, open.#begun);
    return open;
  }

  constructor(taken, mark) {
    this.#taken = taken;
    this.#end = new RegExp(`^ {0,3}${mark[0]}{${mark.length},}[ \\t]*$`, "m");
  }

  /** Takes what is new of the text; false where the code ends in it. */
  take(text) {
    const next = text.lastIndexOf("\n") + 1;
    if (next > this.#taken) {
      const lines = text.slice(this.#taken, next);
      if (this.#end.test(lines)) return false;
      this.#whole.appendData(lines);
      this.#taken = next;
    }
    const rest = text.slice(this.#taken);
    this.#begun.data = /^ {0,3}[`~]/.test(rest) ? "" : rest;
    return true;
  }
}
