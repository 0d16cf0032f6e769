// The public API. Every address is relative to this page, so that a gateway may add a prefix.

const KEY = "darkroom-api-key";

export class Problem extends Error {
  // `status` is 0 when no answer came. `errors` name the fields that are wrong (RFC 9457).
  // `photos`: the problem of each photo of a batch of which none was accepted.
  constructor(status, title, { errors = [], photos = [] } = {}) {
    super(title);
    Object.assign(this, { status, errors, photos });
  }
}

let askForKey = () => {};
export const onKeyNeeded = (ask) => { askForKey = ask; };

export const key = () => sessionStorage.getItem(KEY);
export function keepKey(text) {
  if (text) sessionStorage.setItem(KEY, text);
  else sessionStorage.removeItem(KEY);
}

export const address = (path) => new URL(path, document.baseURI).href;

export async function send(path, { method = "GET", json, form, headers = {}, signal } = {}) {
  const init = { method, signal, headers: { ...headers }, body: form };
  if (key()) init.headers.Authorization = `Bearer ${key()}`;
  if (json !== undefined) {
    init.headers["Content-Type"] = "application/json";
    init.body = JSON.stringify(json);
  }
  let response;
  try {
    response = await fetch(address(path), init);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem(0, "The API does not answer. Is it running?");
  }
  return checked(response);
}

async function checked(response) {
  if (response.ok) return response;
  if (response.status === 401) askForKey(Boolean(key()));
  throw problemOf(response.status, await response.json().catch(() => ({})));
}

// `body`: a problem of the API (RFC 9457).
export function problemOf(status, body) {
  const errors = body.errors ?? [];
  const text = errors.length > 1 ? errors.map(({ field, detail }) => `${field}: ${detail}`).join("\n") : body.detail;
  return new Problem(status, sentence(text ?? body.title ?? `The API answers with status ${status}.`), { errors, photos: body.photos });
}

// A detail that begins with a word begins with a capital letter; one that begins with a field's name stays as it is.
const sentence = (text) => (/^[a-z]+ /.test(text) ? text[0].toUpperCase() + text.slice(1) : text);

// Sends a form, and says how many bytes of the request are sent: fetch cannot. `progress(sent, total)`.
export function sendForm(path, { form, headers, signal, progress }) {
  return new Promise((done, fail) => {
    const request = new XMLHttpRequest();
    request.open("POST", address(path));
    for (const [name, value] of Object.entries(headers)) request.setRequestHeader(name, value);
    if (key()) request.setRequestHeader("Authorization", `Bearer ${key()}`);
    request.upload.addEventListener("progress", ({ loaded, total }) => progress(loaded, total));
    request.addEventListener("load", () => done(checked(new Response(request.responseText, { status: request.status }))));
    request.addEventListener("error", () => fail(new Problem(0, "The connection to the API was lost.")));
    request.addEventListener("abort", () => fail(new DOMException("The upload was cancelled", "AbortError")));
    signal.addEventListener("abort", () => request.abort(), { once: true });
    request.send(form);
  });
}

export async function get(path, options) {
  return (await send(path, options)).json();
}

export async function change(path, method, json) {
  const response = await send(path, { method, json, headers: method === "POST" ? { "Idempotency-Key": newKey() } : {} });
  return response.status === 204 ? null : response.json();
}

export function newKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return `"${Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("")}"`;
}

let operationsAsked;
export function operations() {
  operationsAsked ??= get("v1/operations").catch((error) => {
    operationsAsked = undefined;
    throw error;
  });
  return operationsAsked;
}
