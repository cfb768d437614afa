// Which label held when: a strip for the last minutes, and a list.

import { $, colour, duration, element, percent, svg, setText } from "./dom.js";

const MAX = 200;
const WIDTH = 1000;
const HEIGHT = 34;
const LONGEST_MS = 60 * 60 * 1000;
const SHORTEST_MS = 60 * 1000;

let entries = [];

const name = ({ label, status }) => label ?? { unknown: "unknown", stale: "no picture", too_dark: "too dark", covered: "covered" }[status] ?? status;

function strip() {
  if (document.hidden) return;
  const now = Date.now();
  const first = entries.length ? Date.parse(entries[0].since) : now;
  const span = Math.min(LONGEST_MS, Math.max(SHORTEST_MS, now - first));
  const from = now - span;
  const rectangles = entries.map((entry, index) => {
    const begin = Math.max(from, Date.parse(entry.since));
    const end = index + 1 < entries.length ? Date.parse(entries[index + 1].since) : now;
    if (end <= from) return null;
    const x = (WIDTH * (begin - from)) / span;
    const title = svg("title", {}, name(entry));
    return svg("rect", { x, y: 0, width: Math.max(0.5, (WIDTH * (end - begin)) / span - 1), height: HEIGHT, fill: colour(entry.label) }, title);
  });
  $("strip").setAttribute("viewBox", `0 0 ${WIDTH} ${HEIGHT}`);
  $("strip").replaceChildren(...rectangles.filter(Boolean));
  setText($("timeline-span"), entries.length ? `the last ${duration(span / 1000)}` : "no label yet");
}

function row(entry) {
  const at = new Date(entry.since);
  const swatch = element("span", { class: "swatch" });
  swatch.style.background = colour(entry.label);
  return element("li", {},
    element("time", { datetime: entry.since }, at.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: "2-digit" })),
    swatch, element("span", {}, name(entry)),
    element("span", { class: "value" }, entry.label ? percent(entry.confidence) : ""));
}

export const timeline = {
  start() {
    setInterval(strip, 1000);
  },
  timeline(all) {
    entries = all;
    $("events").replaceChildren(...all.map(row).reverse());
    strip();
  },
  change(entry) {
    entries.push(entry);
    $("events").prepend(row(entry));
    if (entries.length > MAX) {
      entries.shift();
      $("events").lastChild.remove();
    }
    strip();
  },
};
