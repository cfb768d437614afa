// A picture from here, labelled there.

import { readable } from "./convert.js";
import { $, bars, megabytes, setText } from "./dom.js";

const RETRIES = 5;
let newest = 0;
let shown = null;

async function send(file, turn) {
  for (let attempt = 0; ; attempt++) {
    const response = await fetch("api/v1/classify", {
      method: "POST",
      headers: { "content-type": "application/octet-stream" },
      body: file,
    });
    if (response.status === 401) location.assign("login");
    const answer = await response.json().catch(() => ({}));
    if (response.ok) return answer;
    const later = [429, 503].includes(response.status) && response.headers.has("retry-after");
    if (!later || attempt === RETRIES || turn !== newest) throw new Error(answer.detail ?? response.statusText);
    setText($("upload-status"), "The camera comes first; waiting …");
    await new Promise((resolve) => setTimeout(resolve, 1000 * Math.min(20, Number(response.headers.get("retry-after")) || 2)));
  }
}

function answer(part, title, classification) {
  $(`upload-${part}`).hidden = !classification;
  if (!classification) return;
  const { model, timing_ms: timing, top } = classification;
  setText($(`upload-${part}-title`), `${title}: ${model.name} (${model.precision}), ${timing.infer.toFixed(0)} ms`);
  bars($(`upload-${part}-bars`), top);
}

async function classify(file) {
  if (!file) return;
  const turn = ++newest;
  if (shown) URL.revokeObjectURL(shown);
  shown = URL.createObjectURL(file);
  $("preview").src = shown;
  $("preview").alt = `The picture that was sent: ${file.name}`;
  $("verdict").hidden = false;
  answer("fast", "", null);
  answer("accurate", "", null);
  setText($("upload-status"), `Labelling ${file.name} (${megabytes(file.size)}) …`);
  try {
    const opinion = await send(await readable(file), turn);
    if (turn !== newest) return;
    answer("fast", "Fast", opinion.fast);
    answer("accurate", "Accurate", opinion.accurate);
    setText($("upload-status"), opinion.cached ? `${file.name}: answered from memory` : file.name);
  } catch (error) {
    if (turn === newest) setText($("upload-status"), `${file.name}: ${error.message}`);
  }
}

export const upload = {
  start() {
    for (const id of ["file", "shot"]) {
      $(id).addEventListener("change", ({ target }) => {
        classify(target.files[0]);
        target.value = "";
      });
    }
    const drop = $("drop");
    const over = (state) => (event) => {
      if (![...event.dataTransfer.types].includes("Files")) return;
      event.preventDefault();
      drop.dataset.over = state;
    };
    drop.addEventListener("dragover", over("true"));
    drop.addEventListener("dragleave", over("false"));
    // A file that falls beside the box must not take the place of the page.
    for (const name of ["dragover", "drop"]) document.addEventListener(name, (event) => event.preventDefault());
    drop.addEventListener("drop", (event) => {
      over("false")(event);
      classify(event.dataTransfer.files[0]);
    });
    document.addEventListener("paste", (event) => classify([...event.clipboardData.files].find((file) => file.type.startsWith("image/"))));
  },
};
