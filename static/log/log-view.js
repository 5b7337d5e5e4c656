// Owns showing a log in its scroller: when it is drawn, what a person's scrolling means, and the line that is looked
// for. It knows no network: it says what it lacks (`want`), and draws it when the store has it. It never moves what a
// person reads: the row at the top stays there, whatever changes above or below it.

import { rangesOf } from "./line-store.js";
import { RowPool } from "./row-pool.js";
import { Scrollbar } from "./scrollbar.js";
import { Viewport } from "./viewport.js";

/**
 * @typedef {import("./rows.js").Rows} Rows
 *
 * @typedef {object} Parts
 * @property {HTMLElement} scroller the region that scrolls; it has the focus when the row that had it leaves
 * @property {HTMLElement} space the empty element in it that is as high as all rows
 * @property {HTMLElement} list the empty element in that which takes the rows
 * @property {import("./line-store.js").LineStore} store
 * @property {Viewport} viewport
 */

const AWAY_PX = 40; // two rows: closer to the end than that, a reader has not left it
const AROUND_MS = 150; // after a jump, the rows around the view are built if no other jump follows
const ROUNDS = 4; // of drawing and measuring within one frame
const MARGIN = 200; // lines around the window that are wanted as well

/**
 * Events: `change`, when `following`, `unseen`, `held`, `paused` or `count` of the viewport changed · `want` {ranges}:
 * lines that it lacks, the most urgent first · `found` {n}: the line looked for is in view, or the gap in its place ·
 * `hidden` {n}: the rows do not show the line looked for · `painting` before rows come and go, `painted` after.
 */
export class LogView extends EventTarget {
  /** The number of the line at the top. */
  top = 0;
  wrap = true;
  #bar;
  #frame = 0;
  #others = false; // rows are others than those that were drawn
  #complete = false;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #around;
  #target = 0; // the line to bring into view as soon as there is a row for it
  #finding = 0; // its row is there, and its line is on its way
  #wanted = "";
  #told = "";

  /**
   * @param {Omit<Parts, "viewport">} elements and the store
   * @param {Rows} rows
   * @param {number} [known] lines up to this number were there when the page opened: they are not "new"
   */
  constructor({ scroller, space, list, store }, rows, known = 0) {
    super();
    this.viewport = new Viewport(rows, known);
    this.viewport.size = { width: scroller.clientWidth, height: scroller.clientHeight };
    this.parts = { scroller, space, list, store, viewport: this.viewport };
    this.pool = new RowPool(this.parts);
    this.#bar = new Scrollbar(this.parts, () => this.#schedule());
    rows.addEventListener("change", this.#onRows);
    this.#listen();
    this.viewport.forgetHeights(this.pool.estimate);
    this.#schedule();
  }

  // --- what others do -------------------------------------------------------------------------------------------

  /** Show these rows from now on; the line at the top stays there, or the one that follows it. @param {Rows} rows */
  setRows(rows) {
    if (rows === this.viewport.rows) return;
    this.viewport.rows.removeEventListener("change", this.#onRows);
    this.viewport.rows = rows;
    rows.addEventListener("change", this.#onRows);
    this.#changed(0);
    this.#schedule();
  }

  /** For the row builder; what is not named stays. @param {import("../line/row.js").RowOptions} options */
  setOptions(options) {
    Object.assign(this.pool.options, options);
    this.rerender();
  }

  /** Build every row anew, when it is drawn. */
  rerender() {
    this.pool.rebuild();
    this.#schedule();
  }

  /** Whether long lines go on in the next row. @param {boolean} wrap */
  setWrap(wrap) {
    if (wrap === this.wrap) return;
    this.wrap = wrap;
    this.parts.scroller.classList.toggle("nowrap", !wrap);
    this.parts.scroller.scrollLeft = 0;
    this.#forgetHeights();
    this.#paint();
  }

  /** Freezes the view, and only the view: what arrives is kept, and counted. @param {boolean} paused */
  pause(paused) {
    this.viewport.pause(paused);
    this.#schedule();
  }

  /** Keep the newest line in view from now on. */
  follow() {
    this.#seekNothing();
    this.viewport.following = true;
    this.#schedule();
  }

  letGo() {
    if (!this.viewport.following) return;
    this.#catchUp();
    this.viewport.letGo();
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

  /** Moves up (negative) or down. @param {number} px */
  by(px) {
    this.#catchUp();
    if (px < 0) this.#leaveEnd();
    if (!this.viewport.following) this.#goTo(this.viewport.top + px);
  }

  /** By about a screen; a row of the old one stays in view. @param {1 | -1} screens */
  page(screens) {
    const { layout, size } = this.viewport;
    this.by(screens * Math.max(layout.estimate, size.height - 2 * layout.estimate));
  }

  /** By one row. @param {1 | -1} rows */
  step(rows) {
    this.by(rows * this.viewport.layout.estimate);
  }

  toFirst() {
    this.#leaveEnd();
    if (!this.viewport.following) this.#goTo(0);
  }

  // --- where it is ----------------------------------------------------------------------------------------------

  /** @param {number} top */
  #goTo(top) {
    this.#catchUp();
    this.#seekNothing();
    this.viewport.hold(top);
    this.#schedule();
  }

  /** Where all rows are in view, the end cannot be left. */
  #leaveEnd() {
    const { layout, size } = this.viewport;
    if (layout.total > size.height) this.letGo();
  }

  #seekNothing() {
    this.#target = 0;
    this.#finding = 0;
  }

  #forgetHeights() {
    const { viewport } = this;
    this.#catchUp();
    // The line at the top stays there, whichever line held the view; unless one is still looked for.
    if (!viewport.following && !this.#finding) viewport.hold(viewport.top);
    viewport.forgetHeights(this.pool.estimate);
    this.pool.distrust();
  }

  // --- drawing --------------------------------------------------------------------------------------------------

  #schedule() {
    // A hidden tab gets no frames, and nothing is drawn.
    this.#frame ||= requestAnimationFrame(() => this.#paint());
  }

  #paint() {
    this.dispatchEvent(new Event("painting"));
    cancelAnimationFrame(this.#frame);
    this.#frame = 0;
    this.#others = false;
    this.viewport.layout.resize(this.viewport.count);
    this.#reach();
    const top = this.#draw();
    this.#bar.place(top, this.pool.start);
    this.viewport.stay(top);
    this.#tell();
  }

  /** Gives elements to what is in view, until what they measure changes nothing of that. @returns {number} the place at the top */
  #draw() {
    let top = this.viewport.where();
    const around = this.#room(top);
    let window = this.viewport.window(top, around);
    for (let round = 0; round < ROUNDS; round += 1) {
      this.pool.show(window);
      top = this.viewport.where();
      const next = this.viewport.window(top, around);
      if (next.start >= window.start && next.end <= window.end) break;
      window = next;
    }
    return top;
  }

  /** How far around the view rows get elements: after a jump, what is in view comes first. @param {number} top @returns {number} in pixels */
  #room(top) {
    const { layout, size } = this.viewport;
    const jumped = layout.at(top) >= this.pool.end || layout.at(top + size.height) < this.pool.start;
    if (!jumped) return size.height;
    clearTimeout(this.#around);
    this.#around = setTimeout(() => this.#schedule(), AROUND_MS);
    return layout.estimate;
  }

  /** Brings the line looked for into view, if there is a row for it now. */
  #reach() {
    const n = this.#target;
    const { layout, rows, size } = this.viewport;
    if (!n) return;
    if (rows.unfold?.(n)) layout.resize(this.viewport.count);
    if (!rows.has(n)) {
      if (n > this.parts.store.last) return; // it may come
      this.#target = 0;
      this.viewport.put(n, size.height / 2);
      return void queueMicrotask(() => this.#emit("hidden", { n }));
    }
    if (rows.indexOf(n) >= layout.length) return; // frozen: it is there, and not shown yet
    this.#target = 0;
    this.#finding = n;
    this.viewport.centre(n);
    this.#bar.settle();
  }

  // --- what it tells after drawing -------------------------------------------------------------------------------

  #tell() {
    const { layout, rows, top, following, paused, held, unseen } = this.viewport;
    const { length } = layout;
    this.top = length ? rows.numberAt(layout.at(top + 1)) : 0;
    this.parts.store.focus(following ? Infinity : this.top);
    this.#tellLacking();
    const found = this.#finding;
    if (found && this.parts.store.knows(found)) {
      this.#finding = 0;
      this.#emit("found", { n: found });
    }
    if (this.#complete) this.pool.setSize(length);
    const told = [following, paused, unseen, length, held.lines, held.errors].join();
    if (told !== this.#told) {
      this.#told = told;
      this.dispatchEvent(new Event("change"));
    }
    this.dispatchEvent(new Event("painted"));
  }

  /** Those in view first. */
  #tellLacking() {
    let ranges = rangesOf(this.pool.mounted.filter(({ held }) => !held).map(({ row }) => row.n));
    if (ranges.length) {
      const [first, last] = [ranges[0], ranges[ranges.length - 1]];
      first[0] = Math.max(1, first[0] - MARGIN);
      last[1] = Math.min(this.viewport.last, last[1] + MARGIN);
      ranges = ranges.flatMap(([from, to]) => this.parts.store.missing(from, to));
      const n = this.viewport.line;
      const far = (/** @type {[number, number]} */ [from, to]) => Math.max(0, from - n, n - to);
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
    const { store, scroller, list, viewport } = this.parts;
    store.addEventListener("lines", (event) => {
      viewport.arrived(/** @type {CustomEvent} */ (event).detail);
      this.#schedule();
    });
    store.addEventListener("gap", () => this.#schedule());
    // Other lines may come under the same numbers: all rows are built anew, and what is lacking is told again.
    store.addEventListener("rewind", (event) => {
      viewport.rewound(/** @type {CustomEvent} */ (event).detail.last, store);
      this.#wanted = "";
      this.rerender();
    });
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
    if (from < this.viewport.layout.length) this.#changed(from);
    this.#schedule();
  };

  /** The rows from this one on are others now. @param {number} from */
  #changed(from) {
    this.viewport.layout.forget(from);
    this.#others = true;
    this.pool.distrust();
  }

  /** Where rows changed and were not drawn yet: a move starts from where the view is among the rows there are now. */
  #catchUp() {
    if (!this.#others) return;
    this.#others = false;
    this.viewport.layout.resize(this.viewport.count);
    this.viewport.top = this.viewport.where();
  }

  /** Not by us: a wheel, a finger, the scrollbar, the browser's own search. */
  #scrolled() {
    const moved = this.#bar.read();
    if (moved === 0) return;
    const { viewport } = this;
    // An address that names a line makes a browser go there by itself; we are on the way already.
    if (this.#target && viewport.rows.has(this.#target)) return this.#schedule();
    // Another size makes a browser move its scrollbar, too: `#resized` deals with that.
    const { clientWidth, clientHeight } = this.parts.scroller;
    if (clientWidth !== viewport.size.width || clientHeight !== viewport.size.height) return;
    this.#catchUp();
    const top = this.#bar.moved(moved);
    if (viewport.following) {
      if (moved > 0 || viewport.most - top <= AWAY_PX) return this.#schedule();
      this.letGo();
    }
    this.#goTo(top);
  }

  #resized() {
    const { clientWidth: width, clientHeight: height } = this.parts.scroller;
    if (width === 0 || height === 0) return;
    const { size, layout } = this.viewport;
    this.viewport.size = { width, height };
    if (width !== size.width) this.#forgetHeights();
    else if (height === size.height) {
      // A row became higher or lower by itself: something in it was opened.
      const expected = layout.offset(this.pool.end) - layout.offset(this.pool.start);
      if (Math.abs(this.parts.list.getBoundingClientRect().height - expected) < 0.5) return;
      this.pool.distrust();
    }
    this.#paint();
  }

  /** @param {MouseEvent} event */
  #clicked(event) {
    const target = /** @type {Element} */ (event.target);
    if (!target.closest("button, summary, a")) return;
    this.letGo(); // what is opened stays where it is
    const row = this.pool.owner(target)?.row;
    if (row && target.closest(".unfold-section")) this.viewport.rows.unfold?.(row.first);
  }
}
