// The views, where there are several: each with what it sees, and the one that the page is about.

import { $, colour, element, setText } from "./dom.js";
import { isPast, stateOf, view } from "./bus.js";
import { seenOf } from "./changes.js";
import { look } from "./places.js";

let all = [];

function show() {
  const nav = $("views");
  nav.hidden = all.length < 2;
  if (nav.hidden) return;
  const key = all.map(({ name, title }) => `${name}\n${title}`).join("\n");
  if (nav.dataset.key !== key) {
    nav.dataset.key = key;
    nav.replaceChildren(...all.map(({ name, title }) => {
      const button = element("button", { type: "button", class: "view", "data-view": name }, element("span", {}, title || name), element("span", { class: "seen" }, element("span", { class: "swatch" }), element("span", {})));
      button.addEventListener("click", () => {
        look(name);
        show();
      });
      return button;
    }));
  }
  for (const button of nav.children) {
    const state = stateOf(button.dataset.view);
    button.setAttribute("aria-pressed", String(button.dataset.view === view().name));
    const [swatch, text] = button.lastChild.children;
    const past = isPast(button.dataset.view);
    button.dataset.past = String(past);
    swatch.style.background = colour(past ? null : state?.label);
    setText(text, seenOf(state, past));
  }
}

export const views = {
  layout(news) {
    all = news.views;
    show();
  },
  turned: show,
  every(name, _, about) {
    if ((["state", "settings"].includes(name) && about.view !== undefined) || name === "camera") show();
  },
  opened: show,
  lost: show,
};
