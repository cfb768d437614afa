// The page: listens to the daemon's events and shows them.

import { $, setText } from "./dom.js";
import { live } from "./live.js";
import { models } from "./models.js";
import { settings } from "./settings.js";
import { status } from "./status.js";
import { timeline } from "./timeline.js";
import { start } from "./transport.js";
import { upload } from "./upload.js";

const parts = [live, status, timeline, settings, models, upload];
parts.forEach((part) => part.start());

function page(tone, text) {
  $("chip-page").dataset.tone = tone;
  setText($("chip-page").lastElementChild, text);
}

start({
  opened() {
    page("good", "live");
    parts.forEach((part) => part.opened?.());
  },
  lost() {
    page("bad", "no connection");
    parts.forEach((part) => part.lost?.());
  },
  event(name, data) {
    parts.forEach((part) => part[name]?.(data));
  },
  picture: live.picture,
});

$("theme").addEventListener("click", () => {
  const dark = getComputedStyle(document.documentElement).colorScheme === "dark";
  const next = dark ? "light" : "dark";
  document.documentElement.dataset.theme = next;
  try {
    localStorage.setItem("theme", next);
  } catch {
    // It holds until the page is left.
  }
});

// Only where there is something to log out of: the cookie itself is hidden from scripts.
fetch("login", { redirect: "manual" }).then((response) => { $("logout").hidden = response.type === "opaqueredirect"; }).catch(() => {});
