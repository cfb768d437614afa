// The label that holds, and the frame's answer.

import { $, bars, setText } from "./dom.js";
import { entitle } from "./places.js";
import { age, clock, duration, now } from "./time.js";

const WORDS = {
  known: ["sees", "good"],
  unknown: ["not sure", "warn"],
  stale: ["no fresh picture", "warn"],
  too_dark: ["too dark", "warn"],
  covered: ["one colour", "warn"],
};

const FAULTS = { missing: "no camera", frozen: "picture frozen", no_model: "no model" };

// What is wrong with a camera and since when, in a few words; nothing if it works or starts.
export function wrongWith({ status, fault, since } = {}) {
  const words = status === "disabled" ? "switched off" : fault ? FAULTS[fault] ?? (status === "online" ? "" : "no picture") : "";
  return words && since ? `${words} since ${clock(since)}` : words;
}

// A label is told to people who listen when it has held this long, and one at most in this time.
const HELD_MS = 3000;
const TELL_EVERY_MS = 10000;

let state = null;
let camera = { status: "online" };
// Why the view does not label although its camera works: it is switched off, or has no model.
let idle = "";
// Whether the board is too warm for any work.
let resting = false;
let connected = false;
// When the last news of it came: until then it was so.
let until = null;
// The best label of the newest frame alone.
let frame = null;
let told = { text: "", at: -Infinity, isImportant: false };

// What was seen is not what is seen: without connection or camera, or in a view that does not label, the label stands in the past.
function isPast() {
  return !connected || camera.status !== "online" || Boolean(idle);
}

function headline() {
  if (!state) {
    setText($("status-word"), camera.status === "offline" && camera.fault ? FAULTS[camera.fault] ?? "no picture" : idle || "waiting");
    return;
  }
  const past = isPast();
  // Without a fresh frame the answers are those of an older one.
  const old = past || state.status === "stale";
  $("now").dataset.past = String(past);
  $("answers").dataset.past = String(old);
  const rests = resting && state.status === "stale";
  const [word, tone] = rests ? ["too warm", "warn"] : WORDS[state.status] ?? [state.status, "warn"];
  // Of labels that do not exclude each other, all that hold.
  const several = state.labels?.length > 1 ? state.labels.map(({ label }) => label).join(" + ") : state.label;
  const known = several ?? (state.status === "unknown" ? "nothing it knows" : rests ? "nothing is labelled" : "nothing to see");
  setText($("status-word"), past ? "was" : word);
  $("status-word").dataset.tone = past ? "past" : tone;
  setText($("label"), known);
  $("label").dataset.length = known.length > 70 ? "very-long" : known.length > 32 ? "long" : "short";
  if ($("label").title !== known) $("label").title = known;
  setText($("since"), past ? `at ${clock(until ?? now())}` : `for ${duration(age(state.since))}`);
  const alone = state.label && frame && frame !== state.label && !state.labels?.some(({ label }) => label === frame);
  setText($("answers-fast-title"), old ? "In the last frame" : alone ? "In this frame alone; the label above is that of several" : "In this frame");
  entitle(past ? "" : several ?? "");
  tell(past ? null : known);
}

// Important is what somebody has to see to, and that it is over.
function tell(known) {
  const wish = wanted();
  const isImportant = known === null || told.isImportant;
  if (wish === "off" || (wish === "important" && !isImportant)) return;
  const text = known ?? (!connected ? "no connection" : camera.status === "disabled" ? "camera switched off" : FAULTS[camera.fault] ?? (idle || "no camera"));
  const held = known === null || 1000 * age(state.since) >= HELD_MS;
  if (text === told.text || !held || performance.now() - told.at < TELL_EVERY_MS) return;
  told = { text, at: performance.now(), isImportant: known === null };
  setText($("told"), text);
}

// People who listen can ask in the settings for less, or for silence.
function wanted() {
  try {
    return localStorage.getItem("say") ?? "all";
  } catch {
    return "all";
  }
}

export const status = {
  start() {
    setInterval(headline, 1000);
  },
  opened() {
    connected = true;
  },
  turned() {
    [state, until, frame, idle] = [null, null, null, ""];
    $("accurate").hidden = true;
    bars($("bars"), []);
    setText($("label"), "\u00a0");
    setText($("since"), "");
    setText($("status-word"), "waiting");
    entitle("");
  },
  camera(news) {
    const { status, since } = news;
    if (camera.status === "online" && status !== "online") until = since ?? now();
    camera = { ...news, status: status ?? "online" };
    headline();
  },
  state(news) {
    // Without a camera there is no news of the label, only that there is none; nor in a view that does not label.
    if ((camera.status === "online" && !idle) || !state) state = news;
    headline();
  },
  classification({ top }) {
    frame = top[0]?.label ?? null;
    bars($("bars"), top);
  },
  second(opinion) {
    $("accurate").hidden = false;
    setText($("answers-accurate-title"), `Second opinion: ${opinion.model.name}${opinion.agree ? "" : ", which disagrees"}`);
    bars($("accurate-bars"), opinion.top);
  },
  vitals({ thermal }) {
    resting = thermal === "paused";
    headline();
  },
  settings({ accurate, enabled, model_error: withoutModel }) {
    if (!accurate) $("accurate").hidden = true;
    const before = idle;
    idle = enabled === false ? "switched off" : withoutModel ? FAULTS.no_model : "";
    if (idle && !before && camera.status === "online") until = now();
    headline();
  },
  info(info) {
    setText($("device"), info.name);
    if ($("device").title !== info.name) $("device").title = info.name;
    setText($("about"), `glimpsed ${info.version} on ${info.board}`);
  },
  lost() {
    if (connected) until = now();
    connected = false;
    headline();
  },
};
