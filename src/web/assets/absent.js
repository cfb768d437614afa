// The model that labels is not here: where the catalogue has it, it is fetched from here instead of tried again.

import { $, ask, element, ended, megabytes, setText } from "./dom.js";
import { join } from "./bus.js";

const WORDS = {
  running: ({ bytes, total }) => `Fetching: ${megabytes(bytes)} of ${megabytes(total)}.`,
  stopping: () => "Stopping …",
  stopped: ({ bytes, total }) => `Stopped at ${megabytes(bytes)} of ${megabytes(total)}.`,
  failed: ({ error, command }) => `Not fetched: ${ended(error)}${command ? ` Run on the device: ${command}` : ""}`,
  done: () => "It is here, and is loaded now.",
};

const says = element("p", { role: "status" });
const button = element("button", { type: "button", class: "button", hidden: true });
let camera = {};
let settings = null;
let download = null;
let model = null;

async function look() {
  const mine = settings?.model;
  const models = camera.fault === "no_model" ? await ask("api/v1/models").catch(() => []) : [];
  model = models.find(({ name, present, fetchable }) => name === mine && !present && fetchable);
  show();
}

function show() {
  const here = document.activeElement;
  button.hidden = !model;
  $("try-again").hidden = Boolean(model);
  setText(button, model ? `Fetch it, ${megabytes(model.bytes)}` : "");
  const mine = model && download?.name === model.name ? download : null;
  setText(says, mine ? WORDS[mine.state](mine) : "");
  if (here === $("try-again") && model) button.focus();
}

async function fetchIt() {
  if (["running", "stopping"].includes(download?.state)) return;
  await ask(`api/v1/models/${encodeURIComponent(model.name)}/fetch`, {}).catch((error) => setText(says, `Not fetched: ${ended(error.message)}`));
}

button.addEventListener("click", fetchIt);
$("remedies").prepend(button);
$("remedies").before(says);

join({
  camera(news) {
    const changed = news.fault !== camera.fault;
    camera = news;
    if (changed) look();
  },
  settings(news) {
    settings = news;
    look();
  },
  download(news) {
    download = news;
    if (news?.state === "done") look();
    else show();
  },
});
