// Which label held when: a strip for the last minutes, and a list.

import { $, colour, duration, element, percent, svg, setText } from "./dom.js";

const MAX = 200;
const HEIGHT = 34;
const LONGEST_MS = 60 * 60 * 1000;
const SHORTEST_MS = 60 * 1000;

let entries = [];
// The strip's units are milliseconds since then.
let origin = 0;

const name = ({ label, status }) => label ?? { unknown: "unknown", stale: "no picture", too_dark: "too dark", covered: "one colour" }[status] ?? status;
const begin = (entry) => Date.parse(entry.since) - origin;

function rectangle(entry, index) {
  const end = index + 1 < entries.length ? begin(entries[index + 1]) : begin(entry);
  return svg("rect", { x: begin(entry), y: 0, width: Math.max(0, end - begin(entry)), height: HEIGHT, fill: colour(entry.label) },
    svg("title", {}, name(entry)));
}

// Everything is drawn when it changes; each second only the window moves, and the last rectangle grows.
function draw() {
  origin = entries.length ? Date.parse(entries[0].since) : Date.now();
  $("strip").replaceChildren(...entries.map(rectangle));
  move();
}

function move() {
  if (document.hidden) return;
  const now = Date.now() - origin;
  const span = Math.min(LONGEST_MS, Math.max(SHORTEST_MS, now));
  const last = $("strip").lastElementChild;
  if (last) last.setAttribute("width", Math.max(0, now - Number(last.getAttribute("x"))));
  $("strip").setAttribute("viewBox", `${now - span} 0 ${span} ${HEIGHT}`);
  setText($("timeline-span"), entries.length ? `the last ${duration(span / 1000)}` : "no label yet");
}

function row() {
  return element("li", {}, element("time"), element("span", { class: "swatch" }), element("span"), element("span", { class: "value" }));
}

// Rows stay where they are, and get other words: so nothing moves under the finger of somebody who reads them.
function list() {
  const rows = $("events");
  while (rows.children.length < entries.length) rows.append(row());
  while (rows.children.length > entries.length) rows.lastChild.remove();
  entries.forEach((entry, index) => {
    const [time, swatch, label, value] = rows.children[entries.length - 1 - index].children;
    if (time.dateTime !== entry.since) {
      time.dateTime = entry.since;
      setText(time, new Date(entry.since).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: "2-digit" }));
    }
    swatch.style.background = colour(entry.label);
    setText(label, name(entry));
    if (label.title !== name(entry)) label.title = name(entry);
    setText(value, entry.label ? percent(entry.confidence) : "");
  });
}

export const timeline = {
  start() {
    setInterval(move, 1000);
    document.addEventListener("visibilitychange", move);
  },
  timeline(all) {
    entries = all;
    list();
    draw();
  },
  change(entry) {
    entries.push(entry);
    if (entries.length > MAX) entries.shift();
    list();
    draw();
  },
};
