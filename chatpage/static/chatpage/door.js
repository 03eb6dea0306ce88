// Where somebody says who they are.

import { Api } from "./api.js";
import { find, say } from "./dom.js";

export class Door {
  #access = document.documentElement.dataset.access;
  #enter;

  /** `enter(person, guest)` is called with somebody whom the agent lets in. */
  constructor(enter) {
    this.#enter = enter;
    find("key-field").hidden = this.#access === "email";
    const hints = { key: "The agent's INTERNAL_API_KEY.", either: "Without a key you are a guest: nothing is kept." };
    find("key-hint").textContent = hints[this.#access] ?? "";
    find("door-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#knock();
    });
  }

  /** Where everybody is a guest there is nothing to ask. */
  get isOpen() {
    return this.#access === "nothing";
  }

  isGuest({ key }) {
    return this.isOpen || (this.#access === "either" && !key);
  }

  show(sentence = "", person = null) {
    find("door").hidden = false;
    say(find("door-problem"), sentence);
    if (person) find("email").value = person.email;
    find("key").value = "";
    (sentence && this.#access !== "email" ? find("key") : find("email")).focus();
  }

  async #knock() {
    const person = { email: find("email").value.trim(), key: find("key").value.trim() };
    const guest = this.isGuest(person);
    const wrong = guest ? null : this.#wrong(person);
    if (wrong) return this.#complain(...wrong);
    try {
      if (!guest) await new Api(person).history(1);
    } catch (error) {
      return this.#complain(error.message, error.status === 401 ? "key" : "email");
    }
    find("door").hidden = true;
    say(find("door-problem"), "");
    this.#enter(person, guest);
  }

  #wrong({ email, key }) {
    if (!/^[\x21-\x7e]+@[\x21-\x7e]+$/.test(email)) return ["Enter your e-mail address.", "email"];
    if (this.#access === "key" && !key) return ["Enter the key.", "key"];
    return /^[\x20-\x7e]*$/.test(key) ? null : ["The key holds a character that no key has.", "key"];
  }

  #complain(sentence, field) {
    say(find("door-problem"), sentence);
    find(find("key-field").hidden ? "email" : field).focus();
  }
}
