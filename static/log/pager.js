// Owns fetching lines by number: those in view that the page does not hold, and ranges for a copy. One request at a
// time for the view, aborted when its lines are no longer wanted. Every answer is checked, number by number. It knows
// no DOM and keeps no line.

import { numbered } from "./frames.js";

/**
 * @typedef {import("../line/row.js").Line} Line
 * @typedef {import("./line-store.js").Gap} Gap
 * @typedef {[number, number]} Range first and last, both included
 */

const MOST_LINES = 5000; // of one answer
const SPACED_MS = 40; // between requests: a dragged scrollbar asks with every frame
const WITHIN_MS = 20_000;
const FIRST_WAIT_MS = 1000;
const LONGEST_WAIT_MS = 15_000;

const FINAL = new Set([401, 403, 404, 410]); // signed out, not allowed, not there, expired: asking again would not help

/**
 * Events (`CustomEvent`): `lines` {lines} and `gap` {first, last, why}, of what was wanted · `failed` {status, final}:
 * status is 0 without an answer; it tries again unless `final`.
 */
export class Pager extends EventTarget {
  #url;
  #fetch;
  /** @type {Range[]} */
  #wanted = [];
  /** @type {{range: Range, abort: AbortController} | null} */
  #asking = null;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  #asked = -Infinity; // when the last request was begun
  #failures = 0;
  #over = false;

  /**
   * @param {object} options
   * @param {string} options.sync
   * @param {string} [options.origin]
   * @param {typeof globalThis.fetch} [options.fetch]
   */
  constructor({ sync, origin = globalThis.location?.origin ?? "", fetch }) {
    super();
    this.#url = `${origin}/api/syncs/${encodeURIComponent(sync)}/log`;
    this.#fetch = fetch ?? ((...args) => globalThis.fetch(...args));
  }

  /** The lines that the view lacks now, the most urgent first, in place of those wanted before. @param {Range[]} ranges */
  want(ranges) {
    this.#wanted = ranges;
    const asking = this.#asking;
    if (asking && !ranges.some(([first, last]) => first <= asking.range[1] && last >= asking.range[0])) {
      this.#asking = null;
      asking.abort.abort();
    }
    this.#next();
  }

  /**
   * The lines and gaps of a range, in order, as they come. Raises what `fetch` raises, or an error with the `status`.
   * @param {number} first @param {number} last
   * @returns {AsyncGenerator<{lines: Line[]} | {gap: Gap}>}
   */
  async *read(first, last) {
    while (first <= last) {
      const frames = await this.#ask(first, last);
      if (frames.length === 0) return; // the log ends before that
      for (const frame of frames) {
        yield "lines" in frame ? frame : { gap: frame };
        first = frame.last + 1;
      }
    }
  }

  #next() {
    if (this.#asking || this.#over || this.#wanted.length === 0) return;
    const wait = this.#failures ? Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** (this.#failures - 1)) : SPACED_MS;
    const left = this.#asked + wait - performance.now();
    clearTimeout(this.#timer);
    if (left > 0) this.#timer = setTimeout(() => this.#next(), left);
    else void this.#begin();
  }

  async #begin() {
    const [first, last] = this.#wanted[0];
    /** @type {Range} */
    const range = [first, Math.min(last, first + MOST_LINES - 1)];
    const abort = new AbortController();
    const asking = { range, abort };
    this.#asking = asking;
    this.#asked = performance.now();
    try {
      const frames = await this.#ask(...range, abort.signal);
      if (this.#asking !== asking) return;
      if (frames.length === 0) throw new Error("no lines"); // not there yet, or the log went back
      this.#failures = 0;
      this.#asked = -Infinity; // the rows of a filtered log lie far apart: each is a request, and none has to wait
      this.#asking = null;
      this.#wanted = this.#wanted.slice(1); // the view says so if it wants more
      for (const frame of frames) {
        this.dispatchEvent(new CustomEvent("lines" in frame ? "lines" : "gap", { detail: frame }));
      }
    } catch (error) {
      if (this.#asking !== asking) return; // aborted
      this.#asking = null;
      this.#failures += 1;
      const { status = 0 } = /** @type {{status?: number}} */ (error);
      this.#over = FINAL.has(status);
      this.dispatchEvent(new CustomEvent("failed", { detail: { status, final: this.#over } }));
    }
    this.#next();
  }

  /** @param {number} first @param {number} last @param {AbortSignal} [signal] @returns {Promise<({lines: Line[], last: number} | Gap)[]>} */
  async #ask(first, last, signal) {
    const until = Math.min(last, first + MOST_LINES - 1);
    const late = AbortSignal.timeout(WITHIN_MS);
    const both = signal ? AbortSignal.any([signal, late]) : late;
    const { status, body } = await ask(this.#fetch, `${this.#url}?first=${first}&last=${until}`, { signal: both });
    if (status !== 200) throw Object.assign(new Error(`the server answered ${status}`), { status });
    return checked(body.frames, first, until);
  }
}

/**
 * A range's frames follow each other without a hole, and each line is where its number says.
 * @param {any[]} frames @param {number} first @param {number} last
 * @returns {({lines: Line[], last: number} | Gap)[]}
 */
function checked(frames, first, last) {
  let next = first;
  for (const frame of frames) {
    const lines = frame.type === "lines" ? frame.lines : null;
    const whole = !lines || numbered(lines, frame.first, frame.last);
    if (frame.first !== next || frame.last > last || !whole) throw new Error(`lines ${frame.first}–${frame.last} do not follow ${next - 1}`);
    next = frame.last + 1;
  }
  return frames.map(({ type, first, last, why, lines }) => (type === "lines" ? { lines, last } : { first, last, why }));
}

/** @typedef {{status: number, body?: any, etag?: string | null}} Answer `body` only with status 200 */

/**
 * Fails when the server cannot be reached or the answer is not JSON.
 * @param {typeof globalThis.fetch} fetch @param {string} url @param {RequestInit} options @returns {Promise<Answer>}
 */
export async function ask(fetch, url, options) {
  const response = await fetch(url, {
    ...options,
    headers: { Accept: "application/json", ...options.headers },
    credentials: "same-origin",
    redirect: "manual", // only a sign-in page would send us elsewhere
  });
  if (response.type === "opaqueredirect") return { status: 401 };
  if (response.status !== 200) return { status: response.status };
  return { status: 200, body: await response.json(), etag: response.headers?.get("ETag") };
}
