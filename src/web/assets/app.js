// The page: listens to the daemon's events and shows them.

import { $, setText } from "./dom.js";
import { live } from "./live.js";
import { models } from "./models.js";
import { settings } from "./settings.js";
import { status } from "./status.js";
import { timeline } from "./timeline.js";
import { upload } from "./upload.js";

const parts = [live, status, timeline, settings, models];
parts.forEach((part) => part.start());
upload.start();

// Without a word for this long the connection is dead, whatever the browser thinks of it; the daemon speaks every 2 s.
const SILENCE_MS = 12000;
let source;
let heard = 0;

function connect() {
  source?.close();
  source = new EventSource("/api/v1/events");
  heard = Date.now();
  source.addEventListener("open", () => page("good", "live"));
  source.addEventListener("error", lost);
  for (const name of ["camera", "info", "settings", "classification", "state", "second", "timeline", "change", "vitals", "comparison"]) {
    source.addEventListener(name, (event) => {
      heard = Date.now();
      const data = JSON.parse(event.data);
      parts.forEach((part) => part[name]?.(data));
    });
  }
}

function lost() {
  page("bad", "no connection");
  parts.forEach((part) => part.lost?.());
  // A session that has ended cannot be told from a daemon that has.
  fetch("/api/v1/state").then((response) => response.status === 401 && location.assign("/login")).catch(() => {});
  // After an answer that was an error the browser does not try again.
  if (source.readyState === EventSource.CLOSED) setTimeout(connect, 3000);
}

function page(tone, text) {
  $("chip-page").dataset.tone = tone;
  setText($("chip-page").lastElementChild, text);
}

setInterval(() => {
  if (!document.hidden && Date.now() - heard > SILENCE_MS) {
    lost();
    connect();
  }
}, 2000);

// A browser may keep a page that was left, with its connections, of which it has six for each server.
addEventListener("pagehide", () => {
  source?.close();
  parts.forEach((part) => part.lost?.());
});
addEventListener("pageshow", ({ persisted }) => persisted && connect());

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
fetch("/login", { redirect: "manual" }).then((response) => { $("logout").hidden = response.type === "opaqueredirect"; }).catch(() => {});

connect();
