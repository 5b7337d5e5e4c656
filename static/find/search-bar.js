// Owns the search row: what is typed into it, the buttons in it and the one that opens it, and the words beside it
// (how many matches, which one, how far back). It does not search or draw lines: it tells the finder.

import { get, write } from "../shared/elements.js";
import { plural, thousands } from "../shared/format.js";

const TYPING_MS = 250;

/**
 * @typedef {import("./finder.js").Finder} Finder
 * @typedef {import("./finder.js").Direction} Direction
 */

export class SearchBar {
  #finder;
  #place;
  #log;
  #announce;
  #time;
  #parts;
  #current = 0; // the match last shown
  #words = "";
  /** @type {import("./search.js").Search | null} whose end was announced */
  #announced;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #typing;

  /**
   * @param {object} options
   * @param {Finder} options.finder
   * @param {import("./place.js").Place} options.place
   * @param {HTMLElement} options.log
   * @param {(text: string) => void} options.announce for screen readers
   * @param {(time: string) => string} options.time how a moment is shown
   */
  constructor({ finder, place, log, announce, time }) {
    this.#finder = finder;
    this.#place = place;
    this.#log = log;
    this.#announce = announce;
    this.#time = time;
    this.#announced = finder.hits;
    this.#parts = {
      bar: get("finder"),
      button: get("find"),
      scroller: get("log-scroll"),
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
    this.#show();
  }

  get isOpen() {
    return !this.#parts.bar.hidden;
  }

  open({ focus = true } = {}) {
    this.#parts.bar.hidden = false;
    this.#parts.button.setAttribute("aria-expanded", "true");
    if (!focus) return;
    this.#parts.text.focus();
    this.#parts.text.select();
    this.#log.scrollIntoView({ block: "nearest" }); // on a small screen the page's head is above it
  }

  /** Stops searching for the text; filters stay. */
  close() {
    this.#parts.bar.hidden = true;
    this.#parts.button.setAttribute("aria-expanded", "false");
    this.#untyped();
    this.#parts.text.value = "";
    this.#current = 0;
    this.#finder.set({ q: "", only: false });
    this.#parts.scroller.focus({ preventScroll: true });
  }

  /** Go to the next match, or the previous one. @param {Direction} asked */
  go(asked) {
    this.#flush();
    if (!this.#finder.hits) return;
    const { from, direction } = this.#place.hit(asked);
    const { n, wrapped } = this.#finder.next(from, direction);
    if (n !== null) this.#goTo(n, wrapped);
  }

  /** @param {number} n @param {boolean} wrapped */
  #goTo(n, wrapped) {
    this.#current = n;
    this.#place.go(n);
    this.#show();
    this.#announce([`Line ${n}`, this.#words, wrapped ? "from the other end" : ""].filter(Boolean).join(", "));
  }

  #wire() {
    const { bar, button, text, exclude, previous, next, case: exact, pattern, only, close } = this.#parts;
    button.hidden = false;
    button.addEventListener("click", () => (this.isOpen ? this.close() : this.open()));
    document.addEventListener("keydown", (event) => this.#opened(event));
    text.addEventListener("input", () => {
      clearTimeout(this.#typing);
      this.#typing = setTimeout(() => this.#flush(), TYPING_MS);
    });
    text.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || event.isComposing) return;
      event.preventDefault();
      this.go(event.shiftKey ? -1 : 1);
    });
    // On Enter, and when the focus leaves: text that stays in the field would look as if it were excluded.
    exclude.addEventListener("change", () => {
      if (!exclude.value) return;
      this.#finder.set({ exclude: [...new Set([...this.#finder.query.exclude, exclude.value])] });
      exclude.value = "";
    });
    bar.addEventListener("keydown", (event) => {
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
    this.#finder.addEventListener("query", () => this.#show());
    this.#finder.addEventListener("change", () => {
      this.#show();
      this.#announceEnd();
    });
    this.#finder.addEventListener("go", (event) => {
      const { n, wrapped } = /** @type {CustomEvent} */ (event).detail;
      this.#goTo(n, wrapped);
    });
  }

  /** Ctrl+F opens it; pressed once more, in its field, it is the browser's. @param {KeyboardEvent} event */
  #opened(event) {
    const find = (event.ctrlKey || event.metaKey) && !event.shiftKey && !event.altKey && event.key.toLowerCase() === "f";
    const typing = this.isOpen && document.activeElement === this.#parts.text;
    if (!find || typing || document.querySelector("dialog[open]")) return;
    event.preventDefault();
    this.open();
  }

  /** Once for each search, when it is complete or fails. */
  #announceEnd() {
    const { hits } = this.#finder;
    if (hits === this.#announced || (hits && !hits.complete && !hits.error)) return;
    this.#announced = hits;
    if (hits) this.#announce(this.#words);
  }

  /** Search for what was typed now, with other changes if there are any. @param {Partial<import("./query.js").Query>} [change] */
  #flush(change = {}) {
    const q = this.#parts.text.value;
    this.#untyped();
    if (q !== this.#finder.query.q || Object.keys(change).length) this.#finder.set({ ...change, q });
  }

  #untyped() {
    clearTimeout(this.#typing);
    this.#typing = undefined;
  }

  #show() {
    const { query, hits } = this.#finder;
    const { text, count, previous, next, case: exact, pattern, only } = this.#parts;
    // Text typed a moment ago is not searched for yet; it stays even if the focus has left the field.
    if (!this.#typing && document.activeElement !== text && text.value !== query.q) text.value = query.q;
    for (const [button, on] of /** @type {[HTMLElement, boolean][]} */ ([[exact, query.case], [pattern, query.pattern], [only, query.only]])) {
      button.setAttribute("aria-pressed", String(on));
    }
    this.#words = hits ? this.#counted(hits) : "";
    write(count, this.#words);
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
    const how = hits.state === "waiting" ? "the server cannot be reached" : hits.time ? `searched back to ${this.#time(hits.time)}` : "Searching…";
    return [found, how].filter(Boolean).join(", ");
  }
}
