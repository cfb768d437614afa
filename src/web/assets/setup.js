// The set-up: camera, what to watch, messages, who may see it. Each step can be skipped; at the end the lines are shown and written.

import { $, answered, ask, element, ended, sentence, setText } from "./dom.js";
import { copies } from "./saving.js";
import { html } from "./setup.html";
import { clock } from "./time.js";
import { tried, tryBroker } from "./trial.js";

const LAST = 4;
const NOTHING = "Nothing is chosen, so nothing is to be written.";

let at = 0;
let begun = false;
// What the daemon said of itself.
let now = null;
let config = {};
let camera = { status: null };
// Of each step what was chosen; nothing where it was skipped.
let chosen = {};
let written = false;

const value = (name) => document.querySelector(`#place-setup input[name="${name}"]:checked`)?.value;
const withScheme = (address) => (address && !address.includes("://") ? `mqtt://${address}` : address);

function server(name, url) {
  const [username, password] = [$(`${name}-user`).value.trim(), $(`${name}-password`).value];
  return { url, ...(username && { username }), ...(password && { password }) };
}

// Each step says what was chosen in it, or in a word what is missing.
const STEPS = [
  () => {
    const pick = value("camera");
    if (!pick) return "Choose a camera, or skip this.";
    if (pick === "examples") return { camera: { source: "examples" } };
    if (pick !== "network") return { camera: { source: "v4l2", device: pick } };
    const url = $("camera-url").value.trim();
    if (!/^(rtsps?|https?):\/\/./i.test(url)) return "The address of the camera begins with rtsp:// or http://.";
    return { camera: { source: /^rtsp/i.test(url) ? "rtsp" : "http", ...server("camera", url) } };
  },
  () => {
    const pick = value("watch");
    return pick ? (pick === "teach" ? { teach: true } : {}) : "Choose one, or skip this.";
  },
  () => {
    const pick = value("messages");
    if (pick !== "broker") return pick ? {} : "Choose one, or skip this.";
    const url = withScheme($("broker-url").value.trim());
    return url ? { broker: server("broker", url) } : "The address of the broker is missing.";
  },
  () => {
    const pick = value("others");
    return pick ? { others: pick === "true" } : "Choose one, or skip this.";
  },
];

function go(step) {
  at = step;
  for (let one = 0; one <= LAST; one++) $(`step-${one}`).hidden = one !== at;
  [...$("steps").children].forEach((item, one) => {
    if (one === at) item.setAttribute("aria-current", "step");
    else item.removeAttribute("aria-current");
  });
  $("setup-back").hidden = at === 0 || written;
  $("setup-skip").hidden = $("setup-next").hidden = at === LAST;
  setText($("setup-choose"), "");
  $(`step-${at}-title`).focus();
  scrollTo(0, 0);
  if (at === LAST && !written) show();
}

function next() {
  const found = STEPS[at]();
  if (typeof found === "string") return setText($("setup-choose"), found);
  chosen[at] = found;
  go(at + 1);
}

const choices = () => Object.assign({}, ...Object.values(chosen));

function lines(text) {
  setText($("setup-lines"), text);
  $("setup-lines").hidden = $("lines-row").hidden = !text;
}

// What would be written.
async function show() {
  lines("");
  const wanted = choices();
  const write = $("write");
  write.hidden = true;
  if (!Object.keys(wanted).length) return setText($("setup-says"), NOTHING);
  setText($("setup-says"), "…");
  try {
    const { lines: text } = await ask("api/v1/setup", wanted);
    lines(text);
    write.hidden = !text;
    setText($("setup-says"), text ? `These lines are new in ${now?.file ?? "the configuration"}. Everything else in it stays, with its comments.` : "The configuration says all of this already.");
    if (!text) done();
  } catch (error) {
    setText($("setup-says"), `It cannot work so: ${ended(error.message)}`);
  }
}

async function write({ currentTarget: button }) {
  if (button.getAttribute("aria-disabled") === "true") return;
  button.setAttribute("aria-disabled", "true");
  setText($("setup-says"), "Writing …");
  try {
    const { lines: text, saved, reason, waits, token } = await ask("setup", { ...choices(), save: true });
    lines(text);
    if (token) {
      setText($("setup-token"), token);
      $("token-row").hidden = false;
    }
    for (const field of ["camera-password", "broker-password"]) $(field).value = "";
    if (saved) {
      setText($("setup-says"), "Written, and in effect now.");
      button.hidden = true;
      $("setup-undo").hidden = Boolean(token);
      done();
    } else {
      const help = waits ? "Run “sudo glimpsed setup” on the device, where it may wait for this already: it writes these lines." : "Put these lines into the file yourself.";
      setText($("setup-says"), `The service may not write its file: ${ended(reason ?? "")} ${help}`);
      if (waits) follow();
    }
  } catch (error) {
    setText($("setup-says"), `Not written: ${ended(error.message)}`);
  }
  button.removeAttribute("aria-disabled");
}

// Until somebody else has written it.
function follow() {
  const timer = setInterval(async () => {
    const { lines: left } = await ask("api/v1/setup", choices()).catch(() => ({ lines: "?" }));
    if (left || at !== LAST) return;
    clearInterval(timer);
    setText($("setup-says"), "Written, and in effect now.");
    $("write").hidden = true;
    done();
  }, 3000);
}

function done() {
  written = true;
  $("setup-back").hidden = $("setup-leave").hidden = true;
  $("sees").hidden = false;
  setText($("step-4-title"), "Done");
  $("step-4-title").focus();
}

// The server starts again with what was written, and may not be there for a moment.
async function patiently(act) {
  for (let tries = 1; ; tries++) {
    try {
      return await act();
    } catch (error) {
      if (error.status || tries === 5) throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, 1000));
  }
}

async function takeBack() {
  try {
    await patiently(() => ask("api/v1/views/undo", {}));
    setText($("setup-says"), "The file is as it was.");
    $("setup-undo").hidden = true;
    $("sees").hidden = true;
    written = false;
    $("setup-back").hidden = $("setup-leave").hidden = false;
    setText($("step-4-title"), "Write it down");
    $("step-4-title").focus();
  } catch (error) {
    setText($("setup-says"), `Not taken back: ${ended(error.message)}`);
  }
}

// A picture of a camera, or why there is none.
async function picture(choice) {
  const response = await fetch("api/v1/setup/camera", { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ camera: choice }) });
  if (response.ok) return URL.createObjectURL(await response.blob());
  const { detail } = answered(await response.text().catch(() => ""));
  throw new Error(detail ?? response.statusText);
}

// The camera that the daemon looks through can be opened by nobody else.
const inUse = ({ device, choose }) => camera.status === "online" && [device, choose].includes(config["camera.device"]?.value) && config["camera.source"]?.value === "v4l2";

async function thumbnail(found, image, words) {
  try {
    image.src = inUse(found) ? "api/v1/frame.jpeg?labels=false" : await picture({ source: "v4l2", device: found.choose });
    image.hidden = false;
    image.nextElementSibling.hidden = true;
  } catch (error) {
    setText(words, sentence(error.message));
  }
}

async function look() {
  try {
    const cameras = await ask("api/v1/cameras/found");
    const rows = cameras.map(({ name, device, choose, problem }) => {
      const words = element("span", { class: "hint" }, problem ? sentence(problem) : device);
      const image = element("img", { alt: `What ${name} sees`, hidden: true });
      const row = element("li", {}, element("label", { class: "pick" }, element("input", { type: "radio", name: "camera", value: choose }),
        image, element("span", { class: "blank" }), element("span", {}, element("strong", {}, name), words)));
      return [row, image, words];
    });
    $("picks").replaceChildren(...rows.map(([row]) => row));
    setText($("cameras-say"), cameras.length ? `These cameras are here: ${cameras.length}.` : "No USB camera is here. It should be once it is plugged in.");
    // One after the other: a bus carries one camera well.
    for (const [index, [, image, words]] of rows.entries()) await thumbnail(cameras[index], image, words);
  } catch (error) {
    setText($("cameras-say"), sentence(error.message));
  }
}

function tryCamera({ currentTarget }) {
  const found = STEPS[0]();
  const image = $("camera-picture");
  image.hidden = true;
  if (typeof found === "string") return setText($("camera-tried"), found);
  tried(currentTarget, $("camera-tried"), "Opening it; a network camera may take some seconds …", async () => {
    image.src = await picture(found.camera);
    image.hidden = false;
    return `This is what it saw at ${clock()}.`;
  });
}

function tryChosen({ currentTarget }) {
  const found = STEPS[2]();
  $("broker-steps").replaceChildren();
  if (typeof found === "string") return setText($("broker-tried"), found);
  tryBroker(currentTarget, $("broker-tried"), $("broker-steps"), found);
}

async function begin() {
  begun = true;
  try {
    now = await ask("api/v1/setup");
  } catch (error) {
    $("setup-refused").hidden = false;
    setText($("setup-refused"), sentence(error.message));
    for (const part of ["setup-walk", "step-0"]) $(part).hidden = true;
    begun = false;
    return;
  }
  $("pick-examples").hidden = !now.examples;
  if (now.token) setText($("others-say"), "the token that there is stays as it is");
  const isHere = ["localhost", "127.0.0.1", "[::1]"].includes(location.hostname);
  if (!isHere) setText($("only-says"), "this browser is on another one, so the page cannot be opened from here any more");
  if (!now.file) {
    $("setup-refused").hidden = false;
    setText($("setup-refused"), "The daemon runs without a configuration file, so what is chosen here cannot be kept.");
  }
  if (now.named) setText($("cameras-say"), "The cameras have names in the file, and are changed there. Skip this.");
  else look();
}

export const part = {
  html,
  start() {
    $("setup-next").addEventListener("click", next);
    $("setup-skip").addEventListener("click", () => {
      delete chosen[at];
      go(at + 1);
    });
    $("setup-back").addEventListener("click", () => go(at - 1));
    for (const form of document.querySelectorAll("#place-setup form")) form.addEventListener("submit", (event) => {
      event.preventDefault();
      next();
    });
    $("place-setup").addEventListener("change", () => {
      $("network-fields").hidden = value("camera") !== "network";
      $("broker-fields").hidden = value("messages") !== "broker";
      setText($("setup-choose"), "");
    });
    $("try-camera").addEventListener("click", tryCamera);
    $("try-broker").addEventListener("click", tryChosen);
    $("write").addEventListener("click", write);
    $("setup-undo").addEventListener("click", takeBack);
    copies($("place-setup"));
  },
  visit() {
    if (written) {
      [written, chosen] = [false, {}];
      $("sees").hidden = $("token-row").hidden = true;
      $("setup-undo").hidden = true;
      // Shown once.
      setText($("setup-token"), "");
      setText($("step-4-title"), "Write it down");
      $("setup-leave").hidden = false;
      begun = false;
    }
    if (begun) return;
    begin();
    go(0);
  },
  info(news) {
    config = news.config ?? {};
  },
  camera(news) {
    camera = news;
  },
};
