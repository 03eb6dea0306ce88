// Markdown becomes elements. No HTML is read or written on the way: what a model says can only become one of the
// elements that are made below, with the attributes that are given to them there.

import { copyButton, make } from "./dom.js";
import { Lexer } from "./vendor/marked.js";

const LINK = /^(https?:|mailto:)/i;
const PICTURE = /^data:image\/(png|jpeg|gif|webp);base64,/i;

// A paragraph that is longer may hold bold and links, but to look for them takes the square of its length.
const LONGEST = 10_000;
// And what is nested deeper is read in the square of its depth.
const DEEPEST = 30;

class BlockLexer extends Lexer {
  #depth = 0;

  blockTokens(source, tokens = [], ...rest) {
    if (this.#depth > DEEPEST) {
      tokens.push({ type: "text", raw: source, text: source });
      return tokens;
    }
    this.#depth += 1;
    super.blockTokens(source, tokens, ...rest);
    this.#depth -= 1;
    return tokens;
  }

  inlineTokens(source, tokens = []) {
    if (source.length <= LONGEST) return super.inlineTokens(source, tokens);
    tokens.push({ type: "text", raw: source, text: source });
    return tokens;
  }
}

/** The blocks of a text. `links` holds definitions met earlier, and takes those met now. */
export function blocks(text, links = {}) {
  const lexer = new BlockLexer({ gfm: true });
  lexer.tokens.links = links;
  return lexer.lex(text);
}

/** The elements of one block, mostly a single one. */
export function block(token) {
  switch (token.type) {
    case "heading":
      // The page itself has two levels above those of an answer, whose first is mostly its second.
      return [make(`h${Math.min(Math.max(token.depth + 1, 3), 6)}`, {}, ...inline(token.tokens))];
    case "paragraph":
      return [make("p", {}, ...inline(token.tokens))];
    case "text":
      return token.tokens ? inline(token.tokens) : [decoded(token.text)];
    case "code":
      return [code(token)];
    case "blockquote":
      return [make("blockquote", {}, ...token.tokens.flatMap(block))];
    case "list":
      return [list(token)];
    case "table":
      return [table(token)];
    case "hr":
      return [make("hr")];
    case "html":
      return [make("p", { class: "plain" }, token.raw.trim())];
    case "checkbox":
      return inline([token]);
    case "space":
    case "def":
      return [];
    default:
      return [make("p", { class: "plain" }, token.raw)];
  }
}

/** A text as it is: what is left where Markdown fails. */
export function plain(text) {
  return make("p", { class: "plain" }, text);
}

function inline(tokens) {
  return (tokens ?? []).flatMap(span);
}

function span(token) {
  switch (token.type) {
    case "strong":
    case "em":
    case "del":
      return [make(token.type, {}, ...inline(token.tokens))];
    case "codespan":
      return [make("code", {}, token.text)];
    case "br":
      return [make("br")];
    case "link":
      return [link(token)];
    case "image":
      return [image(token)];
    case "checkbox":
      return [make("input", { type: "checkbox", disabled: true, checked: token.checked, "aria-label": "Done" }), " "];
    case "html":
      return /^<br\s*\/?>$/i.test(token.raw) ? [make("br")] : [token.raw];
    case "escape":
      return [token.text];
    case "text":
      return token.tokens ? inline(token.tokens) : [decoded(token.text)];
    default:
      return [token.raw];
  }
}

function link({ href, title, tokens, autolink }) {
  const words = autolink ? tokens.map((token) => token.text) : inline(tokens);
  const address = autolink ? href : decoded(href);
  if (!LINK.test(address)) return make("span", {}, ...words);
  return make("a", { href: address, title, target: "_blank", rel: "noopener noreferrer nofollow" }, ...words);
}

/** Pictures from elsewhere would tell their host who reads what, so they become links. */
function image({ href, title, text }) {
  if (PICTURE.test(href)) return make("img", { src: href, alt: text, title });
  const words = text || "Image";
  if (!LINK.test(href)) return words;
  return link({ href, title: "An image, at its own address", tokens: [{ type: "escape", text: words }] });
}

function code({ text, lang }) {
  const language = (lang ?? "").trim().split(/\s/)[0].slice(0, 30);
  const words = make("code", {}, text);
  const about = language ? `Copy the code, ${language}` : "Copy the code";
  return make(
    "div",
    { class: "code" },
    make(
      "div",
      { class: "bar" },
      make("span", {}, language),
      copyButton(about, () => words.textContent),
    ),
    make("pre", { tabindex: 0, role: "region", "aria-label": language ? `Code, ${language}` : "Code" }, words),
  );
}

function list({ ordered, start, items }) {
  const children = items.map((item) => {
    const attributes = item.task ? { class: "task" } : {};
    return make("li", attributes, ...item.tokens.flatMap(block));
  });
  const attributes = ordered && start !== 1 && start !== "" ? { start } : {};
  return make(ordered ? "ol" : "ul", attributes, ...children);
}

function table({ header, rows }) {
  const cells = (row, tag) =>
    row.map((cell) => make(tag, { class: cell.align, scope: tag === "th" && "col" }, ...inline(cell.tokens)));
  const head = make("thead", {}, make("tr", {}, ...cells(header, "th")));
  const body = make("tbody", {}, ...rows.map((row) => make("tr", {}, ...cells(row, "td"))));
  return make(
    "div",
    { class: "wide", tabindex: 0, role: "region", "aria-label": "Table" },
    make("table", {}, head, body),
  );
}

const reference = document.createElement("textarea");

/** A text with its character references read: `&copy;` is one character. */
function decoded(text) {
  return text.replace(/&(#\d{1,7}|#x[\da-f]{1,6}|[a-z][a-z\d]{1,30});/gi, (name) => {
    reference.innerHTML = name; // one reference and nothing else, in an element that holds only text
    return reference.value;
  });
}
