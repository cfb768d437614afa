// The models of the catalogue: which is in use, which are here, and which can be fetched.

import { $, ask, element, ended, megabytes, setText } from "./dom.js";
import { ofView } from "./bus.js";
import { save } from "./saving.js";

let models = [];
let settings = null;
let download = null;
let known = "";

// An int8 file is a version of its model, and offered where that is.
const versions = () => new Set(models.map(({ int8 }) => int8).filter(Boolean));
const rowsOf = () => models.filter(({ name }) => !versions().has(name));

export async function read() {
  const told = await ask("api/v1/models").catch(() => null);
  if (told) models = told;
  show();
}

const left = ({ bytes, total, per_second: rate }) => (rate > 0 ? `, ${time((total - bytes) / rate)} left` : "");
const time = (seconds) => (seconds < 90 ? `${Math.ceil(seconds)} s` : `${Math.ceil(seconds / 60)} min`);

function progress({ state, bytes, total, error, command }) {
  if (state === "running") return `Fetching: ${megabytes(bytes)} of ${megabytes(total)}${left(download)}.`;
  if (state === "stopping") return "Stopping …";
  if (state === "stopped") return `Stopped at ${megabytes(bytes)} of ${megabytes(total)}; it goes on from there.`;
  if (state === "failed") return `Not fetched: ${ended(error)}${command ? " Run this command on the device:" : ""}`;
  return "";
}

async function act(button, path, method) {
  if (button.getAttribute("aria-disabled") === "true") return;
  button.setAttribute("aria-disabled", "true");
  await ask(path, {}, method).catch((error) => setText($("models-saved"), `Not done: ${ended(error.message)}`));
  button.removeAttribute("aria-disabled");
}

const address = (name) => `api/v1/models/${encodeURIComponent(name)}/fetch`;

function fetching(model) {
  const mine = download?.name === model.name ? download : null;
  const runs = mine && ["running", "stopping"].includes(mine.state);
  const button = element("button", { type: "button", class: "button quiet", "data-fetch": model.name }, runs ? "Stop" : mine?.state === "stopped" || mine?.state === "failed" ? "Go on" : "Fetch");
  button.addEventListener("click", () => act(button, address(model.name), runs ? "DELETE" : "POST"));
  const bar = runs ? element("progress", { "aria-label": `Fetching ${model.name}` }) : null;
  const text = element("p", { class: "hint", role: "status" });
  const command = mine?.command ? element("code", { class: "run" }, mine.command) : null;
  return [bar, text, command, button];
}

function facts(model) {
  const smaller = models.find(({ name }) => name === model.int8);
  const here = model.present ? "here" : `not here, ${megabytes(model.bytes)}`;
  const top1 = model.published_top1 ? `published: ${model.published_top1.toFixed(1)} of 100 right` : null;
  return [[model.name, smaller?.name].includes(settings?.model) ? "in use" : here, model.description, top1].filter(Boolean).join("; ");
}

function row(model) {
  const smaller = models.find(({ name }) => name === model.int8);
  const used = [model.name, smaller?.name].includes(settings?.model);
  const parts = [];
  if (model.present || smaller?.present) {
    const name = model.present ? model.name : smaller.name;
    const choice = element("input", { type: "radio", name: "model", id: `model-${model.name}`, value: name });
    choice.checked = used;
    parts.push(element("label", { class: "choice", for: choice.id }, choice, element("span", {}, element("strong", {}, model.name), element("span", { class: "hint" }, facts(model)))));
  } else {
    parts.push(element("div", { class: "choice absent" }, element("span", {}, element("strong", {}, model.name), element("span", { class: "hint" }, facts(model)))));
  }
  if (!model.present && model.fetchable) parts.push(element("div", { class: "fetch" }, ...fetching(model)));
  if (smaller && !smaller.present && smaller.fetchable && model.present) {
    parts.push(element("div", { class: "fetch" }, element("p", { class: "hint" }, `Its smaller and faster version (int8) is not here, ${megabytes(smaller.bytes)}.`), ...fetching(smaller)));
  }
  return element("li", { "data-model": model.name, "data-active": String(used) }, ...parts);
}

const buttonOf = (name) => $("models").querySelector(`[data-fetch="${CSS.escape(name)}"]`);

// How far it is, in the elements that are there: a button that is replaced while it is pressed would not be pressed.
function advance() {
  const parts = download && buttonOf(download.name)?.parentElement;
  if (!parts) return;
  const bar = parts.querySelector("progress");
  if (bar) [bar.max, bar.value] = [download.total, download.bytes];
  setText(parts.querySelector("[role=status]"), progress(download));
}

export function show() {
  const key = JSON.stringify([models, download?.name, download?.state, download?.command, settings?.model]);
  if (key !== known) rebuild();
  known = key;
  advance();
}

function rebuild() {
  const held = document.activeElement;
  const [id, fetch] = [held?.id, held?.dataset?.fetch];
  $("models").replaceChildren(...rowsOf().map(row));
  // What was pressed keeps the focus, also where it is another element now.
  if (fetch) (buttonOf(fetch) ?? $("models-title")).focus();
  else if (id?.startsWith("model-")) $(id)?.focus();
}

export const catalogue = {
  start() {
    const list = $("models");
    list.addEventListener("change", ({ target }) => {
      const holds = () => {
        known = "";
        show();
      };
      save(list, ofView("model"), { name: target.value }, holds, { doing: "Loading the model …" });
    });
    read();
  },
  settings(news) {
    const changed = settings?.model !== news.model;
    settings = news;
    if (changed) read();
  },
  info() {
    read();
  },
  download(news) {
    const ended = download?.state !== news?.state;
    download = news;
    show();
    if (ended) read();
  },
};
