// What all views use: texts of values, badges, messages, pictures and downloads.

import { html, nothing } from "./vendor/lit-html/lit-html.js";
import { key, send } from "./api.js";

// The words of the API, so that a program finds them again.
export const badge = (status) => html`<span class="badge ${status}">${status.replaceAll("_", " ")}</span>`;

export function bytes(size) {
  if (size < 1000) return `${size} bytes`;
  for (const [unit, factor] of [["kB", 1e3], ["MB", 1e6], ["GB", 1e9]])
    if (size < factor * 1000) return `${(size / factor).toPrecision(3)} ${unit}`;
  return `${size} bytes`;
}

export const time = (text) =>
  html`<time datetime=${text}>${new Date(text).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" })}</time>`;

export function say(text, kind = "info") {
  const box = document.createElement("p");
  box.className = kind;
  box.textContent = text;
  document.getElementById("messages").append(box);
  setTimeout(() => box.remove(), kind === "error" ? 12000 : 5000);
}

// Runs an action of a button. A failure becomes a message.
export const doing = (action) => async (event) => {
  const button = event.currentTarget;
  if (button) button.disabled = true;
  try {
    await action(event);
  } catch (error) {
    say(error.message, "error");
  } finally {
    if (button) button.disabled = false;
  }
};

export const nameOf = (photo) =>
  photo.original?.filename || photo.upload?.filename || photo.source?.url.split("/").pop() || photo.id;
// Why jobs have failed, each reason once.
export const reasons = (photo) => [...new Set(photo.jobs.filter((job) => job.error && job.status === "failed").map((job) => job.error.detail))];
export const jobTitle = (job) => job.name || (job.type === "filter" && job.spec?.filter) || job.type;

export const isPicture = (job) => job.status === "succeeded" && job.result?.content_type.startsWith("image/");
const SHOWN = /^image\/(jpeg|png|webp|avif|gif)$/;
export const isShown = (type) => SHOWN.test(type ?? "");
export const shownPictures = (photo) => (photo.jobs ?? []).filter((job) => isPicture(job) && isShown(job.result.content_type));
export const smallest = (photo) => shownPictures(photo).sort((a, b) => a.result.size - b.result.size)[0];

export const resultPath = (photo, job) => `v1/photos/${photo.id}/jobs/${job.id}/result`;
export const originalPath = (photo) => `v1/photos/${photo.id}/original`;

// The address of a picture for <img>. A browser sends no API key with it, so with a key it is the embed link, if there is one.
export function pictureOf(photo, job) {
  if (!key()) return resultPath(photo, job);
  return job.links.embed ?? null;
}

export const thumbnail = (photo) => {
  const job = smallest(photo);
  const from = job && pictureOf(photo, job);
  return from ? html`<img src=${from} alt="" loading="lazy" decoding="async">`
    : html`<span class="blank" aria-hidden="true">${(photo.original?.content_type ?? "photo").split("/").pop()}</span>`;
};

// Saves the file at a path. Without a key a link does it; with a key, the file is fetched first.
export const download = (path, filename, label, title) =>
  key()
    ? html`<button class="small" type="button" aria-label=${title ?? nothing} @click=${doing(() => save(path, filename))}>${label}</button>`
    : html`<a class="button small" aria-label=${title ?? nothing} href=${path} download=${filename}>${label}</a>`;

async function save(path, filename) {
  const blob = await (await send(path)).blob();
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = filename;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60000);
}

export async function copy(text) {
  if (!navigator.clipboard) throw new Error("Browsers copy on HTTPS pages only. Select the text instead.");
  await navigator.clipboard.writeText(text);
  say("Copied");
}
