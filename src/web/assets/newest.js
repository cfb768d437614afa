// The newest changes of the label, on Live.

import { $ } from "./dom.js";
import { rows } from "./changes.js";

const SHOWN = 4;

let entries = [];

function show() {
  rows($("newest"), entries.slice(-SHOWN).reverse());
}

export const newest = {
  turned() {
    entries = [];
    show();
  },
  timeline(all) {
    entries = all.slice(-SHOWN);
    show();
  },
  change(entry) {
    entries = [...entries, entry].slice(-SHOWN);
    show();
  },
};
