// Owns how far a log is shown: whether the newest line is kept in view, the line at which the view is paused, and what
// a reader has not seen of what came since. It knows no element and moves nothing.

/**
 * @typedef {import("./line-store.js").LineStore} LineStore
 * @typedef {import("./viewport.js").Viewport} Viewport
 */

export class Follow {
  /** The newest line is kept in view. */
  on = true;
  paused = false;
  /** What arrived while paused. */
  held = { lines: 0, errors: 0 };
  #viewport;
  #frozen = 0; // while paused: the number of the last line shown
  #seen; // the number of the last line that was in view when following ended

  /** @param {Viewport} viewport @param {number} known lines up to this number are not new */
  constructor(viewport, known) {
    this.#viewport = viewport;
    this.#seen = known;
  }

  /** How many rows there are to see. */
  get count() {
    const { rows } = this.#viewport;
    return this.paused ? Math.min(rows.length, rows.indexOf(this.#frozen + 1)) : rows.length;
  }

  /** How many rows came below since following ended. */
  get unseen() {
    return this.on ? 0 : Math.max(0, this.count - this.#viewport.rows.indexOf(this.#seen + 1));
  }

  /** The number of the last line that can be seen. */
  get last() {
    const { rows } = this.#viewport;
    if (this.paused) return this.#frozen;
    return rows.length ? rows.rowAt(rows.length - 1).last : 0;
  }

  stop() {
    this.#seen = Math.max(this.#seen, this.last);
    this.on = false;
  }

  /** @param {boolean} paused */
  pause(paused) {
    this.#frozen = this.last;
    this.paused = paused;
    this.held = { lines: 0, errors: 0 };
  }

  /** @param {{first: number, last: number, errors: number}} lines */
  arrived({ first, last, errors }) {
    if (!this.paused || first <= this.#frozen) return;
    this.held.lines += last - first + 1;
    this.held.errors += errors;
  }

  /** @param {number} last @param {LineStore} store */
  rewound(last, store) {
    this.#seen = Math.min(this.#seen, last);
    if (!this.paused) return;
    this.#frozen = Math.min(this.#frozen, last);
    this.held = { lines: 0, errors: 0 };
    for (let n = this.#frozen + 1; n <= last; n += 1) {
      this.held.lines += 1;
      if (store.get(n)?.level === "error") this.held.errors += 1;
    }
  }
}
