// Pictures that are sent to be labelled, one after the other, as many as are given.

import { join, ofView, view } from "./bus.js";
import { readable } from "./convert.js";
import { $, bars, element, logIn, megabytes, percent, setText } from "./dom.js";
import { isPart } from "./outline.js";
import { post } from "./sending.js";

const RETRIES = 5;
// Pictures that are kept in the list; the oldest go first.
const MOST_LISTED = 200;

const queue = [];
let working = null;
let done = 0;
let shown = null;
// Of the configuration; larger pictures are made smaller here, and not sent in vain.
let limit = 16_000_000;

async function send(file, signal, say) {
  for (let attempt = 0; ; attempt++) {
    const progress = (share) => say(share < 1 ? `Sending, ${percent(share)} …` : "Labelling …");
    const { status, retryAfter, answer } = await post(ofView("classify"), file, { signal, progress });
    if (status === 401) logIn();
    if (status === 200) return answer;
    const later = [429, 503].includes(status) && retryAfter;
    if (!later || attempt === RETRIES) throw new Error(answer.detail ?? `the device answers with ${status}`);
    say("The camera comes first; waiting …");
    await new Promise((resolve) => {
      setTimeout(resolve, 1000 * Math.min(20, retryAfter));
      signal.addEventListener("abort", resolve, { once: true });
    });
    signal.throwIfAborted();
  }
}

function answer(part, title, classification) {
  $(`upload-${part}`).hidden = !classification;
  if (!classification) return;
  const { model, timing_ms: timing, top } = classification;
  setText($(`upload-${part}-title`), `${title}: ${model.name} (${model.precision}), ${timing.infer.toFixed(0)} ms`);
  bars($(`upload-${part}-bars`), top);
}

function verdict({ label, top }) {
  if (label) return `${label}, ${percent(top[0].confidence)}`;
  return top.length ? `not sure; most likely ${top[0].label}, ${percent(top[0].confidence)}` : "nothing to tell";
}

function listed(name, text) {
  const list = $("upload-list");
  list.append(element("li", {}, element("span", { class: "name", title: name }, name), element("span", { class: "value" }, text)));
  while (list.children.length > MOST_LISTED) list.firstChild.remove();
  list.hidden = list.children.length < 2;
}

function status(file, text) {
  const place = done + queue.length > 0 ? `${done + 1} of ${done + queue.length + 1}: ` : "";
  setText($("upload-status"), `${place}${file.name}: ${text}`);
}

function show(file) {
  if (shown) URL.revokeObjectURL(shown);
  shown = URL.createObjectURL(file);
  $("preview").hidden = false;
  $("preview").src = shown;
  $("preview").alt = `The picture that was sent: ${file.name}`;
  $("verdict").hidden = false;
  answer("fast", "", null);
  answer("accurate", "", null);
}

async function classify(file, signal) {
  show(file);
  status(file, `${megabytes(file.size)} …`);
  try {
    const opinion = await send(await readable(file, limit), signal, (text) => status(file, text));
    answer("fast", "Fast", opinion.fast);
    answer("accurate", "Accurate", opinion.accurate);
    const says = verdict(opinion.fast) + (isPart(view()) ? ", in the part that this view looks at" : "") + (opinion.cached ? ", answered from memory" : "");
    status(file, says);
    listed(file.name, says);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    $("preview").hidden = true;
    status(file, error.message);
    listed(file.name, error.message);
  }
}

async function work() {
  if (working) return;
  working = new AbortController();
  done = 0;
  $("upload-list").replaceChildren();
  $("upload-list").hidden = true;
  try {
    while (queue.length > 0) {
      $("upload-stop").hidden = queue.length < 2 && done === 0;
      await classify(queue.shift(), working.signal);
      if (queue.length > 0) done += 1;
    }
  } catch {
    const left = queue.splice(0).length + 1;
    setText($("upload-status"), `Stopped: ${left} of ${done + left} were not labelled.`);
  } finally {
    working = null;
    if (document.activeElement === $("upload-stop")) $("file").focus();
    $("upload-stop").hidden = true;
  }
}

export function label(pictures) {
  queue.push(...pictures);
  work();
}

$("preview").addEventListener("error", ({ target }) => { target.hidden = true; });
$("upload-stop").addEventListener("click", () => working?.abort());

join({
  info({ config }) {
    limit = config?.["http.max_upload"]?.value ?? limit;
  },
});
