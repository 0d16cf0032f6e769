// One photo: original and results side by side, its jobs, its metadata, and what can be done with it.

import { html, nothing, render } from "./vendor/lit-html/lit-html.js";
import { change, get, key, operations } from "./api.js";
import { compare } from "./compare.js";
import { JobsEditor } from "./jobs_editor.js";
import { follow, isUnfinished, withJob } from "./live.js";
import { metadataTable } from "./metadata.js";
import { badge, bytes, doing, download, isPicture, jobTitle, nameOf, resultPath, say, shownPictures, time } from "./shared.js";

export function photoView(root, { id }) {
  const state = { photo: null, error: null, facts: null, factsOf: null, editor: null };
  const comparison = compare(() => update());
  let gone = false, stop = null;
  const update = () => gone || render(view(), root);
  const path = `v1/photos/${encodeURIComponent(id)}`;

  function shown(photo) {
    state.photo = photo;
    if (photo) readFacts(photo);
    if (photo && isUnfinished(photo)) watch();
    update();
  }
  function watch() {
    stop ??= follow(`${path}/events`, () => [id], (photo, { job, gone: left } = {}) => {
      if (left) return lost({ message: "This photo was deleted, or has expired." });
      if (!photo && !state.photo) return;
      const now = photo ?? withJob(state.photo, job);
      if (!isUnfinished(now)) { stop?.(); stop = null; }
      shown(now);
    });
  }
  const lost = (error) => { stop?.(); stop = null; Object.assign(state, { photo: null, error }); update(); };
  const load = () => get(path).then(shown, lost);

  async function readFacts(photo) {
    const job = photo.jobs.findLast((one) => one.type === "metadata" && one.status === "succeeded");
    if (!job || job.id === state.factsOf) return;
    state.factsOf = job.id;
    state.facts = await get(resultPath(photo, job)).catch(() => null);
    update();
  }

  const cancel = doing(async () => shown(await change(`${path}/cancel`, "POST")));
  const retry = (job) => doing(async () => { await change(`${path}/jobs/${job.id}/retry`, "POST"); await load(); });
  const remove = doing(async () => {
    if (!confirm(`Delete ${nameOf(state.photo)} with all its results? This cannot be undone.`)) return;
    stop?.();
    await change(path, "DELETE");
    say("The photo is deleted");
    location.hash = "#/photos";
  });
  const more = doing(async () => {
    await change(`${path}/jobs`, "POST", state.editor.chosen);
    state.editor = null;
    await load();
  });
  const openEditor = doing(async () => {
    state.editor = new JobsEditor(await operations(), update);
    state.editor.mode = "jobs";
    update();
  });

  const job = (one) => html`<li class="card row">
    <div class="grow">
      <p class="name">${jobTitle(one)} ${one.name && one.name !== one.type ? html`<span class="muted">${one.spec.filter ?? one.type}</span>` : nothing}</p>
      ${one.result ? html`<p class="muted">${[one.result.width && `${one.result.width} × ${one.result.height}`, one.result.content_type.split("/").pop(), bytes(one.result.size)].filter(Boolean).join(", ")}</p>` : nothing}
      ${one.error ? html`<p class="note error">${one.error.detail} <span class="muted">(${one.error.code}, attempt ${one.attempts})</span></p>` : nothing}
      ${(one.result?.warnings ?? []).map((warning) => html`<p class="note">${warning.detail} <span class="muted">(${warning.code})</span></p>`)}
      <details class="rare"><summary>Parameters</summary><pre tabindex="0" aria-label="Parameters of ${jobTitle(one)}">${JSON.stringify(one.spec, null, 2)}</pre></details>
    </div>
    <div class="side">${badge(one.status)}
      ${isPicture(one) && shownPictures(state.photo).includes(one) ? html`<button class="small" type="button" aria-label="Show ${jobTitle(one)} above" @click=${() => { comparison.show(one.id); scrollTo({ top: 0, behavior: "smooth" }); }}>Show</button>` : nothing}
      ${one.status === "succeeded" ? download(`${resultPath(state.photo, one)}?download=1`, one.result.filename, "Download", `Download ${one.result.filename}`) : nothing}
      ${one.status === "failed" || one.status === "cancelled" ? html`<button class="small" type="button" aria-label="Retry ${jobTitle(one)}" @click=${retry(one)}>Retry</button>` : nothing}
    </div></li>`;

  const own = (photo) => {
    const rows = [["Reference", photo.reference], ["Uploaded", time(photo.created_at)], ["Source", photo.source?.url],
      ["Batch", photo.batch && html`${photo.batch} ${download(`v1/batches/${photo.batch}/archive`, `batch-${photo.batch}.zip`, "Download its results (zip)")}`],
      ["Original", photo.original && `${photo.original.width} × ${photo.original.height}, ${photo.original.content_type}, ${bytes(photo.original.size)}`],
      ["Expires", photo.expires_at && time(photo.expires_at)],
      ...Object.entries(photo.metadata).map(([name, value]) => [name, typeof value === "string" ? value : JSON.stringify(value)])];
    return html`<dl class="facts">${rows.filter(([, value]) => value).map(([name, value]) => html`<div><dt>${name}</dt><dd>${value}</dd></div>`)}</dl>`;
  };

  const view = () => {
    const { photo, error, editor } = state;
    if (error) return html`<p class="back"><a href="#/photos">All photos</a></p><h1>Photo</h1><p class="note error">${error.message}</p>`;
    if (!photo) return html`<h1>Photo</h1><p class="loading">Loading</p>`;
    const done = photo.jobs.filter((one) => one.status === "succeeded");
    return html`
      <p class="back"><a href="#/photos">All photos</a></p>
      <div class="title"><h1>${nameOf(photo)}</h1>${badge(photo.status)}</div>
      <p class="actions">
        ${photo.links.archive && done.length ? download(`${path}/archive`, `${nameOf(photo)}.zip`, "Download all (zip)") : nothing}
        ${photo.original ? download(`${path}/original?download=1`, photo.original.filename, "Download original") : nothing}
        ${isUnfinished(photo) ? html`<button class="small" type="button" @click=${cancel}>Cancel</button>` : nothing}
        <button class="small danger" type="button" @click=${remove}>Delete</button></p>
      ${comparison.render(photo)}
      <div class="columns">
        <section aria-labelledby="jobs-title"><h2 id="jobs-title">Jobs</h2><ul class="sent" aria-live="polite">${photo.jobs.map(job)}</ul>
          ${editor ? html`<div class="card">${editor.render()}<p class="actions">
              <button class="primary" type="button" ?disabled=${editor.isEmpty} @click=${more}>Add these jobs</button>
              <button type="button" @click=${() => { state.editor = null; update(); }}>Cancel</button></p></div>`
            : photo.original ? html`<button type="button" @click=${openEditor}>Add jobs</button>` : nothing}
        </section>
        <section aria-labelledby="facts-title"><h2 id="facts-title">About this photo</h2>${own(photo)}
          ${state.facts ? metadataTable(state.facts) : html`<p class="muted">Add a metadata job to see camera, time and place here.</p>`}</section>
      </div>`;
  };

  update();
  load();
  return () => { gone = true; stop?.(); comparison.end(); };
}
