// Before the first paint, so that nothing flashes.
(() => {
  try {
    const chosen = localStorage.getItem("theme");
    if (chosen) document.documentElement.dataset.theme = chosen;
  } catch {
    // A browser that keeps nothing follows the system.
  }
  addEventListener("DOMContentLoaded", () => {
    const wrong = document.getElementById("wrong");
    if (wrong) wrong.hidden = !location.search.includes("wrong");
  });
})();
