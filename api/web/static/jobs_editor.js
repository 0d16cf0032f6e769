// Puts jobs together: a preset, or jobs whose forms are made from the schemas of GET /v1/operations.

import { html, nothing } from "./vendor/lit-html/lit-html.js";
import { repeat } from "./vendor/lit-html/directives/repeat.js";
import { assetsOf, fields, prose, resolve } from "./fields.js";

let counter = 0;

export class JobsEditor {
  // `update` renders the view again. `withPresets`: whether a preset may be chosen.
  constructor(ops, update) {
    Object.assign(this, { ops, update, mode: "preset", preset: ops.default_preset, jobs: [] });
  }

  // The field of an upload, or of the body of POST /v1/photos/{id}/jobs.
  get chosen() {
    return this.mode === "preset" ? { preset: this.preset } : { jobs: this.jobs.map(written) };
  }

  get isEmpty() {
    return this.mode === "jobs" && !this.jobs.length;
  }

  render() {
    const tab = (mode, label) => html`<label class="tab"><input type="radio" name="mode-${this.id}" .checked=${this.mode === mode}
      @change=${() => this.#set({ mode })}><span>${label}</span></label>`;
    this.id ??= ++counter;
    return html`<fieldset class="tabs"><legend class="hidden">What to make</legend>${tab("preset", "A preset")}${tab("jobs", "Your own jobs")}</fieldset>
      ${this.mode === "preset" ? this.#presets() : this.#jobs()}`;
  }

  #set(changes) {
    Object.assign(this, changes);
    this.update();
  }

  #presets() {
    return html`<fieldset class="presets"><legend class="hidden">Preset</legend>
      ${Object.entries(this.ops.presets).map(([name, preset]) => html`
        <label class="preset"><input type="radio" name="preset-${this.id}" .checked=${this.preset === name} @change=${() => this.#set({ preset: name })}>
          <span><strong>${name}</strong> ${prose(preset.description ?? "")}
            <span class="chips">${preset.jobs.map((job) => html`<span class="chip">${job.name ?? job.type}</span>`)}</span></span></label>`)}
    </fieldset>`;
  }

  #jobs() {
    return html`
      ${repeat(this.jobs, (job) => job.id, (job, at) => html`<section class="job" aria-label="Job ${at + 1}">
        <header><strong>${at + 1}. ${title(job.value)}</strong>
          <button class="small quiet" type="button" aria-label="Remove job ${at + 1}, ${title(job.value)}" @click=${() => this.#set({ jobs: this.jobs.filter((one) => one !== job) })}>Remove</button></header>
        ${this.#form(job, "jobs")}
      </section>`)}
      <div class="field add"><label for="add-${this.id}">Add a job</label>
        <select id="add-${this.id}" @change=${(event) => this.#add(event.target)}>
          <option value="">Choose what to make</option>
          ${Object.keys(this.ops.jobs).map((type) => html`<option>${type}</option>`)}
        </select></div>`;
  }

  #add(select) {
    const type = select.value;
    select.value = "";
    if (type) this.#set({ jobs: [...this.jobs, this.#example("jobs", type, type === "filter" ? "grayscale" : null)] });
  }

  // A job or a step as the first example of its schema shows it. The steps of a pipeline become entries with ids, too.
  #example(kind, type, filter) {
    const schema = this.#schema(kind, type, filter);
    const { steps, ...value } = structuredClone(schema.examples?.[0] ?? { type });
    for (const name of assetsOf(schema)) delete value[name];
    const given = { type, ...(filter ? { filter } : {}), ...value, type, ...(filter ? { filter } : {}) };
    return { id: ++counter, value: given, steps: type === "pipeline" ? (steps ?? []).map((step) => ({ id: ++counter, value: { type: step.type, ...step } })) : null };
  }

  #schema(kind, type, filter) {
    const schema = this.ops[kind][type] ?? this.ops.jobs[type];
    const { mapping } = schema.discriminator ?? {};
    const named = kind === "steps" && filter ? this.ops.filters[filter] : mapping ? { $ref: mapping[filter] } : schema;
    return resolve(named, this.ops.$defs);
  }

  #form(entry, kind) {
    const { type, filter } = entry.value;
    const schema = this.#schema(kind, type, filter);
    const change = (value) => { entry.value = value; this.update(); };
    const id = `f${entry.id}-${filter ?? ""}`;
    return html`
      ${filter ? html`<div class="field"><label for="${id}-filter">filter</label>
        <select id="${id}-filter" @change=${(event) => Object.assign(entry, { value: this.#example(kind, "filter", event.target.value).value }) && this.update()}>
          ${Object.keys(this.ops.filters).map((name) => html`<option .selected=${name === filter}>${name}</option>`)}</select></div>` : nothing}
      <details class="about"><summary>What it does</summary><p>${prose(schema.description)}</p></details>
      ${repeat([id], (key) => key, () => fields(schema, this.ops.$defs, entry.value, change, id, this.update))}
      ${entry.steps ? this.#steps(entry) : nothing}
      ${schema.properties.output ? this.#output(entry, change, id) : nothing}`;
  }

  #output({ value }, change, id) {
    const set = (output) => {
      const { output: _, ...rest } = value;
      change(Object.keys(output).length ? { ...rest, output } : rest);
    };
    return html`<details class="rare"><summary>Format and quality</summary>
      ${fields(this.ops.$defs.Output, this.ops.$defs, value.output ?? {}, set, `${id}-output`)}</details>`;
  }

  #steps(job) {
    const remove = (step) => { job.steps = job.steps.filter((one) => one !== step); this.update(); };
    const add = (select) => {
      const type = select.value;
      select.value = "";
      if (type) job.steps = [...job.steps, this.#example("steps", type, type === "filter" ? "grayscale" : null)];
      this.update();
    };
    return html`<div class="steps">
      ${repeat(job.steps, (step) => step.id, (step, at) => html`<section class="step" aria-label="Step ${at + 1}">
        <header><strong>Step ${at + 1}: ${title(step.value)}</strong>
          <button class="small quiet" type="button" aria-label="Remove step ${at + 1}, ${title(step.value)}" @click=${() => remove(step)}>Remove</button></header>
        ${this.#form(step, "steps")}</section>`)}
      <div class="field add"><label for="step-${job.id}">Add a step</label>
        <select id="step-${job.id}" @change=${(event) => add(event.target)}><option value="">Choose a step</option>
          ${[...Object.keys(this.ops.steps), "filter"].map((type) => html`<option>${type}</option>`)}</select></div></div>`;
  }
}

const title = (value) => value.filter ?? value.type;
const written = ({ value, steps }) => (steps ? { ...value, steps: steps.map((step) => step.value) } : value);
