// Addresses of what is taught.

import { ofView } from "./bus.js";

// Of the view that the page is about.
export const base = () => ofView("teach");

export const pictureOf = (label, name) => `${base()}/picture?label=${encodeURIComponent(label)}&name=${encodeURIComponent(name)}`;
