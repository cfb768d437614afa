// Rows of what was seen, each with its time.

import { colour, element, percent, setText } from "./dom.js";

const WORDS = { unknown: "not sure", stale: "nothing labelled", too_dark: "too dark", covered: "covered" };

/** Of labels that do not exclude each other, all that hold: names, or objects with one. */
export const nameOf = ({ label, labels, status }) =>
  labels?.length > 1 ? labels.map((one) => one.label ?? one).join(" + ") : (label ?? WORDS[status] ?? status);

/** What a view shows, or has shown. */
export const seenOf = (state, past) => (state ? (past && state.label ? `was ${nameOf(state)}` : nameOf(state)) : "…");

export const timeOf = (time) => new Date(time).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: "2-digit" });

const row = () => element("li", {}, element("time"), element("span", { class: "swatch" }), element("span", { class: "name" }), element("span", { class: "value" }));

// Rows stay where they are, and get other words: so nothing moves under the finger of somebody who reads them.
export function rows(list, entries, note = ({ label, confidence }) => (label ? percent(confidence) : "")) {
  while (list.children.length < entries.length) list.append(row());
  while (list.children.length > entries.length) list.lastChild.remove();
  entries.forEach((entry, index) => {
    const [time, swatch, name, value] = list.children[index].children;
    if (time.dateTime !== entry.since) {
      time.dateTime = entry.since;
      setText(time, timeOf(entry.since));
    }
    const ink = colour(entry.label);
    if (swatch.dataset.ink !== ink) {
      swatch.dataset.ink = ink;
      swatch.style.background = ink;
    }
    setText(name, nameOf(entry));
    if (name.title !== nameOf(entry)) name.title = nameOf(entry);
    setText(value, note(entry));
  });
}
