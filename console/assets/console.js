// What htmx does not do: the theme, keys, and live lists that stay short and can be held.
"use strict";
(() => {
  const root = document.documentElement;
  const LIVE_ROWS_MAX = 200;

  function isDark() {
    if (root.dataset.theme) return root.dataset.theme === "dark";
    return matchMedia("(prefers-color-scheme: dark)").matches;
  }
  function tellTheme() {
    for (const each of document.querySelectorAll("[data-theme-switch]")) {
      each.setAttribute("aria-pressed", String(isDark()));
    }
  }
  document.addEventListener("click", (event) => {
    const theme = event.target.closest("[data-theme-switch]");
    if (theme) {
      root.dataset.theme = isDark() ? "light" : "dark";
      localStorage.setItem("theme", root.dataset.theme);
      tellTheme();
    }
    const hold = event.target.closest("[data-hold]");
    if (hold) {
      const held = hold.getAttribute("aria-pressed") !== "true";
      hold.setAttribute("aria-pressed", String(held));
      hold.textContent = held ? "Go on" : "Hold";
      document.getElementById(hold.dataset.hold).dataset.held = String(held);
    }
    const close = event.target.closest("[data-close]");
    if (close) {
      const row = close.closest("tr");
      const opener = row.previousElementSibling.querySelector("[data-opens]");
      row.remove();
      if (opener) opener.focus();
    }
    const own = event.target.closest("[data-opens]");
    if (own && own.closest("tr").nextElementSibling?.classList.contains("inner")) {
      own.closest("tr").nextElementSibling.remove(); // a second click closes it
      event.preventDefault();
      event.stopImmediatePropagation();
    }
  }, true);

  // A select or checkbox with this sends its form by itself.
  document.addEventListener("change", (event) => {
    if (event.target.matches("[data-sends]")) event.target.form.requestSubmit();
  });

  // g and a letter goes to a place, / to the search.
  let waitsForPlace = false;
  document.addEventListener("keydown", (event) => {
    if (event.target.closest("input, textarea, select") || event.ctrlKey || event.metaKey || event.altKey) return;
    if (waitsForPlace) {
      waitsForPlace = false;
      const place = document.querySelector(`[data-key="${CSS.escape(event.key)}"]`);
      if (place) place.click();
    } else if (event.key === "g") {
      waitsForPlace = true;
      setTimeout(() => { waitsForPlace = false; }, 1200);
    } else if (event.key === "/") {
      const search = document.querySelector("input[type=search]");
      if (search) { search.focus(); event.preventDefault(); }
    }
  });

  document.addEventListener("htmx:sseBeforeMessage", (event) => {
    if (event.target.dataset?.held === "true") event.preventDefault();
  });
  document.addEventListener("htmx:sseMessage", (event) => {
    const rows = event.target.children;
    if (event.target.tagName !== "TBODY") return;
    while (rows.length > LIVE_ROWS_MAX) rows[rows.length - 1].remove();
    const empty = document.querySelector("[data-while-empty]");
    if (empty) empty.remove();
  });
  // The button that was pressed may be gone, or be of no use now: on to the one to press next.
  document.addEventListener("htmx:afterSettle", (event) => {
    if (document.activeElement !== document.body) return;
    event.target.querySelector?.("[data-next]")?.focus({ preventScroll: true });
  });
  function tellLive(word, live) {
    for (const each of document.querySelectorAll("[data-live]")) {
      each.classList.toggle("ok", live);
      each.classList.toggle("live", live);
      each.querySelector("[data-word]").textContent = word;
    }
  }
  document.addEventListener("htmx:sseOpen", () => tellLive("live", true));
  document.addEventListener("htmx:sseError", () => tellLive("connecting", false));
  document.querySelector(".nav a[aria-current]")?.scrollIntoView({ inline: "center", block: "nearest" });
  tellTheme();
})();
