// What can be set, what is here, and the configuration as it is in effect.

import { $, ask, element, ended, megabytes, percent, sentence, setText } from "./dom.js";
import { ofView } from "./bus.js";
import { comparison } from "./comparison.js";
import { catalogue } from "./models.js";
import { copies, save } from "./saving.js";
import { html } from "./settings.html";
import { clock, duration } from "./time.js";
import { tryBroker } from "./trial.js";

const NETWORK = '[camera]\nsource = "rtsp"                    # a network camera; needs ffmpeg\nurl = "rtsp://camera.lan/stream1"\n\n[camera]\nsource = "http"                    # an address with JPEG pictures\nurl = "http://camera.lan/snapshot.jpg"\n\n[camera]\nsource = "replay"                  # a folder of pictures, to try it\npath = "/usr/share/glimpsed/photos"\nfps = 1.0\n';

let current = null;
let info = null;
let camera = { status: null };
let editing = false;
let latency = null;
let looked = false;
let everything = false;

function show() {
  if (!current) return;
  $("precision").value = current.precision;
  $("enabled").checked = current.enabled;
  $("accurate-field").hidden = current.accurate === null;
  $("accurate-on").checked = current.accurate === true;
  if (!editing) $("threshold").value = current.threshold;
  threshold();
}

function threshold() {
  setText($("threshold-value"), percent(Number($("threshold").value)));
}

function configuration() {
  if (!info) return;
  const wanted = $("config-filter").value.trim().toLowerCase();
  const waiting = info.restart_required ?? [];
  const all = Object.entries(info.config ?? {});
  // Those that are set, until all are asked for or one is looked for.
  const keys = all.filter(([key, { origin }]) => (wanted ? key.toLowerCase().includes(wanted) : everything || origin !== "default" || waiting.includes(key)));
  setText($("config-all"), everything ? "Only those that are set" : `All ${all.length} keys`);
  $("config-body").replaceChildren(...keys.map(([key, { value, origin }]) => element("tr", { "data-set": String(origin !== "default") },
    element("td", {}, key), element("td", {}, JSON.stringify(value)),
    element("td", {}, waiting.includes(key) ? `${origin}, after a restart` : origin))));
  $("twin").hidden = !info.twin;
  setText($("twin"), info.twin ? `Another device has the same id and publishes on the same topics: ${info.twin}. Give each its own id in [device].` : "");
  $("config-error").hidden = !info.config_error;
  // Of two mistakes the file's is told, unless only the model is missing.
  const about = info.models.some(({ role }) => role === "fast") ? "The file as it is now is not in effect:" : "This configuration cannot work as it is:";
  setText($("config-error"), info.config_error ? `${about}\n${info.config_error}` : "");
  $("restart-row").hidden = waiting.length === 0;
  setText($("restart-text"), `Edited, and in effect after a restart: ${waiting.join(", ")}`);
  const set = all.filter(([, { origin }]) => origin !== "default").length;
  setText($("config-hint"), info.config_error ? "it has mistakes" : waiting.length ? "a restart is needed" : `${set} of ${all.length} keys set`);
}

// What leaves the device, in words; the keys that decide it stand beside.
function privacy() {
  const value = (key) => info?.config?.[key]?.value;
  const facts = [
    [value("privacy.preview") !== false, "The live picture is shown to those who can open this page.", "The live picture is not shown on this page.", "privacy.preview"],
    [value("privacy.publish_image") === true, "Pictures are published over MQTT.", "No picture leaves the device over MQTT; labels do.", "privacy.publish_image"],
    [value("privacy.notify_image") === true, "Notices to people may have a picture.", "Notices to people have no picture.", "privacy.notify_image"],
    [Number(value("teach.remember") ?? 0) > 0 && value("privacy.preview") !== false, "Small pictures of the newest changes are kept in memory, and forgotten when the device starts again.", "No picture of a change is kept.", "teach.remember"],
    [Boolean(value("teach.directory")), "Pictures that somebody labels under Teach are kept on this device.", "No picture is kept on this device's disk.", "teach.directory"],
  ];
  $("privacy").replaceChildren(...facts.map(([yes, does, not, key]) => element("li", {}, element("span", {}, yes ? does : not), element("code", {}, key))));
}

function cameraSays() {
  const size = camera.negotiated ? `, ${camera.negotiated.width}×${camera.negotiated.height}` : "";
  const at = camera.since ? clock(camera.since) : "";
  const words = {
    online: `Pictures come${size}.`,
    disabled: `You switched this camera off at ${at}.`,
    offline: camera.reason ? `${camera.fault === "no_model" ? "Nothing is labelled" : "No picture"} since ${at}: ${ended(camera.reason)} It is tried again.` : "The camera is being opened.",
  };
  setText($("camera-says"), words[camera.status] ?? "");
  if (camera.status === "offline" && camera.fault && camera.fault !== "no_model" && !$("place-settings").hidden && !looked) look();
}

async function look() {
  const button = $("look");
  if (button.getAttribute("aria-disabled") === "true") return;
  looked = true;
  button.setAttribute("aria-disabled", "true");
  setText($("found-says"), "Looking …");
  try {
    const cameras = await ask("api/v1/cameras/found");
    $("found").replaceChildren(...cameras.map(found));
    copies($("found"));
    setText($("found-says"), cameras.length ? `${cameras.length} found. Put the lines of one into the file of the configuration.` : "None. A USB camera should be here once it is plugged in; a camera on the ribbon cable is read through a command, see below.");
  } catch (error) {
    setText($("found-says"), sentence(error.message));
  }
  button.removeAttribute("aria-disabled");
}

function found({ name, device, lines, problem, formats }, index) {
  const sizes = formats.length ? `${formats.join(", ")}. ` : "";
  return element("li", {}, element("strong", {}, name), element("span", { class: "hint" }, `${device}. ${sizes}${problem ? sentence(problem) : ""}`),
    element("div", { class: "command" }, element("pre", { id: `lines-${index}`, tabindex: "0", "aria-label": "Lines for the configuration" }, lines), element("button", { class: "button quiet", type: "button", "data-copy": `lines-${index}` }, "Copy")));
}

function broker({ mqtt }) {
  if (!mqtt) return "No broker is configured: labels stay on this page. The key url in [mqtt] names one.";
  if (mqtt.connected) return `Connected to ${mqtt.broker}.`;
  const waiting = mqtt.waiting ? ` ${mqtt.waiting} messages wait.` : "";
  return mqtt.last_error ? `Not connected to ${mqtt.broker}: ${ended(mqtt.last_error)}${waiting}` : `Connecting to ${mqtt.broker} …`;
}

function tell(away) {
  $("away").hidden = !away;
  setText($("away"), away ? "No connection to the device: nothing can be set until it is back." : "");
}

export const part = {
  html,
  start() {
    const loading = { doing: "Loading the model …" };
    const changed = (id, path, body, words) => {
      $(id).addEventListener("change", ({ target }) => save(target, ofView(path), body(target), show, words));
    };
    changed("precision", "model", ({ value }) => ({ precision: value }), loading);
    changed("enabled", "settings", ({ checked }) => ({ enabled: checked }));
    changed("accurate-on", "settings", ({ checked }) => ({ accurate: checked }));
    $("threshold").addEventListener("input", () => { editing = true; threshold(); });
    $("threshold").addEventListener("change", ({ target }) => {
      const wanted = Number(target.value);
      editing = false;
      save(target, ofView("settings"), { threshold: wanted }, show);
    });
    $("config-filter").addEventListener("input", configuration);
    $("config-all").addEventListener("click", () => {
      everything = !everything;
      configuration();
    });
    const press = (id, path, words) => {
      $(id).addEventListener("click", ({ currentTarget }) => save(currentTarget, path, {}, show, words));
    };
    press("reload", "api/v1/reload", { doing: "Reading the configuration …", done: "Read." });
    press("restart", "api/v1/restart", { doing: "Starting again …", done: "It starts again." });
    $("look").addEventListener("click", look);
    $("try-connection").addEventListener("click", ({ currentTarget }) => tryBroker(currentTarget, $("connection-tried"), $("connection-steps"), {}));
    setText($("network-lines"), NETWORK);
    copies($("place-settings"));
    const say = $("say");
    try {
      say.value = localStorage.getItem("say") ?? "all";
    } catch {
      // A browser that keeps nothing hears all.
    }
    say.addEventListener("change", () => localStorage.setItem("say", say.value));
    comparison.start();
    catalogue.start();
  },
  visit([part, key]) {
    if (key) {
      $("config-filter").value = key;
      configuration();
    }
    cameraSays();
    const title = part && $(`${part}-title`);
    if (!title) return;
    title.scrollIntoView({ block: "start" });
    title.focus({ preventScroll: true });
  },
  settings(news) {
    current = news;
    show();
    comparison.settings(news);
    catalogue.settings(news);
  },
  info(news) {
    info = news;
    show();
    configuration();
    privacy();
    catalogue.info(news);
  },
  camera(news) {
    camera = news;
    cameraSays();
  },
  classification({ timing_ms: timing }) {
    latency = latency === null ? timing.total : latency + 0.3 * (timing.total - latency);
    setText($("v-latency"), `${latency.toFixed(latency < 10 ? 1 : 0)} ms`);
  },
  vitals(health) {
    setText($("v-fps"), health.fps.toFixed(health.fps < 10 ? 1 : 0));
    setText($("v-temperature"), health.temperature_c === null ? "–" : `${health.temperature_c.toFixed(0)} °C`);
    setText($("v-memory"), health.rss_bytes === null ? "–" : megabytes(health.rss_bytes));
    const dropped = health.overwritten + health.damaged + health.failed;
    setText($("v-dropped"), health.captured ? percent(dropped / health.captured) : "–");
    setText($("v-uptime"), duration(health.uptime_s));
    setText($("broker-says"), broker(health));
    $("try-row").hidden = !health.mqtt;
  },
  comparison: comparison.comparison,
  download: catalogue.download,
  opened() {
    tell(false);
  },
  lost() {
    tell(true);
  },
};
