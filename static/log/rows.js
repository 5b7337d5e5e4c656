// Owns which rows a log view has, in which order: all lines, or those of a list (a filter's or a search's result).
// A row is a line, or one row in place of many: a gap or a folded section.
// Pure: it knows neither what a line says nor how high a row is.

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

/**
 * What both kinds of rows can do. `change` {from}: the rows from that index on changed.
 * @typedef {object} Rows
 * @property {number} length
 * @property {(index: number) => Row} rowAt
 * @property {(index: number) => number} numberAt the number of its line, or of the first of its lines
 * @property {(n: number) => number} indexOf the row of a line; if there is none, where it would be
 * @property {(n: number) => boolean} has whether there is a row for that line
 * @property {EventTarget["addEventListener"]} addEventListener
 * @property {EventTarget["removeEventListener"]} removeEventListener
 */

/** All lines from 1 on. */
export class AllRows extends EventTarget {
  /** @type {Segment[]} */
  #segments = [];
  #length = 0;

  /** @param {number} [last] */
  constructor(last = 0) {
    super();
    if (last > 0) this.grow(last);
  }

  get length() {
    return this.#length;
  }

  /** The number of the last line. */
  get last() {
    return this.#segments.at(-1)?.last ?? 0;
  }

  /** @param {number} index @returns {Row} */
  rowAt(index) {
    if (index < 0 || index >= this.#length) throw new RangeError(`there is no row ${index} of ${this.#length}`);
    const segment = this.#segments[this.#holding(index)];
    const { kind, first, last, at } = segment;
    if (kind === "lines") {
      const n = first + index - at;
      return { key: n, kind: "line", n, first: n, last: n };
    }
    if (kind === "gap") return { key: `gap ${first}-${last}`, kind, n: first, first, last, why: segment.why ?? "" };
    return { key: `fold ${first}`, kind, n: first, first, last, fold: segment.fold ?? { label: "" } };
  }

  /** @param {number} index */
  numberAt(index) {
    const segment = this.#segments[this.#holding(index)];
    return segment.kind === "lines" ? segment.first + index - segment.at : segment.first;
  }

  /** @param {number} n */
  indexOf(n) {
    const segment = this.#segments[this.#reaching(n)];
    if (!segment) return this.#length;
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
    else this.#segments.push({ kind: "lines", first: had + 1, last, at: this.#length });
    this.#changed(this.#length);
  }

  /** One row in place of lines that no longer exist; one with its neighbours. @param {{first: number, last: number, why: string}} gap */
  gap({ first, last, why }) {
    this.grow(last);
    const there = this.#segments[this.#reaching(first)];
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
    const inside = this.#within(first, Math.min(last, this.last));
    this.#replace(first, last, [{ kind: "fold", first, last, fold, hidden: inside, at: 0 }]);
  }

  /** Show the lines of the folded section that holds this line, if one does. @param {number} n @returns {boolean} */
  unfold(n) {
    const segment = this.#segments[this.#reaching(n)];
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
    /** @type {Segment[]} */
    const found = [];
    for (const segment of this.#segments) {
      if (segment.last < first || segment.first > last) continue;
      found.push({ ...segment, first: Math.max(segment.first, first), last: Math.min(segment.last, last) });
    }
    return found;
  }

  /** @param {number} first @param {number} last @param {Segment[]} segments */
  #replace(first, last, segments) {
    const before = first > 1 ? this.#within(1, first - 1) : [];
    const after = last < this.last ? this.#within(last + 1, this.last) : [];
    const from = before.reduce((sum, one) => sum + rowsOf(one), 0);
    this.#segments = [...before, ...segments, ...after];
    this.#changed(from);
  }

  /** @param {number} from */
  #changed(from) {
    let at = 0;
    for (const segment of this.#segments) {
      segment.at = at;
      at += rowsOf(segment);
    }
    this.#length = at;
    this.dispatchEvent(new CustomEvent("change", { detail: { from } }));
  }

  /** @param {number} index @returns {number} the segment that has this row */
  #holding(index) {
    let low = 0;
    let high = this.#segments.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.#segments[middle].at <= index) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  /** @param {number} n @returns {number} the first segment that ends at or after n */
  #reaching(n) {
    let low = 0;
    let high = this.#segments.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#segments[middle].last < n) low = middle + 1;
      else high = middle;
    }
    return low;
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
    const n = this.numberAt(index);
    return { key: n, kind: "line", n, first: n, last: n };
  }

  /** @param {number} index */
  numberAt(index) {
    const n = this.#numbers[index];
    if (n === undefined) throw new RangeError(`there is no row ${index} of ${this.length}`);
    return n;
  }

  /** @param {number} n */
  indexOf(n) {
    let low = 0;
    let high = this.#numbers.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#numbers[middle] < n) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** @param {number} n */
  has(n) {
    return this.#numbers[this.indexOf(n)] === n;
  }

  /** Adds numbers, rising; those that are there already change nothing. @param {number[]} numbers */
  add(numbers) {
    if (numbers.length === 0) return;
    const had = this.#numbers;
    if (numbers[0] > this.last) {
      const from = had.length;
      for (const n of numbers) had.push(n);
      return this.#changed(from);
    }
    const from = this.indexOf(numbers[0]);
    /** @type {number[]} */
    const merged = [];
    let [i, k] = [from, 0];
    while (i < had.length || k < numbers.length) {
      const n = k >= numbers.length || had[i] <= numbers[k] ? had[i++] : numbers[k++];
      if (n !== merged.at(-1)) merged.push(n);
    }
    had.length = from;
    for (const n of merged) had.push(n);
    this.#changed(from);
  }

  /** @param {number} from */
  #changed(from) {
    this.dispatchEvent(new CustomEvent("change", { detail: { from } }));
  }
}
