// Owns fetching lines by number: those in view that the page does not hold, and ranges for a copy. One request at a
// time for the view, aborted when its lines are no longer wanted. Every answer is checked, number by number. It knows
// no DOM and keeps no line.

/**
 * @typedef {import("../line/row.js").Line} Line
 * @typedef {import("./line-store.js").Gap} Gap
 * @typedef {[number, number]} Range first and last, both included
 */

export const MOST_LINES = 5000; // of one answer
const SPACED_MS = 40; // between requests: a dragged scrollbar asks with every frame
const WITHIN_MS = 20_000;
const FIRST_WAIT_MS = 1000;
const LONGEST_WAIT_MS = 15_000;

export class Refused extends Error {
  /** @param {number} status */
  constructor(status) {
    super(`the server answered ${status}`);
    this.status = status;
  }

  /** Whether asking again would not help: signed out, not allowed, not there, expired. */
  get final() {
    return [401, 403, 404, 410].includes(this.status);
  }
}

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
   * The lines and gaps of a range, in order, as they come. Raises `Refused`, or what `fetch` raises.
   * @param {number} first @param {number} last
   * @returns {AsyncGenerator<{lines: Line[]} | {gap: Gap}>}
   */
  async *read(first, last) {
    while (first <= last) {
      const until = Math.min(last, first + MOST_LINES - 1);
      const frames = await this.#ask([first, until]);
      if (frames.length === 0) return; // the log ends before that
      for (const frame of frames) {
        yield "lines" in frame ? { lines: frame.lines } : { gap: frame };
        first = frame.last + 1;
      }
    }
  }

  #next() {
    if (this.#asking || this.#over || this.#wanted.length === 0) return;
    const left = this.#asked + this.#wait() - performance.now();
    clearTimeout(this.#timer);
    if (left > 0) this.#timer = setTimeout(() => this.#next(), left);
    else void this.#begin();
  }

  #wait() {
    return this.#failures ? Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** (this.#failures - 1)) : SPACED_MS;
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
      const frames = await this.#ask(range, abort.signal);
      if (this.#asking !== asking) return;
      if (frames.length === 0) throw new Refused(0); // not there yet, or the log went back
      this.#failures = 0;
      this.#asked = -Infinity; // the rows of a filtered log lie far apart: each is a request, and none has to wait
      this.#asking = null;
      this.#wanted = this.#wanted.slice(1); // the view says so if it wants more
      for (const frame of frames) {
        if ("lines" in frame) this.dispatchEvent(new CustomEvent("lines", { detail: { lines: frame.lines } }));
        else this.dispatchEvent(new CustomEvent("gap", { detail: frame }));
      }
    } catch (error) {
      if (this.#asking !== asking) return; // aborted
      this.#asking = null;
      this.#failures += 1;
      const status = error instanceof Refused ? error.status : 0;
      this.#over = error instanceof Refused && error.final;
      this.dispatchEvent(new CustomEvent("failed", { detail: { status, final: this.#over } }));
    }
    this.#next();
  }

  /** @param {Range} range @param {AbortSignal} [signal] @returns {Promise<({lines: Line[], last: number} | Gap)[]>} */
  async #ask([first, last], signal) {
    const late = AbortSignal.timeout(WITHIN_MS);
    const response = await this.#fetch(`${this.#url}?first=${first}&last=${last}`, {
      headers: { Accept: "application/json" },
      signal: signal ? AbortSignal.any([signal, late]) : late,
      credentials: "same-origin",
      redirect: "manual", // only a sign-in page would send us elsewhere
    });
    if (response.type === "opaqueredirect") throw new Refused(401);
    if (response.status !== 200) throw new Refused(response.status);
    const { frames } = await response.json();
    return checked(frames, first, last);
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
    const whole = !lines || (lines.length === frame.last - frame.first + 1 && lines.every(numbered(frame.first)));
    if (frame.first !== next || frame.last > last || !whole) throw new Error(`lines ${frame.first}–${frame.last} do not follow ${next - 1}`);
    next = frame.last + 1;
  }
  return frames.map(({ type, ...frame }) => (type === "lines" ? { lines: frame.lines, last: frame.last } : gapOf(frame)));
}

/** @param {number} first @returns {(line: Line, i: number) => boolean} */
const numbered = (first) => (line, i) => line.n === first + i;

/** @param {Gap} frame @returns {Gap} */
const gapOf = ({ first, last, why }) => ({ first, last, why });
