// All photos, newest first, page by page; by status and reference.

import { html, nothing, render } from "./vendor/lit-html/lit-html.js";
import { repeat } from "./vendor/lit-html/directives/repeat.js";
import { get } from "./api.js";
import { follow, isUnfinished, photoOf, withJob } from "./live.js";
import { badge, nameOf, thumbnail, time } from "./shared.js";

const STATUSES = { "": "all", processing: "in work", succeeded: "done", failed: "failed", cancelled: "cancelled", awaiting_upload: "waiting for their file" };
const PAGE = 24;

export function gallery(root, { query }) {
  const state = { photos: null, next: null, error: null };
  const given = Object.fromEntries(["status", "reference", "cursor"].map((name) => [name, query.get(name) ?? ""]));
  let gone = false, stop = () => {};
  const update = () => gone || render(view(), root);

  const hash = (changes) => {
    const params = new URLSearchParams(Object.entries({ ...given, ...changes }).filter(([, value]) => value));
    return `#/photos${params.size ? `?${params}` : ""}`;
  };

  async function load() {
    const params = new URLSearchParams(Object.entries(given).filter(([, value]) => value));
    params.set("limit", PAGE);
    try {
      Object.assign(state, await get(`v1/photos?${params}`));
      if (!gone) stop = follow("v1/events", () => state.photos.filter(isUnfinished).map(({ id }) => id), changed);
    } catch (error) {
      state.error = error;
    }
    update();
  }
  function changed(photo, { job, gone: id } = {}) {
    const at = state.photos.findIndex((one) => one.id === (photo?.id ?? id ?? photoOf(job)));
    const isNew = at < 0 && photo && !given.cursor && !given.status && (!given.reference || photo.reference === given.reference);
    if (isNew && (!state.photos.length || photo.id > state.photos[0].id)) state.photos = [photo, ...state.photos];
    else if (at >= 0 && id) state.photos = state.photos.filter((one) => one.id !== id);
    else if (at >= 0) state.photos = state.photos.with(at, photo ?? withJob(state.photos[at], job));
    update();
  }

  const search = (event) => {
    event.preventDefault();
    const form = new FormData(event.target.form ?? event.target);
    location.hash = hash({ status: form.get("status"), reference: form.get("reference").trim(), cursor: "" });
  };

  const card = (photo) => html`<li><a class="card photo" href="#/photos/${photo.id}">
    <span class="frame">${thumbnail(photo)}</span>
    <span class="name">${nameOf(photo)}</span>
    <span class="muted">${time(photo.created_at)}</span>
    ${photo.reference ? html`<span class="muted reference">${photo.reference}</span>` : nothing}
    ${badge(photo.status)}</a></li>`;

  const view = () => html`
    <h1>Photos</h1>
    <form class="search" role="search" @submit=${search}>
      <div class="field"><label for="status">Status</label><select id="status" name="status" @change=${search}>
        ${Object.entries(STATUSES).map(([value, label]) => html`<option value=${value} .selected=${given.status === value}>${label}</option>`)}</select></div>
      <div class="field grow"><label for="find">Reference</label><input id="find" name="reference" type="search" maxlength="200" value=${given.reference} placeholder="exactly as it was given"></div>
      <button>Search</button>
    </form>
    ${state.error ? html`<p class="note error">${state.error.message}</p>`
      : !state.photos ? html`<p class="loading">Loading</p>`
      : state.photos.length ? html`<ul class="grid">${repeat(state.photos, (photo) => photo.id, card)}</ul>`
      : html`<p class="empty">${given.status || given.reference || given.cursor ? "No photo here fits the search." : html`No photos yet. <a href="#/">Upload the first one.</a>`}</p>`}
    <nav class="pages" aria-label="Pages">
      ${given.cursor ? html`<a class="button" href=${hash({ cursor: "" })}>Newest photos</a>` : nothing}
      ${state.next ? html`<a class="button" href=${hash({ cursor: state.next })}>Older photos</a>` : nothing}
    </nav>`;

  update();
  load();
  return () => { gone = true; stop(); };
}
