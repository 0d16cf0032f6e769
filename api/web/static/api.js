// The public API, by fetch. Every address is relative to this page, so that a gateway may add a prefix.

const KEY = "darkroom-api-key";

export class Problem extends Error {
  // `status` is 0 when no answer came. `errors` name the fields that are wrong (RFC 9457).
  constructor(status, title, errors = []) {
    super(title);
    this.status = status;
    this.errors = errors;
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
  if (response.ok) return response;
  if (response.status === 401) askForKey(Boolean(key()));
  throw await problemOf(response);
}

async function problemOf(response) {
  const body = await response.json().catch(() => ({}));
  const errors = body.errors ?? [];
  const text = errors.length > 1 ? errors.map(({ field, detail }) => `${field}: ${detail}`).join("\n") : body.detail;
  return new Problem(response.status, text ?? body.title ?? `The API answers with status ${response.status}.`, errors);
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
