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

const ORDERS = { mixed, width800 };

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
