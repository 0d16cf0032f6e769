// Uploads photos in parts with Uppy, follows each one live, and shows its results.
// The page knows no API key: its own server gives it an upload token.

import AwsS3 from "@uppy/aws-s3";
import Uppy from "@uppy/core";
import "@uppy/core/css/style.css";
import Dashboard from "@uppy/dashboard";
import "@uppy/dashboard/css/style.css";
import "./page.css";

const message = document.querySelector("#message");
const photos = document.querySelector("#photos");

try {
  const { api, token } = await readJson(await fetch("/upload-token", { method: "POST" }));
  sendToken(api, token);
  startUppy(api, token);
} catch (error) {
  message.textContent = error.message;
}

/** The plugin AwsS3 cannot send headers of ours, so `fetch` adds the token to each request for the API. */
function sendToken(api, token) {
  const plainFetch = window.fetch;
  window.fetch = async (url, options = {}) => {
    if (!String(url).startsWith(`${api}/`)) return plainFetch(url, options);
    const headers = { ...options.headers, Authorization: `Bearer ${token}` };
    const response = await plainFetch(url, { ...options, headers });
    if (!response.ok) await readJson(response); // an error with the reason, which Uppy itself does not read
    return response;
  };
}

function startUppy(api, token) {
  const uppy = new Uppy({ restrictions: { minFileSize: 1 } });
  uppy.use(Dashboard, { target: "#uppy", inline: true, width: "100%", proudlyDisplayPoweredByUppy: false });
  uppy.use(AwsS3, {
    companionEndpoint: `${api}/v1`,
    shouldUseMultipart: true,
    getChunkSize: () => 8 * 1024 * 1024, // a lost connection costs one part at most
  });
  uppy.on("file-added", ({ id, size }) => uppy.setFileMeta(id, { preset: "web", size }));
  uppy.on("upload", () => (message.textContent = ""));
  uppy.on("upload-error", (file, error) => (message.textContent = `${file.name}: ${error.message}`));
  uppy.on("upload-success", (file, { uploadURL }) => follow(file.name, uploadURL, token));
  uppy.on("back-online", () => uppy.retryAll()); // sends only the parts that S3 does not have
}

/** Show what becomes of a photo, live. */
function follow(filename, photoUrl, token) {
  const item = photos.appendChild(document.createElement("li"));
  const state = item.appendChild(document.createElement("p"));
  const events = new EventSource(`${photoUrl}/events?token=${token}`);
  events.addEventListener("job", ({ data }) => {
    const { name, status } = JSON.parse(data);
    state.textContent = `${filename}: ${name} ${status}`;
  });
  events.addEventListener("photo", async ({ data }) => {
    const { status } = JSON.parse(data);
    state.textContent = `${filename}: ${status}`;
    if (["awaiting_upload", "processing"].includes(status)) return;
    events.close();
    showResults(item, await readJson(await fetch(photoUrl))); // events have no embed links
  });
}

/** Results by their embed links: addresses that need no token, for this page and any other one. */
function showResults(item, photo) {
  const results = photo.jobs.filter((job) => job.status === "succeeded" && job.result.width);
  const failed = photo.jobs.filter((job) => job.status === "failed");
  if (results.length > 0) {
    const image = item.appendChild(document.createElement("img"));
    image.alt = photo.original.filename;
    image.sizes = "(max-width: 60rem) 100vw, 60rem";
    image.srcset = results.map(({ links, result }) => `${links.embed} ${result.width}w`).join(", ");
  }
  for (const { name, error } of failed) {
    item.appendChild(document.createElement("p")).textContent = `${name}: ${error.detail}`;
  }
}

/** The JSON of a response, or the reason why there is none. */
async function readJson(response) {
  const body = await response.json().catch(() => ({}));
  if (!response.ok) throw new Error(body.detail ?? `${response.url} answered ${response.status}`);
  return body;
}
