// Runs before the page is painted, so that somebody who chose a theme never sees the other one.
(() => {
  const root = document.documentElement;
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const read = () => {
    try {
      return localStorage.getItem("theme");
    } catch {
      return null; // storage is off
    }
  };
  const chosen = read();
  if (chosen) root.dataset.theme = chosen;

  globalThis.switchTheme = () => {
    const isDark = root.dataset.theme ? root.dataset.theme === "dark" : dark.matches;
    const next = isDark ? "light" : "dark";
    // What the system says needs no note: it may change its mind at sunset.
    const follows = (next === "dark") === dark.matches;
    if (follows) delete root.dataset.theme;
    else root.dataset.theme = next;
    try {
      if (follows) localStorage.removeItem("theme");
      else localStorage.setItem("theme", next);
    } catch {
      // it holds until the page is left
    }
  };
})();
