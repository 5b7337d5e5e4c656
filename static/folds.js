// Owns which phases of a log are folded into one row, and what such a row says. It knows no element but its button.

import { plural, thousands, took } from "./format.js";

const FEWEST = 3; // lines: less is not worth a fold

/** @typedef {import("./outline.js").Section} Section */

export class Folds {
  #outline;
  #all;
  #button;
  #tell;
  #everything = false; // phases that end from now on are folded as well
  #upto = 0; // sections up to this line were folded in passing

  /**
   * @param {object} options
   * @param {import("./outline.js").Outline} options.outline
   * @param {import("./rows.js").AllRows} options.all
   * @param {HTMLElement} options.button
   * @param {(text: string) => void} options.tell
   */
  constructor({ outline, all, button, tell }) {
    this.#outline = outline;
    this.#all = all;
    this.#button = button;
    this.#tell = tell;
    button.addEventListener("click", () => this.toggle());
    outline.addEventListener("change", () => this.#grown());
  }

  /** There is something to fold. */
  get any() {
    return this.#foldable.length > 0;
  }

  /** One phase, which holds that line. @param {number} n @returns {boolean} */
  fold(n) {
    const section = this.#outline.at(n);
    if (!section || section.last - section.first + 1 < FEWEST) return false;
    this.#fold([section]);
    return true;
  }

  /** All of them, or none. */
  toggle() {
    this.#everything = !this.#everything;
    if (this.#everything) {
      this.#fold(this.#foldable);
      const { cut } = this.#outline;
      if (cut) this.#tell(`From line ${thousands(cut)} on nothing is folded: there are too many phases.`);
    } else for (const { first } of this.#all.folded) this.#all.unfold(first);
    this.#say();
  }

  /** Those that will not get longer. */
  get #foldable() {
    return this.#outline.sections.slice(0, -1).filter(({ first, last }) => last - first + 1 >= FEWEST);
  }

  #grown() {
    this.#say();
    if (!this.#everything) return;
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

  #say() {
    const words = this.#everything ? "Unfold phases" : "Fold phases";
    if (this.#button.textContent !== words) this.#button.textContent = words;
  }
}

/** The worst of its lines. @param {Section} section */
const level = ({ errors, warnings }) => (errors ? "error" : warnings ? "warning" : "");

/** @param {Section} section @returns {string} "push · 12 s · 2 errors" */
export function label({ phase, began, ended, errors, warnings }) {
  const parts = [phase, took(Date.parse(ended) - Date.parse(began))];
  if (errors) parts.push(plural(errors, "error"));
  if (warnings) parts.push(plural(warnings, "warning"));
  return parts.join(" · ");
}
