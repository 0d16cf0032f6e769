// Form fields made from a JSON schema of GET /v1/operations. An empty field leaves its parameter out.

import { html, nothing } from "./vendor/lit-html/lit-html.js";
import { assetField } from "./assets.js";

const HIDDEN = new Set(["type", "filter", "output", "steps"]); // the jobs editor shows these itself
const RARE = new Set(["tolerate", "frames", "page", "kernel", "dpr"]);

export function resolve(schema, defs) {
  while (schema?.$ref) schema = defs[schema.$ref.split("/").pop()];
  return schema;
}

// Texts of schemas have `code` in them.
export const prose = (text) => text.split("`").map((part, at) => (at % 2 ? html`<code>${part}</code>` : part));

// The parameters that name an asset. An example names assets that the owner does not have.
export const assetsOf = (schema) => Object.entries(schema.properties ?? {}).filter(([, field]) => field["x-asset"]).map(([name]) => name);

// `value`: an object of parameters. `change` gets the new one. `path` makes the ids of the fields unique. `update` renders again.
export function fields(schema, defs, value, change, path, update) {
  const all = Object.entries(schema.properties ?? {}).filter(([name]) => !HIDDEN.has(name));
  const one = ([name, field]) => {
    const set = (given) => {
      const { [name]: _, ...rest } = value;
      change(given === undefined ? rest : { ...rest, [name]: given });
    };
    const description = field.description ?? "";
    const id = `${path}-${name}`;
    if (field["x-asset"])
      return assetField({ kind: field["x-asset"], label: name, given: value[name], set, id, help: prose(description), update });
    return control({ name, field, kind: kindOf(field, defs), given: value[name], set, id, description });
  };
  const usual = all.filter(([name]) => !RARE.has(name));
  const rare = all.filter(([name]) => RARE.has(name));
  return html`<div class="fields">${usual.map(one)}</div>
    ${rare.length ? html`<details class="rare"><summary>More options</summary><div class="fields">${rare.map(one)}</div></details>` : nothing}`;
}

// What a field is to a person: choice, number, mixed (a word or a number), text, switch, several or json.
function kindOf(field, defs) {
  const options = (field.anyOf ?? field.oneOf ?? [field]).map((one) => resolve(one, defs))
    .flatMap((one) => one.oneOf ? one.oneOf.map((inner) => resolve(inner, defs)) : [one])
    .filter((one) => one.type !== "null");
  const words = options.flatMap((one) => one.const !== undefined ? [one.const]
    : (one.enum ?? []).filter((word) => !(word in (one["x-aliases"] ?? {}))));
  const number = options.find((one) => /^(integer|number)$/.test(one.type) && !one.enum);
  const text = options.find((one) => one.type === "string" && !one.enum && one.const === undefined);
  const list = options.find((one) => one.type === "array");
  if (options.some((one) => one.type === "boolean")) return { is: "switch" };
  if (words.length && number) return { is: "mixed", words, number };
  if (words.length && !list && !text) return { is: "choice", words };
  if (number) return { is: "number", number };
  const items = list && resolve(list.items, defs);
  if (items?.enum) return { is: "several", words: items.enum.filter((word) => !(word in (items["x-aliases"] ?? {}))) };
  if (text) return { is: "text", text };
  return { is: "json" };
}

function control({ name, field, kind, given, set, id, description }) {
  const label = name.replaceAll("_", " ");
  const help = description ? html`<small id=${`${id}-help`}>${prose(description)}</small>` : nothing;
  const described = description ? `${id}-help` : nothing;
  const initial = field.default === null || field.default === undefined || typeof field.default === "object" ? "" : String(field.default);
  const text = (value) => (value === "" ? undefined : value);
  switch (kind.is) {
    case "switch":
      return html`<div class="field switch"><input type="checkbox" id=${id} aria-describedby=${described}
        .checked=${given ?? field.default ?? false} @change=${(event) => set(event.target.checked === (field.default ?? false) ? undefined : event.target.checked)}>
        <label for=${id}>${label}</label>${help}</div>`;
    case "choice":
      return html`<div class="field"><label for=${id}>${label}</label>
        <select id=${id} aria-describedby=${described} @change=${(event) => set(event.target.value === "" ? undefined : kind.words[event.target.value])}>
          <option value="" .selected=${given === undefined}>${initial ? `${initial} (default)` : "default"}</option>
          ${kind.words.map((word, at) => html`<option value=${at} .selected=${given === word}>${word}</option>`)}
        </select>${help}</div>`;
    case "number": case "mixed": {
      const { number } = kind;
      const range = [number.minimum ?? number.exclusiveMinimum, number.maximum ?? number.exclusiveMaximum];
      const hint = initial || (range[1] === undefined ? "" : `${range[0] ?? ""} to ${range[1]}`);
      const read = (value) => (value === "" || Number.isNaN(Number(value)) ? text(value) : Number(value));
      return html`<div class="field"><label for=${id}>${label}</label>
        <input id=${id} aria-describedby=${described} type=${kind.is === "mixed" ? "text" : "number"} inputmode="decimal"
          min=${range[0] ?? nothing} max=${range[1] ?? nothing} step=${number.type === "integer" ? 1 : "any"} placeholder=${hint}
          list=${kind.words ? `${id}-words` : nothing} value=${given ?? ""} @input=${(event) => set(read(event.target.value))}>
        ${kind.words ? html`<datalist id=${`${id}-words`}>${kind.words.map((word) => html`<option value=${word}></option>`)}</datalist>` : nothing}
        ${help}</div>`;
    }
    case "several":
      return html`<fieldset class="field several" aria-describedby=${described}><legend>${label}</legend>
        ${kind.words.map((word) => html`<label><input type="checkbox" .checked=${(given ?? []).includes(word)}
          @change=${(event) => {
            const chosen = kind.words.filter((one) => (one === word ? event.target.checked : (given ?? []).includes(one)));
            set(chosen.length ? chosen : undefined);
          }}>${word}</label>`)}${help}</fieldset>`;
    case "text":
      return html`<div class="field"><label for=${id}>${label}</label>
        <input id=${id} type="text" aria-describedby=${described} placeholder=${initial || (kind.text.examples?.[0] ?? "")}
          value=${given ?? ""} @input=${(event) => set(text(event.target.value))}>${help}</div>`;
    default:
      return html`<div class="field"><label for=${id}>${label} (JSON)</label>
        <input id=${id} type="text" class="mono" aria-describedby=${described} value=${given === undefined ? "" : JSON.stringify(given)}
          @change=${(event) => readJson(event.target, set)}>${help}</div>`;
  }
}

function readJson(input, set) {
  input.setCustomValidity("");
  try {
    set(input.value === "" ? undefined : JSON.parse(input.value));
  } catch {
    input.setCustomValidity("This is not JSON, such as [[0, 0], [255, 255]].");
    input.reportValidity();
  }
}
