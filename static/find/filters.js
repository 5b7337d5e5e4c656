// Owns the filters on a page: a chip for each level with its count, the phase and record fields, and the strip of
// active filters, each with a way to remove it. It does not filter: it tells the finder.

import { button, element, get, write } from "../shared/elements.js";
import { plural, thousands } from "../shared/format.js";
import { NO_PHASE, NOTHING, filters, shownValue } from "./query.js";

/**
 * @typedef {import("./finder.js").Finder} Finder
 * @typedef {import("./outline.js").Outline} Outline
 * @typedef {import("./query.js").Query} Query
 */

const LEVELS = ["error", "warning", "info", "debug"];

export class Filters {
  #finder;
  #outline;
  #lines;
  #parts;
  #phases = "";

  /**
   * @param {object} options
   * @param {Finder} options.finder
   * @param {Outline} options.outline
   * @param {() => number} options.lines how many lines the log has
   */
  constructor({ finder, outline, lines }) {
    this.#finder = finder;
    this.#outline = outline;
    this.#lines = lines;
    this.#parts = {
      levels: get("find-levels"),
      phase: /** @type {HTMLSelectElement} */ (get("find-phase")),
      record: /** @type {HTMLInputElement} */ (get("find-record")),
      more: get("find-more"),
      row: get("find-filters"),
      strip: get("filtered"),
      count: get("filtered-count"),
      chips: get("filtered-chips"),
      clear: get("filtered-clear"),
    };
    this.#parts.levels.append(...LEVELS.map((level) => this.#levelChip(level)));
    this.#wire();
    this.#show();
  }

  /**
   * Show only lines that have this value. @param {string} name @param {unknown} value
   * @param {"line" | "fields"} of "line": the line's level, phase or record; "fields": one of its fields
   */
  by(name, value, of) {
    const { fields } = this.#finder.query;
    const text = shownValue(value);
    if (of === "fields") this.#finder.set({ fields: [...fields.filter(([one]) => one !== name), [name, text]] });
    else if (name === "level") this.#finder.set({ levels: [text] });
    else if (name === "phase") this.#finder.set({ phases: [text || NO_PHASE] });
    else this.#finder.set({ records: [text] });
  }

  #show() {
    const { query } = this.#finder;
    const { levels, record } = this.#parts;
    for (const chip of /** @type {NodeListOf<HTMLElement>} */ (levels.querySelectorAll(".chip"))) {
      const level = chip.dataset.level ?? "";
      const count = this.#outline.levels.get(level) ?? 0;
      const on = query.levels.includes(level);
      chip.hidden = !on && count === 0 && (this.#outline.known || level === "debug");
      chip.setAttribute("aria-pressed", String(on));
      write(chip.querySelector(".count"), this.#outline.known ? thousands(count) : "");
    }
    this.#showPhases();
    const about = query.records[0] ?? "";
    if (document.activeElement !== record && record.value !== about) record.value = about;
    this.#showStrip();
  }

  #wire() {
    const { phase, record, more, row, clear } = this.#parts;
    more.addEventListener("click", () => more.setAttribute("aria-expanded", String(row.classList.toggle("open"))));
    phase.addEventListener("change", () => this.#finder.set({ phases: phase.value ? [phase.value] : [] }));
    record.addEventListener("change", () => this.#finder.set({ records: record.value ? [record.value] : [] }));
    clear.addEventListener("click", () => this.#finder.clearFilter());
    for (const name of ["query", "change"]) this.#finder.addEventListener(name, () => this.#show());
    this.#outline.addEventListener("change", () => this.#show());
  }

  /** @param {string} level */
  #levelChip(level) {
    const chip = button("chip level", "", () => {
      const had = this.#finder.query.levels;
      this.#finder.set({ levels: had.includes(level) ? had.filter((one) => one !== level) : [...had, level] });
    });
    chip.dataset.level = level;
    chip.append(level, " ", element("span", "count steady"));
    return chip;
  }

  #showPhases() {
    const { phase } = this.#parts;
    const { phases } = this.#finder.query;
    /** @type {[string, string][]} */
    const options = [["", "Any phase"]];
    for (const [name, count] of this.#outline.phases) options.push([name || NO_PHASE, `${name || "no phase"} (${thousands(count)})`]);
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
    const { query, shows } = this.#finder;
    const { strip, count, chips } = this.#parts;
    strip.hidden = !filters(query);
    if (!shows) return;
    write(count, this.#counted(shows));
    const wanted = chipsOf(query);
    const told = JSON.stringify(wanted.map(({ words }) => words));
    if (chips.dataset.told === told) return;
    chips.dataset.told = told;
    chips.replaceChildren(...wanted.map(({ words, without }) => removable(words, () => this.#finder.set(without))));
  }

  /** @param {import("./search.js").Search} shows */
  #counted(shows) {
    if (shows.state === "refused") return shows.error;
    const found = `${thousands(shows.count)} of ${plural(this.#lines(), "line")}`;
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

/** The active filters, each with what the query is without it. @param {Query} query @returns {{words: string, without: Partial<Query>}[]} */
function chipsOf(query) {
  /** @type {{words: string, without: Partial<Query>}[]} */
  const chips = [];
  const drop = (/** @type {string[]} */ from, /** @type {string} */ one) => from.filter((other) => other !== one);
  for (const one of query.levels) chips.push({ words: one, without: { levels: drop(query.levels, one) } });
  for (const one of query.phases) {
    chips.push({ words: one === NO_PHASE ? "no phase" : `phase ${one}`, without: { phases: drop(query.phases, one) } });
  }
  for (const one of query.records) chips.push({ words: `record ${one}`, without: { records: drop(query.records, one) } });
  for (const field of query.fields) {
    chips.push({ words: field.join(" = "), without: { fields: query.fields.filter((other) => other !== field) } });
  }
  for (const one of query.exclude) chips.push({ words: `without “${one}”`, without: { exclude: drop(query.exclude, one) } });
  if (query.only && query.q) chips.push({ words: `with “${query.q}”`, without: { only: NOTHING.only } });
  return chips;
}
