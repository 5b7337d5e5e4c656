// Owns what stands for the filters on a page: chips for levels with their counts, phase and record, and the strip that
// says what is left out and takes it back; on a narrow screen the button that shows the former. It refuses to filter: it tells the finder.

import { plural, thousands } from "./format.js";
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
   * @param {(id: string) => HTMLElement} options.get
   */
  constructor({ finder, outline, lines, get }) {
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
    this.#parts.levels.append(...LEVELS.map((level) => this.#level(level)));
    this.#wire();
    this.show();
  }

  /**
   * What somebody saw in a line and wants to see more of. @param {string} name @param {unknown} value
   * @param {string} [of] "line": its level, phase or record; else one of its fields
   */
  by(name, value, of = "line") {
    const { fields } = this.#finder.query;
    const text = shownValue(value);
    if (of === "line" && name === "level") this.#finder.set({ levels: [text] });
    else if (of === "line" && name === "phase") this.#finder.set({ phases: [text || NO_PHASE] });
    else if (of === "line" && name === "record") this.#finder.set({ records: [text] });
    else this.#finder.set({ fields: [...fields.filter(([one]) => one !== name), [name, text]] });
  }

  show() {
    const { query } = this.#finder;
    const { levels, record } = this.#parts;
    for (const chip of /** @type {NodeListOf<HTMLElement>} */ (levels.querySelectorAll(".chip"))) {
      const level = chip.dataset.level ?? "";
      const count = this.#outline.levels.get(level) ?? 0;
      const on = query.levels.includes(level);
      chip.hidden = !on && count === 0 && (this.#outline.known || level === "debug");
      chip.setAttribute("aria-pressed", String(on));
      write(/** @type {HTMLElement} */ (chip.querySelector(".count")), this.#outline.known ? thousands(count) : "");
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
    for (const name of ["query", "change"]) this.#finder.addEventListener(name, () => this.show());
    this.#outline.addEventListener("change", () => this.show());
  }

  /** @param {string} level */
  #level(level) {
    const chip = document.createElement("button");
    chip.type = "button";
    chip.className = "chip level";
    chip.dataset.level = level;
    const count = document.createElement("span");
    count.className = "count steady";
    chip.append(level, " ", count);
    chip.addEventListener("click", () => {
      const had = this.#finder.query.levels;
      this.#finder.set({ levels: had.includes(level) ? had.filter((one) => one !== level) : [...had, level] });
    });
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
    // A list that somebody has open is not taken from under them.
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
    chips.replaceChildren(
      ...wanted.map(({ words, without }) => {
        const chip = document.createElement("button");
        chip.type = "button";
        chip.className = "chip";
        chip.setAttribute("aria-label", `Remove the filter: ${words}`);
        const text = document.createElement("span");
        text.className = "words";
        text.textContent = words;
        const cross = document.createElement("span");
        cross.setAttribute("aria-hidden", "true");
        cross.textContent = "✕";
        chip.append(text, cross);
        chip.addEventListener("click", () => this.#finder.set(without));
        return chip;
      }),
    );
  }

  /** @param {import("./search.js").Search} shows */
  #counted(shows) {
    if (shows.state === "refused") return shows.error;
    const found = `${thousands(shows.count)} of ${plural(this.#lines(), "line")}`;
    if (shows.complete) return found;
    return shows.state === "waiting" ? `${found} so far; the server was not reached` : `${found} so far…`;
  }
}

/** What leaves lines out, each with the query without it. @param {Query} query @returns {{words: string, without: Partial<Query>}[]} */
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

/** @param {HTMLElement} element @param {string} text */
function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}
