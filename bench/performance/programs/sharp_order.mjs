// The orders with sharp, as its documentation does it: one input, a clone for each result.
import { readFile, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import path from "node:path";
import readline from "node:readline";

const sharp = createRequire(path.join(process.argv[2], "package.json"))("sharp");

const SEPIA = [
  [0.393, 0.769, 0.189],
  [0.349, 0.686, 0.168],
  [0.272, 0.534, 0.131],
];

async function mixed(photo, out) {
  const input = sharp(photo).rotate();
  const save = (pipeline, number) => pipeline.jpeg({ quality: 80 }).toFile(path.join(out, `${number}.jpg`));
  const [, , , , metadata] = await Promise.all([
    save(input.clone().resize({ width: 1600 }), 0),
    save(input.clone().resize({ width: 800 }), 1),
    save(input.clone().resize({ width: 200, height: 200, fit: "cover" }), 2),
    save(input.clone().resize({ width: 800 }).recomb(SEPIA), 3),
    sharp(photo).metadata(),
  ]);
  const { exif, icc, xmp, ...plain } = metadata;
  await writeFile(path.join(out, "4.json"), JSON.stringify(plain));
}

// From memory to memory.
const read = new Map();
async function width800(photo) {
  if (!read.has(photo)) read.set(photo, await readFile(photo));
  await sharp(read.get(photo)).rotate().resize({ width: 800 }).jpeg({ quality: 80 }).toBuffer();
}

// Operations on the whole photo, with the parameters of Darkroom's examples. clahe is left out: it takes sharp 25 s.
const LOGO = path.join(import.meta.dirname, "../../../docs/gallery/photos/logo.png");
const OPERATIONS = {
  convert: (input) => input,
  resize: (input) => input.resize({ width: 800, height: 600, fit: "inside" }),
  rotate: (input) => input.rotate(30, { background: "#336699" }),
  flip: (input) => input.flip(),
  flop: (input) => input.flop(),
  trim: (input) => input.trim({ background: "#ffffff", threshold: 20, lineArt: true }),
  extend: (input) => input.extend({ top: 10, bottom: 10, extendWith: "mirror" }),
  watermark: (input) => input.composite([{ input: LOGO, gravity: "southeast" }]),
  grayscale: (input) => input.grayscale(),
  sepia: (input) => input.recomb(SEPIA),
  invert: (input) => input.negate({ alpha: false }),
  "auto-contrast": (input) => input.normalise({ lower: 1, upper: 99 }),
  blur: (input) => input.blur(3),
  sharpen: (input) => input.sharpen({ sigma: 1.5 }),
  brightness: (input) => input.linear(1.2, 0),
  contrast: (input) => input.linear(1.3, -0.3 * 127.5),
  saturation: (input) => input.modulate({ saturation: 1.5 }),
  linear: (input) => input.linear(0.8, 30),
  threshold: (input) => input.threshold(120),
  hue: (input) => input.modulate({ hue: 90 }),
  tint: (input) => input.tint("#a06030"),
  median: (input) => input.median(5),
  edge: (input) => input.convolve({ width: 3, height: 3, kernel: [-1, 0, 1, -2, 0, 2, -1, 0, 1] }),
};

async function operation(name, photo) {
  if (!read.has(photo)) read.set(photo, await readFile(photo));
  await OPERATIONS[name](sharp(read.get(photo)).autoOrient()).jpeg({ quality: 80 }).toBuffer();
}

const ORDERS = { mixed, width800 };
for (const name of Object.keys(OPERATIONS)) ORDERS[name] = (photo) => operation(name, photo);

console.log(JSON.stringify({ sharp: sharp.versions.sharp, libvips: sharp.versions.vips, node: process.versions.node }));
for await (const line of readline.createInterface({ input: process.stdin })) {
  const { order, photo, out } = JSON.parse(line);
  try {
    await ORDERS[order](photo, out);
    console.log("done");
  } catch (error) {
    console.log(`failed ${String(error.message).replaceAll("\n", " ")}`);
  }
}
