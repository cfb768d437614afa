// How good it is, in words; what is taken for what; which pictures may be labelled wrongly.

import { $, ask, element, percent, sentence, setText } from "./dom.js";
import { base, pictureOf } from "./taught.js";

// Pictures whose label was confirmed in this window.
const confirmed = new Set();
let shown = "";

function words({ lesson, missing, looking, behind }) {
  if (looking) return ["", ""];
  if (!lesson) return [missing ? "Not yet" : "", missing ? sentence(missing) : behind ? "Learning …" : ""];
  const good = lesson.right ? `${lesson.right.charAt(0).toUpperCase()}${lesson.right.slice(1)} right` : "It can be tried";
  const more = [lesson.enough, ...lesson.hard.map(([one, other]) => `Hard to tell apart: ${one} and ${other}.`)];
  if (lesson.copies) more.push(`${lesson.copies} look the same as others and count once.`);
  return [good, more.filter(Boolean).join(" ")];
}

function table({ labels, confusion }) {
  $("confusion-head").replaceChildren(element("tr", {}, element("th", { scope: "col" }, "is \\ said"), ...labels.map((label) => element("th", { scope: "col", class: "number" }, label))));
  $("confusion").replaceChildren(...labels.map((label, row) => element("tr", {}, element("th", { scope: "row" }, label),
    ...confusion[row].map((count, column) => element("td", { class: "number", "data-right": String(row === column), "data-wrong": String(row !== column && count > 0) }, count ? String(count) : "–")))));
}

function mistake({ label, name, said, confidence }) {
  const row = element("li", {}, element("img", { src: pictureOf(label, name), alt: `A picture of ${label}`, width: 96, height: 96, loading: "lazy" }),
    element("p", {}, `Labelled ${label}, looks like ${said} (${percent(confidence)}).`));
  const end = () => $("mistakes-title").focus();
  const move = element("button", { type: "button", class: "button quiet" }, `Move to ${said}`);
  move.addEventListener("click", async () => {
    await ask(`${base()}/move`, { pictures: [{ label, name }], to: said }).then(() => row.remove()).catch((error) => setText(row.children[1], error.message));
    end();
  });
  const keep = element("button", { type: "button", class: "button quiet" }, "It is right");
  keep.addEventListener("click", () => {
    confirmed.add(name);
    row.remove();
    $("mistakes-card").hidden = !$("mistakes").children.length;
    end();
  });
  row.append(element("div", { class: "row" }, move, keep));
  return row;
}

export function quality(report) {
  const [good, more] = words(report);
  setText($("good"), good || "\u00a0");
  setText($("good-more"), more);
  const { lesson } = report;
  const key = JSON.stringify(lesson ? [lesson.labels, lesson.confusion, lesson.mistakes] : null);
  if (key === shown) return;
  shown = key;
  $("confusion-card").hidden = !lesson?.right;
  if (lesson) table(lesson);
  const mistakes = (lesson?.right ? lesson.mistakes : []).filter(({ name }) => !confirmed.has(name)).slice(0, 12);
  $("mistakes-card").hidden = !mistakes.length;
  $("mistakes").replaceChildren(...mistakes.map(mistake));
}
