// What the daemon has told, and the parts of the page that hear of it. A part that comes later is told what holds.

const last = new Map();
const parts = [];
let connected = false;

// As many as the daemon keeps.
const MAX_CHANGES = 200;

export function join(part) {
  parts.push(part);
  part.start?.();
  if (connected) part.opened?.();
  for (const [name, data] of last) part[name]?.(data);
}

export function tell(name, data) {
  if (name === "change") {
    const all = last.get("timeline") ?? [];
    all.push(data);
    if (all.length > MAX_CHANGES) all.shift();
  } else if (name !== "refused") {
    last.set(name, data);
  }
  parts.forEach((part) => part[name]?.(data));
}

export function opened() {
  connected = true;
  parts.forEach((part) => part.opened?.());
}

export function lost() {
  connected = false;
  parts.forEach((part) => part.lost?.());
}
