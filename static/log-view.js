// Owns showing a log in its scroller: some hundred elements for any number of rows, follow, pause, the line looked for.
// It knows no network: what it lacks it says (`want`), and draws when the store has it. Rows are built by line.js.
// It never moves what a person reads: the row at the top stays where it is, whatever changes above or below it.

import { foldRow, gapRow, missingRow, rewindRow } from "./between.js";
import { Layout, scrollMap } from "./layout.js";
import { lineRow } from "./line.js";

/**
 * @typedef {import("./lines.js").LineStore} LineStore
 * @typedef {import("./rows.js").Rows} Rows
 * @typedef {import("./rows.js").Row} Row
 * @typedef {import("./pager.js").Range} Range
 * @typedef {{find: (text: string) => [number, number][]}} Matcher where a text matches: starts and ends
 * @typedef {{matcher?: Matcher | null, [more: string]: unknown}} RowOptions what line.js takes
 * @typedef {{row: Row, element: HTMLElement, index: number, held: boolean, alone: boolean}} Mounted `alone`: built without
 *   the line before it
 */

const MOST_ROWS = 300; // elements, at any time
const AWAY_PX = 40; // two rows: nearer to the end than that, nobody has left it
const BELOW_PX = 8; // room under the last row
const JUMP_PX = 3000; // more in one scroll event was the scrollbar, not a wheel or a finger
const SETTLED_MS = 150; // after so long without a scroll event the scrollbar is put where it belongs
const ROUNDS = 4; // of drawing and measuring within one frame
const FOCUSABLE = "a, button, summary, [tabindex]";
const MARGIN = 200; // lines around the window that are wanted as well

/**
 * Events: `change`, whenever `following`, `unseen`, `held`, `paused` or `count` changed · `want` {ranges}: lines that
 * it lacks, the most urgent first · `found` {n}: the line looked for is in view, or the gap in its place · `hidden` {n}:
 * the rows do not show the line looked for · `toprow` {n}: another row is at the top · `painting` before rows come and go, `painted` after.
 */
export class LogView extends EventTarget {
  #scroller;
  #space;
  #list;
  /** @type {LineStore} */
  #store;
  /** @type {Rows} */
  #rows;
  #layout = new Layout(20);
  /** @type {RowOptions} */
  #options;

  /** @type {Map<Row["key"], Mounted>} in their order on the page */
  #mounted = new Map();
  /** @type {WeakMap<Element, Mounted>} */
  #owners = new WeakMap();
  #start = 0; // the index of the first mounted row
  #frame = 0;
  #stale = true; // heights must be measured anew
  #others = false; // rows are others than those that were drawn
  #anew = false; // the elements of rows are to be built anew
  #wrap = true;
  #size = { width: 0, height: 0 };

  // Where the view is: the place in the rows at its top, and the row that holds it there.
  #top = 0;
  #anchor = { n: 1, at: 0, share: 0, shared: false };
  #bar = 0; // the scrollbar's place that we know of
  #moved = -Infinity; // when somebody last scrolled
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #rest;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #around;

  #following = true;
  #paused = false;
  #frozen = 0; // while paused: the number of the last line shown
  #held = { lines: 0, errors: 0 };
  #seen; // the number of the last line that was in view when follow let go
  #complete = false;

  #target = 0; // the line to bring into view as soon as there is a row for it
  #finding = 0; // it is there, and its line is on its way
  #marked = { first: 0, last: -1 };
  /** @type {{key: Row["key"], place: number} | null} where somebody was in a row that left */
  #left = null;
  #wanted = "";
  #told = "";
  #topRow = 0;

  /**
   * @param {object} options
   * @param {HTMLElement} options.scroller the region that scrolls
   * @param {HTMLElement} options.space the empty element in it that is as high as all rows
   * @param {HTMLElement} options.list the empty element in that which takes the rows
   * @param {LineStore} options.store
   * @param {Rows} options.rows
   * @param {number} [options.known] lines up to this number were there when the page opened: they are not "new"
   * @param {RowOptions} [options.options] for the row builder
   */
  constructor({ scroller, space, list, store, rows, known = 0, options = {} }) {
    super();
    this.#scroller = scroller;
    this.#space = space;
    this.#list = list;
    this.#store = store;
    this.#rows = rows;
    this.#seen = known;
    this.#options = options;
    this.#size = { width: scroller.clientWidth, height: scroller.clientHeight };
    this.#rows.addEventListener("change", this.#onRows);
    this.#listen();
    this.#measureEstimate();
    this.#schedule();
  }

  // --- what others read -----------------------------------------------------------------------------------------

  get following() {
    return this.#following;
  }

  get paused() {
    return this.#paused;
  }

  /** What arrived while paused. */
  get held() {
    return { ...this.#held };
  }

  get rows() {
    return this.#rows;
  }

  get options() {
    return this.#options;
  }

  /** How many rows there are to see. */
  get count() {
    return this.#paused ? Math.min(this.#rows.length, this.#rows.indexOf(this.#frozen + 1)) : this.#rows.length;
  }

  /** How many rows came below since follow let go. */
  get unseen() {
    return this.#following ? 0 : Math.max(0, this.count - this.#rows.indexOf(this.#seen + 1));
  }

  /** The number of the last line that can be seen. */
  get shown() {
    if (this.#paused) return this.#frozen;
    return this.#rows.length ? this.#rows.rowAt(this.#rows.length - 1).last : 0;
  }

  /** The number of the line at the top. */
  get top() {
    return this.#topRow;
  }

  get wrap() {
    return this.#wrap;
  }

  /** The rows that have elements, in order. @returns {Mounted[]} */
  get mounted() {
    return [...this.#mounted.values()];
  }

  /** The row that an element belongs to. @param {Node | null} node @returns {Mounted | null} */
  owner(node) {
    let element = node instanceof Element ? node : (node?.parentElement ?? null);
    while (element && element.parentElement !== this.#list) element = element.parentElement;
    return element ? (this.#owners.get(element) ?? null) : null;
  }

  // --- what others do -------------------------------------------------------------------------------------------

  /** Show these rows from now on; the line at the top stays there, or the one that follows it. @param {Rows} rows */
  setRows(rows) {
    if (rows === this.#rows) return;
    this.#rows.removeEventListener("change", this.#onRows);
    this.#rows = rows;
    rows.addEventListener("change", this.#onRows);
    this.#layout.forget(0);
    this.#others = true;
    this.#stale = true;
    this.#schedule();
  }

  /** What is highlighted in the rows. @param {Matcher | null} matcher */
  setMatcher(matcher) {
    this.#options = { ...this.#options, matcher };
    this.rerender();
  }

  /** For the row builder; what is not named stays. @param {RowOptions} options */
  setOptions(options) {
    this.#options = { ...this.#options, ...options };
    this.rerender();
  }

  /** Build every row anew, when it is drawn: until then the old ones stand. */
  rerender() {
    this.#anew = true;
    this.#stale = true;
    this.#schedule();
  }

  /** Whether long lines go on in the next row. @param {boolean} wrap */
  setWrap(wrap) {
    if (wrap === this.#wrap) return;
    this.#wrap = wrap;
    this.#scroller.classList.toggle("nowrap", !wrap);
    this.#scroller.scrollLeft = 0;
    this.#forgetHeights();
    this.#paint();
  }

  /** Freezes the view, and only the view: what arrives is kept, and counted. */
  pause() {
    if (this.#paused) return;
    this.#frozen = this.shown;
    this.#paused = true;
    this.#held = { lines: 0, errors: 0 };
    this.#schedule();
  }

  resume() {
    if (!this.#paused) return;
    this.#paused = false;
    this.#held = { lines: 0, errors: 0 };
    this.#schedule();
  }

  /** Keep the newest line in view from now on. */
  follow() {
    this.#target = 0;
    this.#finding = 0;
    this.#following = true;
    this.#schedule();
  }

  letGo() {
    if (!this.#following) return;
    this.#catchUp();
    this.#seen = Math.max(this.#seen, this.shown);
    this.#following = false;
    this.#anchorAt(this.#top);
    this.#schedule();
  }

  /** Nothing comes any more: the number of rows is known for good. */
  complete() {
    this.#complete = true;
    this.#schedule();
  }

  /** Bring a line into view, now or as soon as there is one. @param {number} n */
  seek(n) {
    this.letGo();
    this.#target = n;
    this.#finding = 0;
    this.#schedule();
  }

  /** The first of the lines that are marked; 0: none are. */
  get marked() {
    return this.#marked.first;
  }

  /** Mark lines without moving anything. @param {number} first 0 marks none @param {number} [last] */
  mark(first, last = first) {
    this.#marked = first ? { first, last } : { first: 0, last: -1 };
    for (const one of this.#mounted.values()) this.#showMark(one);
  }

  /** Up (negative) or down by so many pixels. @param {number} px */
  by(px) {
    this.#catchUp();
    if (px < 0 && this.#layout.total > this.#size.height) this.letGo();
    if (this.#following) return;
    this.#goTo(this.#top + px);
  }

  /** By about a screen; a row of the old one stays in view. @param {1 | -1} screens */
  page(screens) {
    this.by(screens * Math.max(this.#layout.estimate, this.#size.height - 2 * this.#layout.estimate));
  }

  /** By one row. @param {1 | -1} rows */
  step(rows) {
    this.by(rows * this.#layout.estimate);
  }

  toFirst() {
    if (this.#layout.total > this.#size.height) this.letGo();
    if (!this.#following) this.#goTo(0);
  }

  // --- where it is ----------------------------------------------------------------------------------------------

  /** @param {number} top */
  #goTo(top) {
    this.#catchUp();
    this.#target = 0;
    this.#finding = 0;
    this.#anchorAt(top);
    this.#schedule();
  }

  get #most() {
    return Math.max(0, this.#layout.total + BELOW_PX - this.#size.height);
  }

  /** The row at that place holds the view from now on. @param {number} top */
  #anchorAt(top) {
    top = Math.min(this.#most, Math.max(0, top));
    this.#top = top;
    const count = this.#layout.length;
    if (count === 0) return void (this.#anchor = { n: 1, at: 0, share: 0, shared: false });
    let index = this.#layout.at(top);
    // Rows without numbers cannot be found again by a number: the next one that has one holds the view.
    while (index < count - 1 && this.#rows.rowAt(index).kind === "extra") index += 1;
    while (index > 0 && this.#rows.rowAt(index).kind === "extra") index -= 1;
    const at = this.#layout.offset(index) - top;
    const share = at < 0 ? -at / this.#layout.height(index) : 0;
    this.#anchor = { n: this.#rows.numberAt(index), at, share, shared: false };
  }

  /** The place in the rows that is at the top, as things are now. */
  #where() {
    if (this.#following) return this.#most;
    const count = this.#layout.length;
    if (count === 0) return 0;
    const index = Math.min(count - 1, this.#rows.indexOf(this.#anchor.n));
    const { at, share, shared } = this.#anchor;
    const height = this.#layout.height(index);
    // Its height is another now: the same share of it is cut off above the top, but never all of it.
    const below = shared && at < 0 ? -Math.min(share * height, Math.max(0, height - this.#layout.estimate)) : at;
    return Math.min(this.#most, Math.max(0, this.#layout.offset(index) - below));
  }

  #forgetHeights() {
    this.#catchUp();
    // The line at the top stays there, whichever line held the view; unless one is still looked for.
    if (!this.#following && !this.#finding) this.#anchorAt(this.#top);
    this.#layout.reset();
    this.#measureEstimate();
    this.#stale = true;
    this.#anchor.shared = true;
  }

  /** How high a row of one line is. */
  #measureEstimate() {
    const probe = lineRow({ n: 1, time: "2026-01-31T09:30:00.125Z", level: "info", text: "x" }, this.#options);
    probe.removeAttribute("id");
    probe.setAttribute("role", "listitem");
    this.#list.append(probe);
    const { height } = probe.getBoundingClientRect();
    probe.remove();
    if (height > 0) this.#layout.reset(height);
  }

  // --- drawing --------------------------------------------------------------------------------------------------

  #schedule() {
    // A hidden tab gets no frames: nothing is drawn until somebody looks.
    this.#frame ||= requestAnimationFrame(() => {
      this.#frame = 0;
      this.#paint();
    });
  }

  #paint() {
    this.dispatchEvent(new Event("painting"));
    if (this.#frame) cancelAnimationFrame(this.#frame);
    this.#frame = 0;
    this.#others = false;
    this.#layout.resize(this.count);
    this.#reach();
    let top = this.#where();
    // After a jump what is seen comes first, and what is around it when no other jump follows at once.
    const jumped = this.#jumped(top);
    const spare = jumped ? this.#layout.estimate : this.#size.height;
    if (jumped) {
      clearTimeout(this.#around);
      this.#around = setTimeout(() => this.#schedule(), SETTLED_MS);
    }
    let window = this.#window(top, spare);
    for (let round = 0; round < ROUNDS; round += 1) {
      this.#measure(this.#mount(window));
      top = this.#where();
      const next = this.#window(top, spare);
      if (next.start >= window.start && next.end <= window.end) break;
      window = next;
    }
    this.#place(top);
    this.#tell();
  }

  /** Whether nothing of what is to be seen is there already. @param {number} top */
  #jumped(top) {
    const first = this.#layout.at(top);
    return first >= this.#start + this.#mounted.size || this.#layout.at(top + this.#size.height) < this.#start;
  }

  /** The rows that have elements when that place is at the top. @param {number} top @param {number} around in pixels */
  #window(top, around) {
    const { height } = this.#size;
    const count = this.#layout.length;
    if (count === 0) return { start: 0, end: 0 };
    const first = this.#layout.at(top);
    const last = this.#layout.at(top + height) + 1;
    const spare = Math.max(0, MOST_ROWS - (last - first)) >> 1;
    const start = Math.max(first - spare, this.#layout.at(top - around));
    const end = Math.min(last + spare, this.#layout.at(top + height + around) + 1);
    return { start, end: Math.min(end, start + MOST_ROWS) };
  }

  /** @param {{start: number, end: number}} window @returns {Mounted[]} those whose heights are not known */
  #mount({ start, end }) {
    const before = this.#mounted;
    const kept = this.#anew ? new Map() : before;
    this.#anew = false;
    /** @type {Map<Row["key"], Mounted>} */
    const after = new Map();
    /** @type {Mounted[]} */
    const fresh = [];
    for (let index = start; index < end; index += 1) {
      const row = this.#rows.rowAt(index);
      let one = kept.get(row.key);
      if (one && !one.held && this.#holds(row)) one = undefined;
      if (one?.alone && this.#timeBefore(index) !== null) one = undefined; // the line before it has come
      if (one) {
        if (one.index !== index) one.element.setAttribute("aria-posinset", String(index + 1));
        one.index = index;
        one.row = row;
      } else {
        one = this.#make(row, index);
        fresh.push(one);
      }
      after.set(row.key, one);
    }
    for (const [key, one] of before) if (after.get(key) !== one) this.#remove(one.element);
    let next = this.#list.firstElementChild;
    for (const { element } of after.values()) {
      if (element === next) next = next.nextElementSibling;
      else this.#list.insertBefore(element, next);
    }
    this.#mounted = after;
    this.#start = start;
    this.#comeBack();
    return fresh;
  }

  /** Whoever was in a row that leaves keeps the log's keys, and has the row's again when it comes back. @param {HTMLElement} element */
  #remove(element) {
    const active = document.activeElement;
    if (active && element.contains(active)) {
      const place = [element, ...element.querySelectorAll(FOCUSABLE)].indexOf(active);
      this.#left = { key: this.#owners.get(element)?.row.key ?? 0, place };
      this.#scroller.focus({ preventScroll: true });
    }
    element.remove();
  }

  /** The row that somebody was in may have been built anew. */
  #comeBack() {
    const left = this.#left;
    const element = left && this.#mounted.get(left.key)?.element;
    if (!element) return;
    this.#left = null;
    if (document.activeElement !== this.#scroller) return; // they went elsewhere meanwhile
    const back = [element, ...element.querySelectorAll(FOCUSABLE)][left.place];
    /** @type {HTMLElement | undefined} */ (back)?.focus({ preventScroll: true });
  }

  /** @param {Row} row */
  #holds(row) {
    return row.kind !== "line" || this.#store.get(row.n) !== undefined || this.#store.gapAt(row.n) !== undefined;
  }

  /** @param {Row} row @param {number} index @returns {Mounted} */
  #make(row, index) {
    const element = this.#build(row, index);
    element.setAttribute("role", "listitem");
    element.setAttribute("aria-posinset", String(index + 1));
    element.setAttribute("aria-setsize", this.#complete ? String(this.#layout.length) : "-1");
    const held = this.#holds(row);
    const alone = held && row.kind === "line" && index > 0 && this.#timeBefore(index) === null;
    const one = { row, element, index, held, alone };
    this.#owners.set(element, one);
    this.#showMark(one);
    return one;
  }

  /** A line's time may be shown since that of the row before it. @param {number} index @returns {RowOptions} */
  optionsAt(index) {
    const before = this.#timeBefore(index);
    return { ...this.#options, time: { .../** @type {object} */ (this.#options.time ?? {}), before } };
  }

  /** @param {number} index @returns {string | null} null where it is not held, or there is none */
  #timeBefore(index) {
    const row = index > 0 ? this.#rows.rowAt(index - 1) : null;
    return (row?.kind === "line" && this.#store.get(row.n)?.time) || null;
  }

  /** @param {Row} row @param {number} index @returns {HTMLElement} */
  #build(row, index) {
    if (row.kind === "gap") return gapRow(row);
    if (row.kind === "fold") return foldRow(row);
    if (row.kind === "extra") {
      const { line, rewind } = /** @type {{line?: any, rewind?: any}} */ (row.item);
      return line ? undone(lineRow(line, this.#options)) : rewindRow(rewind);
    }
    const line = this.#store.get(row.n);
    if (line) return lineRow(line, this.optionsAt(index));
    const gap = this.#store.gapAt(row.n);
    return gap ? gapRow(gap) : missingRow(row.n);
  }

  /** @param {Mounted} one */
  #showMark({ row, element }) {
    const { first, last } = this.#marked;
    element.classList.toggle("is-target", row.kind !== "extra" && row.first <= last && row.last >= first);
  }

  /** @param {Mounted[]} fresh */
  #measure(fresh) {
    const whom = this.#stale ? this.#mounted.values() : fresh;
    this.#stale = false;
    // All are read before anything is written: one layout for all of them.
    for (const { element, index } of whom) {
      const { height } = element.getBoundingClientRect();
      if (Math.abs(height - this.#layout.height(index)) > 0.01) this.#layout.set(index, height);
    }
  }

  /** @param {number} top */
  #place(top) {
    const { height } = this.#size;
    const map = scrollMap(this.#layout.total + BELOW_PX, height);
    write(this.#space, "height", `${Math.round(map.height)}px`);
    const settled = this.#following || performance.now() - this.#moved > SETTLED_MS;
    const most = Math.max(0, Math.round(map.height) - height);
    const stuck = (this.#bar <= 0 && top > 0) || (this.#bar >= most - 1 && top < this.#most - 1) || this.#bar > most;
    const wanted = settled || stuck ? Math.min(most, Math.round(map.bar(top))) : this.#bar;
    const moves = Math.abs(wanted - this.#bar) >= 0.5;
    // The rows stand where the view is, wherever the scrollbar may be: it follows when it has come to rest.
    const at = this.#layout.offset(this.#start) - top;
    write(this.#list, "top", `${at + (moves ? wanted : this.#bar)}px`);
    if (moves) {
      this.#scroller.scrollTop = wanted;
      this.#bar = this.#scroller.scrollTop; // on some screens it is rounded to what they can show
      write(this.#list, "top", `${at + this.#bar}px`);
    }
    if (this.#following) this.#top = top;
    else this.#stay(top); // near the end a row cannot stand where it was wanted; it stays where it is now
  }

  /** The same row holds the view, where it is now. @param {number} top */
  #stay(top) {
    this.#top = top;
    if (this.#layout.length === 0) return;
    const index = Math.min(this.#layout.length - 1, this.#rows.indexOf(this.#anchor.n));
    const at = this.#layout.offset(index) - top;
    // Far outside of the view, it is of no use to who reads something else by now.
    if (at > this.#size.height || at + this.#layout.height(index) <= 0) this.#anchorAt(top);
    else this.#anchor = { ...this.#anchor, at, share: at < 0 ? -at / this.#layout.height(index) : 0, shared: false };
  }

  // --- what is told after drawing -------------------------------------------------------------------------------

  #tell() {
    const { length } = this.#layout;
    const visible = length ? this.#layout.at(this.#top + 1) : 0;
    const n = length ? this.#rows.numberAt(visible) : 0;
    this.#store.focus(this.#following ? Infinity : n);
    this.#lack();
    if (this.#finding && (this.#store.get(this.#finding) || this.#store.gapAt(this.#finding))) {
      const detail = { n: this.#finding };
      this.#finding = 0;
      this.dispatchEvent(new CustomEvent("found", { detail }));
    }
    if (n !== this.#topRow) {
      this.#topRow = n;
      this.dispatchEvent(new CustomEvent("toprow", { detail: { n } }));
    }
    if (this.#complete) this.#tellSize(length);
    const told = [this.#following, this.#paused, this.unseen, length, this.#held.lines, this.#held.errors].join();
    if (told !== this.#told) {
      this.#told = told;
      this.dispatchEvent(new Event("change"));
    }
    this.dispatchEvent(new Event("painted"));
  }

  /** @param {number} length */
  #tellSize(length) {
    for (const { element } of this.#mounted.values()) {
      if (element.getAttribute("aria-setsize") !== String(length)) element.setAttribute("aria-setsize", String(length));
    }
  }

  /** Says which lines it lacks: those in view first. */
  #lack() {
    /** @type {Range[]} */
    let ranges = [];
    for (const { row, held } of this.#mounted.values()) {
      if (held) continue;
      const end = ranges.at(-1);
      // Of lines that stand close together, those between are fetched as well.
      if (end && row.n - end[1] <= 50) end[1] = row.n;
      else ranges.push([row.n, row.n]);
    }
    if (ranges.length) {
      const [first, last] = [ranges[0], ranges[ranges.length - 1]];
      first[0] = Math.max(1, first[0] - MARGIN);
      last[1] = Math.min(this.shown, last[1] + MARGIN);
      ranges = ranges.flatMap(([from, to]) => this.#store.missing(from, to));
      const n = this.#anchor.n;
      const far = (/** @type {Range} */ [from, to]) => (n < from ? from - n : n > to ? n - to : 0);
      ranges.sort((a, b) => far(a) - far(b));
    }
    const wanted = ranges.join(" ");
    if (wanted === this.#wanted) return;
    this.#wanted = wanted;
    this.dispatchEvent(new CustomEvent("want", { detail: { ranges } }));
  }

  /** The line looked for, if there is a row for it now. */
  #reach() {
    const n = this.#target;
    if (!n) return;
    const rows = /** @type {Rows & {unfold?: (n: number) => boolean}} */ (this.#rows);
    if (rows.unfold?.(n)) this.#layout.resize(this.count);
    const index = rows.indexOf(n);
    if (!rows.has(n)) {
      if (n > this.#store.last) return; // it may come
      this.#target = 0;
      this.#anchor = { n, at: this.#size.height / 2, share: 0, shared: false };
      return void queueMicrotask(() => this.dispatchEvent(new CustomEvent("hidden", { detail: { n } })));
    }
    if (index >= this.#layout.length) return; // frozen: it is there, and not shown yet
    this.#target = 0;
    this.#finding = n;
    const at = Math.max(0, (this.#size.height - this.#layout.height(index)) / 2);
    this.#anchor = { n: rows.numberAt(index), at, share: 0, shared: false };
    this.#moved = -Infinity;
  }

  // --- what happens to it ---------------------------------------------------------------------------------------

  #onRows = (/** @type {Event} */ event) => {
    const { from } = /** @type {CustomEvent<{from: number}>} */ (event).detail;
    if (from < this.#layout.length) {
      this.#layout.forget(from);
      this.#others = true;
      this.#stale = true;
    }
    this.#schedule();
  };

  /** Rows became others, and were not drawn yet: who moves on moves from where the view is among those there are now. */
  #catchUp() {
    if (!this.#others) return;
    this.#others = false;
    this.#layout.resize(this.count);
    this.#top = this.#where();
  }

  #listen() {
    this.#store.addEventListener("lines", (event) => this.#arrived(/** @type {CustomEvent} */ (event).detail));
    this.#store.addEventListener("gap", () => this.#schedule());
    this.#store.addEventListener("rewind", (event) => this.#rewound(/** @type {CustomEvent} */ (event).detail.last));
    const scroller = this.#scroller;
    const left = { passive: true };
    scroller.addEventListener("wheel", (event) => event.deltaY < 0 && this.#wheeledUp(), left);
    scroller.addEventListener("scroll", () => this.#scrolled(), left);
    this.#list.addEventListener("click", (event) => this.#clicked(event));
    this.#list.addEventListener("unfold", () => this.letGo()); // a row became higher: what is opened stays where it is
    const sizes = new ResizeObserver(() => this.#resized());
    sizes.observe(scroller);
    sizes.observe(this.#list);
    document.addEventListener("visibilitychange", () => !document.hidden && this.#schedule());
  }

  /** @param {{first: number, last: number, errors: number}} arrived */
  #arrived({ first, last, errors }) {
    if (this.#paused && first > this.#frozen) {
      this.#held.lines += last - first + 1;
      this.#held.errors += errors;
    }
    this.#schedule();
  }

  /** @param {number} last */
  #rewound(last) {
    for (const { row, element } of this.#mounted.values()) {
      if (row.kind === "line" && row.n > last) {
        this.#mounted.delete(row.key);
        this.#remove(element);
      }
    }
    this.#seen = Math.min(this.#seen, last);
    if (this.#paused) {
      this.#frozen = Math.min(this.#frozen, last);
      this.#held = { lines: 0, errors: 0 };
      for (let n = this.#frozen + 1; n <= last; n += 1) {
        this.#held.lines += 1;
        if (this.#store.get(n)?.level === "error") this.#held.errors += 1;
      }
    }
    this.#stale = true;
    this.#schedule();
  }

  #wheeledUp() {
    if (this.#layout.total > this.#size.height) this.letGo();
  }

  /** Not by us: a wheel, a finger, the scrollbar, the browser's own search. */
  #scrolled() {
    const bar = this.#scroller.scrollTop;
    const moved = bar - this.#bar;
    if (Math.abs(moved) < 0.5) return;
    this.#bar = bar;
    // An address that names a line makes a browser go there by itself; we are on the way already.
    if (this.#target && this.#rows.has(this.#target)) return this.#schedule();
    // Another size makes a browser move its scrollbar; what is to be done about that is done where sizes are looked at.
    const { clientWidth, clientHeight } = this.#scroller;
    if (clientWidth !== this.#size.width || clientHeight !== this.#size.height) return;
    this.#catchUp();
    this.#moved = performance.now();
    clearTimeout(this.#rest);
    this.#rest = setTimeout(() => this.#schedule(), SETTLED_MS + 20);
    const { height } = this.#size;
    const jumped = Math.abs(moved) > Math.max(JUMP_PX, 3 * height);
    const top = jumped ? scrollMap(this.#layout.total + BELOW_PX, height).top(bar) : this.#top + moved;
    if (this.#following) {
      if (moved > 0 || this.#most - top <= AWAY_PX) return this.#schedule();
      this.letGo();
    }
    this.#goTo(top);
  }

  #resized() {
    const { clientWidth: width, clientHeight: height } = this.#scroller;
    if (width === 0 || height === 0) return;
    const was = this.#size;
    this.#size = { width, height };
    if (width !== was.width) {
      this.#forgetHeights();
      return this.#paint();
    }
    if (height !== was.height) return this.#paint();
    // A row became higher or lower by itself: something in it was opened.
    const end = this.#start + this.#mounted.size;
    const expected = this.#layout.offset(end) - this.#layout.offset(this.#start);
    if (Math.abs(this.#list.getBoundingClientRect().height - expected) < 0.5) return;
    this.#stale = true;
    this.#paint();
  }

  /** @param {MouseEvent} event */
  #clicked(event) {
    const target = /** @type {Element} */ (event.target);
    if (!target.closest("button, summary, a")) return;
    this.letGo(); // what is opened stays where it is
    const owner = this.owner(target);
    if (!owner) return;
    if (target.closest(".unfold-section")) {
      const rows = /** @type {Rows & {unfold?: (n: number) => boolean}} */ (this.#rows);
      rows.unfold?.(owner.row.first);
    }
  }
}

/** @param {HTMLElement} element @param {"height" | "top"} name @param {string} value */
function write(element, name, value) {
  if (element.style[name] !== value) element.style[name] = value;
}

/** A line that is no longer in the log. @param {HTMLElement} element */
function undone(element) {
  element.classList.add("undone");
  element.removeAttribute("id");
  return element;
}
