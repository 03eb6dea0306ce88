// Who talks, for as long as this tab lives.

const NAME = "person";

export function load() {
  try {
    const { email, key } = JSON.parse(sessionStorage.getItem(NAME));
    return { email: String(email ?? ""), key: String(key ?? "") };
  } catch {
    return null; // nobody yet, or storage is off
  }
}

export function save(person) {
  try {
    sessionStorage.setItem(NAME, JSON.stringify(person));
  } catch {
    // then a reload asks again
  }
}

export function forget() {
  try {
    sessionStorage.removeItem(NAME);
  } catch {
    // nothing was kept
  }
}
