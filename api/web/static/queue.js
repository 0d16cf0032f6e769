// The queue in numbers, and the dead letters: what was given up, why, and another try.

import { html, nothing, render } from "./vendor/lit-html/lit-html.js";
import { repeat } from "./vendor/lit-html/directives/repeat.js";
import { change, get } from "./api.js";
import { doing, say, time } from "./shared.js";

const AGAIN = 5000; // milliseconds between two looks at the queue
const NUMBERS = [
  ["waiting", "waiting"], ["in_flight", "in flight"], ["delayed", "delayed"], ["oldest_seconds", "age of the oldest photo", duration],
  ["per_minute", "done per minute"], ["backlog_seconds", "CPU time of the backlog", duration], ["workers", "workers alive"], ["dead_letters", "your dead letters"],
];

function duration(seconds) {
  for (const [unit, size] of [["days", 86400], ["h", 3600], ["min", 60]]) if (seconds >= 2 * size) return `${(seconds / size).toFixed(1)} ${unit}`;
  return `${Math.round(seconds)} s`;
}

export function queue(root) {
  const state = { numbers: undefined, letters: null, next: null, error: null, cursor: null };
  let gone = false, timer;
  const update = () => gone || render(view(), root);

  async function load() {
    clearTimeout(timer);
    const letters = get(`v1/dead-letters?limit=50${state.cursor ? `&cursor=${encodeURIComponent(state.cursor)}` : ""}`);
    const numbers = get("v1/queue").catch((error) => (error.status === 404 ? null : Promise.reject(error)));
    try {
      const [page, queue] = await Promise.all([letters, state.numbers === null ? null : numbers]);
      Object.assign(state, { letters: page.dead_letters, next: page.next, numbers: queue, error: null });
    } catch (error) {
      state.error = error;
    }
    update();
    if (!gone && state.error?.status !== 401) timer = setTimeout(load, AGAIN);
  }

  const act = (path, method, done) => doing(async () => { await change(path, method); say(done); await load(); });
  // One request does a limited part of the work; its answer says where the next one continues.
  const all = (method, question, done) => doing(async () => {
    if (!confirm(question)) return;
    let cursor = null, count = 0, answer;
    do {
      answer = method === "POST" ? await change("v1/dead-letters/redrive", "POST", { all: true, ...(cursor && { cursor }) })
        : await change(`v1/dead-letters?all=true${cursor ? `&cursor=${encodeURIComponent(cursor)}` : ""}`, "DELETE");
      count += answer.done.length;
      cursor = answer.next;
    } while (answer.more);
    say(`${done}: ${count}`);
    state.cursor = null;
    await load();
  });

  const letter = (dead) => {
    const path = `v1/dead-letters/${dead.id}`;
    const name = dead.filename ?? dead.photo;
    return html`<li class="card row"><div class="grow">
        <p class="name"><a href="#/photos/${dead.photo}">${name}</a> ${dead.reference ? html`<span class="muted">${dead.reference}</span>` : nothing}</p>
        <p class="note error">${dead.reason.detail} <span class="muted">(${dead.reason.code})</span></p>
        <p class="muted">${dead.jobs.map((job) => job.type).join(", ")}; ${dead.attempts ? `${dead.attempts} ${dead.attempts === 1 ? "attempt" : "attempts"}; ` : ""}given up ${time(dead.buried_at)}</p>
        ${dead.jobs.some((job) => job.errors.length) ? html`<details class="rare"><summary>Errors</summary><ul>${dead.jobs.flatMap((job) => job.errors.map((error) => html`<li>${job.type}, attempt ${error.attempt}: ${error.detail} (${error.code})</li>`))}</ul></details>` : nothing}
      </div><div class="side">
        <button class="small" type="button" aria-label="Redrive ${name}" @click=${act(`${path}/redrive`, "POST", "Queued again")}>Redrive</button>
        <button class="small danger" type="button" aria-label="Purge ${name}" @click=${act(path, "DELETE", "Purged")}>Purge</button></div></li>`;
  };

  const numbers = (queue) => html`<dl class="numbers">${NUMBERS.filter(([name]) => queue[name] !== undefined).map(([name, label, text = String]) => html`
    <div class="card"><dt>${label}</dt><dd>${queue[name] === null ? html`<span aria-label="none">-</span>` : text(queue[name])}</dd></div>`)}</dl>`;

  const view = () => html`
    <h1>Queue</h1>
    ${state.error ? html`<p class="note error">${state.error.message}${state.error.status === 401 ? "" : " The page tries again."}</p>` : nothing}
    ${state.error && !state.letters ? nothing : content()}`;

  const content = () => html`
    ${state.numbers ? numbers(state.numbers) : nothing}
    <div class="title"><h2>Dead letters</h2>${state.letters?.length ? html`<span class="actions">
      <button class="small" type="button" @click=${all("POST", "Queue all dead letters again?", "Queued again")}>Redrive all</button>
      <button class="small danger" type="button" @click=${all("DELETE", "Purge all dead letters? Their jobs stay failed.", "Purged")}>Purge all</button></span>` : nothing}</div>
    <p class="muted">Jobs that were given up after all their attempts. A redrive queues them again; a purge leaves them failed.</p>
    ${!state.letters ? (state.error ? nothing : html`<p class="loading">Loading</p>`)
      : state.letters.length ? html`<ul class="sent">${repeat(state.letters, (dead) => dead.id, letter)}</ul>` : html`<p class="empty">No dead letters.</p>`}
    <nav class="pages" aria-label="Pages">
      ${state.cursor ? html`<button type="button" @click=${() => { state.cursor = null; load(); }}>Newest</button>` : nothing}
      ${state.next ? html`<button type="button" @click=${() => { state.cursor = state.next; load(); }}>Older</button>` : nothing}</nav>`;

  update();
  load();
  return () => { gone = true; clearTimeout(timer); };
}
