// A camera, or the model that it waits for, is tried again now, instead of later.

import { ask, ended, setText } from "./dom.js";
import { view } from "./bus.js";

// What became of it stands where the reason stood; with a picture, nothing has to be said.
export async function retry(button, says, camera = view().camera) {
  if (button.getAttribute("aria-disabled") === "true") return;
  button.setAttribute("aria-disabled", "true");
  setText(says, "Trying …");
  try {
    const { status } = await ask(`api/v1/cameras/${encodeURIComponent(camera)}/retry`, {});
    if (status.status !== "online") setText(says, `Tried just now: ${ended(status.reason ?? "there is no picture yet")}`);
  } catch (error) {
    setText(says, `Not tried: ${ended(error.message)}`);
  }
  button.removeAttribute("aria-disabled");
}
