// Says that most frames of the view are unlike all that it was taught with.

import { $, setText } from "./dom.js";
import { clock } from "./time.js";

function show(since) {
  $("strange").hidden = !since;
  setText($("strange-says"), since ? `Most of it has looked strange since ${clock(since)}: has the camera moved?` : "");
}

export const strange = {
  turned() {
    show(null);
  },
  strange({ since }) {
    show(since);
  },
  lost() {
    show(null);
  },
};
