// Something is tried: a camera before it is chosen, or the way to the broker.

import { ask, element, ended, sentence, setText } from "./dom.js";

export async function tried(button, says, doing, act) {
  if (button.getAttribute("aria-disabled") === "true") return;
  button.setAttribute("aria-disabled", "true");
  setText(says, doing);
  try {
    setText(says, await act());
  } catch (error) {
    setText(says, sentence(error.message));
  }
  button.removeAttribute("aria-disabled");
}

// The steps of `glimpsed mqtt test`, to the broker that is given, or to the one of the configuration.
export function tryBroker(button, says, list, given) {
  list.replaceChildren();
  return tried(button, says, "Connecting …", async () => {
    const { ok, steps } = await ask("api/v1/setup/broker", given);
    list.replaceChildren(...steps.map((step) => element("li", { "data-ok": String(step.ok) }, element("strong", {}, step.ok ? "ok" : "failed"), element("b", {}, step.step), element("span", {}, ended(step.says)))));
    return ok ? "It works." : "It does not work yet:";
  });
}
