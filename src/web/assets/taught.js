// Addresses of what is taught.

export const BASE = "api/v1/views/main/teach";

export const pictureOf = (label, name) => `${BASE}/picture?label=${encodeURIComponent(label)}&name=${encodeURIComponent(name)}`;
