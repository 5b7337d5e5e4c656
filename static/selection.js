// Owns selecting in a log whose rows come and go: where a selection begins and ends, as lines and not as elements.
// It hands out every line between, mounted or not. What the browser shows as selected follows from that.
// It fetches nothing itself: lines that are not held it asks for.

import { gapText, rewindText } from "./between.js";
import { lineText } from "./line.js";

/**
 * @typedef {import("./log-view.js").LogView} LogView
 * @typedef {import("./lines.js").LineStore} LineStore
 * @typedef {import("./follower.js").Line} Line
 * @typedef {import("./pager.js").Range} Range
 *
 * A place in the log: so many characters into the text of a line; before it (-1), after it (Infinity). `order` is the
 * index of the row, to tell which of two comes first.
 * @typedef {{n: number, key: number | string, offset: number, text: string}} Point
 */

const MOST_COPIED_LINES = 100_000;
const MOST_COPIED_CHARACTERS = 32_000_000;

export class LogSelection {
  #view;
  #store;
  #list;
  #read;
  #say;
  /** @type {{anchor: Point, focus: Point} | null} */
  #model = null;
  /** What we made the browser show; whatever differs from it was done by a person. @type {(Node | number | null)[]} */
  #applied = [];
  /** Where that begins. @type {Point | null} */
  #begins = null;
  /** Where somebody clicked last: from there Shift and a click select, also when that row has left. @type {Point | null} */
  #caret = null;
  #fromCaret = false;

  /**
   * @param {object} options
   * @param {LogView} options.view
   * @param {LineStore} options.store
   * @param {HTMLElement} options.scroller
   * @param {HTMLElement} options.list
   * @param {(range: Range, signal: AbortSignal) => AsyncIterable<{lines: Line[]} | {gap: import("./lines.js").Gap}>} options.read
   *   lines by number, where they are not held
   * @param {(text: string) => void} options.say tells a person what became of a copy
   */
  constructor({ view, store, scroller, list, read, say }) {
    this.#view = view;
    this.#store = store;
    this.#list = list;
    this.#read = read;
    this.#say = say;
    document.addEventListener("selectionchange", () => this.#changed());
    list.addEventListener("mousedown", ({ button, shiftKey }) => {
      this.#fromCaret = shiftKey && button === 0 && this.#caret !== null && !this.#model && !this.#isMounted(this.#caret);
    });
    document.addEventListener("copy", (event) => this.#copied(event));
    // What somebody selected in the very moment in which rows are drawn: the browser tells of it later.
    view.addEventListener("painting", () => this.#changed());
    view.addEventListener("painted", () => this.#show());
    scroller.addEventListener("keydown", (event) => {
      if (event.key !== "a" || event.altKey || event.shiftKey || !(event.ctrlKey || event.metaKey)) return;
      event.preventDefault();
      this.all();
    });
  }

  /** The rows that are selected, as indices; null when nothing is, or not more than a part of one row. @returns {Range | null} */
  get rows() {
    const ordered = this.#ordered();
    return ordered && [this.#index(ordered[0]), this.#index(ordered[1])];
  }

  /** Select every line of the log. */
  all() {
    const { count, rows } = this.#view;
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
      // A row that leaves takes the browser's selection along; ours stays until somebody selects something else.
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

  /** @param {Point} point */
  #isMounted({ key }) {
    return this.#view.mounted.some(({ row }) => row.key === key);
  }

  /** @param {Node | null} node @param {number} offset @returns {Point | null} */
  #point(node, offset) {
    const owner = this.#view.owner(node);
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
    const mounted = this.#view.mounted;
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
    const mounted = this.#view.mounted;
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
    const mounted = this.#view.mounted;
    const index = this.#index(point);
    const one = mounted[index - mounted[0].index];
    if (index < mounted[0].index) return [mounted[0].element, 0];
    if (!one) return [mounted[mounted.length - 1].element, mounted[mounted.length - 1].element.childNodes.length];
    if (point.offset < 0) return [one.element, 0];
    if (point.offset === Infinity) return [one.element, one.element.childNodes.length];
    return characterAt(one.element.querySelector(".text") ?? one.element, point.offset);
  }

  // --- what is copied -------------------------------------------------------------------------------------------

  /** @param {Point} point */
  #index({ n, key }) {
    const rows = this.#view.rows;
    const index = Math.min(this.#view.count - 1, rows.indexOf(n));
    // Rows without a number of their own stand right before the line whose number they bear.
    for (let i = index; i >= 0 && typeof key === "string" && index - i < 2000; i -= 1) if (rows.rowAt(i).key === key) return i;
    return Math.max(0, index);
  }

  /** The first and the last; null where both are in one row, which the browser copies by itself. @returns {[Point, Point] | null} */
  #ordered() {
    if (!this.#model || this.#view.count === 0) return null;
    const { anchor, focus } = this.#model;
    const [a, b] = [this.#index(anchor), this.#index(focus)];
    if (a === b) return null;
    return a < b ? [anchor, focus] : [focus, anchor];
  }

  /** @param {ClipboardEvent} event */
  #copied(event) {
    this.#changed(); // whoever copies at once is ahead of the browser's word that the selection changed
    const ends = this.#ordered();
    const selection = document.getSelection();
    if (!ends || !event.clipboardData || (event.target instanceof Element && event.target.closest("input, textarea"))) return;
    // Something else is selected by now, elsewhere on the page.
    if (selection && !selection.isCollapsed && !this.#list.contains(selection.anchorNode)) return;
    const [from, to] = [this.#index(ends[0]), this.#index(ends[1])];
    event.preventDefault();
    if (to - from + 1 > MOST_COPIED_LINES) {
      return this.#say(`That is ${(to - from + 1).toLocaleString("en-GB")} lines, too many for the clipboard. Use Download.`);
    }
    const lacking = this.#lacking(from, to);
    if (lacking.length === 0) {
      const text = this.#text(ends, from, to, new Map());
      if (text === null) return this.#say("That is too much text for the clipboard. Use Download.");
      event.clipboardData.setData("text/plain", text);
      return this.#say(`Copied ${(to - from + 1).toLocaleString("en-GB")} lines.`);
    }
    void this.#fetchAndCopy(ends, from, to, lacking);
  }

  /** @param {number} from @param {number} to @returns {Range[]} */
  #lacking(from, to) {
    /** @type {Range[]} */
    const ranges = [];
    for (let index = from; index <= to; index += 1) {
      const { kind, n } = this.#view.rows.rowAt(index);
      if (kind !== "line" || this.#store.get(n) || this.#store.gapAt(n)) continue;
      const end = ranges.at(-1);
      if (end && n - end[1] <= 50) end[1] = n;
      else ranges.push([n, n]);
    }
    return ranges;
  }

  /** @param {[Point, Point]} ends @param {number} from @param {number} to @param {Range[]} lacking */
  async #fetchAndCopy(ends, from, to, lacking) {
    this.#say("Fetching the lines that are to be copied…");
    const fetched = this.#fetched(ends, from, to, lacking);
    try {
      // The promise goes in, and not the text: what is pressed now may be written when it has come.
      if (!navigator.clipboard?.write) throw new Error("no clipboard without a secure connection");
      const blob = fetched.then((text) => new Blob([text], { type: "text/plain" }));
      await navigator.clipboard.write([new ClipboardItem({ "text/plain": blob })]);
      this.#say(`Copied ${(to - from + 1).toLocaleString("en-GB")} lines.`);
    } catch {
      const text = await fetched.catch(() => null);
      if (text === null) return this.#say("Not copied: the lines could not be fetched, or are too much text. Use Download.");
      await navigator.clipboard?.writeText(text).then(
        () => this.#say(`Copied ${(to - from + 1).toLocaleString("en-GB")} lines.`),
        () => this.#say("The lines are here now. Copy once more."),
      );
      if (!navigator.clipboard) this.#say("The lines are here now. Copy once more.");
    }
  }

  /** @param {[Point, Point]} ends @param {number} from @param {number} to @param {Range[]} lacking @returns {Promise<string>} */
  async #fetched(ends, from, to, lacking) {
    const abort = new AbortController();
    /** @type {Map<number, Line>} */
    const lines = new Map();
    let characters = 0;
    for (const range of lacking) {
      for await (const part of this.#read(range, abort.signal)) {
        if ("gap" in part) {
          this.#store.gap(part.gap);
          continue;
        }
        for (const line of part.lines) {
          lines.set(line.n, line);
          characters += line.text.length;
        }
        this.#store.put(part.lines);
        if (characters > MOST_COPIED_CHARACTERS) throw new Error("too much text");
      }
    }
    const text = this.#text(ends, from, to, lines);
    if (text === null) throw new Error("too much text");
    return text;
  }

  /**
   * As shown, with a newline after each line but the last; null when it is too much.
   * @param {[Point, Point]} ends @param {number} from @param {number} to @param {Map<number, Line>} fetched
   */
  #text([first, last], from, to, fetched) {
    const { rows } = this.#view;
    /** @type {string[]} */
    const texts = [];
    let characters = 0;
    for (let index = from; index <= to; index += 1) {
      const row = rows.rowAt(index);
      let text = this.#rowText(row, fetched, this.#view.optionsAt(index));
      const whole = text;
      if (index === to && last.offset < Infinity) text = last.offset < 0 ? "" : whole.slice(0, within(whole, last));
      if (index === from && first.offset >= 0) text = first.offset === Infinity ? "" : whole.slice(within(whole, first));
      texts.push(text);
      characters += text.length;
      if (characters > MOST_COPIED_CHARACTERS) return null;
    }
    return texts.join("\n");
  }

  /** @param {import("./rows.js").Row} row @param {Map<number, Line>} fetched @param {import("./log-view.js").RowOptions} options */
  #rowText(row, fetched, options) {
    if (row.kind === "gap") return gapText(row);
    if (row.kind === "fold") return row.fold.label;
    if (row.kind === "extra") {
      const { line, rewind } = /** @type {{line?: Line, rewind?: any}} */ (row.item);
      return line ? lineText(line, options) : rewindText(rewind);
    }
    const line = this.#store.get(row.n) ?? fetched.get(row.n);
    if (line) return lineText(line, options);
    const gap = this.#store.gapAt(row.n);
    return gap ? gapText(gap) : "";
  }
}

/** @param {Point} one @param {Point | null} other */
function samePlace(one, other) {
  if (!other || one.key !== other.key) return false;
  const atEnd = (/** @type {Point} */ { offset, text }) => offset >= text.length;
  return one.offset === other.offset || Math.max(one.offset, other.offset) <= 0 || (atEnd(one) && atEnd(other));
}

/**
 * Where a place is in the row's text. What stands before a line's own text (time, level, phase) counts; of a long line,
 * only the beginning may be shown.
 * @param {string} whole @param {Point} point
 */
function within(whole, { text, offset }) {
  const from = whole.endsWith(text) ? whole.length - text.length : Math.max(0, whole.indexOf(text));
  return from + offset;
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
