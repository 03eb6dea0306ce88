// Puts the page together.

import { Api } from "./api.js";
import { Composer } from "./composer.js";
import { Conversation } from "./conversation.js";
import { addDialog, overDialog } from "./dialogs.js";
import { find } from "./dom.js";
import { Door } from "./door.js";
import { Room } from "./room.js";
import { Scroll } from "./scroll.js";
import * as session from "./session.js";

let api = null;

const room = new Room(find("name").textContent, new Scroll());
const composer = new Composer((...message) => conversation.send(...message));
const limit = Number(document.documentElement.dataset.bodyLimit);
const conversation = new Conversation(room, composer, limit, turnAway);
const door = new Door((person, guest) => {
  session.save(person);
  enter(person, guest);
});
const openAdd = addDialog(() => api, turnAway);
const openOver = overDialog(() => conversation.startOver(), turnAway);

function enter(person, guest) {
  api = new Api(person);
  inside(true);
  find("leave").title = person.email ? `Leave (${person.email})` : "Leave";
  composer.focus();
  conversation.enter(api, guest);
}

/** To the door, with the sentence that says why; what was being written stays where it is. */
function turnAway(sentence, person = session.load()) {
  conversation.leave();
  session.forget();
  inside(false);
  door.show(sentence, person);
}

function inside(isInside) {
  find("room").hidden = !isInside;
  for (const tool of document.querySelectorAll("[data-inside]"))
    tool.hidden = !isInside || (tool.id === "leave" && door.isOpen);
}

find("theme").addEventListener("click", () => globalThis.switchTheme());
find("stop").addEventListener("click", () => conversation.stop());
find("leave").addEventListener("click", () => {
  composer.clear();
  turnAway("");
});
find("open-add").addEventListener("click", openAdd);
find("starter-add").addEventListener("click", openAdd);
find("open-over").addEventListener("click", openOver);
for (const starter of document.querySelectorAll("[data-starter]")) {
  starter.addEventListener("click", () => composer.write(starter.textContent));
}
addEventListener("keydown", (event) => {
  if (event.key === "Escape" && !event.isComposing && !document.querySelector("dialog[open]")) conversation.stop();
});

const person = door.isOpen ? { email: "", key: "" } : session.load();
if (person) enter(person, door.isGuest(person));
else door.show();
