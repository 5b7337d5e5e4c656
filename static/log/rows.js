// Owns which rows a log view has, in which order: all lines, or those of a list (a filter's or a search's result).
// A row is a line, or one row in place of many: a gap or a folded section.
// Pure: it knows neither what a line says nor how high a row is.

import { bisect } from "./layout.js";

/**
 * @typedef {{label: string, level?: string, [more: string]: unknown}} Fold what a folded section's row shows
 * @typedef {{key: number | string, kind: "line", n: number, first: number, last: number}} LineRow
 * @typedef {{key: string, kind: "gap", n: number, first: number, last: number, why: string}} GapRow
 * @typedef {{key: string, kind: "fold", n: number, first: number, last: number, fold: Fold}} FoldRow
 * @typedef {LineRow | GapRow | FoldRow} Row
 *
 * A run of rows. `lines`: one row for each number. `gap`, `fold`: one row for all its numbers.
 * @typedef {object} Segment
 * @property {"lines" | "gap" | "fold"} kind
 * @property {number} first
 * @property {number} last
 * @property {string} [why]
 * @property {Fold} [fold]
 * @property {Segment[]} [hidden] what a fold hides
 * @property {number} at the index of its first row
 */

/** @param {Segment} segment @returns {number} how many rows it has */
function rowsOf(segment) {
  return segment.kind === "lines" ? segment.last - segment.first + 1 : 1;
}

/** @param {number} n @returns {LineRow} */
const lineRow = (n) => ({ key: n, kind: "line", n, first: n, last: n });

/**
 * What both kinds of rows can do. `change` {from}: the rows from that index on changed.
 * @typedef {object} Rows
 * @property {number} length
 * @property {(index: number) => Row} rowAt
 * @property {(index: number) => number} numberAt the number of its line, or of the first of its lines
 * @property {(n: number) => number} indexOf the row of a line; if there is none, where it would be
 * @property {(n: number) => boolean} has whether there is a row for that line
 * @property {(n: number) => boolean} [unfold] show the lines of the folded section that holds this line, if one does
 * @property {EventTarget["addEventListener"]} addEventListener
 * @property {EventTarget["removeEventListener"]} removeEventListener
 */

/** All lines from 1 on. */
export class AllRows extends EventTarget {
  /** @type {Segment[]} */
  #segments = [];
  length = 0;

  /** @param {number} [last] */
  constructor(last = 0) {
    super();
    if (last > 0) this.grow(last);
  }

  /** The number of the last line. */
  get last() {
    return this.#segments.at(-1)?.last ?? 0;
  }

  /** @param {number} index @returns {Row} */
  rowAt(index) {
    if (index < 0 || index >= this.length) throw new RangeError(`there is no row ${index} of ${this.length}`);
    const { kind, first, last, at, why = "", fold = { label: "" } } = this.#holding(index);
    if (kind === "lines") return lineRow(first + index - at);
    if (kind === "gap") return { key: `gap ${first}-${last}`, kind, n: first, first, last, why };
    return { key: `fold ${first}`, kind, n: first, first, last, fold };
  }

  /** @param {number} index */
  numberAt(index) {
    const { kind, first, at } = this.#holding(index);
    return kind === "lines" ? first + index - at : first;
  }

  /** @param {number} n */
  indexOf(n) {
    const segment = this.#reaching(n);
    if (!segment) return this.length;
    return segment.kind === "lines" ? segment.at + Math.max(0, n - segment.first) : segment.at;
  }

  /** @param {number} n */
  has(n) {
    return n >= 1 && n <= this.last;
  }

  /** The log has lines up to this number now. @param {number} last */
  grow(last) {
    const had = this.last;
    if (last <= had) return;
    const end = this.#segments.at(-1);
    if (end?.kind === "lines") end.last = last;
    else this.#segments.push({ kind: "lines", first: had + 1, last, at: this.length });
    this.#changed(this.length);
  }

  /** One row in place of lines that no longer exist; one with its neighbours. @param {{first: number, last: number, why: string}} gap */
  gap({ first, last, why }) {
    this.grow(last);
    const there = /** @type {Segment} */ (this.#reaching(first));
    if (there.kind === "fold" && there.last >= last) return; // it shows when that is unfolded
    if (there.kind === "gap" && there.first <= first && there.last >= last) return;
    for (const one of this.#segments) {
      if (one.kind !== "gap" || one.why !== why || one.last < first - 1 || one.first > last + 1) continue;
      first = Math.min(first, one.first);
      last = Math.max(last, one.last);
    }
    this.#replace(first, last, [{ kind: "gap", first, last, why, at: 0 }]);
  }

  /** One row in place of a section. @param {number} first @param {number} last @param {Fold} fold */
  fold(first, last, fold) {
    this.#replace(first, last, [{ kind: "fold", first, last, fold, hidden: this.#within(first, last), at: 0 }]);
  }

  /** Show the lines of the folded section that holds this line, if one does. @param {number} n @returns {boolean} */
  unfold(n) {
    const segment = this.#reaching(n);
    if (segment?.kind !== "fold" || segment.first > n) return false;
    this.#replace(segment.first, segment.last, segment.hidden ?? []);
    return true;
  }

  /** The folded sections, in order. @returns {{first: number, last: number}[]} */
  get folded() {
    return this.#segments.filter((one) => one.kind === "fold").map(({ first, last }) => ({ first, last }));
  }

  /** Forget the lines after this one; a folded section that holds both is unfolded. @param {number} last */
  cut(last) {
    if (last >= this.last) return;
    while (this.unfold(last + 1));
    this.#replace(last + 1, this.last, []);
  }

  /** What there is of the numbers `first` to `last`, cut to them. @param {number} first @param {number} last @returns {Segment[]} */
  #within(first, last) {
    return this.#segments
      .filter((one) => one.last >= first && one.first <= last)
      .map((one) => ({ ...one, first: Math.max(one.first, first), last: Math.min(one.last, last) }));
  }

  /** @param {number} first @param {number} last @param {Segment[]} segments */
  #replace(first, last, segments) {
    const before = this.#within(1, first - 1);
    this.#segments = [...before, ...segments, ...this.#within(last + 1, this.last)];
    this.#changed(before.reduce((sum, one) => sum + rowsOf(one), 0));
  }

  /** @param {number} from */
  #changed(from) {
    let at = 0;
    for (const segment of this.#segments) {
      segment.at = at;
      at += rowsOf(segment);
    }
    this.length = at;
    this.dispatchEvent(new CustomEvent("change", { detail: { from } }));
  }

  /** The segment that has this row. @param {number} index */
  #holding(index) {
    return this.#segments[bisect(this.#segments.length, (i) => this.#segments[i].at > index) - 1];
  }

  /** The first segment that ends at or after this line. @param {number} n @returns {Segment | undefined} */
  #reaching(n) {
    return this.#segments[bisect(this.#segments.length, (i) => this.#segments[i].last >= n)];
  }
}

/** Lines of these numbers, in order. It may grow, at its end and elsewhere. */
export class ListedRows extends EventTarget {
  /** @type {number[]} */
  #numbers;

  /** @param {Iterable<number>} [numbers] rising */
  constructor(numbers = []) {
    super();
    this.#numbers = [...numbers];
  }

  get length() {
    return this.#numbers.length;
  }

  get last() {
    return this.#numbers.at(-1) ?? 0;
  }

  /** @param {number} index @returns {Row} */
  rowAt(index) {
    return lineRow(this.numberAt(index));
  }

  /** @param {number} index */
  numberAt(index) {
    const n = this.#numbers[index];
    if (n === undefined) throw new RangeError(`there is no row ${index} of ${this.length}`);
    return n;
  }

  /** @param {number} n */
  indexOf(n) {
    return bisect(this.#numbers.length, (i) => this.#numbers[i] >= n);
  }

  /** @param {number} n */
  has(n) {
    return this.#numbers[this.indexOf(n)] === n;
  }

  /** Adds numbers, rising; those that are there already change nothing. @param {number[]} numbers */
  add(numbers) {
    if (numbers.length === 0) return;
    const from = this.indexOf(numbers[0]);
    const tail = this.#numbers.splice(from);
    const mixed = tail[0] <= numbers[numbers.length - 1];
    const merged = mixed ? [...new Set([...tail, ...numbers])].sort((a, b) => a - b) : numbers.concat(tail);
    for (const n of merged) this.#numbers.push(n);
    this.dispatchEvent(new CustomEvent("change", { detail: { from } }));
  }
}
