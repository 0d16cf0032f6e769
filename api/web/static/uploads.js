// The uploads of this tab: which photos go in which request, how far each is, and what the API has answered.
// They stay when another view is shown.

import { newKey, problemOf, send, sendForm } from "./api.js";
import { follow, isUnfinished, photoOf, withJob } from "./live.js";

const MOST_PHOTOS = 50; // of a request; the API's default
const MOST_BYTES = 200e6; // of a request with several photos: a lost connection loses all of it

// An upload is one request: { id, entries, chosen, reference, key, sent, total, cancel, batch, error }.
// An entry is one photo of it: { id, name, size, file or url, preview, photo, error }.
export const uploads = [];
const files = new Map(); // id of a photo -> the address of its local file
export const localFile = (id) => files.get(id);

let numbers = 0;
let update = () => {};

// Calls `changed` after each change. Returns a function that stops.
export function watchUploads(changed) {
  update = changed;
  const stop = follow("v1/events", () => unfinished().map(({ photo }) => photo.id), take);
  return () => { update = () => {}; stop(); };
}

const entries = () => uploads.flatMap((upload) => upload.entries);
const unfinished = () => entries().filter(({ photo }) => photo && isUnfinished(photo));

function take(photo, { job, gone } = {}) {
  const id = photo?.id ?? gone ?? photoOf(job);
  const entry = entries().find((one) => one.photo?.id === id);
  if (!entry) return;
  if (gone) leave(entry);
  else entry.photo = photo ?? withJob(entry.photo, job);
  update();
}

function leave(entry) {
  const upload = uploads.find((one) => one.entries.includes(entry));
  upload.entries.splice(upload.entries.indexOf(entry), 1);
  if (!upload.entries.length) uploads.splice(uploads.indexOf(upload), 1);
}

function begin(list, given) {
  const upload = { id: ++numbers, entries: list, ...given, sent: 0, total: 0 };
  uploads.unshift(upload);
  return deliver(upload);
}

// Photos that are chosen together go in one request, so that they are a batch; many or large ones in several.
export function uploadFiles(chosenFiles, given) {
  const groups = [];
  for (const file of chosenFiles) {
    const last = groups.at(-1);
    const entry = { id: ++numbers, file, name: file.name, size: file.size, preview: URL.createObjectURL(file) };
    if (last && last.length < MOST_PHOTOS && last.reduce((sum, { size }) => sum + size, file.size) <= MOST_BYTES) last.push(entry);
    else groups.push([entry]);
  }
  for (const group of groups) begin(group, given);
}

export function uploadUrl(url, given) {
  const name = new URL(url).pathname.split("/").pop() || url;
  return begin([{ id: ++numbers, url, name }], given);
}

// Another try for one photo alone, or for all that are left of a request that failed as a whole.
export function tryAgain(upload, entry) {
  if (upload.entries.length === 1 || !entry) return deliver(upload);
  leave(entry);
  entry.error = null;
  return begin([entry], { chosen: upload.chosen, reference: upload.reference });
}

async function deliver(upload) {
  const { entries: list } = upload;
  const cancel = new AbortController();
  Object.assign(upload, { error: null, sent: 0, total: 0, cancel: () => cancel.abort() });
  for (const entry of list) entry.error = null;
  update();
  await turn();
  try {
    if (cancel.signal.aborted) throw new DOMException("The upload was cancelled", "AbortError");
    upload.key ??= newKey();
    const answer = await (list[0].url ? sendUrl(upload, cancel.signal) : sendFiles(upload, cancel.signal));
    accepted(upload, answer.photos ?? [answer], answer.links.batch ?? null);
  } catch (error) {
    refused(upload, error);
  } finally {
    upload.cancel = null;
    release();
  }
  update();
  for (const entry of [...list]) await refresh(entry);
}

const sendUrl = async ({ entries: [{ url }], chosen, reference, key }, signal) =>
  (await send("v1/photos", { method: "POST", signal, json: { url, ...chosen, ...(reference && { reference }) }, headers: { "Idempotency-Key": key } })).json();

async function sendFiles(upload, signal) {
  const form = new FormData();
  for (const [name, value] of Object.entries(upload.chosen)) form.append(name, typeof value === "string" ? value : JSON.stringify(value));
  if (upload.reference) form.append("reference", upload.reference);
  for (const { file, name } of upload.entries) form.append("photo", file, name);
  const progress = (sent, total) => { Object.assign(upload, { sent, total }); update(); };
  return (await sendForm("v1/photos", { form, signal, progress, headers: { "Idempotency-Key": upload.key } })).json();
}

// `answers`: for each photo, in the order sent, the photo itself or a problem.
function accepted(upload, answers, batch) {
  upload.batch = batch && new URL(batch).pathname.split("/").pop();
  upload.key = null;
  upload.entries.forEach((entry, at) => {
    if ("id" in answers[at]) entry.photo = answers[at];
    else entry.error = problemOf(answers[at].status, answers[at]);
    if (entry.photo && entry.preview) files.set(entry.photo.id, entry.preview);
  });
}

function refused(upload, error) {
  // After a refusal another try is another request. Otherwise the API may have the photos already, or will take them later.
  if (error.status >= 400 && error.status < 500 && ![409, 429].includes(error.status)) upload.key = null;
  const tooMany = error.status === 413 || error.errors?.some(({ code }) => code === "too_many_photos");
  if (tooMany && upload.entries.length > 1) {
    uploads.splice(uploads.indexOf(upload), 1);
    for (const entry of upload.entries) begin([entry], { chosen: upload.chosen, reference: upload.reference });
    upload.entries = [];
  } else if (error.photos?.length) {
    upload.entries.forEach((entry, at) => { entry.error = error.photos[at] ? problemOf(error.photos[at].status, error.photos[at]) : error; });
  } else {
    upload.error = error.name === "AbortError" ? { message: "You have cancelled the upload.", cancelled: true } : error;
  }
}

// The work may have ended before the stream of events knew the photo.
async function refresh(entry) {
  if (!entry.photo || !isUnfinished(entry.photo)) return;
  try {
    const photo = await (await send(`v1/photos/${entry.photo.id}?wait=2`)).json();
    if (isUnfinished(entry.photo)) entry.photo = photo;
    update();
  } catch {
    // the events show it, or that it is gone
  }
}

// How many bytes of a file are sent. The files of a request go one after the other, so the first ones are there first.
export function sentOf(upload, entry) {
  const before = upload.entries.slice(0, upload.entries.indexOf(entry)).reduce((sum, { size }) => sum + size, 0);
  return Math.max(0, Math.min(entry.size, upload.sent - before));
}

// At most three uploads at a time: a browser has six connections to one host.
let running = 0;
const waiting = [];
const turn = () => (running < 3 ? (running++, Promise.resolve()) : new Promise((go) => waiting.push(go)));
const release = () => (waiting.length ? waiting.shift()() : running--);
