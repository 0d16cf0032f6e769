// All photos, newest first, page by page; by status and reference.

import { html, nothing, render } from "./vendor/lit-html/lit-html.js";
import { repeat } from "./vendor/lit-html/directives/repeat.js";
import { get } from "./api.js";
import { follow, isUnfinished, photoOf, withJob } from "./live.js";
import { badge, download, nameOf, thumbnail, time } from "./shared.js";

const STATUSES = ["processing", "succeeded", "failed", "cancelled", "awaiting_upload"];
const PAGE = 24;
const MOST = 50; // photos of an archive

export function gallery(root, { query }) {
  const state = { photos: null, next: null, error: null };
  const selected = new Set(); // ids
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
      Object.assign(state, { error: null }, await get(`v1/photos?${params}`));
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
    else if (at >= 0 && id) {
      state.photos = state.photos.filter((one) => one.id !== id);
      selected.delete(id);
    }
    else if (at >= 0) state.photos = state.photos.with(at, photo ?? withJob(state.photos[at], job));
    update();
  }

  const search = (event) => {
    event.preventDefault();
    const form = new FormData(event.target);
    location.hash = hash({ status: form.get("status"), reference: form.get("reference").trim(), cursor: "" });
  };

  const card = (photo) => html`<li class="card photo">
    <a href="#/photos/${photo.id}"><span class="frame">${thumbnail(photo)}</span><span class="name">${nameOf(photo)}</span></a>
    <span class="muted">${time(photo.created_at)}</span>
    ${photo.reference ? html`<span class="muted reference" title=${photo.reference}>${photo.reference}</span>` : nothing}
    ${badge(photo.status)}
    <label class="select"><input type="checkbox" aria-label="Select ${nameOf(photo)}" .checked=${selected.has(photo.id)}
      @change=${(event) => { if (event.target.checked) selected.add(photo.id); else selected.delete(photo.id); update(); }}></label></li>`;

  const selection = () => {
    const chosen = state.photos.filter(({ id }) => selected.has(id));
    const ids = chosen.filter(({ jobs }) => jobs.some((job) => job.status === "succeeded")).map(({ id }) => id);
    const all = () => { for (const { id } of state.photos) selected.add(id); update(); };
    return html`<div class="selection ${chosen.length ? "some" : ""}" role="group" aria-label="Selected photos">
      <button class="small" type="button" @click=${all} ?disabled=${chosen.length === state.photos.length}>Select all on this page</button>
      ${chosen.length ? html`<button class="small" type="button" @click=${() => { selected.clear(); update(); }}>Clear</button>` : nothing}
      ${ids.length && ids.length <= MOST ? download(`v1/archive?${ids.map((id) => `photo=${id}`).join("&")}`, "photos.zip", "Download results (zip)") : nothing}
      <span class="muted" role="status">${!chosen.length ? "Select photos to download their results together."
        : `${chosen.length} selected${ids.length ? "" : ": no results yet"}${ids.length > MOST ? `: an archive has at most ${MOST} photos` : ""}`}</span></div>`;
  };

  const view = () => html`
    <h1>Photos</h1>
    <form class="search" role="search" @submit=${search}>
      <div class="field"><label for="status">Status</label><select id="status" name="status">
        <option value="">all</option>
        ${STATUSES.map((status) => html`<option value=${status} .selected=${given.status === status}>${status.replaceAll("_", " ")}</option>`)}</select></div>
      <div class="field grow"><label for="find">Reference</label><input id="find" name="reference" type="search" maxlength="256" value=${given.reference} placeholder="exactly as it was given"></div>
      <button>Search</button>
    </form>
    ${state.error ? html`<p class="note error">${state.error.message} <button class="small" type="button" @click=${load}>Try again</button></p>`
      : !state.photos ? html`<p class="loading">Loading</p>`
      : state.photos.length ? html`${selection()}<ul class="grid">${repeat(state.photos, (photo) => photo.id, card)}</ul>`
      : html`<p class="empty">${given.status || given.reference || given.cursor ? "No photo here fits the search." : html`No photos yet. <a href="#/">Upload the first one.</a>`}</p>`}
    <nav class="pages" aria-label="Pages">
      ${given.cursor ? html`<a class="button" href=${hash({ cursor: "" })}>Newest photos</a>` : nothing}
      ${state.next ? html`<a class="button" href=${hash({ cursor: state.next })}>Older photos</a>` : nothing}
    </nav>`;

  update();
  load();
  return () => { gone = true; stop(); };
}
