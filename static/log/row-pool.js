// Owns the elements of rows: it builds those it is told to show, keeps those that are still right, and removes the
// others. It refuses to know where a row is, or which rows are in view.

import { foldRow, gapRow, missingRow } from "./placeholder-rows.js";
import { lineRow } from "../line/row.js";

/**
 * @typedef {import("./rows.js").Row} Row
 * @typedef {import("../line/row.js").RowOptions} RowOptions
 * @typedef {{row: Row, element: HTMLElement, index: number, held: boolean, alone: boolean}} Mounted `held`: with its line ·
 *   `alone`: built without the line before it
 */

const FOCUSABLE = "a, button, summary, [tabindex]";

export class RowPool {
  /** For the row builder. @type {RowOptions} */
  options = {};
  /** The index of the first row that has an element. */
  start = 0;
  /** The lines that are marked; from 0 on: none are. */
  marked = { first: 0, last: -1 };
  #parts;
  /** @type {Map<Row["key"], Mounted>} in their order on the page */
  #mounted = new Map();
  /** @type {WeakMap<Element, Mounted>} */
  #owners = new WeakMap();
  #stale = true; // all heights must be measured
  #anew = false; // all elements must be built
  #size = "-1"; // the number of rows, once it is known for good
  /** @type {{key: Row["key"], place: number} | null} where the focus was in a row that left */
  #left = null;

  /** @param {import("./log-view.js").Parts} parts */
  constructor(parts) {
    this.#parts = parts;
  }

  /** The rows that have elements, in order. */
  get mounted() {
    return [...this.#mounted.values()];
  }

  /** The index after the last row that has an element. */
  get end() {
    return this.start + this.#mounted.size;
  }

  /** The row that an element belongs to. @param {Node | null} node @returns {Mounted | undefined} */
  owner(node) {
    let element = node instanceof Element ? node : node?.parentElement;
    while (element && element.parentElement !== this.#parts.list) element = element.parentElement;
    return element ? this.#owners.get(element) : undefined;
  }

  /** Measure every row next time. */
  distrust() {
    this.#stale = true;
  }

  /** Build every row anew next time: until then the old ones stay. */
  rebuild() {
    this.#anew = true;
    this.#stale = true;
  }

  /** Marks lines without moving anything. @param {number} first 0 marks none @param {number} [last] */
  mark(first, last = first) {
    this.marked = { first, last: first ? last : -1 };
    for (const one of this.mounted) this.#showMark(one);
  }

  /** The number of rows is known for good. @param {number} size */
  setSize(size) {
    this.#size = String(size);
    for (const { element } of this.mounted) {
      if (element.getAttribute("aria-setsize") !== this.#size) element.setAttribute("aria-setsize", this.#size);
    }
  }

  /** Gives elements to these rows, takes them from all others, and measures. @param {{start: number, end: number}} window */
  show({ start, end }) {
    const { list, viewport } = this.#parts;
    const kept = this.#anew ? new Map() : this.#mounted;
    this.#anew = false;
    /** @type {Map<Row["key"], Mounted>} */
    const after = new Map();
    /** @type {Mounted[]} */
    const fresh = [];
    for (let index = start; index < end; index += 1) {
      const row = viewport.rows.rowAt(index);
      let one = kept.get(row.key);
      if (one && this.#isRight(one, row, index)) this.#moveTo(one, row, index);
      else fresh.push((one = this.#make(row, index)));
      after.set(row.key, one);
    }
    for (const [key, one] of this.#mounted) if (after.get(key) !== one) this.#remove(one);
    let next = list.firstElementChild;
    for (const { element } of after.values()) {
      if (element === next) next = next.nextElementSibling;
      else list.insertBefore(element, next);
    }
    this.#mounted = after;
    this.start = start;
    this.#refocus();
    this.#measure(fresh);
  }

  /** The height of a row of one line. */
  get estimate() {
    const probe = lineRow({ n: 1, time: "2026-01-31T09:30:00.125Z", level: "info", text: "x" }, this.options);
    probe.removeAttribute("id");
    probe.setAttribute("role", "listitem");
    this.#parts.list.append(probe);
    const { height } = probe.getBoundingClientRect();
    probe.remove();
    return height || undefined;
  }

  /** Options for the row at this index: a line's time may be shown since that of the line before. @param {number} index @returns {RowOptions} */
  optionsAt(index) {
    return { ...this.options, time: { ...this.options.time, before: this.#timeBefore(index) } };
  }

  // --- one row --------------------------------------------------------------------------------------------------

  /** @param {Mounted} one @param {Row} row @param {number} index */
  #isRight(one, row, index) {
    if (!one.held && this.#holds(row)) return false; // its line has come
    return !one.alone || this.#timeBefore(index) === null; // or the line before it
  }

  /** @param {Mounted} one @param {Row} row @param {number} index */
  #moveTo(one, row, index) {
    if (one.index !== index) one.element.setAttribute("aria-posinset", String(index + 1));
    one.index = index;
    one.row = row;
  }

  /** @param {Row} row @param {number} index @returns {Mounted} */
  #make(row, index) {
    const element = this.#build(row, index);
    element.setAttribute("role", "listitem");
    element.setAttribute("aria-posinset", String(index + 1));
    element.setAttribute("aria-setsize", this.#size);
    const held = this.#holds(row);
    const alone = held && row.kind === "line" && index > 0 && this.#timeBefore(index) === null;
    const one = { row, element, index, held, alone };
    this.#owners.set(element, one);
    this.#showMark(one);
    return one;
  }

  /** @param {Row} row @param {number} index @returns {HTMLElement} */
  #build(row, index) {
    if (row.kind === "gap") return gapRow(row);
    if (row.kind === "fold") return foldRow(row);
    const line = this.#parts.store.get(row.n);
    if (line) return lineRow(line, this.optionsAt(index));
    const gap = this.#parts.store.gapAt(row.n);
    return gap ? gapRow(gap) : missingRow(row.n);
  }

  /** @param {Row} row */
  #holds(row) {
    return row.kind !== "line" || this.#parts.store.knows(row.n);
  }

  /** @param {number} index @returns {string | null} null where it is not held, or there is none */
  #timeBefore(index) {
    const row = index > 0 ? this.#parts.viewport.rows.rowAt(index - 1) : null;
    return (row?.kind === "line" && this.#parts.store.get(row.n)?.time) || null;
  }

  /** @param {Mounted} one */
  #showMark({ row, element }) {
    element.classList.toggle("is-target", row.first <= this.marked.last && row.last >= this.marked.first);
  }

  /** @param {Mounted[]} fresh */
  #measure(fresh) {
    const { layout } = this.#parts.viewport;
    const those = this.#stale ? this.mounted : fresh;
    this.#stale = false;
    // All are read before anything is written: one layout for all of them.
    for (const { element, index } of those) {
      const { height } = element.getBoundingClientRect();
      if (Math.abs(height - layout.height(index)) > 0.01) layout.set(index, height);
    }
  }

  // --- focus ----------------------------------------------------------------------------------------------------

  /** The focus goes from a row that leaves to the log, and back when the row comes back. @param {Mounted} one */
  #remove({ row, element }) {
    const active = document.activeElement;
    if (active && element.contains(active)) {
      this.#left = { key: row.key, place: focusable(element).indexOf(active) };
      this.#parts.scroller.focus({ preventScroll: true });
    }
    element.remove();
  }

  #refocus() {
    const left = this.#left;
    const element = left && this.#mounted.get(left.key)?.element;
    if (!element) return;
    this.#left = null;
    if (document.activeElement !== this.#parts.scroller) return; // it went elsewhere meanwhile
    /** @type {HTMLElement | undefined} */ (focusable(element)[left.place])?.focus({ preventScroll: true });
  }
}

/** @param {HTMLElement} row @returns {Element[]} */
const focusable = (row) => [row, ...row.querySelectorAll(FOCUSABLE)];
