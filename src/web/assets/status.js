// The label that holds, the frame's answer, and how the daemon is.

import { $, bars, duration, megabytes, percent, setText } from "./dom.js";

const WORDS = {
  known: ["sees", "good"],
  unknown: ["not sure", "warn"],
  stale: ["no fresh picture", "warn"],
  too_dark: ["too dark", "warn"],
};

const WARNINGS = {
  throttled: "The supply is too weak, so the board slows itself down.",
  reduced: "The board is warm, so fewer frames are labelled.",
  paused: "The board is too warm, so nothing is labelled until it is cooler.",
};

let since = null;
let latency = null;

function chip(id, tone, text) {
  $(id).dataset.tone = tone;
  setText($(id).lastElementChild, text);
}

function age() {
  if (since) setText($("since"), `for ${duration(Math.max(0, (Date.now() - since) / 1000))}`);
}

export const status = {
  start() {
    setInterval(age, 1000);
  },
  camera({ status: state, negotiated }) {
    const size = negotiated ? ` ${negotiated.width}×${negotiated.height}` : "";
    const [tone, text] = {
      online: ["good", `camera${size}`],
      offline: ["bad", "no camera"],
      disabled: ["wait", "camera off"],
    }[state] ?? ["wait", "camera"];
    chip("chip-camera", tone, text);
  },
  state(state) {
    const [word, tone] = WORDS[state.status] ?? [state.status, "warn"];
    setText($("status-word"), word);
    $("status-word").dataset.tone = tone;
    setText($("label"), state.label ?? (state.status === "unknown" ? "nothing it knows" : "nothing to see"));
    since = Date.parse(state.since);
    age();
    document.title = state.label ? `${state.label} – glimpsed` : "glimpsed";
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
    setText($("about"), `glimpsed ${info.version} on ${info.board}`);
  },
  vitals(health) {
    setText($("v-fps"), health.fps.toFixed(health.fps < 10 ? 1 : 0));
    setText($("v-temperature"), health.temperature_c === null ? "–" : `${health.temperature_c.toFixed(0)} °C`);
    setText($("v-memory"), health.rss_bytes === null ? "–" : megabytes(health.rss_bytes));
    const dropped = health.overwritten + health.damaged + health.failed;
    setText($("v-dropped"), health.captured ? percent(dropped / health.captured) : "–");
    setText($("v-uptime"), duration(health.uptime_s));
    if (!health.mqtt) chip("chip-broker", "wait", "no broker configured");
    else if (health.mqtt.connected) chip("chip-broker", "good", "broker");
    else chip("chip-broker", "bad", health.mqtt.waiting ? `no broker, ${health.mqtt.waiting} waiting` : "no broker");
    const warnings = [health.throttled && WARNINGS.throttled, WARNINGS[health.thermal]].filter(Boolean);
    $("banner").hidden = warnings.length === 0;
    setText($("banner"), warnings.join(" "));
  },
  lost() {
    chip("chip-camera", "wait", "camera");
    chip("chip-broker", "wait", "broker");
  },
};
