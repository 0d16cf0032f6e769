// The result of a metadata job as a table. Everything in it is text of the photo: it never becomes markup.

import { html, nothing } from "./vendor/lit-html/lit-html.js";

const FIRST = ["taken_at", "camera", "lens", "exposure", "gps", "description", "provenance", "dominant_colours"];
const FOLDED = { exif: "All EXIF fields", measures: "Measures" };
const SKIPPED = ["schema_version"];

const words = (name) => name.replaceAll("_", " ").replaceAll(/\b(gps|iso|exif|icc)\b/g, (word) => word.toUpperCase());
const isEmpty = (value) => value === null || value === "" || (Array.isArray(value) && !value.length)
  || (typeof value === "object" && !Array.isArray(value) && !Object.values(value).some((one) => !isEmpty(one)));

// `{a: {b: 1}}` becomes [["a b", "1"]]. A value with a text of its own, such as an exposure program, is that text.
function rows(value, name) {
  if (isEmpty(value)) return [];
  if (typeof value !== "object") return [[name, typeof value === "boolean" ? (value ? "yes" : "no") : String(value)]];
  if (Array.isArray(value))
    return value.every((one) => typeof one !== "object") ? [[name, value.join(", ")]] : value.flatMap((one, at) => rows(one, `${name} ${at + 1}`));
  if (typeof value.text === "string") return [[name, value.text]];
  return Object.entries(value).flatMap(([inner, one]) => rows(one, `${name} ${words(inner)}`.trim()));
}

function special(name, value) {
  if (name === "exposure" && value?.time)
    value = { ...value, time: value.time < 0.3 ? `1/${Math.round(1 / value.time)} s` : `${value.time} s`, f_number: value.f_number && `f/${value.f_number}`, flash: value.flash && (value.flash.fired ? "fired" : "not fired"), focal_length: value.focal_length && `${value.focal_length} mm` };
  return rows(value, words(name));
}

const table = (list, caption) => html`<div class="scroll" role="region" tabindex="0" aria-label=${caption}><table class="facts"><caption class="hidden">${caption}</caption>
  <tbody>${list.map(([name, value]) => html`<tr><th scope="row">${name}</th><td>${value}</td></tr>`)}</tbody></table></div>`;

export function metadataTable(facts) {
  const named = (names) => names.flatMap((name) => special(name, facts[name] ?? null));
  const rest = Object.keys(facts).filter((name) => !FIRST.includes(name) && !(name in FOLDED) && !SKIPPED.includes(name));
  const folds = [["File and colours", named(rest)], ...Object.entries(FOLDED).map(([name, label]) => [label, rows(facts[name] ?? null, "")])];
  const first = named(FIRST);
  return html`
    ${mapLink(facts.gps)}
    ${first.length ? table(first, "Metadata of the photo") : html`<p class="muted">The photo says nothing of camera, time or place.</p>`}
    ${folds.filter(([, list]) => list.length).map(([label, list]) => html`<details class="rare"><summary>${label}</summary>${table(list, label)}</details>`)}`;
}

function mapLink(gps) {
  const { latitude, longitude } = gps ?? {};
  if (typeof latitude !== "number" || typeof longitude !== "number") return nothing;
  const url = `https://www.openstreetmap.org/?mlat=${latitude}&mlon=${longitude}#map=15/${latitude}/${longitude}`;
  return html`<p><a class="button small" href=${url} target="_blank" rel="noopener noreferrer">Show the place on a map</a>
    <span class="muted">opens openstreetmap.org</span></p>`;
}
