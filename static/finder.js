// Owns finding in one log: what is looked for, which lines are shown for it, and which one is next.
// Two searches at most: for the lines that a filter leaves, and for those that have the text. It knows no DOM.

import { Marks } from "./marks.js";
import { NOTHING, filterOf, filters, parameters } from "./query.js";
import { Search } from "./search.js";

/** @type {Record<number, string>} */
const WHY_NOT = { 401: "Signed out: sign in to go on.", 410: "This log has expired." };

/**
 * @typedef {import("./query.js").Query} Query
 * @typedef {import("./query.js").Line} Line
 * @typedef {1 | -1} Direction on, or back
 * @typedef {{n: number | null, wrapped: boolean, wait: boolean}} Hit `wait`: the search has not come so far yet
 */

/**
 * Events: `query`, when something else is looked for · `rows`, when other rows are to be shown · `change`, when a search
 * came further · `marks`, when the places of what is looked for became known or others · `go` {n, wrapped}: the hit that
 * somebody waits for was found.
 */
export class Finder extends EventTarget {
  /** @type {Query} */
  query = NOTHING;
  /** @type {Search | null} for the lines that are shown; null: all are */
  shows = null;
  /** @type {Search | null} for the lines that have the text */
  hits = null;
  /** @type {Marks | null} */
  marks = null;

  #url;
  #fetch;
  #shown;
  /** @type {{from: number, direction: Direction} | null} */
  #awaited = null;

  /**
   * @param {object} options
   * @param {string} options.url of the log: `/api/syncs/ID/log`
   * @param {typeof globalThis.fetch} options.fetch
   * @param {(text: string) => string} options.shown a line's text as it is shown
   */
  constructor({ url, fetch, shown }) {
    super();
    this.#url = url;
    this.#fetch = fetch;
    this.#shown = shown;
  }

  /** The rows to be shown; null: all there are. */
  get rows() {
    return this.shows?.rows ?? null;
  }

  /** Everything is searched that there is, and there is nothing to show for it. */
  get empty() {
    return Boolean(this.shows?.complete && this.shows.count === 0);
  }

  /** Look for something else; what is not named stays as it is. @param {Partial<Query>} change */
  set(change) {
    const had = [this.shows, this.hits];
    const before = this.query;
    const query = { ...before, ...change };
    this.query = query;
    this.#awaited = null;
    this.shows = filters(query) ? this.#search(filterOf(query), had) : null;
    this.hits = query.q ? this.#search({ ...query, only: false }, [...had, this.shows]) : null;
    for (const one of had) if (one && one !== this.shows && one !== this.hits) one.stop();
    if (this.shows !== had[0]) this.#tell("rows");
    if (["q", "pattern", "case"].some((name) => query[/** @type {"q"} */ (name)] !== before[/** @type {"q"} */ (name)])) this.#mark();
    this.#tell("query");
    this.#tell("change");
  }

  /** Show everything again, and go on looking for the text. */
  clearFilter() {
    this.set({ ...NOTHING, q: this.query.q, pattern: this.query.pattern, case: this.query.case });
  }

  /** @param {Line[]} lines that arrived, in order */
  take(lines) {
    for (const one of this.#searches) one.take(lines);
  }

  /** The log goes on from this line. @param {number} last */
  rewind(last) {
    for (const one of this.#searches) one.rewind(last);
  }

  /**
   * The next hit from a line on, or back. Behind the last one comes the first, once that is known.
   * @param {number} from @param {Direction} direction @returns {Hit}
   */
  next(from, direction) {
    this.#awaited = null;
    const hits = this.hits;
    if (!hits) return { n: null, wrapped: false, wait: false };
    const i = direction > 0 ? hits.rows.indexOf(from + 1) : hits.rows.indexOf(from) - 1;
    // It looks from the end on: the first one that it knows of after a line need not be the first one there is.
    const known = direction < 0 || hits.complete || (hits.first > 0 && hits.first <= from + 1);
    if (known && i >= 0 && i < hits.count) return { n: hits.rows.numberAt(i), wrapped: false, wait: false };
    if (hits.complete && hits.count) return { n: hits.rows.numberAt(direction > 0 ? 0 : hits.count - 1), wrapped: true, wait: false };
    const wait = !hits.complete && hits.state !== "refused";
    if (wait) this.#awaited = { from, direction };
    return { n: null, wrapped: false, wait };
  }

  /** Which one of the hits a line is, from 1 on; 0: none. @param {number} n */
  place(n) {
    return this.hits?.rows.has(n) ? this.hits.rows.indexOf(n) + 1 : 0;
  }

  /**
   * The next line of a level, wherever it is, among those that the other filters leave.
   * @param {string} level @param {number} from @param {Direction} direction @returns {Promise<number | null>}
   */
  async nextOf(level, from, direction) {
    const asked = parameters({ ...filterOf(this.query), levels: [level] });
    asked.set("limit", "1");
    if (direction > 0) asked.set("after", String(from));
    else asked.set("order", "desc");
    if (direction < 0 && from > 0) asked.set("before", String(from));
    for (;;) {
      const { matches, more } = await this.#answer(`${this.#url}?${asked}`);
      if (matches.length || more === null) return matches[0]?.n ?? null;
      asked.set(direction > 0 ? "after" : "before", String(more)); // a request looks only for so long
    }
  }

  /** The line of a moment. @param {Date} at @returns {Promise<number | null>} */
  async lineAt(at) {
    return (await this.#answer(`${this.#url}/outline?at=${encodeURIComponent(at.toISOString())}`)).n;
  }

  /** What the server says; an error says, for a person, why there is nothing. @param {string} url @returns {Promise<any>} */
  async #answer(url) {
    let status = 0;
    try {
      const answer = await this.#fetch(url, { headers: { Accept: "application/json" }, credentials: "same-origin" });
      status = answer.status;
      if (status === 200) return await answer.json();
    } catch {
      // Not reached, or cut off.
    }
    throw new Error(WHY_NOT[status] ?? "The server was not reached. Try again in a moment.");
  }

  get #searches() {
    return new Set([this.shows, this.hits].filter((one) => one !== null));
  }

  /** The one there is for this, or a new one. @param {Query} query @param {(Search | null)[]} among @returns {Search} */
  #search(query, among) {
    const key = parameters(query).toString();
    const there = among.find((one) => one?.key === key && one.state !== "refused");
    if (there) return there;
    const made = new Search({ url: this.#url, query, fetch: this.#fetch, shown: this.#shown });
    made.addEventListener("change", () => this.#changed(made));
    made.start();
    return made;
  }

  /** @param {Search} search */
  #changed(search) {
    if (search !== this.shows && search !== this.hits) return;
    if (search === this.hits && this.#awaited) {
      const { from, direction } = this.#awaited;
      const { n, wrapped } = this.next(from, direction);
      if (n !== null) this.dispatchEvent(new CustomEvent("go", { detail: { n, wrapped } }));
    }
    this.#tell("change");
  }

  #mark() {
    this.marks?.stop();
    const { q, pattern, case: exact } = this.query;
    this.marks = q ? new Marks({ q, pattern, case: exact, fetch: this.#fetch }) : null;
    this.marks?.addEventListener("change", () => this.#tell("marks"));
    this.#tell("marks");
  }

  /** @param {string} name */
  #tell(name) {
    this.dispatchEvent(new Event(name));
  }
}
