// What can be set, and the configuration as it is in effect.

import { $, ask, element, ended, percent, setText } from "./dom.js";

let current = null;
let info = null;
let about = new Map();
let editing = false;

// What became of the last change, beside the control that made it.
function say(control, text, again) {
  const line = $(`${control.id}-saved`);
  setText(line, text);
  if (again) {
    const button = element("button", { type: "button", class: "button quiet" }, "Again");
    button.addEventListener("click", again);
    line.append(" ", button);
  }
}

// The control shows what holds until the daemon has agreed to something else.
async function set(control, path, body, { doing = "Saving …", done = "Saved." } = {}) {
  if (control.getAttribute("aria-busy") === "true") {
    show();
    return;
  }
  control.setAttribute("aria-busy", "true");
  say(control, doing);
  show();
  try {
    await ask(path, body);
    say(control, done);
    setTimeout(() => $(`${control.id}-saved`).textContent === done && say(control, ""), 3000);
  } catch (error) {
    say(control, `Not saved: ${ended(error.message)}`, () => {
      control.focus();
      set(control, path, body, { doing, done });
    });
  } finally {
    control.removeAttribute("aria-busy");
    show();
  }
}

function show() {
  if (!current) return;
  $("model").value = current.model;
  $("precision").value = current.precision;
  $("enabled").checked = current.enabled;
  $("accurate-field").hidden = current.accurate === null;
  $("accurate-on").checked = current.accurate === true;
  if (!editing) $("threshold").value = current.threshold;
  threshold();
  setText($("model-about"), about.get(current.model) ?? "");
}

function threshold() {
  setText($("threshold-value"), percent(Number($("threshold").value)));
}

async function catalogue() {
  const models = await ask("api/v1/models").catch(() => []);
  about = new Map(models.map(({ name, description, published_top1: top1 }) => [
    name, [description, top1 ? `published top-1 ${top1.toFixed(1)} %` : null].filter(Boolean).join("; "),
  ]));
  show();
}

function configuration() {
  if (!info) return;
  const wanted = $("config-filter").value.trim().toLowerCase();
  const waiting = info.restart_required ?? [];
  const all = Object.entries(info.config ?? {});
  const keys = all.filter(([key]) => key.toLowerCase().includes(wanted));
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

export const settings = {
  start() {
    const loading = { doing: "Loading the model …" };
    const changed = (id, path, body, words) => {
      $(id).addEventListener("change", ({ target }) => set(target, path, body(target), words));
    };
    changed("model", "api/v1/model", ({ value }) => ({ name: value }), loading);
    changed("precision", "api/v1/model", ({ value }) => ({ precision: value }), loading);
    changed("enabled", "api/v1/settings", ({ checked }) => ({ enabled: checked }));
    changed("accurate-on", "api/v1/settings", ({ checked }) => ({ accurate: checked }));
    $("threshold").addEventListener("input", () => { editing = true; threshold(); });
    $("threshold").addEventListener("change", ({ target }) => {
      const wanted = Number(target.value);
      editing = false;
      set(target, "api/v1/settings", { threshold: wanted });
    });
    $("config-filter").addEventListener("input", configuration);
    const press = (id, path, words) => {
      $(id).addEventListener("click", ({ currentTarget }) => set(currentTarget, path, {}, words));
    };
    press("reload", "api/v1/reload", { doing: "Reading the configuration …", done: "Read." });
    press("restart", "api/v1/restart", { doing: "Starting again …", done: "It starts again." });
  },
  settings(settings) {
    current = settings;
    show();
  },
  info(told) {
    info = told;
    const names = told.available_models ?? [];
    const known = [...$("model").options].map((option) => option.value);
    if (names.join("\n") !== known.join("\n")) {
      $("model").replaceChildren(...names.map((name) => element("option", { value: name }, name)));
      catalogue();
    }
    show();
    configuration();
  },
};
