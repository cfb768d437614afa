// While the device is away, what would ask it for something is held: it says why, keeps the focus, and does nothing. What the browser does
// alone goes on.

import { $ } from "./dom.js";

const HELD = "#main :is(button, select, label.button, input:is([type=checkbox], [type=radio], [type=range], [type=file])):not([data-copy], [data-local], [data-local] *)";
const PRESS = [" ", "Enter", "r", "R"];
const PASS = ["Tab", "Escape"];

let away = false;

// What is drawn meanwhile is held, too.
const drawn = new MutationObserver(holdEach);

export function hold() {
  away = true;
  holdEach();
  drawn.observe($("main"), { childList: true, subtree: true });
  // What is gone would take the focus along.
  const focused = document.activeElement;
  if (focused !== document.body && !focused.checkVisibility({ visibilityProperty: true })) $("state-button").focus();
}

function holdEach() {
  for (const control of document.querySelectorAll(HELD)) {
    // What cannot be pressed for another reason says that one.
    if (control.getAttribute("aria-disabled") === "true" || "held" in control.dataset) continue;
    control.dataset.held = control.getAttribute("aria-describedby") ?? "";
    if (control.matches("label")) continue;
    control.setAttribute("aria-disabled", "true");
    control.setAttribute("aria-describedby", `banner ${control.dataset.held}`.trim());
  }
}

export function release() {
  away = false;
  drawn.disconnect();
  for (const control of document.querySelectorAll("[data-held]")) {
    control.removeAttribute("aria-disabled");
    if (control.dataset.held) control.setAttribute("aria-describedby", control.dataset.held);
    else control.removeAttribute("aria-describedby");
    delete control.dataset.held;
  }
}

function stop(event) {
  const control = away && event.target.closest?.(HELD);
  if (!control) return;
  // The focus moves on, the page scrolls, and a shortcut of the browser works.
  const { key } = event;
  if (key && (event.ctrlKey || event.metaKey || event.altKey || PASS.includes(key) || (control.matches("button, [type=file]") && !PRESS.includes(key)))) return;
  event.preventDefault();
  event.stopImmediatePropagation();
}

for (const type of ["click", "pointerdown", "keydown"]) document.addEventListener(type, stop, true);
