// "That is wrong": keeps the next picture under the label that somebody says, where a taught model is in use.

import { $, ask, element, ended, setText } from "./dom.js";
import { view } from "./bus.js";
import { base } from "./taught.js";

let info = null;
let settings = null;
let online = false;

const isTaught = () => Boolean(info?.config?.["teach.directory"]?.value) && settings?.model === view().name;

function show() {
  $("wrong-row").hidden = !isTaught() || !online;
}

function close() {
  $("wrong-labels").replaceChildren();
  $("is-wrong").setAttribute("aria-expanded", "false");
  $("is-wrong").focus();
}

async function keep(label) {
  close();
  try {
    const { copy } = await ask(`${base()}/frame`, { label });
    setText($("wrong-says"), `${copy ? `It looks like one of ${label} that is known.` : `Kept as ${label}.`} `);
    $("wrong-says").append(element("a", { href: "#teach" }, "Use the new lesson"));
  } catch (error) {
    setText($("wrong-says"), `Not kept: ${ended(error.message)}`);
  }
}

async function open() {
  if ($("is-wrong").getAttribute("aria-expanded") === "true") return close();
  setText($("wrong-says"), "");
  try {
    const { report } = await ask(base());
    const button = (text, act) => {
      const made = element("button", { type: "button", class: "button quiet" }, text);
      made.addEventListener("click", act);
      return made;
    };
    // All of them: the label may become another while somebody decides.
    const labels = report.classes.map(({ label }) => button(label, () => keep(label)));
    $("wrong-labels").replaceChildren(...labels, button("Cancel", close));
    $("is-wrong").setAttribute("aria-expanded", "true");
    $("wrong-labels").firstChild.focus();
  } catch (error) {
    setText($("wrong-says"), ended(error.message));
  }
}

export const wrong = {
  start() {
    $("is-wrong").addEventListener("click", open);
  },
  info(news) {
    info = news;
    show();
  },
  settings(news) {
    settings = news;
    show();
  },
  camera({ status }) {
    online = status === "online";
    show();
  },
  turned() {
    online = false;
    $("wrong-labels").replaceChildren();
    setText($("wrong-says"), "");
    show();
  },
  lost() {
    online = false;
    show();
  },
};
