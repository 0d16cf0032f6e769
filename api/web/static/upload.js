// The first view: take photos in, choose what to make, and watch it being made.

import { html, nothing, render } from "./vendor/lit-html/lit-html.js";
import { repeat } from "./vendor/lit-html/directives/repeat.js";
import { address, key, newKey, operations, send } from "./api.js";
import { JobsEditor } from "./jobs_editor.js";
import { follow, isUnfinished, photoOf, withJob } from "./live.js";
import { badge, bytes, copy, doing, jobTitle, say, thumbnail } from "./shared.js";

// What was uploaded since the page was opened. It stays when another view is shown.
const sent = []; // { id, file, preview, photo, error }
const files = new Map(); // id of a photo -> the address of its local file
let editor, reference = "", numbers = 0;

export const localFile = (id) => files.get(id);

export function upload(root) {
  let failed = null, stop = () => {}, gone = false, over = false;
  const update = () => gone || render(view(), root);

  operations().then((ops) => { editor ??= new JobsEditor(ops, update); editor.update = update; update(); },
    (error) => { failed = error; update(); });
  const watch = () => {
    stop();
    stop = follow("v1/events", () => sent.filter(({ photo }) => photo && isUnfinished(photo)).map(({ photo }) => photo.id), (photo, { job, gone: id } = {}) => {
      const at = sent.find((one) => one.photo?.id === (photo?.id ?? id ?? photoOf(job)));
      if (!at) return;
      if (id) sent.splice(sent.indexOf(at), 1);
      else at.photo = photo ?? withJob(at.photo, job);
      update();
    });
  };
  watch();

  const take = (list) => {
    const photos = [...list].filter((file) => file.type.startsWith("image/") || /\.(jpe?g|png|webp|gif|tiff?|avif|hei[cf]|jxl|dng|jp2)$/i.test(file.name));
    if (!photos.length) return say("Only photos can be uploaded, such as JPEG, PNG, HEIC or WebP.", "error");
    if (!editor) return void operations().then(() => take(photos), () => {}); // the page is still loading
    if (editor.isEmpty) return say("Add a job first, or choose a preset.", "error");
    for (const file of photos) one(file, { ...editor.chosen }, reference);
  };
  async function one(file, chosen, reference) {
    const entry = { id: ++numbers, file, preview: URL.createObjectURL(file), chosen, reference };
    sent.unshift(entry);
    await deliver(entry);
  }
  async function deliver(entry) {
    entry.error = null;
    update();
    await turn();
    try {
      const form = new FormData();
      form.append("photo", entry.file, entry.file.name);
      for (const [name, value] of Object.entries(entry.chosen)) form.append(name, typeof value === "string" ? value : JSON.stringify(value));
      if (entry.reference) form.append("reference", entry.reference);
      entry.key ??= newKey();
      entry.photo = await (await send("v1/photos", { method: "POST", form, headers: { "Idempotency-Key": entry.key } })).json();
      files.set(entry.photo.id, entry.preview);
    } catch (error) {
      entry.error = error;
      if (error.status) entry.key = null; // the API has answered: another try is another request
    } finally {
      release();
    }
    update();
    refresh(entry);
  }
  // The work may have ended before the stream of events knew the photo.
  async function refresh(entry) {
    if (!entry.photo) return;
    try {
      const photo = await (await send(`v1/photos/${entry.photo.id}?wait=2`)).json();
      if (entry.photo.status === "processing") entry.photo = photo;
      update();
    } catch (error) {
      if (error.status === 404) entry.photo = null;
    }
  }

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
    <div class="columns">
      <section class="card drop ${over ? "over" : ""}" aria-labelledby="drop-title">
        <img src="web/icon.svg" alt="" width="56" height="56">
        <h2 id="drop-title">${over ? "Let go to upload" : "Drop photos here"}</h2>
        <p class="muted">or paste them from the clipboard</p>
        <p class="actions">${picker("Choose photos", "choose", false)}${picker("Take a photo", "camera", true)}</p>
        <div class="field"><label for="reference">Reference <span class="muted">(optional: your own id, to find the photos again)</span></label>
          <input id="reference" type="text" maxlength="200" .value=${reference} @input=${(event) => { reference = event.target.value; update(); }}></div>
      </section>
      <section class="card" aria-labelledby="make-title">
        <h2 id="make-title">What to make of them</h2>
        ${failed ? html`<p class="note error">${failed.message} <button class="small" type="button" @click=${() => location.reload()}>Try again</button></p>`
          : editor ? html`${editor.render()}${request()}` : html`<p class="loading">Loading the operations</p>`}
      </section>
    </div>
    ${sent.length ? html`<h2>Uploaded now</h2><ul class="sent">${repeat(sent, (entry) => entry.id, row)}</ul>` : nothing}`;

  const request = () => {
    const { preset, jobs } = editor.chosen;
    const line = curl({ preset, jobs, reference });
    return html`<details class="request" ?open=${Boolean(jobs)}><summary>The same request in a program</summary>
      ${jobs ? html`<h3>jobs</h3><pre tabindex="0" aria-label="The jobs as JSON">${JSON.stringify(jobs, null, 2)}</pre>` : nothing}
      <h3>curl</h3><pre tabindex="0" aria-label="The request with curl" class="wrap">${line}</pre>
      <button class="small" type="button" @click=${doing(() => copy(line))}>Copy the curl line</button></details>`;
  };

  const row = (entry) => {
    const { photo, error, file } = entry;
    const name = photo?.original?.filename ?? file.name;
    return html`<li class="card row">
      <span class="thumb">${photo && !isUnfinished(photo) ? thumbnail(photo) : html`<img src=${entry.preview} alt="" @error=${(event) => { event.target.hidden = true; }}>`}</span>
      <div class="grow">
        <p class="name">${photo ? html`<a href="#/photos/${photo.id}">${name}</a>` : name}</p>
        <p class="muted">${bytes(file.size)}${entry.reference ? html`, ${entry.reference}` : nothing}</p>
        ${error ? html`<p class="note error">${error.message}</p>` : nothing}
        ${photo ? html`<ul class="chips">${photo.jobs.map((job) => html`<li class="chip ${job.status}" title=${job.error?.detail ?? ""}><span class="dot" aria-hidden="true"></span>${jobTitle(job)}<span class="hidden">: ${job.status}</span></li>`)}</ul>` : nothing}
      </div>
      ${photo ? badge(photo.status) : error ? html`<button class="small" type="button" @click=${() => deliver(entry)}>Try again</button>` : html`<span class="badge processing">uploading</span>`}
    </li>`;
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

// At most three uploads at a time: a browser has six connections to one host.
let running = 0;
const waiting = [];
const turn = () => (running < 3 ? (running++, Promise.resolve()) : new Promise((go) => waiting.push(go)));
const release = () => (waiting.length ? waiting.shift()() : running--);

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
