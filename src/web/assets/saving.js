// Controls that say what became of the last change, beside themselves.

import { $, ask, element, ended, setText } from "./dom.js";

function say(control, text, again) {
  const line = $(`${control.id}-saved`);
  setText(line, text);
  if (again) {
    const button = element("button", { type: "button", class: "button quiet" }, "Again");
    button.addEventListener("click", again);
    line.append(" ", button);
  }
}

// The control shows what holds until the daemon has agreed to something else; `show` brings it back to that.
export async function save(control, path, body, show, { doing = "Saving …", done = "Saved." } = {}) {
  if (control.getAttribute("aria-busy") === "true" || control.getAttribute("aria-disabled") === "true") {
    show();
    return;
  }
  control.setAttribute("aria-busy", "true");
  say(control, doing);
  show();
  try {
    await ask(path, body);
    say(control, done);
    setTimeout(() => $(`${control.id}-saved`).textContent === done && say(control, ""), 3000);
  } catch (error) {
    say(control, `Not saved: ${ended(error.message)}`, () => {
      control.focus();
      save(control, path, body, show, { doing, done });
    });
  } finally {
    control.removeAttribute("aria-busy");
    show();
  }
}

// A button beside each command to be copied.
export function copies(section) {
  for (const button of section.querySelectorAll("[data-copy]")) {
    button.addEventListener("click", async () => {
      const text = $(button.dataset.copy).textContent;
      try {
        await navigator.clipboard.writeText(text);
        setText(button, "Copied");
      } catch {
        // Over plain HTTP a browser gives no clipboard; what is selected can be copied by hand.
        getSelection().selectAllChildren($(button.dataset.copy));
        setText(button, "Selected");
      }
      setTimeout(() => setText(button, "Copy"), 3000);
    });
  }
}
