// Pictures that a browser shows and the server does not read become small JPEGs here.

import { megabytes } from "./dom.js";

// Longest side of the JPEG. The models look at some 224x224 pixels of it.
const SIDE = 1280;
const QUALITY = 0.92;

// What the server reads however large it is. It also reads WebP, but only small ones.
const READ = [[0xff, 0xd8, 0xff], [0x89, 0x50, 0x4e, 0x47]];

const latin = new TextDecoder("latin1");

// What the file is, if it is a picture that a browser might show.
function foreign(head) {
  const brand = latin.decode(head.slice(8, 12));
  if (latin.decode(head.slice(4, 8)) === "ftyp") {
    if (brand === "avif" || brand === "avis") return "an AVIF";
    return /^(he|mif1|msf1)/.test(brand) ? "a HEIC" : null;
  }
  const start = latin.decode(head.slice(0, 4));
  if (start === "RIFF" && brand === "WEBP") return "a WebP";
  if (start === "GIF8") return "a GIF";
  if (start.startsWith("BM")) return "a BMP";
  return ["II*\0", "MM\0*"].includes(start) ? "a TIFF" : null;
}

// Some browsers show in an element what they do not decode otherwise.
async function decoded(file) {
  try {
    return await createImageBitmap(file);
  } catch {
    const image = new Image();
    image.src = URL.createObjectURL(file);
    try {
      await image.decode();
      return image;
    } finally {
      URL.revokeObjectURL(image.src);
    }
  }
}

// The bytes to send: of a picture that the server does not read, or of more than `limit` bytes, a small JPEG; of all others the file.
export async function readable(file, limit) {
  const head = new Uint8Array(await file.slice(0, 12).arrayBuffer());
  const known = READ.some((start) => start.every((byte, at) => head[at] === byte));
  const kind = known ? (file.size > limit ? "a picture" : null) : foreign(head);
  if (!kind) return file;
  let picture;
  try {
    picture = await decoded(file);
  } catch {
    // The server may read it, if it is a small WebP.
    if (kind === "a WebP") return file;
    if (known) throw new Error(`it has ${megabytes(file.size)}, more than the ${megabytes(limit)} that are taken, and this browser cannot make it smaller`);
    throw new Error(`it is ${kind} that neither this browser nor glimpsed can read; save it as JPEG or PNG`);
  }
  const [width, height] = [picture.naturalWidth ?? picture.width, picture.naturalHeight ?? picture.height];
  const scale = Math.min(1, SIDE / Math.max(width, height, 1));
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, Math.round(width * scale));
  canvas.height = Math.max(1, Math.round(height * scale));
  const pen = canvas.getContext("2d");
  // What is transparent is shown on white here.
  pen.fillStyle = "white";
  pen.fillRect(0, 0, canvas.width, canvas.height);
  pen.imageSmoothingQuality = "high";
  pen.drawImage(picture, 0, 0, canvas.width, canvas.height);
  picture.close?.();
  const jpeg = await new Promise((resolve) => canvas.toBlob(resolve, "image/jpeg", QUALITY));
  if (!jpeg) throw new Error(`it is ${kind} of ${width} x ${height} pixels, too large for this browser; save it as JPEG`);
  return jpeg;
}
