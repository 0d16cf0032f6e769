// Two pictures of a photo over each other, with a slider between them: the original, or any result that browsers show.

import { html, nothing } from "./vendor/lit-html/lit-html.js";
import { localFile } from "./uploads.js";
import { key, send } from "./api.js";
import { isShown, jobTitle, originalPath, pictureOf, resultPath, shownPictures } from "./shared.js";

const ORIGINAL = "original";

export function compare(update) {
  const chosen = { left: null, right: null };
  const fetched = new Map(); // path -> address of the fetched file, or null when it cannot be shown
  const broken = new Set();

  // Where API keys are needed, pictures without an embed link are fetched with the key.
  function byFetch(path) {
    if (!fetched.has(path)) {
      fetched.set(path, null);
      send(path).then((response) => response.blob()).then((blob) => { fetched.set(path, URL.createObjectURL(blob)); update(); }, () => {});
    }
    return fetched.get(path);
  }
  function source(photo, side) {
    if (side === ORIGINAL) return localFile(photo.id) ?? (key() ? byFetch(originalPath(photo)) : originalPath(photo));
    const job = photo.jobs.find((one) => one.id === side);
    return job && (pictureOf(photo, job) ?? byFetch(resultPath(photo, job)));
  }
  function choices(photo) {
    const jobs = shownPictures(photo).sort((a, b) => b.result.width - a.result.width);
    const original = photo.original && isShown(photo.original.content_type) && !broken.has(ORIGINAL);
    return [...(original ? [[ORIGINAL, "Original"]] : []), ...jobs.map((job) => [job.id, jobTitle(job)])];
  }
  // Pictures have the proportions of the left one: the box is no higher than it needs to be.
  const fit = ({ target: { naturalWidth, naturalHeight, parentElement } }) => parentElement.style.setProperty("--ratio", naturalWidth / naturalHeight);
  const slide = (event) => event.target.closest(".compare").style.setProperty("--at", `${event.target.value}%`);

  function render(photo) {
    const all = choices(photo);
    if (!all.length)
      return photo.original && !isShown(photo.original.content_type) ? html`<p class="note">Browsers do not show ${photo.original.content_type}. Make a result in another format to see it here.</p>` : nothing;
    const left = all.some(([id]) => id === chosen.left) ? chosen.left : all[0][0];
    const right = all.some(([id]) => id === chosen.right) ? chosen.right : (all.find(([id]) => id !== left) ?? all[0])[0];
    const name = (side) => all.find(([id]) => id === side)[1];
    const pick = (side, current) => html`<label class="side-pick"><span class="hidden">${side} picture</span><select @change=${(event) => { chosen[side] = event.target.value; update(); }}>
      ${all.map(([id, label]) => html`<option value=${id} .selected=${id === current}>${label}</option>`)}</select></label>`;
    const picture = (side, which) => html`<img class=${which} src=${source(photo, side) ?? ""} alt="${name(side)} of ${photo.original?.filename ?? "the photo"}" @load=${which === "left" || left === right ? fit : null}
      @error=${() => { if (side === ORIGINAL && !broken.has(side)) { broken.add(side); update(); } }}>`;
    return html`<section class="card comparison" aria-label="Compare pictures">
      <div class="compare">${picture(right, "right")}${left === right ? nothing : html`${picture(left, "left")}
        <span class="divider" aria-hidden="true"></span>
        <input type="range" min="0" max="100" value="50" step="1" aria-label="Show more of ${name(left)} or of ${name(right)}" @input=${slide}>`}</div>
      <div class="picks">${pick("left", left)}${left === right ? nothing : pick("right", right)}</div></section>`;
  }

  return {
    render,
    show(id) { chosen.right = id; update(); },
    end() { for (const url of fetched.values()) if (url) URL.revokeObjectURL(url); },
  };
}
