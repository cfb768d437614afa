// The four places and their addresses. All but the first are loaded when they are opened.

import { $, element, setText, styled } from "./dom.js";
import { choose, join } from "./bus.js";

const LOADERS = {
  teach: () => import("./teach.js"),
  day: () => import("./day.js"),
  settings: () => import("./settings.js"),
  setup: () => import("./setup.js"),
};

const TITLES = { live: "", teach: "Teach", day: "The day", settings: "Settings", setup: "Set up" };

const loaded = new Map();
let place = null;
let label = "";

// What stands first in the window's title while Live is open.
export function entitle(text) {
  label = text;
  title();
}

function title() {
  const first = place === "live" ? label : TITLES[place];
  const text = first ? `${first} – glimpsed` : "glimpsed";
  if (document.title !== text) document.title = text;
}

// The module of a place, with its part of the page in its section.
async function open(name) {
  const section = $(`place-${name}`);
  const wait = element("p", { class: "hint" }, "");
  section.append(wait);
  const late = setTimeout(() => setText(wait, "Loading …"), 1000);
  try {
    const [{ part }] = await Promise.all([LOADERS[name](), styled(name)]);
    wait.remove();
    // The text is the program's own.
    section.append(document.createRange().createContextualFragment(part.html));
    join(part);
    return part;
  } catch (error) {
    console.error(error);
    const again = element("button", { type: "button", class: "button" }, "Try again");
    // A browser keeps a module that failed, so the page begins anew.
    again.addEventListener("click", () => location.reload());
    wait.replaceChildren("This place could not be loaded: the device does not answer. ", again);
    throw error;
  } finally {
    clearTimeout(late);
  }
}

// The places whose address names the view that they are about.
const OF_A_VIEW = ["live", "teach"];

// The page is about that view from now on, and so is its address.
export function look(name) {
  choose(name);
  if (OF_A_VIEW.includes(place)) history.replaceState(null, "", `#${place}/${encodeURIComponent(name)}`);
}

async function show() {
  const [wanted, ...rest] = location.hash.slice(1).split("/").map(decodeURIComponent);
  const next = wanted in TITLES ? wanted : "live";
  const before = place;
  place = next;
  if (OF_A_VIEW.includes(next) && rest[0]) choose(rest[0]);
  if (before !== next) {
    for (const name of Object.keys(TITLES)) $(`place-${name}`).hidden = name !== next;
    for (const link of $("places").children) {
      if (link.dataset.place === next) link.setAttribute("aria-current", "page");
      else link.removeAttribute("aria-current");
    }
    title();
    if (before) {
      scrollTo(0, 0);
      $(`${next}-title`).focus();
    }
  }
  if (next in LOADERS && !loaded.has(next)) loaded.set(next, open(next));
  const part = await Promise.resolve(loaded.get(next)).catch(() => null);
  if (place !== next) return;
  // One stage for all places that show the picture.
  const stand = $(`place-${next}`).querySelector("[data-stage]");
  if (stand && $("stage").parentElement !== stand) stand.prepend($("stage"));
  part?.visit?.(rest);
}

export const places = {
  start() {
    $("skip").addEventListener("click", (event) => {
      event.preventDefault();
      $("main").focus();
    });
    addEventListener("hashchange", show);
    show();
  },
};
