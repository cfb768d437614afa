// The models side by side, measured on this device.

import { $, ask, element, megabytes, setText } from "./dom.js";
import { plots } from "./plots.js";

let active = null;
let report = null;

const COLUMNS = [
  ["Model", (model) => model.name, false],
  ["Version", (model) => model.precision ?? "–", false],
  ["Right", (model) => share(model.accuracy?.top1, model.accuracy?.of), true],
  ["In the first five", (model) => share(model.accuracy?.top5, model.accuracy?.of), true],
  ["Agrees", (model) => share(model.agreement?.same, model.agreement?.of), true],
  ["Half within", (model) => milliseconds(model.infer_ms?.p50), true],
  ["95 of 100 within", (model) => milliseconds(model.infer_ms?.p95), true],
  ["Loads in", (model) => milliseconds(model.load_ms), true],
  ["Memory", (model) => (model.peak_memory_bytes ? megabytes(model.peak_memory_bytes) : "–"), true],
  ["File", (model) => (model.file_bytes ? megabytes(model.file_bytes) : "–"), true],
  ["Parameters", (model) => millions(model.parameters), true],
  ["Operations", (model) => millions(model.flops), true],
  ["Runs on", (model) => model.backend ?? "–", false],
  ["Prediction", (model) => (model.error ? model.error : model.top?.[0] ? `${model.top[0].label} ${(100 * model.top[0].confidence).toFixed(0)} %` : "–"), false],
];

// Of few pictures a percentage would promise too much.
const share = (some, all) => (all ? (all < 100 ? `${some} of ${all}` : `${((100 * some) / all).toFixed(1)} %`) : "–");
const milliseconds = (value) => (value === undefined || value === null ? "–" : `${value.toFixed(value < 10 ? 1 : 0)} ms`);
const millions = (value) => (value ? `${(value / 1e6).toFixed(1)} M` : "–");

function table() {
  const head = COLUMNS.map(([title, , number]) => element("th", { scope: "col", class: number ? "number" : null }, title));
  $("compare-head").replaceChildren(element("tr", {}, ...head));
  $("compare-body").replaceChildren(...report.models.map((model) => element("tr", { "data-active": String(model.name === active) },
    ...COLUMNS.map(([, text, number], index) => element(index ? "td" : "th", { scope: index ? null : "row", class: number ? "number" : null }, text(model))))));
}

function show() {
  $("comparison").hidden = !report?.models;
  if (!report?.models) return;
  table();
  $("advice").replaceChildren(...(report.advice ?? []).map(({ kind, model, reason }) =>
    element("li", {}, element("strong", {}, `${kind}: ${model}`), element("span", {}, reason))));
  plots($("plots"), report.models, active);
}

function words({ running, progress, error }) {
  if (running && progress) return `Measuring ${progress.model}, ${progress.done} of ${progress.total}; the camera is labelled meanwhile.`;
  if (running) return "Measuring; the camera is labelled meanwhile.";
  if (error) return error;
  if (!report) return "Not measured yet.";
  const { board, processor } = report.device;
  const device = board === processor ? board : `${board}, ${processor}`;
  return `Measured ${new Date(report.ts).toLocaleString()} on ${device}, beside the camera: ${report.pictures.source}.`;
}

// A button that were disabled would lose the keyboard's focus to the page.
const busy = () => $("measure").getAttribute("aria-disabled") === "true";
const hold = (running) => $("measure").setAttribute("aria-disabled", String(running));

export const comparison = {
  start() {
    $("measure").addEventListener("click", async () => {
      if (busy()) return;
      hold(true);
      await ask("api/v1/compare", {}).catch((error) => {
        setText($("compare-status"), error.message);
        hold(false);
      });
    });
  },
  settings(settings) {
    if (settings.model === active) return;
    active = settings.model;
    show();
  },
  comparison(comparison) {
    hold(comparison.running);
    $("compare-progress").hidden = !comparison.running;
    const changed = JSON.stringify(comparison.report) !== JSON.stringify(report);
    report = comparison.report;
    const bar = $("compare-progress");
    if (comparison.progress) {
      bar.max = comparison.progress.total;
      bar.value = comparison.progress.done;
    } else {
      bar.removeAttribute("value");
    }
    setText($("compare-status"), words(comparison));
    if (changed) show();
  },
};
