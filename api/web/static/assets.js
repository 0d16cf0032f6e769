// Files that jobs use besides their photo: pictures for watermarks, and LUTs. The field of a job that names one.

import { html, nothing } from "./vendor/lit-html/lit-html.js";
import { change, get, send } from "./api.js";
import { bytes, doing, say } from "./shared.js";

const KINDS = { picture: ["picture", "image/png,image/jpeg,image/webp,image/gif,image/avif"], lut: ["LUT (.cube file)", ".cube"] };
let assets = null; // of this owner, once they are asked for
let asked = false;

async function load(update) {
  asked = true;
  try {
    ({ assets } = await get("v1/assets"));
  } catch (error) {
    asked = false;
    say(error.message, "error");
  }
  update();
}

const title = (asset) => `${asset.name ?? asset.id.slice(0, 12)} (${asset.width ? `${asset.width} × ${asset.height}, ` : ""}${bytes(asset.size)})`;

// `kind`: "picture" or "lut". `set` gets the id of the chosen asset, or undefined.
export function assetField({ kind, label, given, set, id, help, update }) {
  if (!asked) load(update);
  const [word, accept] = KINDS[kind];
  const own = (assets ?? []).filter((asset) => asset.kind === kind);
  const chosen = own.find((asset) => asset.id === given);
  const upload = doing(async (event) => {
    const [file] = event.target.files;
    event.target.value = "";
    const form = new FormData();
    form.append("asset", file, file.name);
    form.append("name", file.name);
    const asset = await (await send("v1/assets", { method: "POST", form })).json();
    assets = [asset, ...assets.filter((one) => one.id !== asset.id)];
    set(asset.id);
  });
  const remove = doing(async () => {
    if (!confirm(`Remove ${title(chosen)}? Jobs that use it and are not done yet will fail.`)) return;
    await change(`v1/assets/${chosen.id}`, "DELETE");
    assets = assets.filter((one) => one !== chosen);
    set(undefined);
  });
  return html`<div class="field asset"><label for=${id}>${label}</label>
    <select id=${id} aria-describedby="${id}-help" ?disabled=${!assets} @change=${(event) => set(event.target.value || undefined)}>
      <option value="" .selected=${!chosen}>${own.length ? `Choose a ${word}` : `You have no ${word} yet`}</option>
      ${own.map((asset) => html`<option value=${asset.id} .selected=${asset.id === given}>${title(asset)}</option>`)}</select>
    <span class="actions"><span class="picker"><input class="hidden" type="file" id="${id}-file" accept=${accept} ?disabled=${!assets} @change=${upload}>
      <label class="button small" for="${id}-file">Upload a ${word}</label></span>
      ${chosen ? html`<button class="small quiet" type="button" @click=${remove}>Remove it</button>` : nothing}</span>
    <small id="${id}-help">${help}</small></div>`;
}
