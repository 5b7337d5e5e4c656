// Owns the search row: what is typed into it, the buttons in it and the one that opens it, and the words beside it
// (how many matches, which one, how far back). It does not search or draw lines: it tells the finder.

import { get, write } from "../shared/elements.js";
import { plural, thousands } from "../shared/format.js";

const TYPING_MS = 250;
const SWITCHES = /** @type {const} */ (["case", "pattern", "only"]);

export class SearchBar {
  #page;
  #parts;
  #current = 0; // the match last shown
  #words = "";
  /** @type {import("./search.js").Search | null} whose end was announced */
  #announced;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #typing;

  /** @param {import("./finder.js").Page} page */
  constructor(page) {
    this.#page = page;
    this.#announced = page.finder.hits;
    this.#parts = {
      bar: get("finder"),
      button: get("find"),
      scroller: get("log-scroll"),
      text: /** @type {HTMLInputElement} */ (get("find-text")),
      exclude: /** @type {HTMLInputElement} */ (get("find-exclude")),
      count: get("find-count"),
      previous: /** @type {HTMLButtonElement} */ (get("find-previous")),
      next: /** @type {HTMLButtonElement} */ (get("find-next")),
    };
    this.#wireButtons();
    this.#wireFields();
    for (const name of ["query", "change"]) page.finder.addEventListener(name, () => this.#show());
    page.finder.addEventListener("change", () => this.#announceEnd());
    page.finder.addEventListener("go", (event) => this.#goTo(/** @type {CustomEvent} */ (event).detail));
    this.#show();
  }

  open({ focus = true } = {}) {
    this.#parts.bar.hidden = false;
    this.#parts.button.setAttribute("aria-expanded", "true");
    if (!focus) return;
    this.#parts.text.focus();
    this.#parts.text.select();
    this.#page.log.scrollIntoView({ block: "nearest" }); // on a small screen the page's head is above it
  }

  /** Stops searching for the text; filters stay. */
  close() {
    this.#parts.bar.hidden = true;
    this.#parts.button.setAttribute("aria-expanded", "false");
    this.#untyped();
    this.#parts.text.value = "";
    this.#current = 0;
    this.#page.finder.set({ q: "", only: false });
    this.#parts.scroller.focus({ preventScroll: true });
  }

  /** Go to the next match, or the previous one. @param {import("./finder.js").Direction} asked */
  go(asked) {
    this.#flush();
    if (!this.#page.finder.hits) return;
    const { from, direction } = this.#page.place.hit(asked);
    const { n, wrapped } = this.#page.finder.next(from, direction);
    if (n !== null) this.#goTo({ n, wrapped });
  }

  /** @param {{n: number, wrapped: boolean}} match */
  #goTo({ n, wrapped }) {
    this.#current = n;
    this.#page.place.go(n);
    this.#show();
    this.#page.announce([`Line ${n}`, this.#words, wrapped ? "from the other end" : ""].filter(Boolean).join(", "));
  }

  #wireButtons() {
    const { bar, button, previous, next } = this.#parts;
    button.hidden = false;
    button.addEventListener("click", () => (bar.hidden ? this.open() : this.close()));
    previous.addEventListener("click", () => this.go(-1));
    next.addEventListener("click", () => this.go(1));
    get("find-close").addEventListener("click", () => this.close());
    for (const name of SWITCHES) {
      get(`find-${name}`).addEventListener("click", () => this.#flush({ [name]: !this.#page.finder.query[name] }));
    }
  }

  #wireFields() {
    const { bar, text, exclude } = this.#parts;
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
      this.#page.finder.set({ exclude: [...new Set([...this.#page.finder.query.exclude, exclude.value])] });
      exclude.value = "";
    });
    bar.addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || event.defaultPrevented) return;
      event.preventDefault();
      this.close();
    });
  }

  /** Ctrl+F opens it; pressed once more, in its field, it is the browser's. @param {KeyboardEvent} event */
  #opened(event) {
    const find = (event.ctrlKey || event.metaKey) && !event.shiftKey && !event.altKey && event.key.toLowerCase() === "f";
    if (!find || document.activeElement === this.#parts.text || document.querySelector("dialog[open]")) return;
    event.preventDefault();
    this.open();
  }

  /** Once for each search, when it is complete or fails. */
  #announceEnd() {
    const { hits } = this.#page.finder;
    if (hits === this.#announced || (hits && !hits.complete && !hits.error)) return;
    this.#announced = hits;
    if (hits) this.#page.announce(this.#words);
  }

  /** Search for what was typed now, with other changes if there are any. @param {Partial<import("./query.js").Query>} [change] */
  #flush(change = {}) {
    const q = this.#parts.text.value;
    this.#untyped();
    if (q !== this.#page.finder.query.q || Object.keys(change).length) this.#page.finder.set({ ...change, q });
  }

  #untyped() {
    clearTimeout(this.#typing);
    this.#typing = undefined;
  }

  #show() {
    const { query, hits } = this.#page.finder;
    const { text, count, previous, next } = this.#parts;
    // Text typed a moment ago is not searched for yet; it stays even if the focus has left the field.
    if (!this.#typing && document.activeElement !== text && text.value !== query.q) text.value = query.q;
    for (const name of SWITCHES) get(`find-${name}`).setAttribute("aria-pressed", String(query[name]));
    this.#words = hits ? this.#counted(hits) : "";
    write(count, this.#words);
    const refused = hits?.state === "refused";
    count.classList.toggle("bad", refused === true);
    text.ariaInvalid = refused ? "true" : null;
    previous.disabled = next.disabled = !hits || refused || (hits.complete && hits.count === 0);
  }

  /** @param {import("./search.js").Search} hits */
  #counted(hits) {
    if (hits.state === "refused") return hits.position ? `${hits.error} (character ${hits.position})` : hits.error;
    const place = this.#page.finder.place(this.#current);
    if (hits.complete) {
      if (hits.gone && !place) return `${plural(hits.count, "match", "matches")}; ${plural(hits.gone, "line")} no longer exist`;
      if (!hits.count) return "No match";
      return place ? `${thousands(place)} of ${thousands(hits.count)}` : plural(hits.count, "match", "matches");
    }
    const found = hits.count ? `${thousands(hits.count)} so far` : "";
    const how = hits.state === "waiting" ? "the server cannot be reached" : hits.time ? `searched back to ${this.#page.clock().time(hits.time).slice(0, 8)}` : "Searching…";
    return [found, how].filter(Boolean).join(", ");
  }
}
