// Teach: a button for each label that keeps what the camera sees, and how good it is at once.

import { $, ask, bars, element, ended, sentence, setText } from "./dom.js";
import { addFiles, watchDrops } from "./adding.js";
import { copies } from "./saving.js";
import { html } from "./teach.html";
import { base } from "./taught.js";
import { UNSURE, grid, onChange } from "./choosing.js";
import { quality } from "./quality.js";
import { clock } from "./time.js";

// A burst takes five pictures a second at most.
const EVERY_MS = 200;
// A press that is shorter was meant as a click.
const HOLD_MS = 300;
// A small board looks at a picture in half a second.
const LOOK_EVERY_MS = 700;
const SHOWN = 8;
const SUGGESTIONS = [["open", "closed"], ["empty", "occupied"], ["there", "away"]];

let report = null;
let settings = null;
let connected = false;
let camera = { status: null };
let typed = [];
let recording = null;
let burst = Date.now();
let looking = false;
const whole = new Map();

const labels = () => [...new Set([...(report?.classes ?? []).map(({ label }) => label), ...typed])];
const open = () => !$("place-teach").hidden && !document.hidden && connected;
const say = (text) => setText($("teach-says"), text);
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const plural = (count, word) => `${count} ${word}${count === 1 ? "" : "s"}`;

function summary({ label, taken, kept }) {
  const same = taken - kept;
  const left = same ? `, ${kept} kept: ${same === 1 ? "one" : same} looked the same` : "";
  return taken ? `${label}: ${taken} taken${left}.` : "";
}

// Takes pictures until it is told to stop.
async function record(label, button) {
  if (recording) return;
  const mine = { label, taken: 0, kept: 0 };
  recording = mine;
  burst += 1;
  button.dataset.on = "true";
  $("teach-on").dataset.recording = "true";
  let wrong = null;
  while (recording === mine && open()) {
    const begun = performance.now();
    try {
      const { copy } = await ask(`${base()}/frame`, { label, burst });
      mine.taken += 1;
      if (!copy) mine.kept += 1;
      setText(button.lastChild, `${plural(mine.taken, "picture")} …`);
    } catch (error) {
      wrong = error;
      break;
    }
    await sleep(Math.max(0, EVERY_MS - (performance.now() - begun)));
  }
  if (recording === mine) recording = null;
  delete button.dataset.on;
  delete $("teach-on").dataset.recording;
  setText(button.lastChild, "Hold to record");
  say(wrong ? `Not kept: ${ended(wrong.message)}` : summary(mine));
  await status();
}

function stop() {
  recording = null;
}

// Held with a finger, a mouse or a key; R and a screen reader's click begin and end it.
function recorder(label) {
  const button = element("button", { type: "button", class: "record", "aria-label": `Record ${label}`, "aria-describedby": "record-how" }, element("span", { class: "lamp" }), element("span", {}, "Hold to record"));
  let timer = null;
  let byHand = 0;
  const press = () => {
    byHand = Date.now();
    clearTimeout(timer);
    timer = setTimeout(() => record(label, button), HOLD_MS);
  };
  const release = () => {
    if (!timer) return;
    clearTimeout(timer);
    timer = null;
    byHand = Date.now();
    if (recording?.label === label) stop();
    else say("Hold the button, or press R to start and to stop.");
  };
  button.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    button.setPointerCapture?.(event.pointerId);
    press();
  });
  for (const name of ["pointerup", "pointercancel", "blur"]) button.addEventListener(name, release);
  button.addEventListener("contextmenu", (event) => event.preventDefault());
  const toggle = () => (recording ? stop() : record(label, button));
  button.addEventListener("keydown", (event) => {
    if (event.key.toLowerCase() === "r" && !event.repeat && !event.ctrlKey && !event.metaKey) toggle();
    if (event.key !== " " && event.key !== "Enter") return;
    event.preventDefault();
    if (!event.repeat) press();
  });
  button.addEventListener("keyup", (event) => [" ", "Enter"].includes(event.key) && release());
  button.addEventListener("click", () => Date.now() - byHand > 500 && toggle());
  return button;
}

function card(label) {
  const title = element("h2", {}, element("span", {}, label), element("span", { class: "count" }));
  const files = element("input", { type: "file", accept: "image/*", multiple: true, class: "unseen", "aria-label": `Add pictures to ${label}` });
  files.addEventListener("change", () => {
    addFiles([...files.files].map((file) => ({ label, file })));
    files.value = "";
  });
  const all = element("button", { type: "button", class: "plain more", hidden: true }, "");
  all.addEventListener("click", async () => {
    if (whole.has(label)) whole.delete(label);
    else whole.set(label, await ask(`${base()}/pictures?label=${encodeURIComponent(label)}`).catch(() => []));
    show();
  });
  const list = element("ul", { class: "thumbs", role: "listbox", "aria-multiselectable": "true", "aria-label": `Pictures of ${label}`, tabindex: "0" });
  return element("section", { class: "card class", "data-label": label, "aria-label": label }, title, recorder(label), list, all, element("label", { class: "button quiet" }, "Add pictures", files));
}

// Cards stay while their pictures change, so that a finger that is down does not lose its button.
function cards() {
  const wanted = labels();
  const box = $("classes");
  for (const old of [...box.children]) if (!wanted.includes(old.dataset.label)) old.remove();
  wanted.forEach((label, index) => {
    const there = [...box.children].find((one) => one.dataset.label === label) ?? card(label);
    if (box.children[index] !== there) box.insertBefore(there, box.children[index] ?? null);
    const { pictures = 0, newest = [] } = report.classes.find((one) => one.label === label) ?? {};
    const names = whole.has(label) ? whole.get(label) : newest.slice(0, SHOWN);
    setText(there.querySelector(".count"), plural(pictures, "picture"));
    grid(there.querySelector(".thumbs"), label, names);
    const more = there.querySelector(".more");
    more.hidden = pictures <= SHOWN;
    setText(more, whole.has(label) ? "Fewer" : `All ${pictures}`);
  });
  $("teach-first").hidden = wanted.length > 0;
  $("unsure-card").hidden = report.unsure.length === 0;
  setText($("unsure-title"), `Not sure about these (${report.unsure.length})`);
  grid($("unsure"), UNSURE, report.unsure.map(({ id }) => String(id)));
}

function use() {
  const inUse = report.written && settings?.model === report.name;
  const ready = report.lesson && connected;
  $("use").setAttribute("aria-disabled", String(!ready || inUse));
  setText($("use"), inUse ? "In use" : settings?.model === report.name ? "Use the new lesson" : "Use it now");
  const { undo } = report;
  $("undo").setAttribute("aria-disabled", String(!undo));
  setText($("undo"), undo ? `Undo: ${undo.what}, ${clock(undo.at)}` : "Undo");
}

function show() {
  if (!report) return;
  $("teach-off").hidden = true;
  $("teach-on").hidden = false;
  const { looking: looks } = report;
  if (looks) say(looks[1] ? `Looking at the pictures: ${looks[0]} of ${looks[1]} …` : "Getting ready …");
  else if (/^(Looking|Getting)/.test($("teach-says").textContent)) say("");
  cards();
  use();
  quality(report);
}

async function status() {
  try {
    const before = report;
    const told = await ask(base());
    // An event that came meanwhile is newer.
    if (report === before) report = told.report;
    $("teach-off").hidden = told.enabled;
    $("teach-on").hidden = !told.enabled;
    show();
    look();
  } catch (error) {
    say(sentence(error.message));
  }
}

async function act(path, body) {
  try {
    const answer = await ask(`${base()}/${path}`, body);
    await status();
    return answer;
  } catch (error) {
    say(`Not done: ${ended(error.message)}`);
    return null;
  }
}

async function look() {
  if (looking) return;
  looking = true;
  while (open() && report?.lesson && camera.status === "online") {
    if (!recording) {
      const now = await ask(`${base()}/now`).catch(() => null);
      setText($("now-label"), now?.strange ? "It would say now (this looks strange to it)" : "It would say now");
      bars($("teach-bars"), now?.top.slice(0, 6) ?? []);
    }
    await sleep(LOOK_EVERY_MS);
  }
  bars($("teach-bars"), []);
  looking = false;
}

async function putToUse() {
  if ($("use").getAttribute("aria-disabled") === "true") return;
  $("use").setAttribute("aria-disabled", "true");
  setText($("use-says"), "Writing it …");
  const answer = await act("use", {});
  setText($("use-says"), answer ? `In use: the camera's pictures get these labels. To have it so after a restart, set active = "${report.name}" in [model].` : "");
}

function begin(names) {
  typed = [...new Set([...typed, ...names.map((name) => name.trim()).filter(Boolean)])];
  show();
  $("classes").querySelector(`[data-label="${CSS.escape(names[0].trim())}"] .record`)?.focus();
}

export const part = {
  html,
  start() {
    copies($("place-teach"));
    $("teach-on").append(element("p", { class: "unseen", id: "record-how" }, "Hold Space or Enter to record, or press R to start and to stop."));
    $("suggestions").replaceChildren(...SUGGESTIONS.map((names) => {
      const button = element("button", { type: "button", class: "button quiet" }, names.join(" / "));
      button.addEventListener("click", () => begin(names));
      return button;
    }));
    $("add-class").addEventListener("submit", (event) => {
      event.preventDefault();
      const name = $("class-name").value;
      if (!name.trim()) return;
      $("class-name").value = "";
      begin([name]);
    });
    $("use").addEventListener("click", putToUse);
    $("undo").addEventListener("click", async () => {
      if ($("undo").getAttribute("aria-disabled") === "true") return;
      const { what } = report.undo;
      if (await act("undo", {})) say(`Undone: ${what}.`);
      whole.clear();
      show();
    });
    watchDrops($("place-teach"), (target) => target.closest?.("[data-label]")?.dataset.label, say);
    onChange({ labels, say, done: () => { whole.clear(); status(); } });
    addEventListener("blur", stop);
    document.addEventListener("visibilitychange", () => (document.hidden ? stop() : look()));
  },
  async visit() {
    await status();
  },
  info({ config }) {
    $("teach-unseen").hidden = config?.["privacy.preview"]?.value !== false;
  },
  teach(news) {
    const mine = { ...news };
    // What was learnt stays in sight while it is learnt anew.
    if (mine.behind && !mine.lesson && report?.lesson && mine.classes.length >= 2) mine.lesson = { ...report.lesson, mistakes: [] };
    report = mine;
    if ($("place-teach").hidden) return;
    show();
    look();
  },
  turned() {
    stop();
    [report, typed] = [null, []];
    whole.clear();
    setText($("use-says"), "");
    if (!$("place-teach").hidden) status();
  },
  settings(news) {
    settings = news;
    show();
  },
  camera(news) {
    camera = news;
    if (open()) look();
  },
  opened() {
    connected = true;
    if (!$("place-teach").hidden) status();
  },
  lost() {
    connected = false;
    stop();
    if (report) use();
  },
};
