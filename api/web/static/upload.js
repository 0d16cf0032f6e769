// The first view: take photos in, choose what to make, and watch it being made.

import { html, nothing, render } from "./vendor/lit-html/lit-html.js";
import { repeat } from "./vendor/lit-html/directives/repeat.js";
import { address, key, operations } from "./api.js";
import { JobsEditor } from "./jobs_editor.js";
import { isUnfinished } from "./live.js";
import { badge, bytes, copy, doing, download, jobTitle, reasons, say, thumbnail } from "./shared.js";
import { sentOf, tryAgain, uploadFiles, uploadUrl, uploads, watchUploads } from "./uploads.js";

const PHOTO = /\.(jpe?g|png|webp|gif|tiff?|avif|hei[cf]|jxl|dng|jp2)$/i; // browsers know no type for some of them
let editor, reference = "", url = ""; // they stay when another view is shown

export function upload(root) {
  let failed = null, gone = false, over = false;
  const update = () => gone || render(view(), root);

  const load = () => operations().then((ops) => { failed = null; editor ??= new JobsEditor(ops, update); editor.update = update; update(); },
    (error) => { failed = error; update(); });
  load();
  const stop = watchUploads(update);

  const isReady = () => {
    if (editor && !editor.isEmpty) return true;
    say(editor ? "Add a job first, or choose a preset." : "The page is still loading. Try again.", "error");
    return false;
  };
  const given = () => ({ chosen: { ...editor.chosen }, reference });
  const take = (list) => {
    const photos = [...list].filter((file) => file.type.startsWith("image/") || PHOTO.test(file.name));
    if (!photos.length) return say("Only photos can be uploaded, such as JPEG, PNG, HEIC or WebP.", "error");
    if (isReady()) uploadFiles(photos, given());
  };
  const takeUrl = (event) => {
    event.preventDefault();
    if (!isReady()) return;
    uploadUrl(url.trim(), given());
    url = "";
    update();
  };

  const paste = (event) => event.clipboardData?.files.length && (event.preventDefault(), take(event.clipboardData.files));
  const dragging = (event) => {
    if (!event.dataTransfer?.types.includes("Files")) return;
    event.preventDefault();
    const is = event.type === "dragover";
    if (is !== over) { over = is; update(); }
    if (event.type === "drop") take(event.dataTransfer.files);
  };
  const leaving = (event) => { if (!event.relatedTarget && over) { over = false; update(); } };
  document.addEventListener("paste", paste);
  for (const type of ["dragover", "drop"]) document.addEventListener(type, dragging);
  document.addEventListener("dragleave", leaving);

  const chosen = (event) => { take(event.target.files); event.target.value = ""; };
  const picker = (label, name, camera) => html`<span class="picker ${camera ? "camera" : ""}"><input class="hidden" id=${name} type="file"
      accept=${camera ? "image/*" : "image/*,.heic,.heif,.avif,.jxl,.dng"} ?multiple=${!camera} capture=${camera ? "environment" : nothing} @change=${chosen}>
    <label class="button ${camera ? "" : "primary"}" for=${name}>${label}</label></span>`;

  const view = () => html`
    <h1>Upload photos</h1>
    <div class="columns upload">
      <section class="card drop ${over ? "over" : ""}" aria-labelledby="drop-title">
        <img src="web/icon.svg" alt="" width="56" height="56">
        <h2 id="drop-title">${over ? "Let go to upload" : "Add photos"}</h2>
        <p class="muted with-mouse">Drop them anywhere on this page, paste them, or choose them.</p>
        <p class="actions">${picker("Choose photos", "choose", false)}${picker("Take a photo", "camera", true)}</p>
        <form class="field" @submit=${takeUrl}><label for="url">URL of a photo</label>
          <span class="with-button"><input id="url" type="url" required pattern="https?://.+" title="a URL, such as https://example.com/beach.jpg"
            placeholder="https://example.com/beach.jpg" autocomplete="off" .value=${url} @input=${(event) => { url = event.target.value; }}><button>Fetch</button></span></form>
        <div class="field"><label for="reference">Reference <span class="muted">(optional: your own id, to find the photos again)</span></label>
          <input id="reference" type="text" maxlength="256" autocomplete="off" .value=${reference} @input=${(event) => { reference = event.target.value; update(); }}></div>
      </section>
      <section class="card make" aria-labelledby="make-title">
        <h2 id="make-title">What to make</h2>
        ${failed ? html`<p class="note error">${failed.message} <button class="small" type="button" @click=${load}>Try again</button></p>`
          : editor ? editor.render() : html`<p class="loading">Loading</p>`}
      </section>
      ${editor ? request() : nothing}
    </div>
    ${uploads.length ? html`<div class="title"><h2>Your uploads</h2><span class="muted" role="status">${summary()}</span></div>${repeat(uploads, (one) => one.id, oneUpload)}` : nothing}`;

  const request = () => {
    const { preset, jobs } = editor.chosen;
    const line = curl({ preset, jobs, reference });
    return html`<details class="card request" ?open=${Boolean(jobs)}><summary>The same request in a program</summary>
      ${jobs ? html`<h3>jobs</h3><pre tabindex="0" aria-label="The jobs as JSON">${JSON.stringify(jobs, null, 2)}</pre>` : nothing}
      <h3>curl</h3><pre tabindex="0" aria-label="The request with curl" class="wrap">${line}</pre>
      <button class="small" type="button" @click=${doing(() => copy(line))}>Copy the curl line</button></details>`;
  };

  update();
  return () => {
    gone = true;
    stop();
    document.removeEventListener("paste", paste);
    for (const type of ["dragover", "drop"]) document.removeEventListener(type, dragging);
    document.removeEventListener("dragleave", leaving);
  };
}

// How many photos are how far, such as "2 processing, 1 succeeded".
function summary() {
  const counts = Object.groupBy(uploads.flatMap((one) => one.entries.map((entry) => entry.photo?.status ?? (entry.error || one.error ? "not sent" : "uploading"))), (status) => status);
  return Object.entries(counts).map(([status, all]) => `${all.length} ${status.replaceAll("_", " ")}`).join(", ");
}

const problem = (error) => html`<p class="note ${error.cancelled ? "" : "error"}">${error.message}</p>`;

// One request: a headline when it has several photos, and a row for each photo.
function oneUpload(one) {
  const several = one.entries.length > 1;
  const done = one.entries.some(({ photo }) => photo?.jobs.some((job) => job.status === "succeeded"));
  return html`<section class="one-upload" aria-label=${several ? `Upload of ${one.entries.length} photos` : `Upload of ${one.entries[0].name}`}>
    ${several ? html`<div class="title"><h3>${one.entries.length} photos</h3><span class="actions">
      ${one.cancel ? html`${percent(one)}${cancelButton(one)}` : nothing}
      ${one.batch && done ? download(`v1/batches/${one.batch}/archive`, `batch-${one.batch}.zip`, "Download all results (zip)") : nothing}
      ${one.error ? html`<button class="small" type="button" @click=${() => tryAgain(one)}>Try again</button>` : nothing}</span></div>
      ${one.error ? problem(one.error) : nothing}` : nothing}
    <ul class="sent">${repeat(one.entries, (entry) => entry.id, (entry) => row(one, entry, several))}</ul></section>`;
}

const percent = (one) => html`<span class="muted">${one.total ? `${bytes(one.sent)} of ${bytes(one.total)}, ${Math.floor((100 * one.sent) / one.total)} %` : "waiting"}</span>`;
const cancelButton = (one) => html`<button class="small" type="button" @click=${one.cancel}>Cancel the upload</button>`;

function row(one, entry, several) {
  const { photo, size } = entry;
  const error = entry.error ?? (several ? null : one.error);
  const name = (photo && photo.original?.filename) || entry.name;
  return html`<li class="card row">
    <span class="thumb" data-type=${/[^.]*$/.exec(entry.name)[0].slice(0, 5)}>${photo && !isUnfinished(photo) || !entry.preview ? thumbnail(photo ?? {}) : html`<img src=${entry.preview} alt="" @error=${(event) => { event.target.hidden = true; }}>`}</span>
    <div class="grow">
      <p class="name">${photo ? html`<a href="#/photos/${photo.id}">${name}</a>` : name}</p>
      <p class="muted">${entry.url ?? bytes(size)}${one.reference ? html`, ${one.reference}` : nothing}</p>
      ${one.cancel && entry.file ? html`<progress max=${size || 1} value=${sentOf(one, entry)} aria-label="Bytes sent of ${name}"></progress>
        ${several ? nothing : percent(one)}` : nothing}
      ${error ? problem(error) : nothing}
      ${photo ? html`<ul class="chips">${photo.jobs.map((job) => html`<li class="chip ${job.status}"><span class="dot" aria-hidden="true"></span>${jobTitle(job)}<span class="hidden">: ${job.status}</span></li>`)}</ul>
        ${reasons(photo).map((reason) => html`<p class="note error">${reason}</p>`)}` : nothing}
    </div>
    <div class="side">${photo ? badge(photo.status)
      : error ? html`<button class="small" type="button" aria-label="Try again: ${name}" @click=${() => tryAgain(one, entry)}>Try again</button>`
      : one.error ? nothing
      : html`<span class="badge processing">uploading</span>${several || !one.cancel ? nothing : cancelButton(one)}`}</div>
  </li>`;
}

const quoted = (text) => `'${text.replaceAll("'", `'\\''`)}'`;

export function curl({ preset, jobs, reference }) {
  return [
    "curl",
    key() ? '-H "Authorization: Bearer $DARKROOM_API_KEY"' : null,
    "-F photo=@photo.jpg",
    preset ? `-F preset=${preset}` : `--form-string ${quoted(`jobs=${JSON.stringify(jobs)}`)}`,
    reference ? `--form-string ${quoted(`reference=${reference}`)}` : null,
    address("v1/photos"),
  ].filter(Boolean).join(" ");
}
