// The label that holds, the frame's answer, and how the daemon is.

import { $, bars, clock, duration, ended, megabytes, percent, sentence, setText } from "./dom.js";

const WORDS = {
  known: ["sees", "good"],
  unknown: ["not sure", "warn"],
  stale: ["no fresh picture", "warn"],
  too_dark: ["too dark", "warn"],
  covered: ["one colour", "warn"],
};

const WARNINGS = {
  throttled: "The supply is too weak, so the board slows itself down.",
  reduced: "The board is warm, so fewer frames are labelled.",
  paused: "The board is too warm, so nothing is labelled until it is cooler.",
};

const FAULTS = { missing: "no camera", frozen: "picture frozen", no_model: "no model" };

// A label is told to people who listen when it has held this long, and one at most in this time.
const HELD_MS = 3000;
const TELL_EVERY_MS = 10000;

let state = null;
let camera = { status: "online" };
let health = null;
let connected = false;
// When the last news of it came: until then it was so.
let until = null;
let latency = null;
let told = { text: "", at: 0 };

function chip(id, tone, text) {
  $(id).dataset.tone = tone;
  setText($(id).lastElementChild, text);
}

// What was seen is not what is seen: without connection or camera the label stands in the past.
function isPast() {
  return !connected || camera.status !== "online";
}

function headline() {
  if (!state) {
    setText($("status-word"), camera.status === "offline" && camera.fault ? FAULTS[camera.fault] ?? "no picture" : "waiting");
    return;
  }
  const past = isPast();
  $("now").dataset.past = String(past);
  const [word, tone] = WORDS[state.status] ?? [state.status, "warn"];
  const known = state.label ?? (state.status === "unknown" ? "nothing it knows" : "nothing to see");
  setText($("status-word"), past ? "was" : word);
  $("status-word").dataset.tone = past ? "past" : tone;
  setText($("label"), known);
  if ($("label").title !== known) $("label").title = known;
  const seconds = Math.max(0, (Date.now() - Date.parse(state.since)) / 1000);
  setText($("since"), past ? `at ${clock(until ?? Date.now())}` : `for ${duration(seconds)}`);
  setText($("answers-fast-title"), past ? "In the last frame" : "In this frame");
  document.title = state.label && !past ? `${state.label} – glimpsed` : "glimpsed";
  tell(past ? null : known);
}

function tell(known) {
  const now = Date.now();
  const text = known ?? (!connected ? "no connection" : camera.status === "disabled" ? "camera switched off" : FAULTS[camera.fault] ?? "no camera");
  const held = known === null || now - Date.parse(state.since) >= HELD_MS;
  if (text === told.text || !held || now - told.at < TELL_EVERY_MS) return;
  told = { text, at: now };
  setText($("told"), text);
}

// What somebody should look after, and why. It says no numbers: each change is spoken to people who listen.
function banner() {
  const broker = health?.mqtt;
  const warnings = !connected ? [] : [
    health?.throttled && WARNINGS.throttled,
    WARNINGS[health?.thermal],
    camera.fault === "covered" && sentence(camera.reason),
    broker && !broker.connected && broker.last_error && `Messages wait for the broker, ${broker.broker}: ${ended(broker.last_error)}`,
  ].filter(Boolean);
  $("banner").hidden = warnings.length === 0;
  setText($("banner"), warnings.join(" "));
}

export const status = {
  start() {
    setInterval(headline, 1000);
  },
  opened() {
    connected = true;
  },
  camera(news) {
    const { status, negotiated, since, fault } = news;
    if (camera.status === "online" && status !== "online") until = since ?? Date.now();
    camera = { ...news, status: status ?? "online" };
    const size = negotiated ? ` ${negotiated.width}×${negotiated.height}` : "";
    const [tone, text] = {
      online: ["good", `camera${size}`],
      offline: fault ? ["bad", FAULTS[fault] ?? "no picture"] : ["wait", "camera starting"],
      disabled: ["wait", "camera off"],
    }[status] ?? ["wait", "camera"];
    chip("chip-camera", tone, text);
    headline();
    banner();
  },
  state(news) {
    // Without a camera there is no news of the label, only that there is none.
    if (camera.status === "online" || !state) state = news;
    headline();
  },
  classification(frame) {
    bars($("bars"), frame.top);
    const total = frame.timing_ms.total;
    latency = latency === null ? total : latency + 0.3 * (total - latency);
    setText($("v-latency"), `${latency.toFixed(latency < 10 ? 1 : 0)} ms`);
  },
  second(opinion) {
    $("accurate").hidden = false;
    setText($("answers-accurate-title"), `Second opinion: ${opinion.model.name}${opinion.agree ? "" : ", which disagrees"}`);
    bars($("accurate-bars"), opinion.top);
  },
  settings(settings) {
    if (!settings.accurate) $("accurate").hidden = true;
  },
  info(info) {
    setText($("device"), info.name);
    if ($("device").title !== info.name) $("device").title = info.name;
    setText($("about"), `glimpsed ${info.version} on ${info.board}`);
  },
  vitals(news) {
    health = news;
    setText($("v-fps"), health.fps.toFixed(health.fps < 10 ? 1 : 0));
    setText($("v-temperature"), health.temperature_c === null ? "–" : `${health.temperature_c.toFixed(0)} °C`);
    setText($("v-memory"), health.rss_bytes === null ? "–" : megabytes(health.rss_bytes));
    const dropped = health.overwritten + health.damaged + health.failed;
    setText($("v-dropped"), health.captured ? percent(dropped / health.captured) : "–");
    setText($("v-uptime"), duration(health.uptime_s));
    if (!health.mqtt) chip("chip-broker", "wait", "no broker configured");
    else if (health.mqtt.connected) chip("chip-broker", "good", "broker");
    else chip("chip-broker", "bad", health.mqtt.waiting ? `no broker, ${health.mqtt.waiting} waiting` : "no broker");
    banner();
  },
  lost() {
    if (connected) until = Date.now();
    connected = false;
    headline();
    banner();
    chip("chip-camera", "wait", "camera");
    chip("chip-broker", "wait", "broker");
  },
};
