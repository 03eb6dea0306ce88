// Files that somebody brings become blocks of a message.

const IMAGES = ["image/png", "image/jpeg", "image/gif", "image/webp"];
// Some vendors take no image of more than 4 MB, nor would more pixels tell a model more.
const LARGEST_IMAGE = 3_500_000;
const LONGEST_SIDE = 2048;
const LARGEST_FILE = 7_000_000;

/** `{block, name, preview}`; raises an Error with a sentence. The server takes out the text of PDF and the like. */
export async function read(file) {
  if (!file.size) throw new Error(`“${file.name}” is empty, or a folder.`);
  if (file.type.startsWith("image/") && file.type !== "image/svg+xml") return readImage(file);
  if (file.size > LARGEST_FILE) throw new Error(`“${file.name}” is larger than 7 MB: send a part of it.`);
  const text = await textOf(file);
  const about = text === null ? { base64: withoutHead(await dataUrl(file)) } : { text };
  if (text !== null && !text.trim()) throw new Error(`“${file.name}” holds no text.`);
  return { name: file.name, block: { type: "file", name: file.name, ...about } };
}

async function readImage(file) {
  const fits = IMAGES.includes(file.type) && file.size <= LARGEST_IMAGE;
  const url = await dataUrl(fits ? file : await smaller(file));
  const name = file.name || "image";
  return { name, preview: url, block: { type: "image", name, base64: url } };
}

/** The same picture with fewer pixels, as JPEG; also what browsers can show and vendors do not take. */
async function smaller(file) {
  let picture;
  try {
    picture = await createImageBitmap(file);
  } catch {
    throw new Error(`“${file.name}” is an image that this browser cannot read: save it as PNG or JPEG.`);
  }
  const scale = Math.min(1, LONGEST_SIDE / Math.max(picture.width, picture.height));
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, Math.round(picture.width * scale));
  canvas.height = Math.max(1, Math.round(picture.height * scale));
  const brush = canvas.getContext("2d");
  brush.fillStyle = "#fff"; // JPEG has no transparency
  brush.fillRect(0, 0, canvas.width, canvas.height);
  brush.drawImage(picture, 0, 0, canvas.width, canvas.height);
  picture.close();
  return new Promise((resolve) => canvas.toBlob(resolve, "image/jpeg", 0.85));
}

function dataUrl(blob) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result);
    reader.onerror = () => reject(new Error("A file could not be read: it may have been moved or changed."));
    reader.readAsDataURL(blob);
  });
}

const withoutHead = (url) => url.slice(url.indexOf(",") + 1);

/** The text of a file in UTF-8 or, where it says so, UTF-16; null for anything else. */
async function textOf(file) {
  const bytes = new Uint8Array(await file.arrayBuffer());
  const marks = { "255,254": "utf-16le", "254,255": "utf-16be" };
  const encoding = marks[bytes.slice(0, 2).join()] ?? "utf-8";
  try {
    const text = new TextDecoder(encoding, { fatal: true }).decode(bytes);
    // A PDF may be all ASCII.
    return text.includes("\0") || text.startsWith("%PDF-") ? null : text;
  } catch {
    return null;
  }
}

const STARTS = { "/9j/": "jpeg", R0lGOD: "gif", UklGR: "webp" };

/** An image block's address for an `img` element; plain base64 tells its kind by how it begins. */
export function address({ base64 }) {
  if (base64.startsWith("data:")) return base64;
  const start = Object.keys(STARTS).find((letters) => base64.startsWith(letters));
  return `data:image/${STARTS[start] ?? "png"};base64,${base64}`;
}
