// A day: which label held when, how often and how long. The device keeps the sums of the days since it started, and the newest changes.

import { $, ask, colour, element, setText, svg } from "./dom.js";
import { ofView } from "./bus.js";
import { nameOf, rows, timeOf } from "./changes.js";
import { html } from "./day.html";
import { duration, itsMidnight, midnight as midnightBefore, now } from "./time.js";

const HEIGHT = 34;
const PAGE = 50;

// So many changes within a minute are one row.
const BUSY = 6;

// The narrowest bar of the strip, in minutes.
const NARROWEST = 1.5;
const HOURS = [0, 3, 6, 9, 12, 15, 18, 21, 24];

let entries = [];
let camera = { status: "online" };
// When pictures ceased to come: what was seen then is not what is seen.
let ceased = null;
let chosen = null;
// What the device has counted today, and when it said so.
let told = null;
let toldAt = 0;
let listed = [];
let length = PAGE;
// How many days back, and the sums of the days before today, newest first.
let back = 0;
let earlier = [];
const opened = new Set();
// The changes of which the device has a picture.
let pictured = new Set();

const minuteOf = (time) => new Date(time).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });

const midnight = (days = back) => midnightBefore(days);

// As the device writes dates.
const dateOf = (time) => new Date(time).toLocaleDateString("sv");
const begin = (entry) => Math.max(midnight(), Date.parse(entry.since));

// The changes of the day; of the one before only what held at midnight.
function changes() {
  const all = back ? entries.filter((entry) => Date.parse(entry.since) < midnight(back - 1)) : entries;
  const first = all.findIndex((entry) => Date.parse(entry.since) >= midnight());
  return first < 0 ? all.slice(-1) : all.slice(Math.max(0, first - 1));
}

// What held last holds until then.
const reached = () => (back ? midnight(back - 1) : ceased ?? now());
const end = (all, index) => (index + 1 < all.length ? begin(all[index + 1]) : Math.max(reached(), begin(all[index])));
const unit = (time) => (time - midnight()) / 60_000;

// The minutes of the day: it has 23 or 25 hours where clocks are changed.
const minutes = () => unit(midnight(back - 1));

// An hour below its place on the strip.
function hourLabel(hour) {
  const label = element("li", {}, String(hour));
  label.style.left = `${(100 * unit(new Date(midnight()).setHours(hour))) / minutes()}%`;
  return label;
}

function axis() {
  const day = String(midnight());
  if ($("axis").dataset.day === day) return;
  $("axis").dataset.day = day;
  $("axis").replaceChildren(...HOURS.map(hourLabel));
}

function strip() {
  axis();
  const [all, whole] = [changes(), minutes()];
  const parts = all.map((entry, index) => {
    const width = Math.max(NARROWEST, unit(end(all, index)) - unit(begin(entry)));
    // What begins shortly before midnight is to be seen, too.
    const x = Math.min(unit(begin(entry)), whole - width);
    return svg("rect", { x: x.toFixed(2), y: 0, width: width.toFixed(2), height: HEIGHT, fill: colour(entry.label), class: entry.label ? null : "nothing" });
  });
  if (chosen !== null && all[chosen]) parts.push(svg("path", { class: "mark", d: `M${unit(begin(all[chosen])).toFixed(2)} 0v${HEIGHT}` }));
  $("strip").setAttribute("viewBox", `0 0 ${whole} ${HEIGHT}`);
  $("strip").replaceChildren(...parts);
  $("strip").setAttribute("aria-valuemax", String(Math.max(0, all.length - 1)));
}

function choose(index) {
  const all = changes();
  if (!all.length) return;
  chosen = Math.min(all.length - 1, Math.max(0, index));
  const entry = all[chosen];
  const text = `${timeOf(begin(entry))}, ${nameOf(entry)}, ${duration((end(all, chosen) - begin(entry)) / 1000)}`;
  setText($("chosen"), text);
  $("strip").setAttribute("aria-valuenow", String(chosen));
  $("strip").setAttribute("aria-valuetext", text);
  strip();
}

// By the device, whose sums outlive the list of changes.
function counted(day) {
  const goesOn = !back && day.now && ceased === null ? now() - toldAt : 0;
  const sum = ({ label, times, seconds, first, last }) => {
    const since = label === day.now ? goesOn : 0;
    return [label, { entry: { label }, times, ms: 1000 * seconds + since, first: Date.parse(first), last: Date.parse(last) + since }];
  };
  return new Map(day.labels.map(sum));
}

const daySums = () => (back ? earlier.find(({ date }) => date === dateOf(midnight())) : told);

function totals() {
  const [all, day] = [changes(), daySums()];
  const sums = day ? counted(day) : new Map();
  all.forEach((entry, index) => {
    if (day && entry.label) return;
    const name = nameOf(entry);
    const sum = sums.get(name) ?? { entry, times: 0, ms: 0, first: begin(entry) };
    sum.times += 1;
    sum.ms += end(all, index) - begin(entry);
    // As of the labels that the device counts: when it held last.
    sum.last = end(all, index);
    sums.set(name, sum);
  });
  const body = $("totals");
  const list = [...sums].sort(([, a], [, b]) => b.ms - a.ms);
  while (body.children.length < list.length) {
    const name = element("th", { scope: "row" }, element("span", { class: "swatch" }), element("span"));
    body.append(element("tr", {}, name, ...[0, 1, 2, 3].map(() => element("td", { class: "number" }))));
  }
  while (body.children.length > list.length) body.lastChild.remove();
  list.forEach(([name, { entry, times, ms, first, last }], index) => {
    const [head, ...cells] = body.children[index].children;
    head.firstChild.style.background = colour(entry.label);
    setText(head.lastChild, name);
    [times, duration(ms / 1000), minuteOf(first), minuteOf(last)].forEach((text, at) => setText(cells[at], String(text)));
  });
}

// The newest first; a busy minute is one row, until it is opened.
function folded() {
  const all = changes();
  const found = [];
  for (let at = all.length - 1; at >= 0; at--) {
    const minute = Math.floor(begin(all[at]) / 60_000);
    let first = at;
    while (first > 0 && Math.floor(begin(all[first - 1]) / 60_000) === minute) first--;
    const names = [...new Set(all.slice(first, at + 1).map(nameOf))];
    if (at - first + 1 >= BUSY && !opened.has(minute)) {
      found.push({ ...all[at], minute, many: `${at - first + 1} changes between ${names.slice(0, 4).join(", ")}${names.length > 4 ? " and others" : ""}` });
      at = first;
    } else {
      found.push({ ...all[at], held: end(all, at) - begin(all[at]) });
    }
  }
  return found;
}

function list() {
  listed = folded();
  const part = listed.slice(0, length);
  rows($("events"), part.map((entry) => (entry.many ? { ...entry, label: null, status: entry.many } : entry)), (entry) => (entry.minute ? "Show" : duration(entry.held / 1000)));
  part.forEach((entry, index) => {
    const row = $("events").children[index];
    show(row, entry);
    // A button that is about to be pressed stays.
    const old = row.querySelector("button");
    if (!entry.minute || old?.dataset.minute === String(entry.minute)) return;
    const button = element("button", { class: "plain", type: "button", "data-minute": entry.minute }, "Show");
    button.addEventListener("click", () => {
      opened.add(entry.minute);
      listAndGoThere();
    });
    row.children[3].replaceChildren(button);
  });
  $("earlier").hidden = listed.length <= length;
  $("new-rows").hidden = true;
}

// What was pressed may be gone, and would take the focus along.
function listAndGoThere() {
  list();
  $("events").setAttribute("tabindex", "-1");
  $("events").focus();
}

function show(row, entry) {
  const since = !entry.minute && pictured.has(entry.since) ? entry.since : undefined;
  const old = row.querySelector("img");
  if (old?.dataset.since === since) return;
  old?.remove();
  if (since) row.append(element("img", { class: "moment", loading: "lazy", "data-since": since, alt: `What was seen then: ${nameOf(entry)}`, src: ofView(`change.jpeg?since=${encodeURIComponent(since)}`) }));
}

// Rows that can be read are not pushed away.
function offer() {
  const newest = listed[0]?.since;
  if (newest === undefined || $("events").getBoundingClientRect().top > innerHeight) return list();
  const fresh = changes().filter(({ since }) => Date.parse(since) > Date.parse(newest)).length;
  $("new-rows").hidden = fresh === 0;
  setText($("new-rows"), `${fresh} new: show`);
}

function about() {
  const all = changes();
  const day = new Date(midnight()).toLocaleDateString([], { weekday: "long", day: "numeric", month: "long" });
  setText($("day-date"), back ? day : `${day} (today)`);
  // The oldest that is kept may not be the first of the day.
  const whole = entries.length < 200 || Date.parse(entries[0].since) < midnight();
  const forgotten = "The list is forgotten when the device starts again.";
  const nothing = back ? (daySums() ? "Of this day the sums are kept; its changes are older than the newest 200." : "Nothing is kept of this day.") : "Nothing happened yet today.";
  const its = itsMidnight();
  const elsewhere = its === null ? "" : ` The device's clocks show another time than yours: it counts what was seen from its own midnight, ${minuteOf(its)} here.`;
  setText($("day-about"), (!all.length ? nothing : `${whole ? "" : `The newest ${entries.length} changes are kept, so it begins at ${timeOf(entries[0].since)}. `}${forgotten}`) + elsewhere);
  const oldest = Math.min(...[entries[0]?.since, earlier.at(-1)?.labels[0]?.first].filter(Boolean).map(Date.parse));
  $("day-before").hidden = !(oldest < midnight());
  $("day-after").hidden = back === 0;
}

// Each day has an address.
function goBack(days) {
  location.hash = days ? `#day/${dateOf(midnight(days))}` : "#day";
}

function turnTo(date) {
  const wanted = /^\d{4}-\d\d-\d\d$/.test(date ?? "") ? new Date(`${date}T12:00`) : new Date(now());
  back = Math.max(0, Math.round((midnight(0) - wanted.setHours(0, 0, 0, 0)) / 86_400_000) || 0);
  [chosen, length] = [null, PAGE];
  setText($("chosen"), "Tap the strip, or go through it with the arrow keys.");
}

async function lookBack() {
  const days = await ask(ofView("days")).catch(() => null);
  if (!days) return;
  earlier = days;
  draw();
}

function draw() {
  strip();
  totals();
  about();
}

function saved() {
  const all = changes();
  const cell = (text) => `"${String(text).replaceAll('"', '""')}"`;
  const lines = all.map((entry, index) => [new Date(begin(entry)).toISOString(), nameOf(entry), ((end(all, index) - begin(entry)) / 1000).toFixed(1), entry.label ? entry.confidence : ""].map(cell).join(","));
  const blob = new Blob([["since,label,seconds,confidence", ...lines].join("\r\n"), "\r\n"], { type: "text/csv" });
  const link = element("a", { href: URL.createObjectURL(blob), download: `glimpsed-${dateOf(midnight())}.csv` });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

const KEYS = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1, PageUp: 10, PageDown: -10 };


export const part = {
  html,
  start() {
    $("csv").addEventListener("click", saved);
    $("earlier").addEventListener("click", () => {
      length += PAGE;
      list();
    });
    $("day-before").addEventListener("click", () => goBack(back + 1));
    $("day-after").addEventListener("click", () => goBack(back - 1));
    $("day-date").tabIndex = -1;
    $("new-rows").addEventListener("click", () => {
      listAndGoThere();
      $("changes-title").scrollIntoView();
    });
    $("strip").addEventListener("keydown", (event) => {
      const all = changes();
      const to = event.key === "Home" ? 0 : event.key === "End" ? all.length - 1 : event.key in KEYS ? (chosen ?? all.length - (KEYS[event.key] > 0 ? 2 : 0)) + KEYS[event.key] : null;
      if (to === null) return;
      event.preventDefault();
      choose(to);
    });
    $("strip").addEventListener("pointerdown", ({ clientX, currentTarget }) => {
      const { left, width } = currentTarget.getBoundingClientRect();
      const at = midnight() + ((clientX - left) / width) * minutes() * 60_000;
      choose(changes().findLastIndex((entry) => begin(entry) <= at));
    });
    setInterval(() => !document.hidden && !$("place-day").hidden && draw(), 10_000);
  },
  visit([date]) {
    turnTo(date);
    draw();
    list();
    // A button that is gone takes the focus along.
    if (document.activeElement === document.body) $("day-date").focus();
    lookBack();
  },
  turned() {
    [entries, chosen, length, told, earlier] = [[], null, PAGE, null, []];
    if (!$("place-day").hidden) lookBack();
    opened.clear();
    pictured.clear();
    draw();
    list();
  },
  timeline(all) {
    entries = [...all];
    draw();
    list();
  },
  change(entry) {
    entries.push(entry);
    if (entries.length > 200) entries.shift();
    if ($("place-day").hidden) return;
    draw();
    if (!back) offer();
  },
  pictures(times) {
    pictured = new Set(times);
    if (!$("place-day").hidden) [...$("events").children].forEach((row, index) => listed[index] && show(row, listed[index]));
  },
  day(news) {
    if (told && told.date !== news.date) lookBack();
    [told, toldAt] = [news, now()];
    if (!$("place-day").hidden) totals();
  },
  camera(news) {
    camera = news;
    ceased = camera.status === "online" ? null : ceased ?? (camera.since ? Date.parse(camera.since) : now());
  },
  lost() {
    ceased ??= now();
  },
  opened() {
    if (camera.status === "online") ceased = null;
  },
};
