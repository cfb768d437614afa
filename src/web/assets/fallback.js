// Events and pictures without a WebSocket: server-sent events, and for the large picture a multipart stream that is read frame by frame.
// Small pictures are asked for one after the other, because a browser gives a server six connections.

import { parse } from "./dom.js";

const RETRY_MS = 2000;
const SMALL_EVERY_MS = 1000;
const MAX_PART = 8 << 20;

// Splits multipart/x-mixed-replace by the lengths that its parts declare.
async function frames(reader, show) {
  let held = new Uint8Array(0);
  const decoder = new TextDecoder("latin1");
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const joined = new Uint8Array(held.length + value.length);
    joined.set(held);
    joined.set(value, held.length);
    held = joined;
    let newest = null;
    for (;;) {
      const head = decoder.decode(held.subarray(0, 512));
      const end = head.indexOf("\r\n\r\n");
      const length = Number(/content-length: (\d+)/i.exec(head.slice(0, end))?.[1]);
      if (end < 0 || !(length >= 0) || held.length < end + 4 + length) break;
      const time = Date.parse(/x-timestamp: (\S+)/i.exec(head)?.[1] ?? "");
      newest = [time, held.slice(end + 4, end + 4 + length)];
      held = held.subarray(end + 4 + length);
    }
    if (held.length > MAX_PART) throw new Error("a part has no end");
    if (newest) await show(...newest);
  }
}

export function open(events, handlers) {
  const source = new EventSource("api/v1/events?whole=true");
  let watching = null;
  // The camera of the large picture, then those of the small ones.
  let cameras = [];
  source.addEventListener("open", () => handlers.opened());
  source.addEventListener("error", () => handlers.lost());
  for (const name of events) {
    source.addEventListener(name, (event) => {
      const { data, camera, view } = parse(event.data);
      handlers.event(name, data, { camera, view });
    });
  }

  const of = (camera, what) => `api/v1/cameras/${encodeURIComponent(camera)}/${what}`;

  async function watch(mine) {
    try {
      const response = await fetch(of(cameras[0], "stream.mjpeg"), { signal: mine.signal });
      if (response.ok) await frames(response.body.getReader(), (time, jpeg) => handlers.picture(0, time, jpeg));
      // Before the layout is known, the camera may be called otherwise.
      else if (response.status !== 404) handlers.event("refused", { reason: response.status === 403 ? "forbidden" : "crowded", detail: "" });
    } catch {
      // Aborted by us, or the connection is lost, which the events tell.
    }
    if (watching === mine) setTimeout(() => watching === mine && watch(mine), RETRY_MS);
  }

  async function watchSmall(mine) {
    for (let index = 1; watching === mine; index = (index % (cameras.length - 1)) + 1) {
      try {
        if (handlers.isSeen(index)) {
          const response = await fetch(of(cameras[index], "frame.jpeg?labels=false"), { signal: mine.signal });
          if (response.ok) await handlers.picture(index, Date.now(), new Uint8Array(await response.arrayBuffer()));
        }
      } catch {
        // The camera is away; the next may be there.
      }
      await new Promise((done) => setTimeout(done, SMALL_EVERY_MS));
    }
  }

  return {
    want(subscriptions) {
      watching?.abort();
      watching = null;
      cameras = subscriptions.map(({ camera }) => camera);
      if (!cameras.length) return;
      watching = new AbortController();
      watch(watching);
      if (cameras.length > 1) watchSmall(watching);
    },
    close() {
      watching?.abort();
      watching = null;
      source.close();
    },
  };
}
