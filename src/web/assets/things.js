// One button that says whether all is well, and a list of what is not, each with what helps.

import { $, ask, element, ended, sentence, setText } from "./dom.js";
import { cameraOf, settingsOf, sharesItsCamera } from "./bus.js";
import { retry } from "./retry.js";
import { clock, now } from "./time.js";

const WARNINGS = {
  throttled: "The supply is too weak, so the board slows itself down.",
  reduced: "The board is warm, so fewer frames are labelled.",
  paused: "The board is too warm, so nothing is labelled until it is cooler.",
};

let connected = false;
let since = null;
let layout = { cameras: [], views: [] };
let health = null;
let info = null;
let shown = "";

const go = (text, href) => ({ text, href });
const again = (camera) => ({ text: "Try again", camera });
const press = (text, path, body) => ({ text, act: () => ask(path, body) });
const switchOn = (view) => press("Switch on", `api/v1/views/${encodeURIComponent(view)}/settings`, { enabled: true });

const nameOf = (view) => layout.views.find(({ name }) => name === view)?.title || view;

// With its name where there are several.
function ofTheCamera(name) {
  const camera = cameraOf(name) ?? {};
  const views = layout.views.filter((view) => view.camera === name);
  const [text, ...help] = wrong(name, camera, views);
  return text && [layout.cameras.length > 1 ? `${name}: ${text}` : text, ...help];
}

function wrong(name, { status, fault, reason, since: from }, views) {
  const at = from ? clock(from) : "";
  if (!views.length) return ["No view looks through this camera, so nothing of it is labelled."];
  if (status === "disabled") return [`You switched this camera off at ${at}.`, switchOn(views[0].name)];
  if (fault === "no_model") return [`Nothing is labelled since ${at}: ${ended(reason)}`, again(name), go("Models", "#settings/models")];
  if (fault === "covered") return [sentence(reason)];
  if (fault === "frozen") return [`The picture has not changed since ${at}.`, again(name)];
  if (status === "offline" && fault) return [`No picture since ${at}: ${ended(reason)}`, again(name), go("Set it up", "#setup")];
  return [];
}

// What is wrong with a view whose camera works.
function ofTheView(view) {
  const { name, camera } = view;
  const settings = settingsOf(name);
  if (!settings || !sharesItsCamera(view) || cameraOf(camera)?.status !== "online") return null;
  if (settings.enabled === false) return [`You switched the view ${nameOf(name)} off.`, switchOn(name)];
  if (settings.model_error) return [`${nameOf(name)}: nothing is labelled. ${sentence(settings.model_error)}`, again(camera), go("Models", "#settings/models")];
  return null;
}

function ofTheLabels() {
  const several = layout.views.length > 1;
  const of = (view) => (several && view ? `${nameOf(view)}: ` : "");
  const failing = (health?.failing ?? []).map(({ view, reason }) => [`${of(view)}no picture can be labelled: ${ended(reason)}`]);
  const strange = (health?.strange ?? []).map(({ view, since: from }) => [`${of(view)}most pictures look strange since ${clock(from)}. Has the camera moved?`, go("Teach", `#teach${view ? `/${encodeURIComponent(view)}` : ""}`)]);
  return [...failing, ...strange];
}

function ofTheNotices() {
  const cause = health?.notices?.failing;
  return cause ? [`Notices do not arrive: ${ended(cause)}`] : null;
}

const lacksModel = () => layout.cameras.some((name) => cameraOf(name)?.fault === "no_model") || layout.views.some(({ name }) => settingsOf(name)?.model_error);

function ofTheBroker() {
  const broker = health?.mqtt;
  if (!broker || broker.connected || !broker.last_error) return null;
  const messages = broker.waiting ? `Messages wait (${broker.waiting})` : "Messages wait";
  return [`${messages} for the broker, ${broker.broker}: ${ended(broker.last_error)}`, go("Messages", "#settings/messages")];
}

function ofTheFile() {
  // Of a missing model the camera or the view tells already.
  if (info?.config_error && !lacksModel()) return ["The configuration file has a mistake and is not in effect.", go("Show it", "#settings/keys")];
  const waiting = info?.restart_required ?? [];
  return waiting.length ? [`Edited, and in effect after a restart: ${waiting.join(", ")}.`, press("Restart now", "api/v1/restart", {})] : null;
}

function all() {
  if (!connected) return [[since ? `No connection since ${clock(since)}. What you see is old. Trying again.` : "Connecting to the device.", null]];
  return [
    ...layout.cameras.map(ofTheCamera), ...layout.views.map(ofTheView), ...ofTheLabels(), ofTheBroker(), ofTheNotices(), ofTheFile(),
    info?.twin && [`Another device has the same id and publishes on the same topics: ${info.twin}. Give each its own id in [device].`, null],
    health?.throttled && [WARNINGS.throttled, null],
    WARNINGS[health?.thermal] && [WARNINGS[health.thermal], null],
  ].filter(Boolean);
}

function remedy({ text, href, act, camera }) {
  if (href) {
    const link = element("a", { class: "button quiet", href }, text);
    link.addEventListener("click", () => close(false));
    return link;
  }
  const button = element("button", { class: "button quiet", type: "button" }, text);
  button.addEventListener("click", async () => {
    const says = button.closest("li").firstChild;
    if (camera) return retry(button, says, camera);
    if (button.getAttribute("aria-disabled") === "true") return;
    button.setAttribute("aria-disabled", "true");
    await act().catch((error) => {
      setText(says, `Not done: ${ended(error.message)}`);
      shown = "";
    });
    button.removeAttribute("aria-disabled");
  });
  return button;
}

// The tone, the number that a small screen shows alone, and the words behind it.
function head(many, starts) {
  if (!connected) return since ? ["bad", "", "No connection"] : ["wait", "", "Connecting"];
  if (many) return ["warn", String(many), ` thing${many > 1 ? "s need" : " needs"} you`];
  return starts ? ["wait", "", "Starting"] : ["good", "", "All well"];
}

function show() {
  const list = all();
  const button = $("state-button");
  const starts = layout.cameras.map(cameraOf).some((camera) => camera?.status === "offline" && !camera.fault);
  const [tone, count, words] = head(list.length, starts);
  button.dataset.tone = tone;
  const [number, text] = button.lastElementChild.children;
  setText(number, count);
  setText(text, words);
  $("banner").hidden = connected || !since;
  setText($("banner"), connected || !since ? "" : list[0][0]);
  const key = JSON.stringify([starts, list.map(([text, ...help]) => [text, help.map((one) => one?.text)])]);
  if (key === shown) return;
  shown = key;
  const held = $("things").contains(document.activeElement);
  const rows = list.map(([text, ...help]) => element("li", {}, element("span", {}, text), element("span", { class: "row" }, ...help.filter(Boolean).map(remedy))));
  $("things-list").replaceChildren(...(rows.length ? rows : [element("li", {}, element("span", {}, starts ? "A camera is starting. Nothing needs you." : "All well: nothing needs you, and nothing waits."))]));
  if (held) button.focus();
}

function close(back) {
  if ($("things").hidden) return;
  $("things").hidden = true;
  $("state-button").setAttribute("aria-expanded", "false");
  if (back) $("state-button").focus();
}

export const things = {
  start() {
    $("state-button").addEventListener("click", () => {
      if (!$("things").hidden) return close(true);
      $("things").hidden = false;
      $("state-button").setAttribute("aria-expanded", "true");
    });
    document.addEventListener("keydown", (event) => event.key === "Escape" && close(true));
    document.addEventListener("click", ({ target }) => !$("things").contains(target) && !$("state-button").contains(target) && close(false));
  },
  opened() {
    connected = true;
    show();
  },
  lost() {
    if (connected) since = now();
    connected = false;
    show();
  },
  layout(news) {
    layout = news;
    show();
  },
  every(name) {
    if (name === "camera" || name === "settings") show();
  },
  vitals(news) {
    health = news;
    show();
  },
  info(news) {
    info = news;
    show();
  },
};
