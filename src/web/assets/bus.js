// What the daemon has told, and the parts of the page that hear of it: of the device, and of the view that was chosen. A part that comes
// later is told what holds.

import { setClock } from "./time.js";

const device = new Map();
const cameras = new Map();
const views = new Map();
const parts = [];
let layout = { cameras: [], views: [] };
let chosen = null;
let connected = false;

// As many as the daemon keeps.
const MAX_CHANGES = 200;

const ONLY = { name: "main", title: "", camera: "main", region: null };

// The view that the page is about: the one that was chosen, or the first.
export const view = () => layout.views.find(({ name }) => name === chosen) ?? layout.views[0] ?? ONLY;

// The label that a view was last told to hold, and nothing before.
export const stateOf = (name) => views.get(name)?.get("state");

export const settingsOf = (name) => views.get(name)?.get("settings");

export const cameraOf = (name) => cameras.get(name)?.get("camera");

// Whether its camera gives pictures for other views, too.
export const sharesItsCamera = ({ name, camera }) => layout.views.some((other) => other.camera === camera && other.name !== name);

// Whether what a view has shown may have changed since: there is no connection, no picture of its camera, or it does not label.
export function isPast(name) {
  const camera = layout.views.find((one) => one.name === name)?.camera ?? view().camera;
  const settings = settingsOf(name);
  return !connected || (cameraOf(camera)?.status ?? "online") !== "online" || settings?.enabled === false || Boolean(settings?.model_error);
}

// An address of that view.
export const ofView = (rest) => `api/v1/views/${encodeURIComponent(view().name)}/${rest}`;

function within(map, key) {
  if (!map.has(key)) map.set(key, new Map());
  return map.get(key);
}

const toldOfView = () => [...(cameras.get(view().camera) ?? []), ...(views.get(view().name) ?? [])];

export function join(part) {
  parts.push(part);
  part.start?.();
  if (connected) part.opened?.();
  part.layout?.(layout);
  for (const [name, data] of [...device, ...toldOfView()]) part[name]?.(data);
}

// `about` says of which camera and view; without, it is of the only one.
export function tell(name, data, about = {}) {
  if (name === "clock") return setClock(data);
  if (name === "layout") return arrange(data);
  const mine = view();
  const store = about.view !== undefined ? within(views, about.view) : name === "camera" ? within(cameras, about.camera ?? mine.camera) : device;
  if (name === "change") {
    const all = store.get("timeline") ?? [];
    all.push(data);
    if (all.length > MAX_CHANGES) all.shift();
  } else if (name !== "refused") {
    store.set(name, data);
  }
  parts.forEach((part) => part.every?.(name, data, about));
  if (about.view !== undefined ? about.view !== mine.name : name === "camera" && about.camera !== undefined && about.camera !== mine.camera) return;
  parts.forEach((part) => part[name]?.(data));
}

// Other cameras and views. The view that is looked at stays, also where another is the first now; if it is gone, the first takes its place.
function arrange(news) {
  const isFirst = !layout.views.length;
  const before = view();
  layout = news;
  forget(cameras, layout.cameras);
  forget(views, layout.views.map(({ name }) => name));
  const wanted = isFirst ? chosen : before.name;
  chosen = layout.views.some(({ name }) => name === wanted) ? wanted : null;
  parts.forEach((part) => part.layout?.(layout));
  if (!isFirst && (view().name !== before.name || view().camera !== before.camera)) turn();
}

// What was told of one that is gone is not of another that may get its name.
function forget(map, names) {
  for (const name of map.keys()) if (!names.includes(name)) map.delete(name);
}

// Before it is known which views there are, it is remembered.
export function choose(name) {
  if (layout.views.length && (name === view().name || !layout.views.some((one) => one.name === name))) return;
  chosen = name;
  if (!layout.views.length) return;
  turn();
}

// The page is about another view, of which the parts are told what is known.
function turn() {
  parts.forEach((part) => part.turned?.());
  for (const [what, data] of toldOfView()) parts.forEach((part) => part[what]?.(data));
}

export function opened() {
  connected = true;
  parts.forEach((part) => part.opened?.());
}

export function lost() {
  connected = false;
  parts.forEach((part) => part.lost?.());
}
