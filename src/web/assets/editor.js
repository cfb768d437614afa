// Draws views: their regions are moved, sized and added on the picture, with a mouse, a finger or the keyboard, and written into the
// configuration.

import { $, ask, element, setText } from "./dom.js";
import { join, view } from "./bus.js";
import { edit } from "./live.js";

const LEAST = 0.02;
const STEP = 0.01;
const SIDES = { x: "Left", y: "Top", width: "Width", height: "Height" };
const CORNERS = ["nw", "ne", "sw", "se"];
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const NAME = /^[A-Za-z0-9_-]{1,32}$/;

let layout = { cameras: [], views: [] };
let camera = null;
// { name, title, region, before: the region in effect, or null of a new view }
let drafts = [];
let removed = [];
let chosen = 0;
let layer = null;
let says, lines, name, rows, undo;
let following;
let asking;

const clamp = (value, low, high) => Math.min(high, Math.max(low, value));
const whole = () => ({ x: 0, y: 0, width: 1, height: 1 });
const same = (a, b) => b !== null && Object.keys(SIDES).every((side) => Math.abs(a[side] - b[side]) < 0.00005);
const percents = (part) => Math.round(1000 * part) / 10;
const numbers = ({ region }) => Object.entries(SIDES).map(([side, word]) => `${word.toLowerCase()} ${percents(region[side])}`).join(", ");

function fit({ x, y, width, height }) {
  const [w, h] = [clamp(width, LEAST, 1), clamp(height, LEAST, 1)];
  return { x: clamp(x, 0, 1 - w), y: clamp(y, 0, 1 - h), width: w, height: h };
}

const move = (from, dx, dy) => fit({ ...from, x: from.x + dx, y: from.y + dy });

// One corner follows, the one across stays.
function pull(corner, { x, y, width, height }, dx, dy) {
  let [left, top, right, bottom] = [x, y, x + width, y + height];
  if (corner.includes("w")) left = clamp(left + dx, 0, right - LEAST);
  else right = clamp(right + dx, left + LEAST, 1);
  if (corner.includes("n")) top = clamp(top + dy, 0, bottom - LEAST);
  else bottom = clamp(bottom + dy, top + LEAST, 1);
  return { x: left, y: top, width: right - left, height: bottom - top };
}

// Over the picture, which leaves room at two sides of the stage.
function follow() {
  const { clientWidth, clientHeight } = $("stage");
  const { width, height } = $("picture");
  const scale = Math.min(clientWidth / width, clientHeight / height);
  const box = { left: (clientWidth - width * scale) / 2, top: (clientHeight - height * scale) / 2, width: width * scale, height: height * scale };
  for (const [side, length] of Object.entries(box)) layer.style[side] = `${length}px`;
}

function at({ clientX, clientY }) {
  const { left, top, width, height } = layer.getBoundingClientRect();
  return [clamp((clientX - left) / width, 0, 1), clamp((clientY - top) / height, 0, 1)];
}

function drag(event, index, change) {
  event.preventDefault();
  event.stopPropagation();
  chosen = index;
  const target = event.currentTarget;
  const [x, y] = at(event);
  const from = { ...drafts[index].region };
  target.setPointerCapture(event.pointerId);
  const follows = new AbortController();
  target.addEventListener("pointermove", (now) => {
    const [nx, ny] = at(now);
    set(index, change(from, nx - x, ny - y));
  }, follows);
  for (const end of ["pointerup", "pointercancel"]) target.addEventListener(end, () => follows.abort(), follows);
  draw();
}

// Where there is no box, a drag makes one; a tap does not.
function draws(event) {
  event.preventDefault();
  const [x, y] = at(event);
  let index = -1;
  layer.setPointerCapture(event.pointerId);
  const follows = new AbortController();
  layer.addEventListener("pointermove", (now) => {
    const [nx, ny] = at(now);
    const [width, height] = [Math.abs(nx - x), Math.abs(ny - y)];
    const region = fit({ x: Math.min(x, nx), y: Math.min(y, ny), width, height });
    if (index < 0 && Math.max(width, height) > LEAST) index = add(region);
    if (index >= 0) set(index, region);
  }, follows);
  for (const end of ["pointerup", "pointercancel"]) layer.addEventListener(end, () => follows.abort(), follows);
}

function set(index, region) {
  drafts[index].region = region;
  draw();
  preview();
}

function freeName() {
  const taken = new Set([...layout.views, ...drafts].map((one) => one.name));
  const wanted = name.value.trim();
  if (wanted) return NAME.test(wanted) && !taken.has(wanted) ? wanted : null;
  for (let number = 1; ; number++) if (!taken.has(`view-${number}`)) return `view-${number}`;
}

function add(region) {
  const free = freeName();
  if (!free) {
    setText(says, "A name has letters, digits, _ and -, at most 32, and no other view has it.");
    name.focus();
    return -1;
  }
  name.value = "";
  layer.dataset.adding = "false";
  drafts.push({ name: free, title: "", region, before: null });
  chosen = drafts.length - 1;
  draw();
  preview();
  return chosen;
}

function remove(index) {
  const [draft] = drafts.splice(index, 1);
  if (draft.before) removed.push(draft.name);
  chosen = Math.min(chosen, drafts.length - 1);
  draw();
  preview();
  // The last view of all has no such button.
  (rows.querySelector("button:not([hidden])") ?? name).focus();
}

function box() {
  const made = element("div", { class: "region", tabindex: "0", role: "button", "aria-describedby": "editor-keys" }, element("span", { class: "tag" }), ...CORNERS.map((corner) => element("span", { class: "grip", "data-corner": corner })));
  const index = () => [...layer.children].indexOf(made);
  made.addEventListener("pointerdown", (event) => drag(event, index(), move));
  for (const grip of made.querySelectorAll(".grip")) grip.addEventListener("pointerdown", (event) => drag(event, index(), (...all) => pull(grip.dataset.corner, ...all)));
  made.addEventListener("focus", () => {
    chosen = index();
    draw();
  });
  made.addEventListener("keydown", (event) => {
    if (event.key === "Delete") return remove(index());
    if (!(event.key in ARROWS)) return;
    event.preventDefault();
    const [dx, dy] = ARROWS[event.key].map((step) => step * STEP);
    const { region } = drafts[index()];
    set(index(), event.shiftKey ? pull("se", region, dx, dy) : move(region, dx, dy));
  });
  return made;
}

function row() {
  const made = element("div", { class: "draft", role: "group" }, element("strong"));
  const index = () => [...rows.children].indexOf(made);
  for (const [side, word] of Object.entries(SIDES)) {
    const input = element("input", { type: "number", min: side in { x: 1, y: 1 } ? 0 : 2, max: 100, step: 0.1, "data-side": side });
    input.addEventListener("change", () => {
      chosen = index();
      const value = Number(input.value) / 100;
      if (Number.isFinite(value)) set(chosen, fit({ ...drafts[chosen].region, [side]: value }));
    });
    made.append(element("label", { class: "field" }, `${word} %`, input));
  }
  const gone = element("button", { type: "button", class: "button quiet" }, "Delete");
  gone.addEventListener("click", () => remove(index()));
  made.append(gone);
  return made;
}

function draw() {
  for (const [list, make] of [[layer, box], [rows, row]]) {
    while (list.children.length < drafts.length) list.append(make());
    while (list.children.length > drafts.length) list.lastChild.remove();
  }
  drafts.forEach((draft, index) => {
    const { region, title } = draft;
    const [part, fields] = [layer.children[index], rows.children[index]];
    for (const [side, property] of Object.entries({ x: "left", y: "top", width: "width", height: "height" })) part.style[property] = `${100 * region[side]}%`;
    const called = title || draft.name;
    for (const one of [part, fields]) one.dataset.chosen = String(index === chosen);
    setText(part.firstChild, called);
    part.setAttribute("aria-label", `${called}: ${numbers(draft)}`);
    fields.setAttribute("aria-label", called);
    setText(fields.firstChild, called);
    for (const input of fields.querySelectorAll("input")) {
      const text = String(percents(region[input.dataset.side]));
      if (input.value !== text) input.value = text;
    }
    fields.lastChild.hidden = draft.before !== null && layout.views.length < 2;
  });
}

function changes() {
  const set = drafts.filter(({ region, before }) => !same(region, before)).map(({ name, region }) => ({ name, camera, region }));
  return set.length || removed.length ? { set, remove: removed } : null;
}

// What would be written, once nothing has moved for a moment.
function preview() {
  clearTimeout(asking);
  asking = setTimeout(async () => {
    const wanted = changes();
    if (!wanted || !layer) return show("", wanted ? "" : "Nothing is changed.");
    try {
      const { lines: text } = await ask("api/v1/views", wanted);
      if (layer) show(text, chosen >= 0 && drafts[chosen] ? `${drafts[chosen].title || drafts[chosen].name}: ${numbers(drafts[chosen])}` : "");
    } catch (error) {
      if (layer) show("", error.message);
    }
  }, 400);
}

function show(text, words) {
  setText(lines, text);
  lines.hidden = !text;
  setText(says, words);
}

async function save({ currentTarget: button }) {
  const wanted = changes();
  if (!wanted) return setText(says, "Nothing is changed.");
  if (button.getAttribute("aria-disabled") === "true") return;
  clearTimeout(asking);
  button.setAttribute("aria-disabled", "true");
  setText(says, "Saving");
  try {
    const { lines: text, saved, reason } = await ask("api/v1/views", { ...wanted, save: true });
    show(text, saved ? "Saved. It takes effect now." : `Not saved: ${reason}. Put these lines into the file yourself.`);
    undo.hidden = !saved;
    if (saved) {
      for (const draft of drafts) draft.before = { ...draft.region };
      removed = [];
    }
  } catch (error) {
    setText(says, `Not saved: ${error.message}`);
  }
  button.removeAttribute("aria-disabled");
}

async function takeBack() {
  try {
    await ask("api/v1/views/undo", {});
    begin();
    show("", "The file is as it was.");
    undo.hidden = true;
  } catch (error) {
    setText(says, `Not taken back: ${error.message}`);
  }
}

// As it is in effect.
function begin() {
  ({ camera } = view());
  const region = (one) => ({ ...(one.region ?? whole()) });
  drafts = layout.views.filter((one) => one.camera === camera).map((one) => ({ name: one.name, title: one.title, region: region(one), before: region(one) }));
  removed = [];
  chosen = Math.max(0, drafts.findIndex((one) => one.name === view().name));
  draw();
}

function close() {
  clearInterval(following);
  clearTimeout(asking);
  layer.remove();
  layer = null;
  $("editor").replaceChildren();
  edit(false);
  $("edit-views").focus();
}

function button(words, act, quiet) {
  const made = element("button", { type: "button", class: quiet ? "button quiet" : "button" }, words);
  made.addEventListener("click", act);
  return made;
}

export function open() {
  if (layer) return;
  edit(true);
  layer = element("div", { class: "regions" });
  $("stage").append(layer);
  rows = element("div", { class: "drafts" });
  says = element("p", { class: "hint says", role: "status" });
  lines = element("pre", { class: "lines", tabindex: "0", "aria-label": "What is written into the configuration", hidden: true });
  name = element("input", { type: "text", id: "new-view", autocomplete: "off", maxlength: 32, spellcheck: "false" });
  undo = button("Take it back", takeBack, true);
  undo.hidden = true;
  const armed = () => { layer.dataset.adding = String(name.value.trim() !== ""); };
  name.addEventListener("input", armed);
  const middle = () => add({ x: 0.25, y: 0.25, width: 0.5, height: 0.5 });
  name.addEventListener("keydown", (event) => event.key === "Enter" && middle());
  layer.addEventListener("pointerdown", draws);
  const heading = element("h2", { tabindex: "-1" }, "Views");
  const panel = element("section", { class: "card", "aria-label": "Views" },
    element("div", { class: "card-head" }, heading),
    element("p", { class: "hint", id: "editor-keys" }, "Drag a box or its corners. Arrow keys move it, with Shift they size it, Delete removes it, Escape leaves."),
    rows,
    element("div", { class: "row" }, element("label", { class: "field" }, "New view: its name, then draw it", name), button("Add", middle, true)),
    says, lines,
    element("div", { class: "row" }, button("Save views", save), undo, button("Close", close, true)));
  panel.addEventListener("keydown", (event) => event.key === "Escape" && close());
  layer.addEventListener("keydown", (event) => event.key === "Escape" && close());
  $("editor").replaceChildren(panel);
  begin();
  follow();
  following = setInterval(follow, 250);
  heading.focus();
}

join({
  layout(news) {
    layout = news;
    if (layer && !changes()) begin();
  },
  turned() {
    if (layer) begin();
  },
});
