// The live picture. It is asked for while it can be seen, in the width that it is shown in.

import { $, ask, sentence, setText, styled } from "./dom.js";
import { join, ofView, sharesItsCamera, view } from "./bus.js";
import { chooses } from "./first.js";
import { isPart, outline, outlineViews } from "./outline.js";
import { retry } from "./retry.js";
import { drawn, want } from "./transport.js";
import { clock } from "./time.js";

const DARK = { too_dark: "Too dark to tell", covered: "The picture is of one colour" };

// A camera that is refused a place is asked for again after this.
const ASK_AGAIN_MS = 5000;

// So long it is waited for the small first picture.
const FIRST_WITHIN_MS = 2000;

// Whether nobody has said yet which camera it is.
let unchosen = false;
let paused = false;
let inSight = true;
let camera = { status: null };
// Of the view: whether it is switched on, and why it has no model, if that is so.
let settings = {};
// Why there is nothing to see, if that is so: a status of DARK.
let dark = null;
let darkSince = null;
let answered = false;
let painted = false;
// While the small picture is awaited that was asked for with the connection: over a slow line another would come no sooner.
let first = window.early.pictured;
let connected = false;
let forbidden = false;
let crowded = false;
// Whether pictures come slowly, because others watch: in words.
let slowly = "";
// The editor draws the views itself.
let editing = false;
// The small pictures, once there are several cameras, and the views of all.
let small = null;
let all = [];
// Of each picture that is out of sight the credit for the next one, which is given when it comes into sight.
const owed = new Map();

export function edit(on) {
  editing = on;
}

function wanted() {
  const looked = connected && !paused && !forbidden && !crowded && !document.hidden && (inSight || small?.tileInSight());
  if (first && looked) return;
  const wide = (pixels) => (pixels * devicePixelRatio <= 320 ? 320 : pixels * devicePixelRatio <= 640 ? 640 : 1280);
  const others = (small?.tiled() ?? []).map((camera) => ({ camera, width: wide(small.tileWidth()) }));
  if (want(looked ? [{ camera: view().camera, width: wide($("stage").clientWidth) }, ...others] : [])) owed.clear();
}

export const isSeen = (index) => (index ? Boolean(small?.tileInSight(index - 1)) : inSight);

function credit(index) {
  if (isSeen(index)) drawn(index);
  else owed.set(index, (owed.get(index) ?? 0) + 1);
}

// Something has come into sight, or has gone.
function looked() {
  wanted();
  for (const [index, count] of owed) {
    if (!isSeen(index)) continue;
    owed.delete(index);
    for (let one = 0; one < count; one++) drawn(index);
  }
}

// What to say over the picture, most important first.
function overlay() {
  const [state, title, text] = situation();
  $("stage").dataset.state = state;
  $("switch-on").hidden = !connected || (camera.status !== "disabled" && !isOff());
  const withoutModel = camera.fault === "no_model" || lacksModel();
  $("remedies").hidden = !connected || !((camera.status === "offline" && camera.fault) || lacksModel());
  $("onward").href = withoutModel ? "#settings/models" : "#setup";
  setText($("onward"), withoutModel ? "Choose another" : unchosen ? "Set one up" : "Set it up");
  if (withoutModel) import("./absent.js").catch(console.error);
  setText($("overlay-title"), title);
  setText($("overlay-text"), text);
}

// While the camera gives pictures for other views.
const idles = () => camera.status === "online" && sharesItsCamera(view());
const isOff = () => idles() && settings.enabled === false;
const lacksModel = () => idles() && !isOff() && Boolean(settings.model_error);

function situation() {
  if (!connected) return ["wait", "No connection", "The page comes back by itself when glimpsed does."];
  if (camera.status === "disabled") return ["off", "Camera switched off", `You switched this camera off at ${clock(camera.since)}.`];
  if (camera.status === "offline") return camera.fault ? lost() : ["wait", "Camera starting", "The first picture is on its way."];
  if (isOff()) return ["off", "View switched off", "Other views of this camera go on."];
  if (lacksModel()) return ["off", "Nothing is labelled here", `${sentence(settings.model_error)} It is tried again.`];
  if (forbidden) return ["outlines", "Pictures are switched off here", "The labels go on."];
  if (paused) return ["off", "Paused", "The labels go on."];
  if (!answered) return ["wait", "Model loading", "The first label is on its way."];
  if (dark) return ["dark", darkSince ? `${DARK[dark]} since ${clock(darkSince)}` : DARK[dark], dark === "covered" ? "Nothing is labelled. Is the lens covered?" : "There is nothing to see, so nothing is labelled."];
  if (crowded) return ["wait", "Too many are watching", "All places for pictures are taken. It is tried again every 5 s."];
  return painted ? ["live", "", ""] : ["wait", "Waiting for the first picture", slowly];
}

function lost() {
  if (unchosen && camera.fault === "missing") return ["off", "No camera yet", sentence(camera.reason)];
  const title = { missing: "No camera", frozen: "The picture has not changed", no_model: "Nothing is labelled" }[camera.fault] ?? "No picture";
  return ["off", `${title} since ${clock(camera.since)}`, `${sentence(camera.reason)} It is tried again.`];
}

async function switchOn({ currentTarget: button }) {
  if (button.getAttribute("aria-disabled") === "true") return;
  button.setAttribute("aria-disabled", "true");
  try {
    await ask(ofView("settings"), { enabled: true });
    // The button goes when the camera comes.
    $("pause").focus();
  } catch (error) {
    setText($("overlay-text"), `Not switched on: ${error.message}`);
  }
  button.removeAttribute("aria-disabled");
}

// From now on the pictures are those that are shown best.
function begun() {
  if (!first) return;
  first = false;
  wanted();
}

function crowd() {
  $("crowd").hidden = !slowly;
  setText($("crowd"), slowly);
}

function change() {
  wanted();
  overlay();
}

// Where the view is a part of the picture, that part is marked.
function frame(pen, canvas) {
  if (!editing && isPart(view())) outline(pen, canvas, view().region);
}

async function openTiles() {
  const module = await import("./tiles.js").catch(() => null);
  if (!module || small) return;
  small = module;
  join(small.tiles);
  wanted();
}

// The module comes when it is wanted for the first time.
async function openEditor() {
  const button = $("edit-views");
  if (button.getAttribute("aria-busy") === "true") return;
  button.setAttribute("aria-busy", "true");
  try {
    const [{ open }] = await Promise.all([import("./editor.js"), styled("editor")]);
    open();
  } catch {
    setText(button, "Edit views: try again");
  }
  button.removeAttribute("aria-busy");
}

export const live = {
  start() {
    $("pause").addEventListener("click", () => {
      paused = !paused;
      painted = painted && !paused;
      $("pause").setAttribute("aria-pressed", String(paused));
      setText($("pause"), paused ? "Go on" : "Pause");
      change();
    });
    $("switch-on").addEventListener("click", switchOn);
    $("try-again").addEventListener("click", ({ currentTarget }) => retry(currentTarget, $("overlay-text")));
    $("edit-views").addEventListener("click", openEditor);
    $("full").hidden = !document.fullscreenEnabled;
    // A browser may refuse it.
    $("full").addEventListener("click", () => (document.fullscreenElement ? document.exitFullscreen() : $("stage").requestFullscreen()).catch(() => {}));
    document.addEventListener("fullscreenchange", () => setText($("full"), document.fullscreenElement ? "Leave full screen" : "Full screen"));
    $("arrange").addEventListener("click", () => import("./arranging.js").then(({ arrange }) => arrange()).catch(console.error));
    document.addEventListener("visibilitychange", wanted);
    new IntersectionObserver((entries) => {
      inSight = entries.at(-1).isIntersecting;
      looked();
    }).observe($("stage"));
    $("tiles").addEventListener("seen", looked);
    const sized = new ResizeObserver(wanted);
    [$("stage"), $("tiles")].forEach((one) => sized.observe(one));
  },
  async picture(index, time, jpeg) {
    const bitmap = await createImageBitmap(new Blob([jpeg], { type: "image/jpeg" })).catch(() => null);
    credit(index);
    if (!bitmap || forbidden) return;
    if (index > 0) {
      small?.drawTile(index - 1, bitmap);
      bitmap.close();
      return;
    }
    const canvas = $("picture");
    if (canvas.width !== bitmap.width || canvas.height !== bitmap.height) {
      canvas.width = bitmap.width;
      canvas.height = bitmap.height;
    }
    const pen = canvas.getContext("2d");
    pen.drawImage(bitmap, 0, 0);
    frame(pen, canvas);
    bitmap.close();
    begun();
    if (!painted && !paused) {
      painted = true;
      overlay();
    }
  },
  layout({ cameras, views }) {
    all = views;
    if (cameras.length > 1 && !small) openTiles();
    wanted();
  },
  turned() {
    [camera, settings] = [{ status: null }, {}];
    [dark, darkSince, answered, painted] = [null, null, false, false];
    change();
  },
  camera(news) {
    if (news.status !== camera.status && news.status !== "online") painted = false;
    camera = news;
    if (news.status !== "online") first = false;
    change();
  },
  settings(news) {
    settings = news;
    overlay();
  },
  state({ status, since }) {
    darkSince = status in DARK ? since : null;
    overlay();
  },
  classification(frame) {
    answered = true;
    dark = frame.status in DARK ? frame.status : null;
    overlay();
  },
  info({ config }) {
    unchosen = !chooses(config, /^cameras?\b/);
    // The server may be another one since: with the picture allowed, for example.
    forbidden = false;
    wanted();
    overlay();
  },
  refused({ reason }) {
    // Of a camera that has just gone: the next layout is without it.
    if (reason === "unknown") return;
    first = false;
    forbidden = reason === "forbidden";
    if (forbidden) outlineViews($("picture"), all.filter(({ camera }) => camera === view().camera));
    crowded = reason === "crowded";
    if (crowded) {
      setTimeout(() => {
        crowded = false;
        change();
      }, ASK_AGAIN_MS);
    }
    change();
  },
  crowd({ watching, every_s: every }) {
    slowly = every ? `${watching === 1 ? "One is" : `${watching} are`} watching already; pictures come every ${every} s.` : "";
    crowd();
    overlay();
  },
  opened() {
    connected = true;
    crowded = false;
    setTimeout(begun, FIRST_WITHIN_MS);
    change();
  },
  lost() {
    [connected, painted, first, slowly] = [false, false, false, ""];
    crowd();
    change();
  },
};
