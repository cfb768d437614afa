// The page: listens to the daemon's events and shows them.

import { hold, release } from "./away.js";
import { $, styled } from "./dom.js";
import { join, lost, opened, tell } from "./bus.js";
import { first } from "./first.js";
import { isSeen, live } from "./live.js";
import { newest } from "./newest.js";
import { places } from "./places.js";
import { status } from "./status.js";
import { things } from "./things.js";
import { start } from "./transport.js";
import { strange } from "./strange.js";
import { upload } from "./upload.js";
import { views } from "./views.js";
import { wrong } from "./wrong.js";

[views, live, status, strange, newest, things, wrong, upload, places, first].forEach(join);

if ("wall" in document.documentElement.dataset) Promise.all([import("./wall.js"), styled("wall")]).then(([{ wall }]) => join(wall)).catch(console.error);

start({
  opened() {
    release();
    opened();
  },
  // The parts of the page have shown what is left by then.
  lost() {
    lost();
    hold();
  },
  event: tell,
  picture: live.picture,
  isSeen,
});

// What a row has no room for is whole after a tap.
$("main").addEventListener("click", ({ target }) => !target.closest("button") && target.closest(".bars li, .events li")?.toggleAttribute("data-whole"));

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
