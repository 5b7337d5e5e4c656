// Owns the lines of one log that the page holds, by number: which are here, which no longer exist, which were dropped.
// Its memory is bounded: lines far from what is being read are dropped, and can be fetched again by number.
// It knows no DOM and no network; lines are handed in, and it tells what changed.

import { bisect } from "./layout.js";

/**
 * @typedef {import("../line/row.js").Line} Line
 * @typedef {{first: number, last: number, why: string}} Gap
 * @typedef {{lines: (Line | undefined)[], weight: number}} Chunk
 */

const CHUNK_LINES = 1000;
const LINE_WEIGHT = 220; // bytes of a line's object, its time, and its place in a chunk
const FIELD_WEIGHT = 60;
const MOST_BYTES = 60_000_000;
const DROP_TO = 0.8; // of the maximum: dropping a little each time would be dropping all the time

/** @param {Line} line @returns {number} about how many bytes it takes */
function weigh(line) {
  let weight = LINE_WEIGHT + line.text.length;
  for (const value of Object.values(line.fields ?? {})) {
    weight += FIELD_WEIGHT + (typeof value === "string" ? value.length : 0);
    if (value !== null && typeof value === "object") weight += JSON.stringify(value).length;
  }
  return weight;
}

/** Numbers, rising, as ranges to fetch: the few lines between two that are close together are fetched too. @param {number[]} numbers @param {number} [close] */
export function rangesOf(numbers, close = 50) {
  /** @type {[number, number][]} */
  const ranges = [];
  for (const n of numbers) {
    const end = ranges.at(-1);
    if (end && n - end[1] <= close) end[1] = n;
    else ranges.push([n, n]);
  }
  return ranges;
}

/**
 * Events (`CustomEvent`, see `detail`): `lines` {first, last, errors}: these are held now · `gap` {first, last, why} ·
 * `rewind` {last}. A listener may read the store; it is up to date.
 */
export class LineStore extends EventTarget {
  /** The number of the last line that came, or is known to be gone. */
  last = 0;
  /** About how many bytes it holds. */
  weight = 0;
  /** @type {Map<number, Chunk>} */
  #chunks = new Map();
  /** @type {Gap[]} in order, disjoint */
  #gaps = [];
  #most;
  #focus = Infinity; // the number of the line that is being read

  /** @param {{most?: number}} [options] about how many bytes it may hold */
  constructor({ most = MOST_BYTES } = {}) {
    super();
    this.#most = most;
  }

  /** @param {number} n @returns {Line | undefined} */
  get(n) {
    return this.#chunks.get(Math.floor(n / CHUNK_LINES))?.lines[n % CHUNK_LINES];
  }

  /** @param {number} n @returns {Gap | undefined} why the line no longer exists */
  gapAt(n) {
    const gap = this.#gaps[bisect(this.#gaps.length, (i) => this.#gaps[i].last >= n)];
    return gap?.first <= n ? gap : undefined;
  }

  /** Whether the line is held, or known to be gone. @param {number} n */
  knows(n) {
    return this.get(n) !== undefined || this.gapAt(n) !== undefined;
  }

  /** Numbers that are neither held nor known to be gone. @param {number} first @param {number} last */
  missing(first, last) {
    const lacking = [];
    for (let n = first; n <= last; n += 1) if (!this.knows(n)) lacking.push(n);
    return rangesOf(lacking, 1);
  }

  /** Lines that follow each other. @param {Line[]} lines */
  put(lines) {
    if (lines.length === 0) return;
    let errors = 0;
    for (const line of lines) {
      this.#set(line.n, line);
      if (line.level === "error") errors += 1;
    }
    const [first, last] = [lines[0].n, lines[lines.length - 1].n];
    this.last = Math.max(this.last, last);
    this.dispatchEvent(new CustomEvent("lines", { detail: { first, last, errors } }));
    if (this.weight > this.#most) this.#drop();
  }

  /** @param {Gap} gap numbers that no longer exist */
  gap({ first, last, why }) {
    if (last < first) return;
    const touches = (/** @type {Gap} */ one) => one.last >= first - 1 && one.first <= last + 1 && one.why === why;
    const joined = this.#gaps.filter(touches);
    const whole = { first: Math.min(first, ...joined.map((one) => one.first)), last: Math.max(last, ...joined.map((one) => one.last)), why };
    const others = this.#gaps.filter((one) => one.last < whole.first || one.first > whole.last);
    this.#gaps = [...others, whole].sort((a, b) => a.first - b.first);
    this.last = Math.max(this.last, last);
    this.dispatchEvent(new CustomEvent("gap", { detail: { first, last, why } }));
  }

  /** Lines after `last` are no longer in the log; others may come under their numbers. @param {number} last */
  rewind(last) {
    for (const { lines } of this.#chunks.values()) for (const line of lines) if (line && line.n > last) this.#set(line.n);
    this.#gaps = this.#gaps
      .filter((gap) => gap.first <= last)
      .map((gap) => ({ ...gap, last: Math.min(gap.last, last) }));
    this.last = Math.min(this.last, last);
    this.dispatchEvent(new CustomEvent("rewind", { detail: { last } }));
  }

  /** Tells which line is being read; those near it are kept the longest. @param {number} n */
  focus(n) {
    this.#focus = n;
  }

  /** @param {number} n @param {Line} [line] none: it is forgotten */
  #set(n, line) {
    const index = Math.floor(n / CHUNK_LINES);
    let chunk = this.#chunks.get(index);
    if (!chunk) this.#chunks.set(index, (chunk = { lines: new Array(CHUNK_LINES).fill(undefined), weight: 0 }));
    const had = chunk.lines[n % CHUNK_LINES];
    const more = (line ? weigh(line) : 0) - (had ? weigh(had) : 0);
    chunk.lines[n % CHUNK_LINES] = line;
    chunk.weight += more;
    this.weight += more;
  }

  /** Drops chunks, first those farthest from what is read and from the end, where the next lines come. */
  #drop() {
    const read = Math.floor(Math.min(this.#focus, this.last) / CHUNK_LINES);
    const end = Math.floor(this.last / CHUNK_LINES);
    const far = (/** @type {number} */ index) => Math.min(Math.abs(index - read), Math.abs(index - end));
    for (const index of [...this.#chunks.keys()].sort((a, b) => far(b) - far(a))) {
      // Its neighbours stay as well: the view may show both sides of a border.
      if (this.weight <= this.#most * DROP_TO || far(index) <= 1) break;
      const chunk = /** @type {Chunk} */ (this.#chunks.get(index));
      this.#chunks.delete(index);
      this.weight -= chunk.weight;
    }
  }
}
