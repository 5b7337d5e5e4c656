// Owns which phases of a log are folded into one row, what such a row says, and the button that folds them all.

import { write } from "../shared/elements.js";
import { plural, thousands, took } from "../shared/format.js";
import { filters } from "./query.js";

const FEWEST = 3; // lines in a section that can be folded

/** @typedef {import("./outline.js").Section} Section */

export class Folds {
  #outline;
  #all;
  #finder;
  #button;
  #tell;
  #everything = false; // phases that end from now on are folded as well
  #upto = 0; // sections up to this line have been folded

  /**
   * @param {object} options
   * @param {import("./outline.js").Outline} options.outline
   * @param {import("../log/rows.js").AllRows} options.all
   * @param {import("./finder.js").Finder} options.finder
   * @param {HTMLElement} options.button
   * @param {(text: string) => void} options.tell
   */
  constructor({ outline, all, finder, button, tell }) {
    this.#outline = outline;
    this.#all = all;
    this.#finder = finder;
    this.#button = button;
    this.#tell = tell;
    button.addEventListener("click", () => this.toggle());
    outline.addEventListener("change", () => this.#grown());
    finder.addEventListener("query", () => this.#show());
  }

  /** Fold the phase that holds this line, if it can be folded. @param {number} n @returns {boolean} */
  fold(n) {
    const section = this.#outline.at(n);
    if (!section || section.last - section.first + 1 < FEWEST) return false;
    this.#fold([section]);
    return true;
  }

  /** Fold all of them, or unfold all. */
  toggle() {
    this.#everything = !this.#everything;
    if (this.#everything) {
      this.#fold(this.#foldable);
      const { cut } = this.#outline;
      if (cut) this.#tell(`There are too many phases: from line ${thousands(cut)} on, none is folded.`);
    } else for (const { first } of this.#all.folded) this.#all.unfold(first);
    this.#show();
  }

  /** The sections that can be folded: all but the last one, which may get longer. */
  get #foldable() {
    return this.#outline.sections.slice(0, -1).filter(({ first, last }) => last - first + 1 >= FEWEST);
  }

  #grown() {
    this.#show();
    if (!this.#everything) return;
    this.#upto = Math.min(this.#upto, this.#all.last); // the log may have lost lines
    this.#fold(this.#foldable.filter(({ first }) => first > this.#upto));
  }

  /** @param {Section[]} sections */
  #fold(sections) {
    for (const section of sections) {
      if (section.last > this.#all.last) continue;
      this.#all.unfold(section.first);
      this.#all.fold(section.first, section.last, { label: label(section), level: level(section) });
      this.#upto = Math.max(this.#upto, section.last);
    }
  }

  #show() {
    this.#button.hidden = filters(this.#finder.query) || this.#foldable.length === 0;
    const words = this.#everything ? "Unfold phases" : "Fold phases";
    write(this.#button, words);
  }
}

/** The worst level among its lines. @param {Section} section */
const level = ({ errors, warnings }) => (errors ? "error" : warnings ? "warning" : "");

/** @param {Section} section @returns {string} "push · 12 s · 2 errors" */
export function label({ phase, began, ended, errors, warnings }) {
  const parts = [phase, took(Date.parse(ended) - Date.parse(began))];
  if (errors) parts.push(plural(errors, "error"));
  if (warnings) parts.push(plural(warnings, "warning"));
  return parts.join(" · ");
}
