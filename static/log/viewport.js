// Owns which part of a log is in view. Either the newest line is kept in view, or one row holds the view: it stays where
// it is whatever changes above it. Paused, no line after the last one shown becomes a row.
// Pure: it knows rows and their heights, and no element.

import { Layout } from "./layout.js";

/** @typedef {import("./rows.js").Rows} Rows */

const MOST_ROWS = 300; // elements, at any time
const BELOW_PX = 8; // room under the last row

export class Viewport {
  /** @type {Rows} */
  rows;
  layout = new Layout(20);
  size = { width: 0, height: 0 };
  /** The place in the rows that is at the top of the view, in pixels. */
  top = 0;
  /** The newest line is kept in view. */
  following = true;
  paused = false;
  /** What arrived while paused. */
  held = { lines: 0, errors: 0 };
  #frozen = 0; // while paused: the number of the last line shown
  #seen; // the number of the last line that was in view when following ended
  // The row that holds the view: its line, how far below the top it begins, and which share of it is cut off above.
  #anchor = { n: 1, at: 0, share: 0, shared: false };

  /** @param {Rows} rows @param {number} [known] lines up to this number are not new */
  constructor(rows, known = 0) {
    this.rows = rows;
    this.#seen = known;
  }

  // --- how far the log is shown -----------------------------------------------------------------------------------

  /** How many rows there are to see. */
  get count() {
    const { rows } = this;
    return this.paused ? Math.min(rows.length, rows.indexOf(this.#frozen + 1)) : rows.length;
  }

  /** How many rows came below since following ended. */
  get unseen() {
    return this.following ? 0 : Math.max(0, this.count - this.rows.indexOf(this.#seen + 1));
  }

  /** The number of the last line that can be seen. */
  get last() {
    const { rows } = this;
    if (this.paused) return this.#frozen;
    return rows.length ? rows.rowAt(rows.length - 1).last : 0;
  }

  letGo() {
    this.#seen = Math.max(this.#seen, this.last);
    this.following = false;
    this.hold(this.top);
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

  /** @param {number} last @param {import("./line-store.js").LineStore} store */
  rewound(last, store) {
    this.#seen = Math.min(this.#seen, last);
    if (!this.paused) return;
    this.#frozen = Math.min(this.#frozen, last);
    this.held = { lines: last - this.#frozen, errors: 0 };
    for (let n = this.#frozen + 1; n <= last; n += 1) if (store.get(n)?.level === "error") this.held.errors += 1;
  }

  // --- where it is ------------------------------------------------------------------------------------------------

  /** The height of all rows, with the room under the last one. */
  get total() {
    return this.layout.total + BELOW_PX;
  }

  /** The last place that can be at the top. */
  get most() {
    return Math.max(0, this.total - this.size.height);
  }

  /** The line that holds the view. */
  get line() {
    return this.#anchor.n;
  }

  /** The row at this place holds the view from now on. @param {number} top */
  hold(top) {
    this.top = Math.min(this.most, Math.max(0, top));
    if (this.layout.length === 0) return this.put(1, 0);
    const index = this.layout.at(this.top);
    this.#keep(index, this.rows.numberAt(index), this.layout.offset(index) - this.top);
  }

  /** This line holds the view. @param {number} n @param {number} at how far below the top */
  put(n, at) {
    this.#anchor = { n, at, share: 0, shared: false };
  }

  /** A line holds the view from the middle of it. @param {number} n */
  centre(n) {
    const index = this.rows.indexOf(n);
    this.put(this.rows.numberAt(index), Math.max(0, (this.size.height - this.layout.height(index)) / 2));
  }

  /** The place at the top, as things are now. */
  where() {
    if (this.following) return this.most;
    if (this.layout.length === 0) return 0;
    const index = this.#index;
    const { at, share, shared } = this.#anchor;
    const height = this.layout.height(index);
    // Its height is another now: the same share of it is cut off above the top, but never all of it.
    const below = shared && at < 0 ? -Math.min(share * height, Math.max(0, height - this.layout.estimate)) : at;
    return Math.min(this.most, Math.max(0, this.layout.offset(index) - below));
  }

  /** The same row holds the view, where it is now: near the end there is no room for it where it was wanted. @param {number} top */
  stay(top) {
    this.top = top;
    if (this.following || this.layout.length === 0) return;
    const index = this.#index;
    const at = this.layout.offset(index) - top;
    // Far outside the view it does not help a reader who is elsewhere by now.
    if (at > this.size.height || at + this.layout.height(index) <= 0) this.hold(top);
    else this.#keep(index, this.#anchor.n, at);
  }

  /** Forgets all heights. @param {number} [estimate] the height of a row of one line */
  forgetHeights(estimate) {
    this.layout.reset(estimate);
    this.#anchor.shared = true;
  }

  /** The rows that need elements when this place is at the top. @param {number} top @param {number} around in pixels */
  window(top, around) {
    const { height } = this.size;
    if (this.layout.length === 0) return { start: 0, end: 0 };
    const first = this.layout.at(top);
    const last = this.layout.at(top + height) + 1;
    const spare = Math.max(0, MOST_ROWS - (last - first)) >> 1;
    const start = Math.max(first - spare, this.layout.at(top - around));
    const end = Math.min(last + spare, this.layout.at(top + height + around) + 1);
    return { start, end: Math.min(end, start + MOST_ROWS) };
  }

  /** The row of the line that holds the view. */
  get #index() {
    return Math.min(this.layout.length - 1, this.rows.indexOf(this.#anchor.n));
  }

  /** @param {number} index @param {number} n @param {number} at */
  #keep(index, n, at) {
    this.#anchor = { n, at, share: at < 0 ? -at / this.layout.height(index) : 0, shared: false };
  }
}
