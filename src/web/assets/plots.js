// Plots of the comparison, drawn with axes that say their unit.

import { element, svg } from "./dom.js";

const WIDTH = 420;
const ROW = 34;
const LEFT = 8;

// A round number of at least `value`.
function ceiling(value) {
  const power = 10 ** Math.floor(Math.log10(value || 1));
  return [1, 2, 2.5, 5, 10].map((step) => step * power).find((step) => step >= value);
}

// Horizontal bars: the names stand above them, so that long ones fit on a phone.
function barPlot(title, unit, rows, active) {
  const known = rows.filter(([, value]) => Number.isFinite(value));
  if (known.length === 0) return null;
  const most = ceiling(Math.max(...known.map(([, value]) => value)));
  const height = known.length * ROW + 24;
  const scale = (value) => ((WIDTH - 2 * LEFT) * value) / most;
  const parts = known.flatMap(([name, value], index) => {
    const y = index * ROW;
    return [
      svg("text", { x: LEFT, y: y + 13 }, `${name}  ${value < 10 ? value.toFixed(1) : value.toFixed(0)} ${unit}`),
      svg("rect", { class: name === active ? "mark" : "mark other", x: LEFT, y: y + 18, width: Math.max(2, scale(value)), height: 10, rx: 3 }),
    ];
  });
  const axis = known.length * ROW + 6;
  parts.push(svg("line", { class: "axis", x1: LEFT, x2: WIDTH - LEFT, y1: axis, y2: axis }));
  parts.push(svg("text", { class: "tick", x: LEFT, y: axis + 14 }, "0"));
  parts.push(svg("text", { class: "tick", x: WIDTH - LEFT, y: axis + 14, "text-anchor": "end" }, `${most} ${unit}`));
  const label = `${title}: ${known.map(([name, value]) => `${name} ${value.toFixed(1)} ${unit}`).join(", ")}`;
  return figure(title, svg("svg", { viewBox: `0 0 ${WIDTH} ${height}`, role: "img", "aria-label": label }, ...parts));
}

const top1 = ({ accuracy }) => accuracy.top1 / accuracy.of;

// Accuracy over latency, where the accuracy was measured.
function scatter(models, active) {
  const points = models.filter((model) => model.accuracy?.of && Number.isFinite(model.infer_ms?.p50));
  if (points.length < 2) return null;
  const [height, bottom, left] = [240, 210, 40];
  const slowest = ceiling(Math.max(...points.map((model) => model.infer_ms.p50)));
  const x = (model) => left + ((WIDTH - left - 20) * model.infer_ms.p50) / slowest;
  const y = (model) => bottom - (bottom - 20) * top1(model);
  const parts = [
    svg("line", { class: "axis", x1: left, x2: WIDTH - 10, y1: bottom, y2: bottom }),
    svg("line", { class: "axis", x1: left, x2: left, y1: 10, y2: bottom }),
    ...[0, 0.5, 1].map((share) => svg("text", { class: "tick", x: left - 6, y: bottom - (bottom - 20) * share + 4, "text-anchor": "end" }, `${100 * share} %`)),
    svg("text", { class: "tick", x: WIDTH - 10, y: bottom + 18, "text-anchor": "end" }, `${slowest} ms`),
    ...points.flatMap((model, index) => [
      svg("circle", { class: model.name === active ? "mark" : "mark other", cx: x(model), cy: y(model), r: 6 }),
      // Above and below in turn, and towards the middle, so that neighbours do not cover each other.
      svg("text", {
        x: x(model) + (x(model) > WIDTH / 2 ? 6 : -6), y: y(model) + (index % 2 ? 22 : -10),
        "text-anchor": x(model) > WIDTH / 2 ? "end" : "start",
      }, model.name),
    ]),
  ];
  const title = "Accuracy over latency";
  const label = `${title}: ${points.map((model) => `${model.name} ${(100 * top1(model)).toFixed(0)} % at ${model.infer_ms.p50.toFixed(1)} ms`).join(", ")}`;
  return figure(title, svg("svg", { viewBox: `0 0 ${WIDTH} ${height}`, role: "img", "aria-label": label }, ...parts));
}

function figure(title, drawing) {
  return element("figure", {}, element("figcaption", {}, title), drawing);
}

export function plots(target, models, active) {
  const drawn = [
    scatter(models, active),
    barPlot("Inference, median", "ms", models.map((model) => [model.name, model.infer_ms?.p50]), active),
    barPlot("Peak memory", "MB", models.map((model) => [model.name, model.peak_memory_bytes ? model.peak_memory_bytes / 1e6 : NaN]), active),
    barPlot("File", "MB", models.map((model) => [model.name, model.file_bytes / 1e6]), active),
  ];
  target.replaceChildren(...drawn.filter(Boolean));
}
