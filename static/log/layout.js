// Owns where rows are: a row's place in pixels, the row at a place, and the scrollbar's place for it. Heights differ
// from row to row, and are estimated until they are measured. Everything takes time in the logarithm of the number of
// rows. Pure: it knows neither rows nor elements.


const BLOCK_ROWS = 256;
const BLOCK_BITS = 8;

/** Browsers allow an element some 17 million pixels (Firefox) or 33 (Chromium); what is longer is mapped. */
export const TALLEST_PX = 8_000_000;
/** Within this distance of both ends nothing is mapped: the scrollbar and the rows move alike, to the pixel. */
const EXACT_PX = TALLEST_PX / 8;

export class Layout {
  length = 0;
  /** @type {(Float32Array | undefined)[]} measured heights, in blocks; NaN where a row has not been measured */
  #blocks = [];
  #sums = new Float64Array(1); // a Fenwick tree: how much higher a block's rows are than estimated

  /** @param {number} estimate the height of a row that was not measured, in pixels */
  constructor(estimate) {
    this.estimate = estimate;
  }

  /** The height of all rows together. */
  get total() {
    return this.offset(this.length);
  }

  /** All heights are forgotten. @param {number} [estimate] */
  reset(estimate = this.estimate) {
    this.estimate = estimate;
    this.#blocks = [];
    this.#sums = new Float64Array(this.#sums.length);
  }

  /** Sets the number of rows; the measured heights of those that stay are kept. @param {number} length */
  resize(length) {
    if (length < this.length) this.forget(length);
    this.length = length;
    const blocks = Math.ceil(length / BLOCK_ROWS);
    if (blocks < this.#sums.length) return;
    let room = this.#sums.length;
    while (room <= blocks) room *= 2;
    this.#sums = new Float64Array(room);
    this.#blocks.forEach((block, at) => block && this.#add(at, this.#extra(block)));
  }

  /** The rows from this one on changed: forget their heights. @param {number} from */
  forget(from) {
    const first = from >> BLOCK_BITS;
    for (let at = first; at < this.#blocks.length; at += 1) {
      const block = this.#blocks[at];
      if (!block) continue;
      const had = this.#extra(block);
      if (at === first) block.fill(NaN, from & (BLOCK_ROWS - 1));
      else this.#blocks[at] = undefined;
      this.#add(at, (at === first ? this.#extra(block) : 0) - had);
    }
    this.#blocks.length = Math.min(this.#blocks.length, first + 1);
  }

  /** @param {number} index @returns {number} */
  height(index) {
    const height = this.#blocks[index >> BLOCK_BITS]?.[index & (BLOCK_ROWS - 1)] ?? NaN;
    return Number.isNaN(height) ? this.estimate : height;
  }

  /** A row was measured. @param {number} index @param {number} height */
  set(index, height) {
    const at = index >> BLOCK_BITS;
    const block = (this.#blocks[at] ??= new Float32Array(BLOCK_ROWS).fill(NaN));
    const had = block[index & (BLOCK_ROWS - 1)];
    block[index & (BLOCK_ROWS - 1)] = height;
    // What is kept is rounded to 32 bits; the sums are made of what is kept.
    this.#add(at, block[index & (BLOCK_ROWS - 1)] - (Number.isNaN(had) ? this.estimate : had));
  }

  /** @param {number} index @returns {number} how far the top of a row is from the top of the first one */
  offset(index) {
    const at = index >> BLOCK_BITS;
    let extra = 0;
    for (let i = at; i > 0; i -= i & -i) extra += this.#sums[i];
    const block = this.#blocks[at];
    if (block) {
      for (let i = 0; i < (index & (BLOCK_ROWS - 1)); i += 1) {
        if (!Number.isNaN(block[i])) extra += block[i] - this.estimate;
      }
    }
    return index * this.estimate + extra;
  }

  /** @param {number} y @returns {number} the row at that place; the first or the last where there is none */
  at(y) {
    if (this.length === 0) return 0;
    const blocks = Math.ceil(this.length / BLOCK_ROWS);
    const low = Math.max(0, bisect(blocks, (at) => this.offset(at << BLOCK_BITS) > y) - 1);
    let index = low << BLOCK_BITS;
    let top = this.offset(index);
    const end = Math.min(this.length, index + BLOCK_ROWS);
    while (index < end - 1 && top + this.height(index) <= y) {
      top += this.height(index);
      index += 1;
    }
    return index;
  }

  /** @param {Float32Array} block */
  #extra(block) {
    let sum = 0;
    for (const height of block) if (!Number.isNaN(height)) sum += height - this.estimate;
    return sum;
  }

  /** @param {number} at @param {number} more */
  #add(at, more) {
    for (let i = at + 1; i < this.#sums.length; i += i & -i) this.#sums[i] += more;
  }
}

/**
 * A scrollbar's place for a place in the rows, and back. If all rows fit into an element, both are the same number.
 * @param {number} total the height of all rows @param {number} view the height of the part in view
 */
export function scrollMap(total, view) {
  const height = Math.min(total, TALLEST_PX);
  const most = Math.max(0, total - view);
  const range = Math.max(0, height - view);
  const ratio = most > range ? (most - 2 * EXACT_PX) / (range - 2 * EXACT_PX) : 1;
  return {
    /** The height of the element that scrolls. */
    height,
    /** @param {number} top @returns {number} the scrollbar's place for a place in the rows */
    bar(top) {
      if (ratio === 1 || top <= EXACT_PX) return top;
      if (top >= most - EXACT_PX) return range - (most - top);
      return EXACT_PX + (top - EXACT_PX) / ratio;
    },
    /** @param {number} bar @returns {number} */
    top(bar) {
      if (ratio === 1 || bar <= EXACT_PX) return bar;
      if (bar >= range - EXACT_PX) return most - (range - bar);
      return EXACT_PX + (bar - EXACT_PX) * ratio;
    },
  };
}

/** The first index at which `holds` is true, as it is from there on; `length` if there is none. @param {number} length @param {(index: number) => boolean} holds */
export function bisect(length, holds) {
  let low = 0;
  let high = length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (holds(middle)) high = middle;
    else low = middle + 1;
  }
  return low;
}
