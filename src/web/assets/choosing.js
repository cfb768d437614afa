// Pictures in a list of which several can be chosen, by pointer or by keys, to be moved or removed together.

import { $, ask, element, ended, setText } from "./dom.js";
import { base, pictureOf } from "./taught.js";

// Moved at once by the server.
const MOST = 100;

// What frames stand under that could not be told.
export const UNSURE = "\u0000unsure";

let label = null;
let anchor = null;
const names = new Set();
let hooks = { labels: () => [], say() {}, done() {} };

export function onChange(given) {
  hooks = given;
}

function mark() {
  for (const option of $("teach-on").querySelectorAll("[role=option]")) {
    option.setAttribute("aria-selected", String(option.dataset.of === label && names.has(option.dataset.name)));
  }
  const bar = $("chosen-bar");
  bar.hidden = names.size === 0;
  if (bar.hidden) return;
  setText($("chosen-count"), label === UNSURE ? `${names.size} chosen:` : `${names.size} of ${label} chosen:`);
  const others = hooks.labels().filter((one) => one !== label);
  const key = [label, ...others].join("\n");
  if (bar.dataset.key === key) return;
  bar.dataset.key = key;
  const button = (text, act, kind = "quiet") => {
    const made = element("button", { type: "button", class: `button ${kind}` }, text);
    made.addEventListener("click", act);
    return made;
  };
  $("chosen-acts").replaceChildren(...others.map((one, index) => button(index < 9 ? `${index + 1}: ${one}` : one, () => move(one))), button("Remove", () => move(null)), button("Cancel", clear));
}

function clear() {
  names.clear();
  mark();
}

async function move(to) {
  const some = [...names].slice(0, MOST);
  if (!some.length) return;
  const list = [...$("teach-on").querySelectorAll(".thumbs")].find((one) => one.dataset.of === label);
  try {
    if (label === UNSURE) await ask(`${base()}/unsure`, { ids: some.map(Number), label: to });
    else await ask(`${base()}/move`, { pictures: some.map((name) => ({ label, name })), to });
    hooks.say(label === UNSURE && to === null ? `${some.length} thrown away.` : `${some.length} ${to === null ? "removed" : `moved to ${to}`}. Undo takes it back.`);
    clear();
    hooks.done();
    list?.focus();
  } catch (error) {
    hooks.say(`Not moved: ${ended(error.message)}`);
  }
}

function choose(option, { range, add }) {
  const { of, name } = option.dataset;
  if (label !== of) names.clear();
  label = of;
  const options = [...option.parentElement.children];
  if (range && anchor && options.includes(anchor)) {
    const [from, to] = [options.indexOf(anchor), options.indexOf(option)].sort((a, b) => a - b);
    options.slice(from, to + 1).forEach((one) => names.add(one.dataset.name));
  } else {
    if (names.has(name) && add) names.delete(name);
    else names.add(name);
    anchor = option;
  }
  mark();
}

function keys(event) {
  const list = event.currentTarget;
  const options = [...list.children];
  const at = options.findIndex((one) => one.id === list.getAttribute("aria-activedescendant"));
  const go = (to) => {
    const next = options[Math.min(options.length - 1, Math.max(0, to))];
    if (!next) return;
    list.setAttribute("aria-activedescendant", next.id);
    options.forEach((one) => one.classList.toggle("at", one === next));
    next.scrollIntoView({ block: "nearest" });
    if (event.shiftKey) choose(next, { range: true });
  };
  const steps = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 };
  if (event.key in steps) go(at + steps[event.key]);
  else if (event.key === "Home") go(0);
  else if (event.key === "End") go(options.length - 1);
  else if (event.key === " " && options[at]) choose(options[at], { add: true });
  else if (event.key === "a" && (event.ctrlKey || event.metaKey)) options.forEach((one) => !names.has(one.dataset.name) && choose(one, { add: true }));
  else if (event.key === "Escape" && names.size) clear();
  else if (event.key === "Delete" || event.key === "Backspace") move(null);
  else if (/^[1-9]$/.test(event.key)) {
    const to = hooks.labels().filter((one) => one !== label)[Number(event.key) - 1];
    if (to) move(to);
  } else return;
  event.preventDefault();
}

let count = 0;

function option(of, name) {
  const image = element("img", { src: of === UNSURE ? `${base()}/unsure?id=${name}` : pictureOf(of, name), alt: "", loading: "lazy", decoding: "async", width: 72, height: 72 });
  const made = element("li", { role: "option", id: `picture-${count++}`, "data-of": of, "data-name": name, "aria-selected": "false", "aria-label": of === UNSURE ? `Frame ${name}` : `Picture of ${of}` }, image);
  made.addEventListener("click", (event) => choose(made, { range: event.shiftKey, add: true }));
  return made;
}

// Fills a list; options that are there stay.
export function grid(list, of, wanted) {
  if (!list.dataset.ready) {
    list.dataset.ready = "true";
    list.dataset.of = of;
    list.addEventListener("keydown", keys);
  }
  const there = new Map([...list.children].map((one) => [one.dataset.name, one]));
  wanted.forEach((name, index) => {
    const one = there.get(name) ?? option(of, name);
    there.delete(name);
    if (list.children[index] !== one) list.insertBefore(one, list.children[index] ?? null);
  });
  there.forEach((gone) => {
    if (gone.dataset.of === label) names.delete(gone.dataset.name);
    gone.remove();
  });
  list.hidden = wanted.length === 0;
  mark();
}
