// Owns which part of the rows is in view: one row holds the view, and stays where it is whatever changes above it.
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
  // The row that holds the view: its line, how far below the top it begins, and which share of it is cut off above.
  #anchor = { n: 1, at: 0, share: 0, shared: false };

  /** @param {Rows} rows */
  constructor(rows) {
    this.rows = rows;
  }

  /** The height of all rows, with the room under the last one. */
  get total() {
    return this.layout.total + BELOW_PX;
  }

  /** The last place that can be at the top. */
  get most() {
    return Math.max(0, this.total - this.size.height);
  }

  get overflows() {
    return this.layout.total > this.size.height;
  }

  /** The line that holds the view. */
  get held() {
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

  /** The place of the row that holds the view, as things are now. */
  where() {
    const count = this.layout.length;
    if (count === 0) return 0;
    const index = Math.min(count - 1, this.rows.indexOf(this.#anchor.n));
    const { at, share, shared } = this.#anchor;
    const height = this.layout.height(index);
    // Its height is another now: the same share of it is cut off above the top, but never all of it.
    const below = shared && at < 0 ? -Math.min(share * height, Math.max(0, height - this.layout.estimate)) : at;
    return Math.min(this.most, Math.max(0, this.layout.offset(index) - below));
  }

  /** The same row holds the view, where it is now: near the end there is no room for it where it was wanted. @param {number} top */
  stay(top) {
    this.top = top;
    if (this.layout.length === 0) return;
    const index = Math.min(this.layout.length - 1, this.rows.indexOf(this.#anchor.n));
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

  /** @param {number} index @param {number} n @param {number} at */
  #keep(index, n, at) {
    this.#anchor = { n, at, share: at < 0 ? -at / this.layout.height(index) : 0, shared: false };
  }
}
