// Small helpers; nothing here makes HTML of text.

export const $ = (id) => document.getElementById(id);

export function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  return fill(made, attributes, children);
}

export function svg(name, attributes = {}, ...children) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  return fill(made, attributes, children);
}

function fill(made, attributes, children) {
  for (const [key, value] of Object.entries(attributes)) {
    if (value !== null && value !== undefined && value !== false) made.setAttribute(key, value === true ? "" : value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

// The style of what is loaded on demand, once.
const styles = new Map();

export function styled(name) {
  if (!styles.has(name)) {
    const link = element("link", { rel: "stylesheet", href: new URL(`${name}.css`, import.meta.url).href });
    styles.set(name, new Promise((resolve, reject) => {
      link.addEventListener("load", resolve);
      link.addEventListener("error", () => {
        styles.delete(name);
        link.remove();
        reject(new Error("its style could not be loaded"));
      });
      document.head.append(link);
    }));
  }
  return styles.get(name);
}

// Only what differs is written, so that the page is laid out again as seldom as possible.
export function setText(target, text) {
  if (target.textContent !== text) target.textContent = text;
}

export const percent = (share) => `${(100 * share).toFixed(share >= 0.0995 ? 0 : 1)} %`;

// What the daemon says in words, by its fields: the names and paths in it get the quotes of a page. One character takes the place of
// another, so that a mark below a line stays where it is.
const SAID = new Set(["reason", "precision_reason", "error", "last_error", "model_error", "failing", "config_error", "detail"]);
const quoted = (key, value) => (SAID.has(key) && typeof value === "string" ? value.replace(/`([^`]*)`/g, "“$1”") : value);
export const parse = (text) => JSON.parse(text, quoted);

// It as the end of a sentence, and as a whole one.
export const ended = (text) => (/[.?!…]$/.test(text) ? text : `${text}.`);
export const sentence = (text) => ended(text.charAt(0).toUpperCase() + text.slice(1));

export const megabytes = (bytes) => `${(bytes / 1e6).toFixed(bytes < 1e7 ? 1 : 0)} MB`;

// The rows stay and change, so that nothing moves.
export function bars(list, top) {
  while (list.children.length > top.length) list.lastChild.remove();
  while (list.children.length < top.length) {
    const bar = element("span", { class: "fill" });
    list.append(element("li", {}, element("span", { class: "name" }), element("span", { class: "value" }), element("span", { class: "track" }, bar)));
    bar.style.display = "block";
  }
  top.forEach(({ label, confidence }, index) => {
    const [name, value, track] = list.children[index].children;
    setText(name, label);
    if (name.title !== label) name.title = label;
    setText(value, percent(confidence));
    track.firstChild.style.transform = `scaleX(${confidence})`;
  });
}

// Ten colours that differ for people who see few of them too; each has 3:1 against both grounds.
const COLOURS = ["#2f7dd1", "#c2571a", "#2b8a57", "#b0418f", "#8a7412", "#6f6ad0", "#c4443f", "#1f8a92", "#7a6a58", "#5b8a1d"];
const order = [];

// A label's colour is its place in the order of appearance; after ten it is that of an older one, so the word stands beside it always.
export function colour(label) {
  if (!label) return "#7b8791";
  let place = order.indexOf(label);
  if (place < 0) place = order.push(label) - 1;
  return COLOURS[place % COLOURS.length];
}

// The session is over: a dialog asks for the token, and the page with what was typed stays.
export function logIn() {
  import("./session.js").then(({ ask }) => ask()).catch(() => location.assign("login"));
}

// Loading a large model takes a minute on a small board.
const ANSWER_WITHIN_MS = 100_000;

// The JSON of an answer; an empty object where it is none, as a proxy's.
export function answered(text) {
  try {
    return parse(text) ?? {};
  } catch {
    return {};
  }
}

// Answers with JSON, or throws an error whose message is what the server said.
export async function ask(path, body, method = body === undefined ? "GET" : "POST") {
  const options = body === undefined ? { method } : {
    method,
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  };
  const response = await fetch(path, { ...options, signal: AbortSignal.timeout(ANSWER_WITHIN_MS) }).catch((error) => {
    throw new Error(error.name === "TimeoutError" ? "the device did not answer in time" : "the device does not answer");
  });
  if (response.status === 401) logIn();
  const answer = answered(await response.text().catch(() => ""));
  if (!response.ok) throw Object.assign(new Error(answer.detail ?? response.statusText), { status: response.status });
  return answer;
}
