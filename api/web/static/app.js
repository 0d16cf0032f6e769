// The frame of the page: which view is shown, the API key, and messages.

import { html, nothing, render } from "./vendor/lit-html/lit-html.js";
import { get, keepKey, key, onKeyNeeded } from "./api.js";
import { gallery } from "./gallery.js";
import { photoView } from "./photo.js";
import { queue } from "./queue.js";
import { say } from "./shared.js";
import { upload } from "./upload.js";

const main = document.getElementById("main");
let leave = () => {};

function show({ focus = true } = {}) {
  leave();
  const [path, query] = (location.hash.slice(1) || "/").split("?");
  const [, name = "", id = ""] = path.split("/");
  const views = { "": [upload, "Upload"], photos: id ? [photoView, "Photo"] : [gallery, "Photos"], queue: [queue, "Queue"] };
  const [view, title] = Object.hasOwn(views, name) ? views[name] : views[""];
  main.replaceChildren();
  delete main._$litPart$; // lit-html starts anew in an element that was emptied
  const section = document.createElement("div");
  section.className = "view";
  main.append(section);
  leave = view(section, { id, query: new URLSearchParams(query) }) ?? (() => {});
  for (const link of document.querySelectorAll("nav a"))
    if (link.getAttribute("href") === `#/${name}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  document.title = `${title} - Darkroom`;
  if (focus) main.focus({ preventScroll: true });
  scrollTo(0, 0);
}

const dialog = document.createElement("dialog");
dialog.setAttribute("aria-labelledby", "key-title");
document.body.append(dialog);

function askForKey(refused) {
  document.getElementById("key").hidden = false;
  if (dialog.open) return;
  render(html`
    <form method="dialog" @submit=${enter}>
      <h2 id="key-title">API key</h2>
      <p>${refused ? "The API does not know this key. Enter another one." : key() ? "The page uses a key. Enter another one to see the photos of another owner." : "The API needs a key: it says whose photos these are."}
        The page keeps it until you close this tab.</p>
      <label>Key <input name="key" type="password" required autocomplete="off" spellcheck="false"></label>
      <p class="actions"><button class="primary">Use this key</button>
        <button type="button" @click=${() => dialog.close()}>Cancel</button>
        ${key() ? html`<button type="button" class="danger" @click=${forget}>Forget the key</button>` : nothing}</p>
    </form>`, dialog);
  dialog.showModal();
}

function forget() {
  keepKey("");
  dialog.close();
  say("The page has forgotten the key");
  show();
}

async function enter(event) {
  event.preventDefault();
  keepKey(new FormData(event.target).get("key").trim());
  dialog.close();
  event.target.reset();
  try {
    await get("v1/photos?limit=1");
    say("The key works");
    show();
  } catch (error) {
    if (error.status !== 401) say(error.message, "error");
    else keepKey("");
  }
}

onKeyNeeded((refused) => {
  if (refused) keepKey("");
  askForKey(refused);
});
document.getElementById("key").addEventListener("click", () => askForKey(false));
document.getElementById("key").hidden = !key();
document.querySelector(".skip").addEventListener("click", (event) => { event.preventDefault(); main.focus(); });
addEventListener("hashchange", () => show());
show({ focus: false });
