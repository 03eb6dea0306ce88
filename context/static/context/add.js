// Files that are dropped or chosen are sent one by one, two at a time, and each says how far it is. Without this script
// the form sends them together.
"use strict";

const zone = document.querySelector(".add-zone");
const list = document.querySelector(".add-list");
const field = zone.querySelector("input[type=file]");
const token = zone.closest("form").querySelector("[name=csrfmiddlewaretoken]");
const waiting = [];
const watched = new Map();
let running = 0;
let timer = null;

function row(file) {
  const item = document.createElement("li");
  const [name, bar, state] = ["span", "progress", "span"].map((tag) => item.appendChild(document.createElement(tag)));
  name.className = "name";
  name.textContent = file.name;
  bar.max = 1;
  bar.value = 0;
  bar.setAttribute("aria-label", file.name);
  state.className = "state";
  list.append(item);
  return { item, name, bar, state };
}

function fail(shown, sentence) {
  shown.item.classList.add("failed");
  shown.bar.remove();
  shown.state.textContent = sentence;
}

function take(files) {
  for (const file of files) {
    const shown = row(file);
    if (file.size > Number(zone.dataset.most)) fail(shown, zone.dataset.tooLarge);
    else waiting.push([file, shown]);
  }
  next();
}

function next() {
  while (running < 2 && waiting.length) {
    running += 1;
    send(...waiting.shift());
  }
}

function send(file, shown) {
  const body = new FormData();
  body.append("uploads", file, file.name);
  const request = new XMLHttpRequest();
  request.open("POST", zone.dataset.url);
  request.setRequestHeader("X-CSRFToken", token.value);
  shown.state.textContent = zone.dataset.sending;
  request.upload.onprogress = (event) => {
    if (event.lengthComputable) shown.bar.value = event.loaded / event.total;
  };
  request.upload.onload = () => {
    shown.bar.removeAttribute("value");
    shown.state.textContent = zone.dataset.reading;
  };
  request.onerror = () => fail(shown, zone.dataset.lost);
  request.onload = () => answered(request, shown);
  request.onloadend = () => {
    running -= 1;
    next();
  };
  request.send(body);
}

function answered(request, shown) {
  let told = null;
  try {
    told = JSON.parse(request.responseText);
  } catch {
    // What the server itself refuses is no JSON: too large, or no longer signed in.
  }
  if (!told) fail(shown, request.status === 413 ? zone.dataset.tooLarge : zone.dataset.refused);
  else if (told.error) fail(shown, told.error);
  else {
    const link = document.createElement("a");
    link.href = told.url;
    link.textContent = shown.name.textContent;
    shown.name.replaceChildren(link);
    shown.told = told.told;
    show(shown, told.progress);
  }
}

function show(shown, progress) {
  shown.bar.value = progress.done;
  shown.state.textContent = `${shown.told} ${progress.words}`;
  if (progress.complete) watched.delete(progress.id);
  else watched.set(progress.id, shown);
  if (watched.size && timer === null) timer = setTimeout(look, 1500);
}

async function look() {
  timer = null;
  const ids = [...watched.keys()].slice(0, 100);
  try {
    const answer = await fetch(`${zone.dataset.progress}?${ids.map((id) => `id=${id}`).join("&")}`);
    if (!answer.ok) return;
    for (const progress of (await answer.json()).documents) {
      ids.splice(ids.indexOf(progress.id), 1);
      show(watched.get(progress.id), progress);
    }
    for (const id of ids) watched.delete(id); // deleted meanwhile
  } catch {
    // It is only the show that is missing: the next look may succeed.
  }
  if (watched.size && timer === null) timer = setTimeout(look, 1500);
}

document.documentElement.classList.add("scripted");
field.addEventListener("change", () => {
  take(field.files);
  field.value = "";
});
for (const kind of ["dragenter", "dragover"]) {
  zone.addEventListener(kind, (event) => {
    event.preventDefault();
    zone.classList.add("over");
  });
}
for (const kind of ["dragleave", "drop"]) zone.addEventListener(kind, () => zone.classList.remove("over"));
zone.addEventListener("drop", (event) => {
  event.preventDefault();
  take(event.dataTransfer.files);
});
// A file that misses the zone would otherwise be opened in place of the page.
for (const kind of ["dragover", "drop"]) {
  window.addEventListener(kind, (event) => event.preventDefault());
}
