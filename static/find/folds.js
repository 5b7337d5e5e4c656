// Owns which phases of a log are folded into one row, what such a row says, and the button that folds them all.

import { get, write } from "../shared/elements.js";
import { plural, thousands, took } from "../shared/format.js";
import { filters } from "./query.js";

const FEWEST = 3; // lines in a section that can be folded

/** @typedef {import("./outline.js").Section} Section */

export class Folds {
  #page;
  #button = get("find-fold");
  #everything = false; // phases that end from now on are folded as well
  #upto = 0; // sections up to this line have been folded

  /** @param {import("./finder.js").Page} page */
  constructor(page) {
    this.#page = page;
    this.#button.addEventListener("click", () => this.toggle());
    page.outline.addEventListener("change", () => this.#grown());
    page.finder.addEventListener("query", () => this.#show());
  }

  /** Fold the phase that holds this line, if it can be folded. @param {number} n @returns {boolean} */
  fold(n) {
    const section = this.#page.outline.at(n);
    if (!section || section.last - section.first + 1 < FEWEST) return false;
    this.#fold([section]);
    return true;
  }

  /** Fold all of them, or unfold all. */
  toggle() {
    this.#everything = !this.#everything;
    if (this.#everything) {
      this.#fold(this.#foldable);
      const { cut } = this.#page.outline;
      if (cut) this.#page.tell(`There are too many phases: from line ${thousands(cut)} on, none is folded.`);
    } else for (const { first } of this.#page.all.folded) this.#page.all.unfold(first);
    this.#show();
  }

  /** The sections that can be folded: all but the last one, which may get longer. */
  get #foldable() {
    return this.#page.outline.sections.slice(0, -1).filter(({ first, last }) => last - first + 1 >= FEWEST);
  }

  #grown() {
    this.#show();
    if (!this.#everything) return;
    this.#upto = Math.min(this.#upto, this.#page.all.last); // the log may have lost lines
    this.#fold(this.#foldable.filter(({ first }) => first > this.#upto));
  }

  /** @param {Section[]} sections */
  #fold(sections) {
    for (const section of sections) {
      if (section.last > this.#page.all.last) continue;
      this.#page.all.unfold(section.first);
      this.#page.all.fold(section.first, section.last, { label: label(section), level: level(section) });
      this.#upto = Math.max(this.#upto, section.last);
    }
  }

  #show() {
    this.#button.hidden = filters(this.#page.finder.query) || this.#foldable.length === 0;
    write(this.#button, this.#everything ? "Unfold phases" : "Fold phases");
  }
}

/** The worst level among its lines. @param {Section} section */
const level = ({ errors, warnings }) => (errors ? "error" : warnings ? "warning" : "");

/** @param {Section} section @returns {string} "push · 12 s · 2 errors" */
function label({ phase, began, ended, errors, warnings }) {
  const found = [errors && plural(errors, "error"), warnings && plural(warnings, "warning")].filter(Boolean);
  return [phase, took(Date.parse(ended) - Date.parse(began)), ...found].join(" · ");
}
