// Serves the page, and gets an upload token for it from Darkroom. Only this server knows the API key.

import { readFile } from "node:fs/promises";
import { createServer } from "node:http";

const api = process.env.DARKROOM_URL ?? "http://127.0.0.1:8080";
const key = process.env.DARKROOM_API_KEY;
const port = Number(process.env.PORT ?? 3000);

/** What a visitor may do: upload up to 20 photos with the preset `web` in the next six hours. */
const ALLOWED = { presets: ["web"], max_photos: 20, expires_in: 6 * 3600 };

const FILES = {
  "/": ["index.html", "text/html; charset=utf-8"],
  "/page.js": ["page.js", "text/javascript; charset=utf-8"],
  "/page.css": ["page.css", "text/css; charset=utf-8"],
};

/** Your own server asks here who the visitor is, and whether they may upload. */
async function makeToken() {
  const response = await fetch(`${api}/v1/upload-tokens`, {
    method: "POST",
    headers: { "Content-Type": "application/json", ...(key && { Authorization: `Bearer ${key}` }) },
    body: JSON.stringify(ALLOWED),
  });
  const body = await response.json();
  if (!response.ok) throw new Error(`Darkroom makes no upload token: ${body.detail}`);
  return { api, token: body.token };
}

function send(response, status, type, body) {
  response.writeHead(status, { "Content-Type": type, "Cache-Control": "no-store" }).end(body);
}

async function answer(request, response) {
  if (request.method === "POST" && request.url === "/upload-token") {
    return send(response, 200, "application/json", JSON.stringify(await makeToken()));
  }
  const [file, type] = FILES[request.url] ?? [];
  if (request.method !== "GET" || !file) return send(response, 404, "text/plain", "Not found\n");
  send(response, 200, type, await readFile(new URL(`public/${file}`, import.meta.url)));
}

const server = createServer((request, response) =>
  answer(request, response).catch((error) => {
    console.error(error.message);
    send(response, 502, "application/json", JSON.stringify({ detail: error.message }));
  }),
);
server.listen(port, "127.0.0.1", () => console.log(`http://127.0.0.1:${server.address().port}`));
