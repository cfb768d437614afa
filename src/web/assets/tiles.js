// The cameras, where there are several: each small, with its views drawn in and what they see. One is large, above.

import { $, colour, element, setText } from "./dom.js";
import { choose, isPast, stateOf, view } from "./bus.js";
import { seenOf } from "./changes.js";

// One place is the large picture's; a page can want no more.
const MOST = 15;

let layout = { cameras: [], views: [] };
const inSight = new Set();
const watcher = new IntersectionObserver((entries) => {
  for (const { target, isIntersecting } of entries) {
    if (isIntersecting) inSight.add(target);
    else inSight.delete(target);
  }
  $("tiles").dispatchEvent(new Event("seen"));
});

// The order that somebody has given the cameras in this browser; those that came since stand behind.
function kept() {
  try {
    return JSON.parse(localStorage.getItem("cameras")) ?? [];
  } catch {
    return [];
  }
}

export function inOrder() {
  const order = kept();
  const place = (camera) => (order.includes(camera) ? order.indexOf(camera) : order.length);
  return layout.cameras.toSorted((one, other) => place(one) - place(other));
}

export function reorder(cameras) {
  try {
    localStorage.setItem("cameras", JSON.stringify(cameras));
  } catch {
    // A browser that keeps nothing has them as the device has.
  }
  show();
}

const tileOf = (camera) => [...$("tiles").children].find(({ dataset }) => dataset.camera === camera);

const viewsOf = (camera) => layout.views.filter((one) => one.camera === camera);

// The cameras whose small pictures can be seen.
export const tiled = () => (layout.cameras.length > 1 && !$("place-live").hidden ? layout.cameras.slice(0, MOST) : []);

// Whether a tile can be seen, or any.
export const tileInSight = (index) => (index === undefined ? [...$("tiles").children] : [tileOf(layout.cameras[index])]).some((tile) => inSight.has(tile));

export const tileWidth = () => $("tiles").firstChild?.clientWidth ?? 0;

export function outline(pen, { width, height }, { x, y, width: w, height: h }, thin) {
  const line = Math.max(thin ? 1 : 2, width / 240);
  for (const [ink, thickness] of [["rgb(0 0 0 / 60%)", 2 * line], ["#ffffff", line]]) {
    pen.strokeStyle = ink;
    pen.lineWidth = thickness;
    pen.strokeRect(x * width, y * height, w * width, h * height);
  }
}

const isPart = ({ region }) => region.width < 1 || region.height < 1;

// Where there is no picture, the views of the camera are there all the same.
export function outlineViews(canvas, camera) {
  const pen = canvas.getContext("2d");
  pen.clearRect(0, 0, canvas.width, canvas.height);
  for (const { region } of viewsOf(camera).filter(isPart)) outline(pen, canvas, region, true);
}

function outlineTiles() {
  for (const { firstChild: canvas, dataset } of $("tiles").children) if (!canvas.dataset.drawn) outlineViews(canvas, dataset.camera);
}

export function drawTile(index, bitmap) {
  const camera = tiled()[index];
  const canvas = camera && tileOf(camera)?.firstChild;
  if (!canvas) return;
  canvas.dataset.drawn = "true";
  if (canvas.width !== bitmap.width || canvas.height !== bitmap.height) [canvas.width, canvas.height] = [bitmap.width, bitmap.height];
  const pen = canvas.getContext("2d");
  pen.drawImage(bitmap, 0, 0);
  for (const { region } of viewsOf(camera).filter(isPart)) outline(pen, canvas, region, true);
}

function tile(camera) {
  const button = element("button", { type: "button", class: "tile", "data-camera": camera }, element("canvas", { width: 320, height: 240, "aria-hidden": "true" }), element("span", { class: "tile-name" }, camera), element("span", { class: "tile-views" }));
  button.addEventListener("click", () => {
    const first = viewsOf(camera)[0];
    if (first) choose(first.name);
    scrollTo(0, 0);
    show();
  });
  return button;
}

function show() {
  const box = $("tiles");
  box.hidden = $("arranging").hidden = layout.cameras.length < 2;
  if (box.hidden) {
    delete box.dataset.key;
    return box.replaceChildren();
  }
  const cameras = inOrder();
  const key = cameras.join("\n");
  if (box.dataset.key !== key) {
    box.dataset.key = key;
    watcher.disconnect();
    inSight.clear();
    box.replaceChildren(...cameras.map((camera) => tileOf(camera) ?? tile(camera)));
    for (const button of box.children) watcher.observe(button);
  }
  for (const button of box.children) {
    button.setAttribute("aria-pressed", String(button.dataset.camera === view().camera));
    const seen = viewsOf(button.dataset.camera);
    const rows = button.lastChild;
    while (rows.children.length < seen.length) rows.append(element("span", {}, element("span", { class: "swatch" }), element("span")));
    while (rows.children.length > seen.length) rows.lastChild.remove();
    seen.forEach(({ name, title }, at) => {
      const [swatch, text] = rows.children[at].children;
      const [state, past] = [stateOf(name), isPast(name)];
      button.dataset.past = String(past);
      swatch.style.background = colour(past ? null : state?.label);
      setText(text, `${title || name}: ${seenOf(state, past)}`);
    });
  }
}

export const tiles = {
  layout(news) {
    layout = news;
    show();
    outlineTiles();
  },
  // What was shown before it was forbidden is not shown any more.
  refused({ reason }) {
    if (reason !== "forbidden") return;
    for (const { firstChild: canvas } of $("tiles").children) delete canvas.dataset.drawn;
    outlineTiles();
  },
  turned: show,
  every(name, _, about) {
    if ((name === "state" && about.view !== undefined) || name === "camera") show();
  },
  opened: show,
  lost: show,
};
