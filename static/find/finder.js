// Owns finding in one log: the query, which lines are shown for it, and which match is next.
// It runs two searches at most: for the lines that pass the filters, and for those that have the text. It knows no DOM.

import { Marks } from "./marks.js";
import { NOTHING, filterOf, filters, parameters } from "./query.js";
import { Search } from "./search.js";

/** @type {Record<number, string>} */
const WHY_NOT = { 401: "You are signed out. Sign in to continue.", 410: "This log has expired." };

/**
 * @typedef {import("./query.js").Query} Query
 * @typedef {import("./query.js").Line} Line
 * @typedef {1 | -1} Direction forward or back
 * @typedef {{n: number | null, wrapped: boolean, wait: boolean}} Hit `wait`: the search has not come that far yet
 *
 * @typedef {object} Page what the parts of finding on a page share
 * @property {HTMLElement} log
 * @property {import("../log/log-view.js").LogView} view
 * @property {import("../log/rows.js").AllRows} all the rows without a filter
 * @property {(text: string) => void} tell shown for a moment
 * @property {(text: string) => void} announce for screen readers
 * @property {() => import("./jump.js").Clock} clock how times are shown now
 * @property {() => string} started when the sync started
 * @property {Finder} finder
 * @property {import("./outline.js").Outline} outline
 * @property {import("./context.js").Place} place
 */

/**
 * Events: `query`, the query changed · `rows`, other rows are to be shown · `change`, a search made progress ·
 * `marks`, the places to highlight changed · `go` {n, wrapped}: the awaited match was found.
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
  /** @type {{from: number, direction: Direction} | null} the match that was asked for and is not found yet */
  #awaited = null;

  /** @param {{url: string, fetch: typeof globalThis.fetch}} options `url` of the log: `/api/syncs/ID/log` */
  constructor({ url, fetch }) {
    super();
    this.#url = url;
    this.#fetch = fetch;
  }

  /** The whole log was searched, and no line passes the filters. */
  get empty() {
    return Boolean(this.shows?.complete && this.shows.count === 0);
  }

  /** Change the query; what is not named stays as it is. @param {Partial<Query>} change */
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
    if (query.q !== before.q || query.pattern !== before.pattern || query.case !== before.case) this.#mark();
    this.#tell("query");
    this.#tell("change");
  }

  /** Remove all filters; the search for the text goes on. */
  clearFilter() {
    this.set({ ...NOTHING, q: this.query.q, pattern: this.query.pattern, case: this.query.case });
  }

  /** @param {Line[]} lines that arrived, in order */
  take(lines) {
    for (const one of this.#searches) one.take(lines);
  }

  /** Search again from the start: the log has lost lines, and matches may be among them. */
  restart() {
    for (const one of this.#searches) one.stop();
    this.shows = this.hits = null;
    this.set({});
  }

  /**
   * The next match after a line, or before it. After the last one comes the first, once that is known.
   * @param {number} from @param {Direction} direction @returns {Hit}
   */
  next(from, direction) {
    this.#awaited = null;
    const hits = this.hits;
    if (!hits) return { n: null, wrapped: false, wait: false };
    const i = direction > 0 ? hits.rows.indexOf(from + 1) : hits.rows.indexOf(from) - 1;
    // The search goes back from the end: the first match it knows after a line may not be the first there is.
    const known = direction < 0 || hits.complete || (hits.first > 0 && hits.first <= from + 1);
    if (known && i >= 0 && i < hits.count) return { n: hits.rows.numberAt(i), wrapped: false, wait: false };
    if (hits.complete && hits.count) return { n: hits.rows.numberAt(direction > 0 ? 0 : hits.count - 1), wrapped: true, wait: false };
    const wait = !hits.complete && hits.state !== "refused";
    if (wait) this.#awaited = { from, direction };
    return { n: null, wrapped: false, wait };
  }

  /** The position of a line among the matches, from 1; 0: it is none. @param {number} n */
  place(n) {
    return this.hits?.rows.has(n) ? this.hits.rows.indexOf(n) + 1 : 0;
  }

  /**
   * The number of the next line of a level, among the lines that pass the other filters.
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
      asked.set(direction > 0 ? "after" : "before", String(more)); // each request has a time limit
    }
  }

  /** The number of the first line at or after a moment. @param {Date} at @returns {Promise<number | null>} */
  async lineAt(at) {
    return (await this.#answer(`${this.#url}/outline?at=${encodeURIComponent(at.toISOString())}`)).n;
  }

  /** The server's answer. The error's message is for people. @param {string} url @returns {Promise<any>} */
  async #answer(url) {
    let status = 0;
    try {
      const answer = await this.#fetch(url, { headers: { Accept: "application/json" } });
      status = answer.status;
      if (status === 200) return await answer.json();
    } catch {
      // Unreachable, or the answer broke off.
    }
    throw new Error(WHY_NOT[status] ?? "The server cannot be reached. Try again in a moment.");
  }

  get #searches() {
    return new Set([this.shows, this.hits].filter((one) => one !== null));
  }

  /** One of `among` that has the same query, or a new one. @param {Query} query @param {(Search | null)[]} among @returns {Search} */
  #search(query, among) {
    const key = parameters(query).toString();
    const there = among.find((one) => one?.key === key && one.state !== "refused");
    if (there) return there;
    const made = new Search({ url: this.#url, query, fetch: this.#fetch });
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
