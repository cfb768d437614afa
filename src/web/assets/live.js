// The live picture. The stream is read frame by frame, so that a dead one is noticed and a hidden page costs nothing.

import { $, setText } from "./dom.js";

const RETRY_MS = [1000, 2000, 5000, 10000];
const MAX_PART = 8 << 20;

let stop = null;
let tries = 0;
let paused = false;
let camera = null;
let dark = false;
let answered = false;
let painted = false;
let connected = false;
let forbidden = false;
let crowded = false;

// Splits multipart/x-mixed-replace by the lengths that its parts declare.
async function frames(reader, show) {
  let held = new Uint8Array(0);
  const decoder = new TextDecoder("latin1");
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const joined = new Uint8Array(held.length + value.length);
    joined.set(held);
    joined.set(value, held.length);
    held = joined;
    let newest = null;
    for (;;) {
      const head = decoder.decode(held.subarray(0, 512));
      const end = head.indexOf("\r\n\r\n");
      const length = Number(/content-length: (\d+)/i.exec(head.slice(0, end))?.[1]);
      if (end < 0 || !(length >= 0) || held.length < end + 4 + length) break;
      newest = held.slice(end + 4, end + 4 + length);
      held = held.subarray(end + 4 + length);
    }
    if (held.length > MAX_PART) throw new Error("a part has no end");
    if (newest) await show(newest);
  }
}

async function show(bytes) {
  const bitmap = await createImageBitmap(new Blob([bytes], { type: "image/jpeg" })).catch(() => null);
  if (!bitmap) return;
  const canvas = $("picture");
  if (canvas.width !== bitmap.width || canvas.height !== bitmap.height) {
    canvas.width = bitmap.width;
    canvas.height = bitmap.height;
  }
  canvas.getContext("2d").drawImage(bitmap, 0, 0);
  bitmap.close();
  tries = 0;
  if (!painted) {
    painted = true;
    overlay();
  }
}

async function watch() {
  if (stop || paused || document.hidden || forbidden) return;
  const controller = new AbortController();
  stop = controller;
  try {
    const response = await fetch("/api/v1/stream.mjpeg", { signal: controller.signal });
    crowded = response.status === 503;
    if (response.ok) await frames(response.body.getReader(), show);
    else if (response.status === 403) forbidden = true;
  } catch {
    // Aborted by us, or the connection is lost, which the events tell.
  }
  if (stop !== controller) return;
  stop = null;
  painted = false;
  overlay();
  if (!controller.signal.aborted) setTimeout(watch, RETRY_MS[Math.min(tries++, RETRY_MS.length - 1)]);
}

function end() {
  stop?.abort();
  stop = null;
}

// What to say over the picture, most important first.
function overlay() {
  const [state, title, text] = situation();
  $("stage").dataset.state = state;
  setText($("overlay-title"), title);
  setText($("overlay-text"), text);
}

function situation() {
  if (!connected) return ["wait", "No connection", "The page comes back by itself when glimpsed does."];
  if (camera === "disabled") return ["off", "Camera switched off", "Switch it on under Settings."];
  if (camera === "offline") return ["off", "No camera", "It is looked for, and used as soon as it is there."];
  if (forbidden) return ["off", "Picture not shown", "`preview` in [privacy] is false; the labels go on."];
  if (paused) return ["off", "Paused", "The labels go on."];
  if (!answered) return ["wait", "Model loading", "The first label is on its way."];
  if (dark) return ["dark", "Too dark", "There is nothing to see, so nothing is labelled."];
  if (crowded) return ["wait", "Too many are watching", "It is tried again."];
  return painted ? ["live", "", ""] : ["wait", "Waiting for a picture", ""];
}

export const live = {
  start() {
    $("pause").addEventListener("click", () => {
      paused = !paused;
      $("pause").setAttribute("aria-pressed", String(paused));
      setText($("pause"), paused ? "Go on" : "Pause");
      if (paused) end(); else watch();
      overlay();
    });
    document.addEventListener("visibilitychange", () => (document.hidden ? end() : watch()));
  },
  camera({ status }) {
    connected = true;
    if (status !== camera && status !== "online") painted = false;
    camera = status;
    overlay();
  },
  classification(frame) {
    answered = true;
    dark = frame.status === "too_dark";
    overlay();
  },
  info() {
    // The server may be another one since: with the picture allowed, for example.
    forbidden = false;
    watch();
  },
  lost() {
    connected = false;
    painted = false;
    // A stream that is dead without an end would keep the next one from being asked for.
    end();
    overlay();
  },
};
