// Before the first paint, so that nothing flashes.
(() => {
  const chosen = localStorage.getItem("theme");
  if (chosen) document.documentElement.dataset.theme = chosen;
  addEventListener("DOMContentLoaded", () => {
    const wrong = document.getElementById("wrong");
    if (wrong) wrong.hidden = !location.search.includes("wrong");
  });
})();
