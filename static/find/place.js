// Owns where the reader is in the log: at the line they went to, as long as it is in view, else at the top of the view.

/** @typedef {import("./finder.js").Direction} Direction */

export class Place {
  at = 0; // the line they went to; 0: none
  #view;
  #scroller;
  #coming = false; // that line is not in view yet

  /** @param {import("../log/log-view.js").LogView} view @param {HTMLElement} scroller */
  constructor(view, scroller) {
    this.#view = view;
    this.#scroller = scroller;
    view.addEventListener("found", () => (this.#coming = false));
  }

  /** Show a line and mark it. @param {number} n */
  go(n) {
    this.at = n;
    this.#coming = true;
    this.#view.pool.mark(n);
    this.#view.seek(n);
  }

  /** The line they went to, or the one at the top. */
  here() {
    return this.#stays ? this.at : this.#view.top;
  }

  /** The line from which the next one of a kind is looked for. @param {Direction} direction */
  from(direction) {
    if (this.#stays) return this.at;
    const { following, last } = this.#view.viewport;
    if (following) return direction > 0 ? last : last + 1;
    return direction > 0 ? this.#view.top - 1 : this.#view.top;
  }

  /** The same for a match: a reader who follows the newest line wants the newest match first. @param {Direction} direction */
  hit(direction) {
    const { following, last } = this.#view.viewport;
    if (!this.#stays && following) return { from: last + 1, direction: /** @type {Direction} */ (-1) };
    return { from: this.from(direction), direction };
  }

  get #stays() {
    if (!this.at || this.#coming) return this.at > 0;
    const row = this.#view.pool.mounted.find(({ row: { first, last } }) => first <= this.at && this.at <= last);
    if (!row) return false;
    const { top, bottom } = row.element.getBoundingClientRect();
    const seen = this.#scroller.getBoundingClientRect();
    return bottom > seen.top && top < seen.bottom;
  }
}
