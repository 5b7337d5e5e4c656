// Owns drawing a log into its scroller: rows in batches, follow, pause, gaps, the line an address points at.
// It knows no network and fetches nothing: lines are handed to `append`, in order and each once.
// It never moves what a person reads: only while it follows does it touch the scroll position.

import { gapRow, lineRow, rewindRow } from "./line.js";

const ROWS_PER_BLOCK = 100; // a block off screen costs the browser nothing (content-visibility)
const ROWS_PER_FRAME = 1500; // more would make a frame long enough to feel
const AWAY_PX = 40; // two rows: nearer to the end than that, nobody has left it
const UP_KEYS = new Set(["ArrowUp", "PageUp", "Home"]);

/**
 * Events: `change`, whenever `following`, `unseen`, `held` or `paused` changed; `dropped` {last} when lines up to
 * that number have left the top;
 * `found` {n} once the line an address points at is in view, or the gap in its place.
 */
export class LogView extends EventTarget {
  #scroller;
  #rows;
  #block = null;
  #waiting = []; // items not yet drawn: {line}, {gap} or {rewind}
  #drawn = 0; // how many of them are, from the front
  #frame = 0;
  #held = { items: [], lines: 0, errors: 0 };
  #paused = false;
  #following = true;
  #unseen = 0;
  #known;
  #most;
  #target = 0; // the line to bring into view, until it has arrived
  #settling = null; // its row, until enough has arrived below it to hold it in the middle
  #last = { top: 0, height: 0 };

  /**
   * @param {object} options
   * @param {HTMLElement} options.scroller the region that scrolls
   * @param {HTMLElement} options.rows the empty element in it that takes the rows
   * @param {number} [options.known] lines up to this number were there when the page opened: they are not "new"
   * @param {number} [options.most] about how many rows are kept while following
   */
  constructor({ scroller, rows, known = 0, most = Infinity }) {
    super();
    this.#most = most;
    this.#known = known;
    this.#scroller = scroller;
    this.#rows = rows;
    this.#listen();
  }

  get following() {
    return this.#following;
  }

  /** How many lines were drawn below since follow let go. */
  get unseen() {
    return this.#unseen;
  }

  /** What arrived while paused. */
  get held() {
    return { lines: this.#held.lines, errors: this.#held.errors };
  }

  get paused() {
    return this.#paused;
  }

  /** @param {import("./follower.js").Line[]} lines */
  append(lines) {
    this.#put(lines.map((line) => ({ line })));
  }

  /** @param {{first: number, last: number, why: string}} gap */
  gap(gap) {
    this.#put([{ gap }]);
  }

  /** What somebody has seen stays, struck out, and a row says why. @param {{last: number, why: string}} rewind */
  rewind(rewind) {
    const stays = ({ line, gap }) => (line ? line.n : (gap?.last ?? 0)) <= rewind.last;
    this.#waiting = this.#waiting.slice(this.#drawn).filter(stays);
    this.#drawn = 0;
    const held = this.#held.items.filter(stays);
    this.#held = { items: [], lines: 0, errors: 0 };
    this.#hold(held);
    for (const row of this.#rows.querySelectorAll(".line[id]")) {
      if (Number(row.dataset.n) <= rewind.last) continue;
      row.removeAttribute("id");
      row.classList.add("undone");
    }
    this.#put([{ rewind }]);
  }

  /** Freezes the view, and only the view: what arrives is kept, counted, and drawn in order by `resume`. */
  pause() {
    this.#paused = true;
    // What had arrived but was not drawn yet stays out of the frozen view as well.
    this.#hold(this.#waiting.splice(this.#drawn));
    this.#changed();
  }

  resume() {
    this.#paused = false;
    const { items } = this.#held;
    this.#held = { items: [], lines: 0, errors: 0 };
    this.#put(items);
    this.#changed();
  }

  /** Keep the newest line in view from now on. */
  follow() {
    this.#target = 0;
    this.#settling = null;
    this.#following = true;
    this.#unseen = 0;
    this.#pin();
    this.#changed();
  }

  letGo() {
    if (!this.#following) return;
    this.#following = false;
    this.#changed();
  }

  /** Bring a line into view, now or as soon as it has arrived. @param {number} n */
  seek(n) {
    this.#target = n;
    this.#following = false;
    this.#changed();
    this.#seekNow();
  }

  /** Mark a line without moving anything. @param {number} n */
  mark(n) {
    for (const row of this.#rows.querySelectorAll(".is-target")) row.classList.remove("is-target");
    this.#find(n)?.classList.add("is-target");
  }

  // --- drawing --------------------------------------------------------------------------------------------------

  #put(items) {
    if (this.#paused) {
      this.#hold(items);
      this.#changed();
      return;
    }
    for (const item of items) this.#waiting.push(item);
    this.#schedule();
  }

  #hold(items) {
    for (const item of items) {
      this.#held.items.push(item);
      if (item.line) this.#held.lines += 1;
      if (item.line?.level === "error") this.#held.errors += 1;
    }
  }

  #schedule() {
    if (this.#frame || this.#drawn >= this.#waiting.length) return;
    // A hidden tab gets no frames: lines wait here, and are drawn when somebody looks.
    this.#frame = requestAnimationFrame(() => {
      this.#frame = 0;
      this.#draw();
      this.#schedule();
    });
  }

  #draw() {
    const until = Math.min(this.#drawn + ROWS_PER_FRAME, this.#waiting.length);
    let lines = 0;
    while (this.#drawn < until) {
      const room = this.#room();
      const fragment = document.createDocumentFragment();
      for (let i = 0; i < room && this.#drawn < until; i += 1, this.#drawn += 1) {
        const { line, gap, rewind } = this.#waiting[this.#drawn];
        fragment.append(line ? lineRow(line) : gap ? gapRow(gap) : rewindRow(rewind));
        if (line && line.n > this.#known) lines += 1;
      }
      this.#block.append(fragment);
    }
    if (this.#drawn === this.#waiting.length) {
      this.#waiting = [];
      this.#drawn = 0;
    }
    if (this.#target) this.#seekNow();
    if (lines) this.#settling = null; // new lines move nothing any more
    else if (this.#settling) this.#settle();
    if (this.#following) {
      this.#drop();
      return this.#pin();
    }
    this.#unseen += lines;
    this.#changed();
  }

  /** Whole blocks leave the top, out of sight of who follows: a log without end must not fill the machine. */
  #drop() {
    let last = 0;
    while (this.#rows.childElementCount * ROWS_PER_BLOCK > this.#most && this.#rows.childElementCount > 1) {
      const block = this.#rows.firstElementChild;
      const { n, last: gone } = block.lastElementChild.dataset;
      last = Math.max(last, Number(n ?? gone));
      block.remove();
    }
    if (last) this.dispatchEvent(new CustomEvent("dropped", { detail: { last } }));
  }

  /** How many rows the open block still takes; a full one is closed, and a new one opened. */
  #room() {
    const used = this.#block?.childElementCount ?? ROWS_PER_BLOCK;
    if (used < ROWS_PER_BLOCK) return ROWS_PER_BLOCK - used;
    this.#block?.classList.add("full");
    this.#block = document.createElement("div");
    this.#block.className = "block";
    this.#rows.append(this.#block);
    return ROWS_PER_BLOCK;
  }

  // --- follow ---------------------------------------------------------------------------------------------------

  #pin() {
    this.#scroller.scrollTop = this.#scroller.scrollHeight;
    this.#remember();
  }

  #remember() {
    this.#last = { top: this.#scroller.scrollTop, height: this.#scroller.scrollHeight };
  }

  #listen() {
    const scroller = this.#scroller;
    for (const type of ["wheel", "keydown", "pointerdown", "touchstart"]) {
      scroller.addEventListener(type, () => (this.#settling = null), { passive: true });
    }
    scroller.addEventListener("wheel", (event) => event.deltaY < 0 && this.letGo(), { passive: true });
    scroller.addEventListener("keydown", (event) => {
      if (UP_KEYS.has(event.key)) this.letGo();
    });
    scroller.addEventListener("scroll", () => this.#scrolled(), { passive: true });
    document.addEventListener("selectionchange", () => {
      const selection = document.getSelection();
      if (selection && !selection.isCollapsed && this.#rows.contains(selection.anchorNode)) this.letGo();
    });
    // Rows that wrap anew, a window that changes: what is followed stays at the bottom.
    const sizes = new ResizeObserver(() => {
      if (this.#following && scroller.scrollTop + scroller.clientHeight < scroller.scrollHeight - 1) this.#pin();
    });
    sizes.observe(scroller);
    sizes.observe(this.#rows);
    this.#rows.addEventListener("click", (event) => this.#clicked(event));
  }

  /**
   * Up, away from the end, and not because the content became shorter: a person did that (scrollbar, touch, the
   * browser's own search). At the end it was the browser: blocks that come into view take their true height.
   */
  #scrolled() {
    const { scrollTop, scrollHeight, clientHeight } = this.#scroller;
    const up = scrollTop < this.#last.top - 1;
    const shorter = scrollHeight < this.#last.height;
    const away = scrollHeight - clientHeight - scrollTop > AWAY_PX;
    this.#remember();
    if (up && away && !shorter) this.letGo();
  }

  #clicked(event) {
    const unfold = event.target.closest?.(".unfold");
    if (!unfold) return;
    this.letGo();
    unfold.parentElement.classList.remove("folded");
    unfold.remove();
  }

  // --- the line an address points at ----------------------------------------------------------------------------

  #find(n) {
    const row = document.getElementById(`L${n}`);
    if (row) return row;
    for (const gap of this.#rows.querySelectorAll(".gap")) {
      if (Number(gap.dataset.first) <= n && n <= Number(gap.dataset.last)) return gap;
    }
    return null;
  }

  #seekNow() {
    const n = this.#target;
    const row = this.#find(n);
    if (!row) return;
    this.#target = 0;
    this.mark(n);
    this.#settling = row;
    this.#settle();
    // Blocks that come into view take their true height only now; put it right once they have.
    requestAnimationFrame(() => this.#settling === row && this.#settle());
    this.dispatchEvent(new CustomEvent("found", { detail: { n } }));
  }

  #settle() {
    this.#settling.scrollIntoView({ block: "center" });
    this.#remember();
    const { top, height } = this.#last;
    if (height - top - this.#scroller.clientHeight > 1 && !this.#frame) {
      const row = this.#settling;
      requestAnimationFrame(() => this.#settling === row && (this.#settling = null));
    }
  }

  #changed() {
    this.dispatchEvent(new Event("change"));
  }
}
