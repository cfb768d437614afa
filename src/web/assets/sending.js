// One picture on its way to the device, with progress; `fetch` does not tell how much has been sent.

import { answered } from "./dom.js";

const ANSWER_WITHIN_MS = 120_000;

// Answers with { status, retryAfter, answer }. `progress` gets the share that is sent, 0 to 1.
export function post(path, file, { signal, progress }) {
  signal.throwIfAborted();
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", path);
    request.setRequestHeader("content-type", "application/octet-stream");
    request.timeout = ANSWER_WITHIN_MS;
    request.upload.onprogress = ({ loaded, total }) => progress(total ? loaded / total : 1);
    request.upload.onload = () => progress(1);
    request.onload = () => resolve({
      status: request.status,
      retryAfter: Number(request.getResponseHeader("retry-after")) || null,
      answer: answered(request.responseText),
    });
    request.onerror = () => reject(new Error("the device does not answer"));
    request.ontimeout = () => reject(new Error("the device did not answer in time"));
    request.onabort = () => reject(new DOMException("stopped", "AbortError"));
    signal.addEventListener("abort", () => request.abort(), { once: true });
    request.send(file);
  });
}
