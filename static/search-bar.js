// Owns the row in which somebody types what to find, and the words beside it: how many, which one, how far back.
// It refuses to search, to draw lines or to move the view: it tells the finder, and asks for a move by `go`.

import { plural, thousands } from "./format.js";

const TYPING_MS = 250;

/**
 * @typedef {import("./finder.js").Finder} Finder
 * @typedef {import("./finder.js").Direction} Direction
 */

/**
 * Events: `go` {n, wrapped}: somebody wants to see that hit · `close`.
 */
export class SearchBar extends EventTarget {
  #finder;
  #where;
  #time;
  #parts;
  #current = 0; // the hit that was gone to
  #words = "";
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #typing;

  /**
   * @param {object} options
   * @param {Finder} options.finder
   * @param {(id: string) => HTMLElement} options.get
   * @param {(direction: Direction) => {from: number, direction: Direction}} options.where from which line on, and whether
   *   on or back, somebody who asks for the next hit, or the one before, means it
   * @param {(time: string) => string} options.time how a moment reads
   */
  constructor({ finder, get, where, time }) {
    super();
    this.#finder = finder;
    this.#where = where;
    this.#time = time;
    this.#parts = {
      bar: get("finder"),
      text: /** @type {HTMLInputElement} */ (get("find-text")),
      exclude: /** @type {HTMLInputElement} */ (get("find-exclude")),
      count: get("find-count"),
      previous: /** @type {HTMLButtonElement} */ (get("find-previous")),
      next: /** @type {HTMLButtonElement} */ (get("find-next")),
      case: get("find-case"),
      pattern: get("find-pattern"),
      only: get("find-only"),
      close: get("find-close"),
    };
    this.#wire();
    this.show();
  }

  get isOpen() {
    return !this.#parts.bar.hidden;
  }

  /** Whether somebody types in it. */
  get has() {
    return this.isOpen && document.activeElement === this.#parts.text;
  }

  /** What the count says, for whoever cannot see it. */
  get words() {
    return this.#words;
  }

  open({ focus = true } = {}) {
    this.#parts.bar.hidden = false;
    if (focus) {
      this.#parts.text.focus();
      this.#parts.text.select();
    }
  }

  /** Ends looking for the text; filters stay. */
  close() {
    this.#parts.bar.hidden = true;
    this.#untyped();
    this.#parts.text.value = "";
    this.#current = 0;
    this.#finder.set({ q: "", only: false });
    this.dispatchEvent(new Event("close"));
  }

  /** @param {Direction} asked */
  go(asked) {
    this.#flush();
    if (!this.#finder.hits) return;
    const { from, direction } = this.#where(asked);
    const { n, wrapped } = this.#finder.next(from, direction);
    if (n !== null) this.goTo(n, wrapped);
    this.show();
  }

  /** @param {number} n @param {boolean} [wrapped] */
  goTo(n, wrapped = false) {
    this.#current = n;
    this.dispatchEvent(new CustomEvent("go", { detail: { n, wrapped } }));
    this.show();
  }

  #wire() {
    const { text, exclude, previous, next, case: exact, pattern, only, close } = this.#parts;
    text.addEventListener("input", () => {
      clearTimeout(this.#typing);
      this.#typing = setTimeout(() => this.#flush(), TYPING_MS);
    });
    text.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || event.isComposing) return;
      event.preventDefault();
      this.go(event.shiftKey ? -1 : 1);
    });
    // By Enter, or when somebody goes on elsewhere: what stands there must not look as if it were left out.
    exclude.addEventListener("change", () => {
      if (!exclude.value) return;
      this.#finder.set({ exclude: [...new Set([...this.#finder.query.exclude, exclude.value])] });
      exclude.value = "";
    });
    this.#parts.bar.addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || event.defaultPrevented) return;
      event.preventDefault();
      this.close();
    });
    previous.addEventListener("click", () => this.go(-1));
    next.addEventListener("click", () => this.go(1));
    exact.addEventListener("click", () => this.#flush({ case: !this.#finder.query.case }));
    pattern.addEventListener("click", () => this.#flush({ pattern: !this.#finder.query.pattern }));
    only.addEventListener("click", () => this.#flush({ only: !this.#finder.query.only }));
    close.addEventListener("click", () => this.close());
    this.#finder.addEventListener("query", () => this.show());
    this.#finder.addEventListener("change", () => this.show());
    this.#finder.addEventListener("go", (event) => {
      const { n, wrapped } = /** @type {CustomEvent} */ (event).detail;
      this.goTo(n, wrapped);
    });
  }

  /** What was typed is looked for now, and with it what else is wanted. @param {Partial<import("./query.js").Query>} [change] */
  #flush(change = {}) {
    const q = this.#parts.text.value;
    this.#untyped();
    if (q !== this.#finder.query.q || Object.keys(change).length) this.#finder.set({ ...change, q });
  }

  #untyped() {
    clearTimeout(this.#typing);
    this.#typing = undefined;
  }

  /** Says again what it says: times may be shown otherwise now. */
  show() {
    const { query, hits } = this.#finder;
    const { text, count, previous, next, case: exact, pattern, only } = this.#parts;
    // What was typed a moment ago is not looked for yet, and stays, wherever somebody went from there.
    if (!this.#typing && document.activeElement !== text && text.value !== query.q) text.value = query.q;
    for (const [button, on] of /** @type {[HTMLElement, boolean][]} */ ([[exact, query.case], [pattern, query.pattern], [only, query.only]])) {
      button.setAttribute("aria-pressed", String(on));
    }
    this.#words = hits ? this.#counted(hits) : "";
    if (count.textContent !== this.#words) count.textContent = this.#words;
    const refused = hits?.state === "refused";
    count.classList.toggle("bad", refused === true);
    if (refused) text.setAttribute("aria-invalid", "true");
    else text.removeAttribute("aria-invalid");
    previous.disabled = next.disabled = !hits || refused || (hits.complete && hits.count === 0);
  }

  /** @param {import("./search.js").Search} hits */
  #counted(hits) {
    if (hits.state === "refused") return hits.position ? `${hits.error} (character ${hits.position})` : hits.error;
    const place = this.#finder.place(this.#current);
    if (hits.complete) {
      if (hits.gone && !place) return `${plural(hits.count, "match", "matches")}; ${plural(hits.gone, "line")} no longer exist`;
      if (!hits.count) return "No match";
      return place ? `${thousands(place)} of ${thousands(hits.count)}` : plural(hits.count, "match", "matches");
    }
    const found = hits.count ? `${thousands(hits.count)} so far` : "";
    const how = hits.state === "waiting" ? "the server was not reached" : hits.time ? `searched back to ${this.#time(hits.time)}` : "Searching…";
    return [found, how].filter(Boolean).join(", ");
  }
}
