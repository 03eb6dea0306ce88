// The five endpoints of the API, with GET and DELETE on the addresses of stream and history. Nothing else is called.

/** An answer in the envelope's error shape; the message is its sentence. */
export class Refused extends Error {
  constructor(status, sentence) {
    super(sentence);
    this.status = status;
  }
}

/** There was no answer, or it was cut off. */
export class Unreachable extends Error {
  constructor() {
    super("The agent cannot be reached: check your connection, and whether the agent runs.");
  }
}

/** Errors that say "nobody asked for this any more". */
export const isAbort = (error) => error?.name === "AbortError";

export class Api {
  /** `person` is `{email, key}`, either of which may be empty. */
  constructor(person) {
    this.headers = {};
    if (person.email) this.headers["X-CC-EMAIL"] = person.email;
    if (person.key) this.headers["X-CC-API-KEY"] = person.key;
  }

  /** Opens an answer; the same `body` and `once` again is the same question, not another one. */
  async ask(body, once, signal) {
    const headers = { "Content-Type": "application/json", "Idempotency-Key": once };
    return (await this.#call("POST", "chat/message/stream", { headers, body, signal })).body;
  }

  /** The answer that is being written, from its start; null where there is none. */
  async join(signal) {
    const response = await this.#call("GET", "chat/message/stream", { signal });
    return response.status === 204 ? null : response.body;
  }

  async stop() {
    return this.#data(await this.#call("DELETE", "chat/message/stream"));
  }

  /** `{messages, before}`, oldest first; `before` leads to the page before this one, null at the beginning. */
  async history(limit, before = null) {
    const query = before === null ? `?limit=${limit}` : `?limit=${limit}&before=${before}`;
    const response = await this.#call("GET", `chat/history${query}`);
    const older = /[?&]before=(\d+)/.exec(response.headers.get("Link") ?? "");
    return { messages: await this.#data(response), before: older && Number(older[1]) };
  }

  async startOver() {
    return this.#data(await this.#call("DELETE", "chat/history"));
  }

  async addText(text, title) {
    return this.#add("text", title ? { text, title } : { text });
  }

  async addUrl(url) {
    return this.#add("url", { url });
  }

  async #add(kind, body) {
    const headers = { "Content-Type": "application/json" };
    return this.#data(await this.#call("POST", `context/${kind}`, { headers, body: JSON.stringify(body) }));
  }

  async #call(method, path, { headers = {}, body, signal } = {}) {
    const init = { method, body, signal, headers: { ...this.headers, ...headers }, cache: "no-store" };
    let response;
    try {
      response = await fetch(`/api/${path}`, { ...init, credentials: "omit" });
    } catch (error) {
      throw isAbort(error) ? error : new Unreachable();
    }
    if (!response.ok) throw new Refused(response.status, await sentence(response));
    return response;
  }

  async #data(response) {
    try {
      return (await response.json()).data;
    } catch {
      throw new Unreachable();
    }
  }
}

/** The error's own sentence, or one for an answer that comes from something before the agent. */
async function sentence(response) {
  try {
    const { error } = await response.json();
    if (typeof error === "string" && error) return error;
  } catch {
    // not the agent's
  }
  return `The agent cannot be reached: something in between answered with status ${response.status}.`;
}
