// The order that somebody has given the cameras in this browser; those that came since stand behind.

import { $ } from "./dom.js";

function kept() {
  try {
    return JSON.parse(localStorage.getItem("cameras")) ?? [];
  } catch {
    return [];
  }
}

export function inOrder(cameras) {
  const order = kept();
  const place = (camera) => (order.includes(camera) ? order.indexOf(camera) : order.length);
  return cameras.toSorted((one, other) => place(one) - place(other));
}

export function reorder(cameras) {
  try {
    localStorage.setItem("cameras", JSON.stringify(cameras));
  } catch {
    // A browser that keeps nothing has them as the device has.
  }
  $("tiles").dispatchEvent(new Event("ordered"));
}
