// Owns the filters on a page: a chip for each level with its count, the phase and record fields, and the strip of
// active filters, each with a way to remove it. It does not filter: it tells the finder.

import { button, element, get, write } from "../shared/elements.js";
import { plural, thousands } from "../shared/format.js";
import { NO_PHASE, filters, shownValue } from "./query.js";

/** @typedef {import("./query.js").Query} Query */

const LEVELS = ["error", "warning", "info", "debug"];

export class Filters {
  #page;
  #parts;
  #phases = "";

  /** @param {import("./finder.js").Page} page */
  constructor(page) {
    this.#page = page;
    this.#parts = {
      levels: get("find-levels"),
      phase: /** @type {HTMLSelectElement} */ (get("find-phase")),
      record: /** @type {HTMLInputElement} */ (get("find-record")),
      strip: get("filtered"),
      count: get("filtered-count"),
      chips: get("filtered-chips"),
    };
    this.#parts.levels.append(...LEVELS.map((level) => this.#levelChip(level)));
    this.#wire(page);
    this.#show();
  }

  /**
   * Show only lines that have this value. @param {string} name @param {unknown} value
   * @param {"line" | "fields"} of "line": the line's level, phase or record; "fields": one of its fields
   */
  by(name, value, of) {
    const { fields } = this.#page.finder.query;
    const text = shownValue(value);
    if (of === "fields") this.#page.finder.set({ fields: [...fields.filter(([one]) => one !== name), [name, text]] });
    else if (name === "level") this.#page.finder.set({ levels: [text] });
    else if (name === "phase") this.#page.finder.set({ phases: [text || NO_PHASE] });
    else this.#page.finder.set({ records: [text] });
  }

  #show() {
    const { query } = this.#page.finder;
    const { levels, record } = this.#parts;
    for (const chip of /** @type {NodeListOf<HTMLElement>} */ (levels.querySelectorAll(".chip"))) {
      const level = chip.dataset.level ?? "";
      const count = this.#page.outline.levels.get(level) ?? 0;
      const on = query.levels.includes(level);
      chip.hidden = !on && count === 0 && (this.#page.outline.known || level === "debug");
      chip.setAttribute("aria-pressed", String(on));
      write(chip.querySelector(".count"), this.#page.outline.known ? thousands(count) : "");
    }
    this.#showPhases();
    const about = query.records[0] ?? "";
    if (document.activeElement !== record && record.value !== about) record.value = about;
    this.#showStrip();
  }

  /** @param {import("./finder.js").Page} page */
  #wire({ finder, outline }) {
    const { phase, record } = this.#parts;
    const more = get("find-more");
    more.addEventListener("click", () => {
      more.setAttribute("aria-expanded", String(get("find-filters").classList.toggle("open")));
    });
    phase.addEventListener("change", () => finder.set({ phases: phase.value ? [phase.value] : [] }));
    record.addEventListener("change", () => finder.set({ records: record.value ? [record.value] : [] }));
    get("filtered-clear").addEventListener("click", () => finder.clearFilter());
    for (const name of ["query", "change"]) finder.addEventListener(name, () => this.#show());
    outline.addEventListener("change", () => this.#show());
  }

  /** @param {string} level */
  #levelChip(level) {
    const chip = button("chip level", "", () => {
      const had = this.#page.finder.query.levels;
      this.#page.finder.set({ levels: had.includes(level) ? had.filter((one) => one !== level) : [...had, level] });
    });
    chip.dataset.level = level;
    chip.append(level, " ", element("span", "count steady"));
    return chip;
  }

  #showPhases() {
    const { phase } = this.#parts;
    const { phases } = this.#page.finder.query;
    /** @type {[string, string][]} */
    const options = [["", "Any phase"]];
    for (const [name, count] of this.#page.outline.phases) options.push([name || NO_PHASE, `${name || "no phase"} (${thousands(count)})`]);
    for (const name of phases) if (!options.some(([value]) => value === name)) options.push([name, name === NO_PHASE ? "no phase" : name]);
    const told = JSON.stringify(options);
    // Not while the reader has the list open.
    if (told !== this.#phases && document.activeElement !== phase) {
      this.#phases = told;
      phase.replaceChildren(...options.map(([value, text]) => new Option(text, value)));
    }
    phase.value = phases[0] ?? "";
  }

  #showStrip() {
    const { query, shows } = this.#page.finder;
    const { strip, count, chips } = this.#parts;
    strip.hidden = !filters(query);
    if (!shows) return;
    write(count, this.#counted(shows));
    const wanted = chipsOf(query);
    const told = JSON.stringify(wanted.map(({ words }) => words));
    if (chips.dataset.told === told) return;
    chips.dataset.told = told;
    chips.replaceChildren(...wanted.map(({ words, without }) => removable(words, () => this.#page.finder.set(without))));
  }

  /** @param {import("./search.js").Search} shows */
  #counted(shows) {
    if (shows.state === "refused") return shows.error;
    const found = `${thousands(shows.count)} of ${plural(this.#page.all.last, "line")}`;
    if (shows.complete) return found;
    return shows.state === "waiting" ? `${found} so far; the server cannot be reached` : `${found} so far…`;
  }
}

/** A filter that a click removes. @param {string} words @param {() => void} remove */
function removable(words, remove) {
  const chip = button("chip", "", remove);
  chip.setAttribute("aria-label", `Remove the filter: ${words}`);
  const cross = element("span", "", "✕");
  cross.setAttribute("aria-hidden", "true");
  chip.append(element("span", "words", words), cross);
  return chip;
}

/** @typedef {{words: string, without: Partial<Query>}} Chip */

/** The active filters, each with what the query is without it. @param {Query} query @returns {Chip[]} */
function chipsOf(query) {
  /** @param {"levels" | "phases" | "records" | "exclude"} name @param {(one: string) => string} words @returns {Chip[]} */
  const chips = (name, words) =>
    query[name].map((one) => ({ words: words(one), without: { [name]: query[name].filter((other) => other !== one) } }));
  return [
    ...chips("levels", (one) => one),
    ...chips("phases", (one) => (one === NO_PHASE ? "no phase" : `phase ${one}`)),
    ...chips("records", (one) => `record ${one}`),
    ...query.fields.map((one) => ({ words: one.join(" = "), without: { fields: query.fields.filter((other) => other !== one) } })),
    ...chips("exclude", (one) => `without “${one}”`),
    ...(query.only && query.q ? [{ words: `with “${query.q}”`, without: { only: false } }] : []),
  ];
}
