// Uploads a photo, waits for a result, and saves it. Node's own `fetch` is enough.
//
//     node upload.js photo.jpg small.jpg

import { openAsBlob } from "node:fs";
import { writeFile } from "node:fs/promises";
import { basename } from "node:path";
import { randomUUID } from "node:crypto";

const api = process.env.DARKROOM_URL ?? "http://127.0.0.1:8080";
const key = process.env.DARKROOM_API_KEY;
const headers = key ? { Authorization: `Bearer ${key}` } : {};

const JOBS = [{ name: "small", type: "resize", width: 800, without_enlargement: true }];

/** Send a request, and again while the API is busy or does not answer: at most `tries` times. */
async function ask(url, options = {}, tries = 4) {
  for (let tried = 1; ; tried++) {
    let response;
    try {
      response = await fetch(url, { ...options, headers: { ...headers, ...options.headers } });
    } catch (error) {
      if (tried === tries) throw new Error(`${url} does not answer: ${error.cause?.message ?? error.message}`);
    }
    if (response?.ok) return response;
    if (response && (![429, 503].includes(response.status) || tried === tries)) {
      const { detail, errors = [] } = await response.json();
      throw new Error([detail, ...errors.map((error) => `${error.field}: ${error.detail}`)].join("\n  "));
    }
    const seconds = Number(response?.headers.get("Retry-After") ?? 2 ** (tried - 1));
    await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
  }
}

/** Upload a photo. A request that is sent again with the same Idempotency-Key makes no second photo. */
async function upload(path) {
  const form = new FormData();
  form.append("photo", await openAsBlob(path), basename(path));
  form.append("jobs", JSON.stringify(JOBS));
  const options = { method: "POST", body: form, headers: { "Idempotency-Key": `"${randomUUID()}"` } };
  return (await ask(`${api}/v1/photos`, options)).json();
}

/** Wait until all jobs of a photo have ended. Each request waits for up to 20 seconds. */
async function wait(photo) {
  while (photo.status === "processing") {
    photo = await (await ask(`${photo.links.self}?wait=20`)).json();
  }
  return photo;
}

async function main([from, to]) {
  if (!from || !to) throw new Error("usage: node upload.js PHOTO RESULT");
  const photo = await wait(await upload(from));
  for (const { name, status, error, links } of photo.jobs) {
    if (status !== "succeeded") throw new Error(`${name} ${status}: ${error?.detail}`);
    await writeFile(to, (await ask(links.result)).body); // leads to the file in the bucket
    console.log(`${to}: ${name} of ${photo.id}`);
  }
}

main(process.argv.slice(2)).catch((error) => {
  console.error(error.message);
  process.exitCode = 1;
});
