// Pictures from files and folders: three at a time, with one bar, a list of those that cannot be read, and a way to stop.

import { $, element, ended, logIn, setText } from "./dom.js";
import { readable } from "./convert.js";
import { post } from "./sending.js";
import { base } from "./taught.js";

const AT_ONCE = 3;
// Larger ones are made smaller here: the network looks at some 224x224 pixels.
const LARGE = 300_000;
const RETRIES = 20;
const MOST = 5000;
const LISTED = 50;

const queue = [];
let work = null;
let burst = Date.now();

async function send({ label, file }, signal) {
  const picture = await readable(file, LARGE);
  const path = `${base()}/pictures?label=${encodeURIComponent(label)}&burst=${burst}`;
  for (let attempt = 0; ; attempt++) {
    const { status, retryAfter, answer } = await post(path, picture, { signal, progress() {} });
    if (status === 401) logIn();
    if (status === 200) return answer;
    if (status !== 503 || attempt === RETRIES) throw Object.assign(new Error(answer.detail ?? `the device answers with ${status}`), { final: status === 507 || status === 409 });
    await new Promise((resolve) => setTimeout(resolve, 1000 * (retryAfter ?? 1)));
    signal.throwIfAborted();
  }
}

function show() {
  const { done, copies, wrong, all } = work;
  $("sending").hidden = false;
  $("sending-bar").hidden = false;
  $("sending-bar").max = all;
  $("sending-bar").value = done;
  const parts = [`${done} of ${all}`, copies ? `${copies} looked the same` : null, wrong ? `${wrong} cannot be read` : null];
  setText($("sending-says"), parts.filter(Boolean).join(", "));
}

async function worker(mine) {
  while (queue.length && !mine.signal.aborted) {
    const one = queue.shift();
    try {
      const { copy } = await send(one, mine.signal);
      if (copy) mine.copies += 1;
    } catch (error) {
      if (error.name === "AbortError") return;
      mine.wrong += 1;
      if ($("sending-list").children.length < LISTED) $("sending-list").append(element("li", {}, `${one.file.name}: ${ended(error.message)}`));
      // The next one would fail in the same way.
      if (error.final) queue.length = 0;
    }
    mine.done += 1;
    show();
  }
}

export async function addFiles(pictures) {
  queue.push(...pictures.slice(0, MOST - queue.length));
  if (work) {
    work.all += pictures.length;
    return;
  }
  const stop = new AbortController();
  const mine = { done: 0, copies: 0, wrong: 0, all: pictures.length, signal: stop.signal };
  work = mine;
  burst += 1;
  $("sending-list").replaceChildren();
  const button = $("sending-stop");
  button.hidden = false;
  button.onclick = () => {
    queue.length = 0;
    stop.abort();
  };
  show();
  await Promise.all(Array.from({ length: AT_ONCE }, () => worker(mine)));
  const held = document.activeElement === button;
  button.hidden = true;
  $("sending-bar").hidden = true;
  if (held) $("teach-title").focus();
  const kept = mine.done - mine.copies - mine.wrong;
  const rest = [mine.copies ? `${mine.copies} looked the same` : null, mine.wrong ? `${mine.wrong} cannot be read` : null].filter(Boolean).join(", ");
  setText($("sending-says"), `${stop.signal.aborted ? "Stopped: " : ""}${kept} kept${rest ? `, ${rest}` : ""}.`);
  work = null;
}

// The files below a folder with the name of the folder that each is in.
async function walk(entry, label, found) {
  if (found.length >= MOST || entry.name.startsWith(".")) return;
  if (entry.isFile) {
    const file = await new Promise((resolve, reject) => entry.file(resolve, reject)).catch(() => null);
    if (file && /\.(jpe?g|png|webp|avif|gif|bmp|heic|tiff?)$/i.test(file.name)) found.push({ label, file });
    return;
  }
  const reader = entry.createReader();
  for (;;) {
    const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject)).catch(() => []);
    if (!some.length) return;
    for (const one of some) await walk(one, entry.name, found);
  }
}

// A folder's sub-folders are labels; loose pictures get that of the card that they fall on.
export function watchDrops(place, labelAt, say) {
  place.addEventListener("drop", async (event) => {
    event.preventDefault();
    event.stopPropagation();
    const label = labelAt(event.target);
    // The list is empty once the event is over.
    const items = [...event.dataTransfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
    const files = [...event.dataTransfer.files];
    const found = [];
    if (items.length) for (const entry of items) await walk(entry, entry.isFile ? label : entry.name, found);
    else found.push(...files.map((file) => ({ label, file })));
    const placed = found.filter((one) => one.label);
    if (placed.length < found.length) say("Drop pictures on the label that they show.");
    if (placed.length) addFiles(placed);
  });
}
