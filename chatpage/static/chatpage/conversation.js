// Asking, listening, stopping, and what happens when something goes wrong on the way.

import { isAbort, Refused, Unreachable } from "./api.js";
import { announce } from "./dom.js";
import { events } from "./sse.js";

const PAUSES = [500, 1000, 2000, 4000, 8000];
const STOP_AGAIN = 300;
const WAIT_AGAIN = 1000;
const SPOKEN = 3000;
// What is wrong with the message itself, so that the same again would fail again.
const NOT_AS_IT_IS = [400, 411, 413, 415, 422];

/** An answer that broke off, in the words of the stream's last event. */
class Broken extends Error {}

export class Conversation {
  #room;
  #composer;
  #limit;
  #refused;
  #api = null;
  #guest = false;
  #listening = null; // an AbortController, while an answer is being written
  #waiting = null; // the same one, while it is an operator who may write, and the person need not wait for that
  #stopped = false;
  #entered = Promise.resolve(); // when the history has come, or failed

  /** `refused(sentence)` is called when the agent no longer knows the key; `limit` is in bytes. */
  constructor(room, composer, limit, refused) {
    this.#room = room;
    this.#composer = composer;
    this.#limit = limit;
    this.#refused = refused;
  }

  get isRunning() {
    return this.#listening !== null;
  }

  /** Shows somebody's conversation, and comes back to an answer that is being written. A guest has none. */
  async enter(api, guest) {
    this.leave();
    this.#api = api;
    this.#guest = guest;
    const entering = this.#show(api, guest);
    this.#entered = entering.then(
      () => {},
      () => {},
    );
    try {
      const [answer, stream] = await entering;
      if (stream) await this.#comeBack(answer, stream);
    } catch (error) {
      if (this.#api !== api) return;
      if (error.status === 401) this.#refused(error.message);
      else this.#room.trouble(error.message, () => this.enter(api, guest));
    }
  }

  async #show(api, guest) {
    if (guest) return [await this.#room.open(async () => ({ messages: [], before: null }), false), null];
    // First the answer, then the history: so nothing that ends in between is missing from both.
    const stream = await api.join();
    return [await this.#open(api, stream !== null), stream];
  }

  #open(api, running) {
    return this.#room.open((...page) => api.history(...page), running);
  }

  leave() {
    this.#listening?.abort();
    this.#listening = this.#waiting = null;
    this.#api = null;
    this.#composer.running(false);
    this.#room.clear();
  }

  /** `kept` is what goes back into the composer where the message cannot be sent as it is. */
  async send(blocks, kept) {
    await this.#entered;
    if (this.#waiting) this.#end(this.#waiting);
    if (this.isRunning) return void (kept && this.#composer.restore(kept));
    const body = JSON.stringify({ content: blocks, date: new Date().toISOString() });
    if (new Blob([body]).size > this.#limit) {
      this.#composer.restore(kept);
      this.#composer.complain("The message is larger than 10 MB with all that is attached: leave something out.");
      return;
    }
    const asked = this.#room.addQuestion(blocks);
    const answer = this.#room.addAnswer();
    const once = unique();
    const api = this.#api;
    const ended = await this.#follow(answer, (signal) => api.ask(body, once, signal), {
      takeBack: (sentence) => {
        this.#room.remove(answer.element, asked);
        if (kept) this.#composer.restore(kept);
        this.#composer.complain(sentence);
      },
    });
    // An operator who answers instead of the agent may have more to say.
    if (ended && answer.isOperators && this.#api === api && !this.isRunning) await this.#comeBackToNext(api);
  }

  async stop() {
    if (!this.isRunning) return;
    const listening = this.#listening;
    this.#stopped = true;
    try {
      if (this.#guest) return listening.abort();
      // The question may not have arrived yet.
      while (this.#listening === listening && !(await this.#api.stop()).stopped) await pause(STOP_AGAIN);
    } catch (error) {
      this.#stopped = false;
      this.#composer.complain(error.message);
    }
  }

  async startOver() {
    const api = this.#api;
    if (!this.#guest) await api.startOver();
    await this.enter(api, this.#guest);
  }

  async #comeBack(answer, stream) {
    const api = this.#api;
    let opened = stream;
    let isGone = false;
    const open = async (signal) => {
      const next = opened ?? (await api.join(signal));
      opened = null;
      isGone = next === null;
      return next;
    };
    const ended = await this.#follow(answer, open);
    if (this.#api !== api || this.isRunning) return;
    if (isGone)
      await this.enter(api, this.#guest); // it has ended, and is in the history
    else if (ended) await this.#comeBackToNext(api, answer.isOperators ? WAIT_AGAIN : 0);
  }

  /** Another answer may have waited for the first one to end. */
  async #comeBackToNext(api, after = 0) {
    if (after) await pause(after);
    if (this.isRunning || this.#api !== api) return;
    const stream = await api.join().catch(() => null);
    if (!stream) return;
    if (this.isRunning || this.#api !== api) return void stream.cancel();
    await this.#comeBack(await this.#open(api, true), stream);
  }

  /** Listens to an answer until its end, whatever it is; true where it came as it should. */
  async #follow(answer, open, { takeBack, listening = this.#begin() } = {}) {
    answer.wait();
    this.#room.scroll.toEnd();
    announce(`${this.#room.name} is answering.`);
    try {
      const sources = await this.#listen(answer, open, listening.signal);
      answer.end(sources);
      if (this.#stopped) answer.note("You stopped this answer.");
      announce(`${this.#room.name}: ${answer.spoken.slice(0, SPOKEN)}`);
      return true;
    } catch (error) {
      const ask = (again) => () => this.isRunning || again();
      this.#explain(error, answer, { takeBack, again: ask(() => this.#follow(answer, open, { takeBack })) });
      return false;
    } finally {
      this.#end(listening);
      this.#room.scroll.keep();
    }
  }

  #explain(error, answer, { takeBack, again }) {
    if (this.#stopped && (isAbort(error) || error.status === 409)) {
      if (answer.text) answer.end();
      answer.note("You stopped this answer.");
    } else if (isAbort(error)) {
      if (answer.isOperators) answer.end(); // the person wrote on; else somebody left
    } else if (error.status === 401) {
      takeBack?.("");
      this.#refused(error.message);
    } else if (takeBack && NOT_AS_IT_IS.includes(error.status)) {
      takeBack(error.message);
    } else if (error instanceof Broken) {
      const blocks = this.#room.lastAsked;
      answer.fail(error.message, "Ask again", () => this.isRunning || this.send(blocks));
      announce(error.message);
    } else if (error instanceof Refused || error instanceof Unreachable) {
      answer.fail(error.message, "Try again", again);
      announce(error.message);
    } else {
      throw error;
    }
  }

  /** The sources of an answer, once all of it has come. A connection that is lost on the way is made anew. */
  async #listen(answer, open, signal) {
    for (let lost = 0; ; lost += 1) {
      try {
        const stream = await open(signal);
        return stream ? await take(answer, stream, () => this.#waitForOperator()) : [];
      } catch (error) {
        // Before the first word the person decides; a guest's question would be asked anew.
        const goesOn = error instanceof Unreachable && answer.text && !this.#guest;
        if (!goesOn || lost === PAUSES.length || signal.aborted) throw error;
        await pause(PAUSES[lost]);
      }
    }
  }

  #waitForOperator() {
    this.#waiting = this.#listening;
    this.#composer.running(false);
  }

  #begin() {
    this.#stopped = false;
    this.#listening = new AbortController();
    this.#composer.running(true);
    return this.#listening;
  }

  #end(listening) {
    if (this.#listening !== listening) return;
    if (this.#waiting === listening) listening.abort();
    this.#listening = this.#waiting = null;
    this.#composer.running(false);
  }
}

/** Adds to an answer what it does not have yet: a stream always begins at its start. Returns the sources. */
async function take(answer, stream, paused) {
  let known = answer.text.length;
  let sources = [];
  try {
    for await (const event of events(stream)) {
      if (event.success === false) throw new Broken(event.error);
      if (event.sources) sources = event.sources;
      if (event.paused) {
        answer.isOperators = true;
        paused();
      }
      const text = event.chunk.slice(known);
      known = Math.max(0, known - event.chunk.length);
      if (text) answer.add(text);
    }
  } catch (error) {
    throw error instanceof Broken || isAbort(error) ? error : new Unreachable();
  }
  return sources;
}

const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

/** `crypto.randomUUID` is for pages with https only. */
function unique() {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
