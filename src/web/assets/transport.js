// The connection to the daemon: one WebSocket for events and pictures, which is opened before this script is here (`early.js`). Where
// something on the way does not let it through, server-sent events and a stream of pictures take its place.

import { logIn, parse } from "./dom.js";

const EVENTS = ["clock", "layout", "camera", "info", "settings", "classification", "state", "second", "strange", "timeline", "change", "day", "pictures", "vitals", "comparison", "download", "teach", "refused", "crowd"];
const RETRY_MS = [1000, 2000, 5000, 10000];

// Without a word for this long the connection is dead, whatever the browser thinks of it; the daemon speaks every 2 s.
const SILENCE_MS = 12000;

// So often in a row a WebSocket fails before it is open until something else is tried; after as many tries of that it is tried again.
const MOST_FAILURES = 2;
const TRY_AGAIN_AFTER = 5;

let handlers;
let socket = null;
let failures = 0;
let tries = 0;
let heard = 0;
let timer;
let fallback = null;
let generation = 0;
// Null while the picture is wanted that was asked for with the connection.
let subscriptions = window.early.pictured ? null : [];

// handlers: opened(), lost(), event(name, data, { camera, view }), picture(index, milliseconds, jpeg), isSeen(index) of a subscription's picture.
export function start(given) {
  handlers = given;
  connect();
  setInterval(() => {
    if (!document.hidden && heard && Date.now() - heard > SILENCE_MS) again();
  }, 2000);
  // A browser may keep a page that was left, with its connections.
  addEventListener("pagehide", close);
  addEventListener("pageshow", ({ persisted }) => persisted && connect());
}

// Which pictures are wanted from now on: [{camera, width}], none for a page that is hidden or paused. Returns whether these are others.
export function want(next) {
  if (JSON.stringify(next) === JSON.stringify(subscriptions)) return false;
  subscriptions = next;
  send({ want: subscriptions });
  fallback?.want(subscriptions);
  return true;
}

// The picture of the subscription with this index was drawn: the next may come.
export function drawn(index) {
  send({ drawn: index });
}

function send(message) {
  if (socket?.readyState === WebSocket.OPEN) socket.send(JSON.stringify(message));
}

function connect() {
  close();
  heard = Date.now();
  if (failures >= MOST_FAILURES && failures < MOST_FAILURES + TRY_AGAIN_AFTER) {
    failures++;
    beside();
    return;
  }
  if (failures >= MOST_FAILURES) failures = MOST_FAILURES - 1;
  const [mine, before] = begun();
  let opened = false;
  const open = () => {
    opened = true;
    failures = 0;
    if (subscriptions?.length) send({ want: subscriptions });
    handlers.opened();
  };
  mine.addEventListener("open", open);
  const hear = ({ data }) => {
    heard = Date.now();
    tries = 0;
    if (typeof data === "string") {
      const { event, data: payload, camera, view } = parse(data);
      handlers.event(event, payload, { camera, view });
    } else {
      const view = new DataView(data);
      handlers.picture(view.getUint8(0), Number(view.getBigInt64(1)), new Uint8Array(data, 9));
    }
  };
  mine.addEventListener("message", hear);
  mine.addEventListener("close", () => {
    if (socket !== mine) return;
    if (!opened) failures++;
    again();
  });
  socket = mine;
  if (mine.readyState !== WebSocket.OPEN) return;
  open();
  before.forEach(hear);
}

// The connection that was opened before, with what came over it; later another one.
function begun() {
  const { dial, socket, heard } = window.early;
  window.early.socket = null;
  if (socket && socket.readyState <= WebSocket.OPEN) {
    socket.onmessage = null;
    return [socket, heard];
  }
  subscriptions ??= [];
  return [dial(false), []];
}

function beside() {
  const mine = generation;
  import("./fallback.js").then(({ open }) => {
    if (mine !== generation) return;
    fallback = open(EVENTS, {
      ...handlers,
      event(name, data, about) {
        heard = Date.now();
        tries = 0;
        handlers.event(name, data, about ?? {});
      },
      lost: again,
    });
    fallback.want(subscriptions ?? []);
  }).catch(() => mine === generation && again());
}

function again() {
  close();
  handlers.lost();
  // A session that has ended cannot be told from a daemon that has; and while the daemon is away, nothing is known of the way to it.
  fetch("api/v1/state").then((response) => response.status === 401 && logIn()).catch(() => { failures = 0; });
  clearTimeout(timer);
  timer = setTimeout(connect, RETRY_MS[Math.min(tries++, RETRY_MS.length - 1)]);
}

function close() {
  generation++;
  heard = 0;
  clearTimeout(timer);
  const old = socket;
  socket = null;
  old?.close();
  fallback?.close();
  fallback = null;
}
