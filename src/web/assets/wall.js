// A screen on a wall: the pictures with what they show, and the time. The screen is kept on where the browser allows that, which is on the
// device itself and through https alone.

import { $, element, setText } from "./dom.js";

let lock = null;

async function keepOn() {
  if (lock || document.hidden || !navigator.wakeLock) return;
  lock = await navigator.wakeLock.request("screen").catch(() => null);
  lock?.addEventListener("release", () => { lock = null; });
}

export const wall = {
  start() {
    // What is not shown cannot be reached with the keyboard either.
    for (const part of [document.querySelector("header"), document.querySelector("footer"), $("skip"), $("tiles"), $("views")]) part.inert = true;
    const time = element("p", { class: "wall-clock" });
    $("place-live").append(time);
    const tick = () => setText(time, new Date().toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" }));
    tick();
    setInterval(tick, 1000);
    keepOn();
    document.addEventListener("visibilitychange", keepOn);
  },
  layout({ cameras }) {
    document.documentElement.dataset.wall = cameras.length > 1 ? "many" : "one";
  },
};
