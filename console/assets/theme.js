// Before the first paint: the theme somebody has chosen, if any. Loaded in the head, not deferred.
"use strict";
(() => {
  const chosen = localStorage.getItem("theme");
  if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
})();
