// Pictures made with sharp: a request a line as JSON, an answer a line.
import { createRequire } from "node:module";
import path from "node:path";
import readline from "node:readline";

const sharp = createRequire(path.join(process.argv[2], "package.json"))("sharp");

// The size of a blank picture after a resize.
async function size({ width, height, resize }) {
  const blank = sharp({ create: { width, height, channels: 3, background: "#fff" } });
  const { info } = await blank.resize(resize).raw().toBuffer({ resolveWithObject: true });
  return { width: info.width, height: info.height };
}

// `calls` are methods of sharp, each with its arguments: [["resize", {"width": 8}], ["png"]].
async function picture({ photo, calls, out }) {
  let pipeline = sharp(photo).rotate();
  for (const [method, ...values] of calls) pipeline = pipeline[method](...values);
  await pipeline.toFile(out);
  return {};
}

const KINDS = { size, picture };

console.log(JSON.stringify({ sharp: sharp.versions.sharp, libvips: sharp.versions.vips, node: process.versions.node }));
for await (const line of readline.createInterface({ input: process.stdin })) {
  const { kind, ...request } = JSON.parse(line);
  try {
    console.log(JSON.stringify(await KINDS[kind](request)));
  } catch (error) {
    console.log(JSON.stringify({ error: String(error.message).replaceAll("\n", " ") }));
  }
}
