// Owns what a filter does to the view: which rows there are, the message when it hides everything, and the way from a
// line back to its neighbours ("In context"); and where the reader is meanwhile. It does not filter: it asks the finder.

import { button, element } from "../shared/elements.js";
import { plural, thousands } from "../shared/format.js";
import { filters } from "./query.js";

/** @typedef {import("./finder.js").Direction} Direction */

const MISSED_MS = 8000; // for so long "c" means the line that was reported as hidden

export class Context {
  #page;
  #waiting = 0; // a hidden line that the search may still find
  #missed = { n: 0, at: -Infinity }; // the line last reported as hidden, and when
  #offered = false; // rows may have an "In context" button

  /** @param {import("./finder.js").Page} page */
  constructor(page) {
    this.#page = page;
    const { finder, view, all, place, log } = page;
    const showEmpty = emptyMessage(finder, log);
    finder.addEventListener("rows", () => view.setRows(finder.shows?.rows ?? all));
    finder.addEventListener("query", () => (this.#waiting = 0));
    finder.addEventListener("change", () => {
      showEmpty();
      this.#look();
    });
    view.addEventListener("painted", () => this.#offer());
    view.addEventListener("hidden", (event) => {
      place.at = this.#waiting = /** @type {CustomEvent} */ (event).detail.n;
      this.#look();
    });
  }

  /** Show all lines again, at this one; by default at the one just reported as hidden, or where the reader is. @param {number} [line] */
  show(line) {
    const { n: missed, at } = this.#missed;
    const reported = missed && missed === this.#page.place.at && performance.now() - at < MISSED_MS;
    const n = line ?? (reported ? missed : this.#page.place.here());
    if (!filters(this.#page.finder.query)) return;
    this.#page.finder.clearFilter();
    this.#page.tell("");
    this.#page.place.go(n);
    this.#page.announce(`Line ${n} in context; all lines are shown`);
  }

  /** The hidden line may have been found by now. */
  #look() {
    const n = this.#waiting;
    const { shows } = this.#page.finder;
    if (!n) return;
    if (n !== this.#page.place.at) {
      this.#waiting = 0; // the reader went elsewhere
    } else if (shows?.rows.has(n)) {
      this.#waiting = 0;
      this.#page.place.go(n);
    } else if (shows?.complete) {
      this.#waiting = 0;
      this.#missed = { n, at: performance.now() };
      this.#page.tell(`Line ${thousands(n)} is hidden by the filters; press "c" to show it in context.`);
    }
  }

  /** A button in each row of a filtered log. */
  #offer() {
    const filtered = filters(this.#page.finder.query);
    if (!filtered && !this.#offered) return;
    this.#offered = filtered;
    for (const { row, element: own } of this.#page.view.pool.mounted) {
      const there = own.querySelector(":scope > .in-context");
      if (filtered === (there !== null) || row.kind !== "line") continue;
      if (there) {
        there.remove();
        continue;
      }
      const made = button("in-context", "In context", () => this.show(row.n));
      made.setAttribute("aria-label", `Show line ${row.n} in context`);
      own.append(made);
    }
  }
}

/** A message in place of the rows when the filters hide all of them. @param {import("./finder.js").Finder} finder @param {HTMLElement} log */
function emptyMessage(finder, log) {
  const message = element("div", "all-hidden");
  message.id = "all-hidden";
  message.hidden = true;
  const words = element("p");
  message.append(words, button("button", "Show all lines", () => finder.clearFilter()));
  log.querySelector(".log-frame")?.append(message);
  return () => {
    message.hidden = !finder.empty;
    log.classList.toggle("is-hidden", finder.empty);
    if (finder.empty) words.textContent = `No line matches. The filters hide all ${plural(finder.shows?.last ?? 0, "line")}.`;
  };
}

/** Where the reader is in the log: at the line they went to, as long as it is in view, else at the top of the view. */
export class Place {
  at = 0; // the line they went to; 0: none
  #view;
  #scroller;
  #coming = false; // that line is not in view yet

  /** @param {import("../log/log-view.js").LogView} view @param {HTMLElement} scroller */
  constructor(view, scroller) {
    this.#view = view;
    this.#scroller = scroller;
    view.addEventListener("found", () => (this.#coming = false));
  }

  /** Show a line and mark it. @param {number} n */
  go(n) {
    this.at = n;
    this.#coming = true;
    this.#view.pool.mark(n);
    this.#view.seek(n);
  }

  /** The line they went to, or the one at the top. */
  here() {
    return this.#stays ? this.at : this.#view.top;
  }

  /** The line from which the next one of a kind is looked for. @param {Direction} direction */
  from(direction) {
    if (this.#stays) return this.at;
    const { following, last } = this.#view.viewport;
    if (following) return direction > 0 ? last : last + 1;
    return direction > 0 ? this.#view.top - 1 : this.#view.top;
  }

  /** The same for a match: a reader who follows the newest line wants the newest match first. @param {Direction} direction */
  hit(direction) {
    const { following, last } = this.#view.viewport;
    if (!this.#stays && following) return { from: last + 1, direction: /** @type {Direction} */ (-1) };
    return { from: this.from(direction), direction };
  }

  get #stays() {
    if (!this.at || this.#coming) return this.at > 0;
    const row = this.#view.pool.mounted.find(({ row: { first, last } }) => first <= this.at && this.at <= last);
    if (!row) return false;
    const { top, bottom } = row.element.getBoundingClientRect();
    const seen = this.#scroller.getBoundingClientRect();
    return bottom > seen.top && top < seen.bottom;
  }
}
