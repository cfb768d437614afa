// The order of the cameras' tiles: each can be moved earlier and later.

import { $, element, setText } from "./dom.js";
import { join } from "./bus.js";
import { inOrder, reorder } from "./order.js";

let all = [];
const says = element("p", { class: "hint", role: "status" });
const list = element("ol", { class: "order", "aria-label": "Order of the cameras" });
const panel = element("div", { class: "card", hidden: true }, list, says);
$("arranging").append(panel);

function move(camera, by) {
  const cameras = inOrder(all);
  const from = cameras.indexOf(camera);
  const to = from + by;
  if (from < 0 || to < 0 || to >= cameras.length) return;
  cameras.splice(from, 1);
  cameras.splice(to, 0, camera);
  reorder(cameras);
  draw();
  // The button moves along, and keeps the focus.
  list.children[to].querySelector(`[data-by="${by}"]`).focus();
  setText(says, `${camera} is ${to + 1} of ${cameras.length} now.`);
}

function button(camera, words, by, isEnd) {
  const made = element("button", { type: "button", class: "button quiet", "data-by": by, "aria-label": `Move ${camera} ${words}`, "aria-disabled": isEnd ? "true" : null }, `Move ${words}`);
  made.addEventListener("click", () => move(camera, by));
  return made;
}

function draw() {
  const cameras = inOrder(all);
  list.replaceChildren(...cameras.map((camera, at) => element("li", { class: "row" }, element("span", { class: "grow" }, camera),
    button(camera, "earlier", -1, at === 0), button(camera, "later", 1, at === cameras.length - 1))));
}

// A camera has come or gone. The button that had the focus keeps it, if it is still there.
join({
  layout({ cameras }) {
    all = cameras;
    if (panel.hidden) return;
    const focused = panel.contains(document.activeElement) ? document.activeElement.getAttribute("aria-label") : null;
    draw();
    if (focused) (list.querySelector(`[aria-label="${CSS.escape(focused)}"]`) ?? $("arrange")).focus();
  },
});

export function arrange() {
  panel.hidden = !panel.hidden;
  $("arrange").setAttribute("aria-expanded", String(!panel.hidden));
  setText($("arrange"), panel.hidden ? "Arrange the cameras" : "Done");
  setText(says, "");
  if (!panel.hidden) draw();
}
