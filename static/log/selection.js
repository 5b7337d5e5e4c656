// Owns what is selected in a log whose rows come and go: where the selection begins and ends, as lines and not as
// elements. What the browser shows as selected follows from that. It refuses to copy; copy.js does.

import { Copying } from "./copy.js";

/**
 * A place in the log: a number of characters into the text of a row; before it (-1), after it (Infinity).
 * @typedef {{n: number, key: number | string, offset: number, text: string}} Point
 */

export class LogSelection {
  #view;
  #list;
  #copying;
  /** @type {{anchor: Point, focus: Point} | null} */
  #model = null;
  /** What we made the browser show; anything else was done by a person. @type {(Node | number | null)[]} */
  #applied = [];
  /** Where that begins. @type {Point | null} */
  #begins = null;
  /** Where the last click was: from there Shift and a click select, also when that row has left. @type {Point | null} */
  #caret = null;
  #fromCaret = false;

  /** @param {import("./copy.js").Source} source */
  constructor(source) {
    const { view } = source;
    const { list, scroller, store } = view.parts;
    this.#view = view;
    this.#list = list;
    this.#copying = new Copying(source);
    document.addEventListener("selectionchange", () => this.#changed());
    list.addEventListener("mousedown", ({ button, shiftKey }) => {
      this.#fromCaret = shiftKey && button === 0 && this.#caret !== null && !this.#model && !this.#isMounted(this.#caret);
    });
    document.addEventListener("copy", (event) => this.#copied(event));
    // Of what is selected just before rows are drawn, the browser tells later.
    view.addEventListener("painting", () => this.#changed());
    view.addEventListener("painted", () => this.#show());
    store.addEventListener("rewind", (event) => this.#rewound(/** @type {CustomEvent} */ (event).detail.last));
    scroller.addEventListener("keydown", (event) => {
      if (event.key !== "a" || event.altKey || event.shiftKey || !(event.ctrlKey || event.metaKey)) return;
      event.preventDefault();
      this.all();
    });
  }

  /** The rows that are selected, as indices; null when nothing is, or not more than a part of one row. @returns {[number, number] | null} */
  get rows() {
    const ordered = this.#ordered();
    return ordered && [this.#index(ordered[0]), this.#index(ordered[1])];
  }

  /** Select every line of the log. */
  all() {
    const { count, rows } = this.#view.viewport;
    if (count === 0) return;
    const [first, last] = [rows.rowAt(0), rows.rowAt(count - 1)];
    this.#view.letGo();
    this.#model = {
      anchor: { n: first.n, key: first.key, offset: -1, text: "" },
      focus: { n: last.n, key: last.key, offset: Infinity, text: "" },
    };
    this.#applied = [];
    this.#show();
  }

  // --- what a person selects ------------------------------------------------------------------------------------

  #changed() {
    const selection = document.getSelection();
    if (!selection || selection.rangeCount === 0) return;
    const { anchorNode, anchorOffset, focusNode, focusOffset } = selection;
    const now = [anchorNode, anchorOffset, focusNode, focusOffset];
    if (this.#model && now.every((one, i) => one === this.#applied[i])) return;
    const inside = anchorNode !== null && this.#list.contains(anchorNode);
    if (!inside || selection.isCollapsed) {
      // A row that leaves takes the browser's selection along; ours stays until something else is selected.
      if (this.#model && anchorNode === this.#list) return;
      this.#model = null;
      this.#applied = [];
      if (anchorNode !== this.#list) this.#caret = inside ? this.#point(anchorNode, anchorOffset) : null;
      return;
    }
    const begins = this.#point(anchorNode, anchorOffset);
    // What we began goes on: also where the browser has put the beginning into the text next to it.
    const begun = this.#fromCaret ? this.#caret : begins;
    const anchor = this.#model && begins && samePlace(begins, this.#begins) ? this.#model.anchor : begun;
    const focus = this.#point(focusNode, focusOffset) ?? this.#beyond(focusNode);
    if (!anchor || !focus) return;
    this.#model = { anchor, focus };
    this.#applied = now;
    this.#begins = begins;
    this.#fromCaret = false;
    this.#view.letGo();
  }

  /** A selection that reaches into lines that are no longer there is dropped: others may come under their numbers. @param {number} last */
  #rewound(last) {
    if (this.#caret && this.#caret.n > last) this.#caret = null;
    if (!this.#model || Math.max(this.#model.anchor.n, this.#model.focus.n) <= last) return;
    this.#model = null;
    this.#applied = [];
    const selection = document.getSelection();
    if (selection && this.#list.contains(selection.anchorNode)) selection.removeAllRanges();
  }

  /** @param {Point} point */
  #isMounted({ key }) {
    return this.#view.pool.mounted.some(({ row }) => row.key === key);
  }

  /** @param {Node | null} node @param {number} offset @returns {Point | null} */
  #point(node, offset) {
    const owner = this.#view.pool.owner(node);
    if (!owner || !node) return null;
    const { n, key } = owner.row;
    const cell = owner.element.querySelector(".text") ?? owner.element;
    const text = cell.textContent ?? "";
    const place = document.createRange();
    place.selectNodeContents(cell);
    const side = place.comparePoint(node, offset);
    if (side !== 0) return { n, key, offset: side < 0 ? -1 : Infinity, text };
    place.setEnd(node, offset);
    return { n, key, offset: place.toString().length, text };
  }

  /** Outside of the rows: the first or the last row that is mounted. @param {Node | null} node @returns {Point | null} */
  #beyond(node) {
    const { mounted } = this.#view.pool;
    if (!node || mounted.length === 0) return null;
    const before = (this.#list.compareDocumentPosition(node) & Node.DOCUMENT_POSITION_PRECEDING) !== 0;
    const { row } = before ? mounted[0] : mounted[mounted.length - 1];
    return { n: row.n, key: row.key, offset: before ? -1 : Infinity, text: "" };
  }

  // --- what the browser shows -----------------------------------------------------------------------------------

  /** After rows came and went: as much of the selection as there are rows for. */
  #show() {
    const selection = document.getSelection();
    const model = this.#model;
    const { mounted } = this.#view.pool;
    if (!model || !selection || mounted.length === 0) return;
    const [anchor, anchorOffset] = this.#native(model.anchor);
    let [focus, focusOffset] = this.#native(model.focus);
    // With both ends out of sight, the edge that they left by. It must not be empty: a mouse that is still down would
    // begin anew. A row begins with its number, which shows no selection.
    if (focus === anchor && focusOffset === anchorOffset) focusOffset = anchorOffset ? anchorOffset - 1 : 1;
    const shown = [anchor, anchorOffset, focus, focusOffset];
    const now = [selection.anchorNode, selection.anchorOffset, selection.focusNode, selection.focusOffset];
    this.#applied = shown;
    this.#begins = this.#point(anchor, anchorOffset);
    if (shown.every((one, i) => one === now[i])) return;
    selection.setBaseAndExtent(anchor, anchorOffset, focus, focusOffset);
  }

  /** @param {Point} point @returns {[Node, number]} */
  #native(point) {
    const { mounted } = this.#view.pool;
    const index = this.#index(point);
    const one = mounted[index - mounted[0].index];
    if (index < mounted[0].index) return [mounted[0].element, 0];
    if (!one) return [mounted[mounted.length - 1].element, mounted[mounted.length - 1].element.childNodes.length];
    if (point.offset < 0) return [one.element, 0];
    if (point.offset === Infinity) return [one.element, one.element.childNodes.length];
    return characterAt(one.element.querySelector(".text") ?? one.element, point.offset);
  }

  /** @param {Point} point */
  #index({ n }) {
    return Math.max(0, Math.min(this.#view.viewport.count - 1, this.#view.viewport.rows.indexOf(n)));
  }

  /** The first and the last; null where both are in one row, which the browser copies by itself. @returns {[Point, Point] | null} */
  #ordered() {
    if (!this.#model || this.#view.viewport.count === 0) return null;
    const { anchor, focus } = this.#model;
    const [a, b] = [this.#index(anchor), this.#index(focus)];
    if (a === b) return null;
    return a < b ? [anchor, focus] : [focus, anchor];
  }

  /** @param {ClipboardEvent} event */
  #copied(event) {
    this.#changed(); // a copy may come before the browser tells that the selection changed
    const ends = this.#ordered();
    const selection = document.getSelection();
    if (!ends || !event.clipboardData || (event.target instanceof Element && event.target.closest("input, textarea"))) return;
    // By now something else is selected, elsewhere on the page.
    if (selection && !selection.isCollapsed && !this.#list.contains(selection.anchorNode)) return;
    event.preventDefault();
    const [first, last] = ends;
    this.#copying.copy(event.clipboardData, { first, last, from: this.#index(first), to: this.#index(last) });
  }
}

/** @param {Point} one @param {Point | null} other */
function samePlace(one, other) {
  if (!other || one.key !== other.key) return false;
  const atEnd = (/** @type {Point} */ { offset, text }) => offset >= text.length;
  return one.offset === other.offset || Math.max(one.offset, other.offset) <= 0 || (atEnd(one) && atEnd(other));
}

/** @param {Element} cell @param {number} offset @returns {[Node, number]} */
function characterAt(cell, offset) {
  const walker = document.createTreeWalker(cell, NodeFilter.SHOW_TEXT);
  let left = offset;
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const length = node.nodeValue?.length ?? 0;
    if (left <= length) return [node, left];
    left -= length;
  }
  return [cell, cell.childNodes.length];
}
