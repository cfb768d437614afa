// Before the first paint, so that nothing flashes.
(() => {
  try {
    const chosen = localStorage.getItem("theme");
    if (chosen) document.documentElement.dataset.theme = chosen;
  } catch {
    // A browser that keeps nothing follows the system.
  }
  // For a screen on a wall: pictures and labels, and nothing to press.
  if (new URLSearchParams(location.search).has("wall")) document.documentElement.dataset.wall = "";
})();
