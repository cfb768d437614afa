// The cameras, where there are several: each small, with its views drawn in and what they see. One is large, above.

import { $, colour, element, setText } from "./dom.js";
import { cameraOf, isPast, stateOf, view } from "./bus.js";
import { seenOf } from "./changes.js";
import { inOrder } from "./order.js";
import { isPart, outline, outlineViews } from "./outline.js";
import { look } from "./places.js";
import { wrongWith } from "./status.js";

// As many as a configuration can have.
const MOST = 16;

let layout = { cameras: [], views: [] };
const inSight = new Set();
const watcher = new IntersectionObserver((entries) => {
  for (const { target, isIntersecting } of entries) {
    if (isIntersecting) inSight.add(target);
    else inSight.delete(target);
  }
  $("tiles").dispatchEvent(new Event("seen"));
});

const tileOf = (camera) => [...$("tiles").children].find(({ dataset }) => dataset.camera === camera);

const viewsOf = (camera) => layout.views.filter((one) => one.camera === camera);

// The cameras whose small pictures can be seen.
export const tiled = () => (layout.cameras.length > 1 && !$("place-live").hidden ? layout.cameras.slice(0, MOST) : []);

// Whether a tile can be seen, or any.
export const tileInSight = (index) => (index === undefined ? [...$("tiles").children] : [tileOf(layout.cameras[index])]).some((tile) => inSight.has(tile));

export const tileWidth = () => $("tiles").firstChild?.clientWidth ?? 0;

function outlineTiles() {
  for (const { firstChild: canvas, dataset } of $("tiles").children) if (!canvas.dataset.drawn) outlineViews(canvas, viewsOf(dataset.camera));
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
  const button = element("button", { type: "button", class: "tile", "data-camera": camera }, element("canvas", { width: 320, height: 240, "aria-hidden": "true" }), element("span", { class: "tile-name" }, element("span", {}, camera), element("span", { class: "tile-fault" })), element("span", { class: "tile-views" }));
  button.addEventListener("click", () => {
    const first = viewsOf(camera)[0];
    if (!first) return;
    look(first.name);
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
  const cameras = inOrder(layout.cameras);
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
    const wrong = seen.length ? wrongWith(cameraOf(button.dataset.camera)) : "no view looks through it";
    setText(button.querySelector(".tile-fault"), wrong);
    button.setAttribute("aria-disabled", String(!seen.length));
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
  start() {
    $("tiles").addEventListener("ordered", show);
  },
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
    if ((["state", "settings"].includes(name) && about.view !== undefined) || name === "camera") show();
  },
  opened: show,
  lost: show,
};
