// A session that has ended is begun again in place.

import { element, setText } from "./dom.js";

let dialog = null;

export function ask() {
  if (dialog) return;
  const field = element("input", { type: "password", name: "token", autocomplete: "current-password", required: true });
  const wrong = element("p", { class: "notice", role: "alert", hidden: true });
  const form = element("form", { method: "dialog" },
    element("h2", { id: "session-title" }, "Please log in again."),
    element("p", { class: "hint" }, "The page and what you have typed stay as they are."), wrong,
    element("label", { class: "field" }, element("span", {}, "Token"), field),
    element("button", { class: "button", type: "submit" }, "Log in"));
  dialog = element("dialog", { class: "card", "aria-labelledby": "session-title" }, form);
  const before = document.activeElement;
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    try {
      await fetch("login", { method: "POST", redirect: "manual", body: new URLSearchParams({ token: field.value }) });
      const { status } = await fetch("api/v1/state");
      if (status === 200) {
        dialog.close();
        return;
      }
      setText(wrong, status === 401 ? "Wrong token." : `The device answers with ${status}; try again in a minute.`);
    } catch {
      setText(wrong, "The device does not answer.");
    }
    wrong.hidden = false;
    field.select();
  });
  dialog.addEventListener("close", () => {
    dialog.remove();
    dialog = null;
    before?.focus?.();
  });
  document.body.append(dialog);
  dialog.showModal();
}
