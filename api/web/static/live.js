// Live events of photos. EventSource cannot send an API key, so this reads the stream of events with fetch.

import { get, send } from "./api.js";

const AGAIN = 2000; // milliseconds until the next try after the stream was lost
const AT_ONCE = 2; // photos to wait for: a browser has six connections to one host, and uploads need three

// Calls `changed(photo)` with a photo, or `changed(null, { job })` when one of its jobs changed. Returns a function that stops.
export function follow(path, unfinished, changed) {
  const ended = new AbortController();
  run(path, unfinished, changed, ended.signal);
  return () => ended.abort();
}

async function run(path, unfinished, changed, signal) {
  let last = null;
  while (!signal.aborted) {
    try {
      const headers = last ? { "Last-Event-ID": last } : {};
      const response = await send(path, { signal, headers });
      if (response.status === 204) return;
      for await (const event of eventsOf(response.body)) {
        if (event.id) last = event.id;
        if (event.type === "photo") changed(event.data);
        else if (event.type === "job") changed(null, { job: event.data });
        else if (event.type === "gone") changed(null, { gone: event.data.id });
      }
    } catch (error) {
      if (signal.aborted || [401, 403, 404].includes(error.status)) return;
      if (error.status === 501) return ask(unfinished, changed, signal);
    }
    await pause(AGAIN, signal);
  }
}

// Where the API cannot hold a stream (on AWS Lambda): ask for each unfinished photo, and let the API wait for its end.
async function ask(unfinished, changed, signal) {
  while (!signal.aborted) {
    const ids = unfinished().slice(0, AT_ONCE);
    try {
      for (const photo of await Promise.all(ids.map((id) => get(`v1/photos/${id}?wait=10`, { signal })))) changed(photo);
    } catch {
      if (signal.aborted) return;
    }
    await pause(ids.length ? 200 : AGAIN, signal);
  }
}

async function* eventsOf(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      text += value.replaceAll("\r\n", "\n");
      const parts = text.split("\n\n");
      text = parts.pop();
      for (const part of parts) {
        const event = { type: "message", data: "" };
        for (const line of part.split("\n")) {
          const [, name, rest] = /^(\w+): ?(.*)$/.exec(line) ?? [];
          if (name === "event") event.type = rest;
          else if (name === "id") event.id = rest;
          else if (name === "data") event.data += rest;
        }
        if (event.data) yield { ...event, data: JSON.parse(event.data) };
      }
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}

const pause = (time, signal) =>
  new Promise((done) => {
    const timer = setTimeout(done, time);
    signal.addEventListener("abort", () => { clearTimeout(timer); done(); }, { once: true });
  });

// The photo with a changed job in it. Its status follows from its jobs, as in the API.
export function withJob(photo, job) {
  const jobs = photo.jobs.map((one) => (one.id === job.id ? job : one));
  const has = (...statuses) => jobs.some((one) => statuses.includes(one.status));
  const status = has("queued", "processing") ? "processing" : has("failed") ? "failed" : has("succeeded") ? "succeeded" : "cancelled";
  return { ...photo, jobs, status };
}

export const photoOf = (job) => job.links.photo.split("/").pop();
export const isUnfinished = (photo) => photo.status === "processing" || photo.status === "awaiting_upload";
