// Pictures from here: chosen, taken, dropped or pasted. What labels them comes with the first.

import { $, setText } from "./dom.js";

async function add(files) {
  // A field that is emptied takes its files along.
  const pictures = [...files];
  if (pictures.length === 0) return;
  try {
    const { label } = await import("./labelling.js");
    label(pictures);
  } catch {
    $("verdict").hidden = false;
    setText($("upload-status"), "Not labelled: the device does not answer.");
  }
}

export const upload = {
  start() {
    for (const id of ["file", "shot"]) {
      $(id).addEventListener("change", ({ target }) => {
        add(target.files);
        target.value = "";
      });
    }
    const drop = $("drop");
    const over = (event, state) => {
      if (![...event.dataTransfer.types].includes("Files")) return;
      event.preventDefault();
      drop.dataset.over = state;
    };
    // Anywhere on the page: a file that falls beside the box must not take the place of the page.
    document.addEventListener("dragover", (event) => over(event, "true"));
    document.addEventListener("dragleave", (event) => event.relatedTarget === null && over(event, "false"));
    document.addEventListener("drop", (event) => {
      event.preventDefault();
      over(event, "false");
      if ($("place-live").hidden) location.hash = "#live";
      add(event.dataTransfer.files);
    });
    document.addEventListener("paste", (event) => $("place-live").hidden || add([...event.clipboardData.files].filter((file) => file.type.startsWith("image/"))));
  },
};
