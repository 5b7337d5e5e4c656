// Owns showing a log in its scroller: when it is drawn, what a person's scrolling means, and the line that is looked
// for. It knows no network: it says what it lacks (`want`), and draws it when the store has it. It never moves what a
// person reads: the row at the top stays there, whatever changes above or below it.

import { Follow } from "./follow.js";
import { RowPool } from "./row-pool.js";
import { Scrollbar } from "./scrollbar.js";
import { Viewport } from "./viewport.js";

/**
 * @typedef {import("./line-store.js").LineStore} LineStore
 * @typedef {import("./rows.js").Rows & {unfold?: (n: number) => boolean}} Rows
 * @typedef {import("./pager.js").Range} Range
 * @typedef {import("./row-pool.js").Mounted} Mounted
 * @typedef {import("../line/row.js").Matcher} Matcher
 * @typedef {import("../line/row.js").RowOptions} RowOptions
 */

const AWAY_PX = 40; // two rows: closer to the end than that, a reader has not left it
const AROUND_MS = 150; // after a jump, the rows around the view are built if no other jump follows
const ROUNDS = 4; // of drawing and measuring within one frame
const MARGIN = 200; // lines around the window that are wanted as well

/**
 * Events: `change`, when `following`, `unseen`, `held`, `paused` or `count` changed · `want` {ranges}: lines that it
 * lacks, the most urgent first · `found` {n}: the line looked for is in view, or the gap in its place · `hidden` {n}:
 * the rows do not show the line looked for · `toprow` {n}: another row is at the top · `painting` before rows come and go, `painted` after.
 */
export class LogView extends EventTarget {
  #scroller;
  #list;
  #store;
  #viewport;
  #pool;
  #bar;
  #follow;
  #frame = 0;
  #others = false; // rows are others than those that were drawn
  #wrap = true;
  #complete = false;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #around;
  #target = 0; // the line to bring into view as soon as there is a row for it
  #finding = 0; // its row is there, and its line is on its way
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
    this.#list = list;
    this.#store = store;
    const viewport = new Viewport(rows);
    viewport.size = { width: scroller.clientWidth, height: scroller.clientHeight };
    this.#viewport = viewport;
    this.#follow = new Follow(viewport, known);
    this.#pool = new RowPool({ scroller, list, store, viewport, options });
    this.#bar = new Scrollbar({ scroller, space, list, viewport, rested: () => this.#schedule() });
    rows.addEventListener("change", this.#onRows);
    this.#listen();
    viewport.forgetHeights(this.#pool.estimate);
    this.#schedule();
  }

  // --- what others read -----------------------------------------------------------------------------------------

  get following() {
    return this.#follow.on;
  }

  get paused() {
    return this.#follow.paused;
  }

  /** What arrived while paused. */
  get held() {
    return this.#follow.held;
  }

  get rows() {
    return this.#viewport.rows;
  }

  get options() {
    return this.#pool.options;
  }

  /** How many rows there are to see. */
  get count() {
    return this.#follow.count;
  }

  /** How many rows came below since following ended. */
  get unseen() {
    return this.#follow.unseen;
  }

  /** The number of the last line that can be seen. */
  get shown() {
    return this.#follow.last;
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
    return [...this.#pool.mounted];
  }

  /** The first of the lines that are marked; 0: none are. */
  get marked() {
    return this.#pool.marked;
  }

  /** The row that an element belongs to. @param {Node | null} node */
  owner(node) {
    return this.#pool.owner(node);
  }

  /** Options for the row at this index. @param {number} index */
  optionsAt(index) {
    return this.#pool.optionsAt(index);
  }

  // --- what others do -------------------------------------------------------------------------------------------

  /** Show these rows from now on; the line at the top stays there, or the one that follows it. @param {Rows} rows */
  setRows(rows) {
    if (rows === this.rows) return;
    this.rows.removeEventListener("change", this.#onRows);
    this.#viewport.rows = rows;
    rows.addEventListener("change", this.#onRows);
    this.#changed(0);
    this.#schedule();
  }

  /** What is highlighted in the rows. @param {Matcher | null} matcher */
  setMatcher(matcher) {
    this.setOptions({ matcher });
  }

  /** For the row builder; what is not named stays. @param {RowOptions} options */
  setOptions(options) {
    this.#pool.options = { ...this.#pool.options, ...options };
    this.rerender();
  }

  /** Build every row anew, when it is drawn. */
  rerender() {
    this.#pool.rebuild();
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
    if (!this.paused) this.#follow.pause(true);
    this.#schedule();
  }

  resume() {
    if (this.paused) this.#follow.pause(false);
    this.#schedule();
  }

  /** Keep the newest line in view from now on. */
  follow() {
    this.#seekNothing();
    this.#follow.on = true;
    this.#schedule();
  }

  letGo() {
    if (!this.following) return;
    this.#catchUp();
    this.#follow.stop();
    this.#viewport.hold(this.#viewport.top);
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

  /** Mark lines without moving anything. @param {number} first 0 marks none @param {number} [last] */
  mark(first, last = first) {
    this.#pool.mark(first, last);
  }

  /** Moves up (negative) or down. @param {number} px */
  by(px) {
    this.#catchUp();
    if (px < 0) this.#leaveEnd();
    if (!this.following) this.#goTo(this.#viewport.top + px);
  }

  /** By about a screen; a row of the old one stays in view. @param {1 | -1} screens */
  page(screens) {
    const { layout, size } = this.#viewport;
    this.by(screens * Math.max(layout.estimate, size.height - 2 * layout.estimate));
  }

  /** By one row. @param {1 | -1} rows */
  step(rows) {
    this.by(rows * this.#viewport.layout.estimate);
  }

  toFirst() {
    this.#leaveEnd();
    if (!this.following) this.#goTo(0);
  }

  // --- where it is ----------------------------------------------------------------------------------------------

  /** @param {number} top */
  #goTo(top) {
    this.#catchUp();
    this.#seekNothing();
    this.#viewport.hold(top);
    this.#schedule();
  }

  /** The place in the rows that is at the top, as things are now. */
  #where() {
    return this.following ? this.#viewport.most : this.#viewport.where();
  }

  /** Where all rows are in view, the end cannot be left. */
  #leaveEnd() {
    if (this.#viewport.overflows) this.letGo();
  }

  #seekNothing() {
    this.#target = 0;
    this.#finding = 0;
  }

  #forgetHeights() {
    this.#catchUp();
    // The line at the top stays there, whichever line held the view; unless one is still looked for.
    if (!this.following && !this.#finding) this.#viewport.hold(this.#viewport.top);
    this.#viewport.forgetHeights(this.#pool.estimate);
    this.#pool.distrust();
  }

  // --- drawing --------------------------------------------------------------------------------------------------

  #schedule() {
    // A hidden tab gets no frames, and nothing is drawn.
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
    this.#viewport.layout.resize(this.count);
    this.#reach();
    const top = this.#draw();
    this.#bar.place(top, this.#pool.start, this.following);
    if (this.following) this.#viewport.top = top;
    else this.#viewport.stay(top);
    this.#tell();
  }

  /** Gives elements to what is in view, until what they measure changes nothing of that. @returns {number} the place at the top */
  #draw() {
    let top = this.#where();
    const around = this.#room(top);
    let window = this.#viewport.window(top, around);
    for (let round = 0; round < ROUNDS; round += 1) {
      this.#pool.show(window);
      top = this.#where();
      const next = this.#viewport.window(top, around);
      if (next.start >= window.start && next.end <= window.end) break;
      window = next;
    }
    return top;
  }

  /** How far around the view rows get elements: after a jump, what is in view comes first. @param {number} top @returns {number} in pixels */
  #room(top) {
    const { layout, size } = this.#viewport;
    const jumped = layout.at(top) >= this.#pool.end || layout.at(top + size.height) < this.#pool.start;
    if (!jumped) return size.height;
    clearTimeout(this.#around);
    this.#around = setTimeout(() => this.#schedule(), AROUND_MS);
    return layout.estimate;
  }

  /** Brings the line looked for into view, if there is a row for it now. */
  #reach() {
    const n = this.#target;
    if (!n) return;
    const rows = /** @type {Rows} */ (this.rows);
    const { layout, size } = this.#viewport;
    if (rows.unfold?.(n)) layout.resize(this.count);
    if (!rows.has(n)) {
      if (n > this.#store.last) return; // it may come
      this.#target = 0;
      this.#viewport.put(n, size.height / 2);
      return void queueMicrotask(() => this.#emit("hidden", { n }));
    }
    if (rows.indexOf(n) >= layout.length) return; // frozen: it is there, and not shown yet
    this.#target = 0;
    this.#finding = n;
    this.#viewport.centre(n);
    this.#bar.settle();
  }

  // --- what it tells after drawing -------------------------------------------------------------------------------

  #tell() {
    const { layout, top } = this.#viewport;
    const { length } = layout;
    const n = length ? this.rows.numberAt(layout.at(top + 1)) : 0;
    this.#store.focus(this.following ? Infinity : n);
    this.#tellLacking();
    const found = this.#finding;
    if (found && (this.#store.get(found) || this.#store.gapAt(found))) {
      this.#finding = 0;
      this.#emit("found", { n: found });
    }
    if (n !== this.#topRow) {
      this.#topRow = n;
      this.#emit("toprow", { n });
    }
    if (this.#complete) this.#pool.setSize(length);
    const told = [this.following, this.paused, this.unseen, length, this.held.lines, this.held.errors].join();
    if (told !== this.#told) {
      this.#told = told;
      this.dispatchEvent(new Event("change"));
    }
    this.dispatchEvent(new Event("painted"));
  }

  /** Those in view first. */
  #tellLacking() {
    let ranges = this.#pool.lacking;
    if (ranges.length) {
      const [first, last] = [ranges[0], ranges[ranges.length - 1]];
      first[0] = Math.max(1, first[0] - MARGIN);
      last[1] = Math.min(this.shown, last[1] + MARGIN);
      ranges = ranges.flatMap(([from, to]) => this.#store.missing(from, to));
      const n = this.#viewport.held;
      const far = (/** @type {Range} */ [from, to]) => (n < from ? from - n : n > to ? n - to : 0);
      ranges.sort((a, b) => far(a) - far(b));
    }
    const wanted = ranges.join(" ");
    if (wanted === this.#wanted) return;
    this.#wanted = wanted;
    this.#emit("want", { ranges });
  }

  /** @param {string} type @param {unknown} detail */
  #emit(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }

  // --- what happens to it ---------------------------------------------------------------------------------------

  #listen() {
    const [store, scroller, list] = [this.#store, this.#scroller, this.#list];
    store.addEventListener("lines", (event) => {
      this.#follow.arrived(/** @type {CustomEvent} */ (event).detail);
      this.#schedule();
    });
    store.addEventListener("gap", () => this.#schedule());
    store.addEventListener("rewind", (event) => this.#rewound(/** @type {CustomEvent} */ (event).detail.last));
    const passive = { passive: true };
    scroller.addEventListener("wheel", (event) => event.deltaY < 0 && this.#leaveEnd(), passive);
    scroller.addEventListener("scroll", () => this.#scrolled(), passive);
    list.addEventListener("click", (event) => this.#clicked(event));
    list.addEventListener("unfold", () => this.letGo()); // a row became higher: what is opened stays where it is
    const sizes = new ResizeObserver(() => this.#resized());
    sizes.observe(scroller);
    sizes.observe(list);
    document.addEventListener("visibilitychange", () => !document.hidden && this.#schedule());
  }

  #onRows = (/** @type {Event} */ event) => {
    const { from } = /** @type {CustomEvent<{from: number}>} */ (event).detail;
    if (from < this.#viewport.layout.length) this.#changed(from);
    this.#schedule();
  };

  /** The rows from this one on are others now. @param {number} from */
  #changed(from) {
    this.#viewport.layout.forget(from);
    this.#others = true;
    this.#pool.distrust();
  }

  /** Where rows changed and were not drawn yet: a move starts from where the view is among the rows there are now. */
  #catchUp() {
    if (!this.#others) return;
    this.#others = false;
    this.#viewport.layout.resize(this.count);
    this.#viewport.top = this.#where();
  }

  /** Other lines may come under the numbers after `last`: all rows are built anew, and what is lacking is told again. @param {number} last */
  #rewound(last) {
    this.#follow.rewound(last, this.#store);
    this.#wanted = "";
    this.rerender();
  }

  /** Not by us: a wheel, a finger, the scrollbar, the browser's own search. */
  #scrolled() {
    const moved = this.#bar.read();
    if (moved === 0) return;
    // An address that names a line makes a browser go there by itself; we are on the way already.
    if (this.#target && this.rows.has(this.#target)) return this.#schedule();
    // Another size makes a browser move its scrollbar, too: `#resized` deals with that.
    const { clientWidth, clientHeight } = this.#scroller;
    const { width, height } = this.#viewport.size;
    if (clientWidth !== width || clientHeight !== height) return;
    this.#catchUp();
    const top = this.#bar.moved(moved);
    if (this.following) {
      if (moved > 0 || this.#viewport.most - top <= AWAY_PX) return this.#schedule();
      this.letGo();
    }
    this.#goTo(top);
  }

  #resized() {
    const { clientWidth: width, clientHeight: height } = this.#scroller;
    if (width === 0 || height === 0) return;
    const { size, layout } = this.#viewport;
    this.#viewport.size = { width, height };
    if (width !== size.width) {
      this.#forgetHeights();
      return this.#paint();
    }
    if (height !== size.height) return this.#paint();
    // A row became higher or lower by itself: something in it was opened.
    const expected = layout.offset(this.#pool.end) - layout.offset(this.#pool.start);
    if (Math.abs(this.#list.getBoundingClientRect().height - expected) < 0.5) return;
    this.#pool.distrust();
    this.#paint();
  }

  /** @param {MouseEvent} event */
  #clicked(event) {
    const target = /** @type {Element} */ (event.target);
    if (!target.closest("button, summary, a")) return;
    this.letGo(); // what is opened stays where it is
    const row = this.owner(target)?.row;
    if (row && target.closest(".unfold-section")) /** @type {Rows} */ (this.rows).unfold?.(row.first);
  }
}
