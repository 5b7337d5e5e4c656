// Owns the outline of a log: the count of lines of each level and phase, and its sections, which are runs of one phase.
// The server makes it for the lines there are; later lines are added here by the same rules (server/log/outline.py).
// It knows no DOM.

const AGAIN_MS = 2_000;
const BRIDGE_LINES = 20; // this many lines without a phase (or lost) between two lines of one phase belong to it
const MOST_SECTIONS = 2_000;
const MOST_PHASES = 100;
const OTHER_PHASES = "…";

/**
 * @typedef {{first: number, last: number, phase: string, errors: number, warnings: number, began: string, ended: string}} Section
 * @typedef {import("../line/row.js").Line} Line
 */

/** Events: `change`. */
export class Outline extends EventTarget {
  upto = 0;
  /** @type {Map<string, number>} */
  levels = new Map();
  /** @type {Map<string, number>} */
  phases = new Map();
  /** @type {Section[]} */
  sections = [];
  /** @type {number | null} from this line on there are no sections: there were too many */
  cut = null;
  /** The server has answered. */
  known = false;

  /** @type {Section | null} lines without a phase; if the same phase goes on after them, they belong to it */
  #loose = null;
  #reach = 0; // the last line of the log, as far as is known
  #url;
  #fetch;
  /** @type {object | null} the request under way */
  #asking = null;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;

  /** @param {{url: string, fetch: typeof globalThis.fetch}} options `url` of the log */
  constructor({ url, fetch }) {
    super();
    this.#url = url;
    this.#fetch = fetch;
  }

  /** Fetch it from the server. */
  async load() {
    if (this.#asking) return;
    const asking = (this.#asking = {});
    const told = await this.#told();
    if (asking !== this.#asking) return; // a rewind made this answer stale
    this.#asking = null;
    if (told === null) return void this.#later();
    if (told === undefined) return;
    const { upto, levels, phases, sections, cut, loose } = told;
    Object.assign(this, { upto, sections, cut, known: true });
    this.levels = new Map(Object.entries(levels));
    this.phases = new Map(phases.map((/** @type {{phase: string, lines: number}} */ one) => [one.phase, one.lines]));
    this.#loose = loose;
    if (this.upto < this.#reach) this.#later(); // more lines arrived meanwhile
    this.dispatchEvent(new Event("change"));
  }

  /** These lines arrived, in order. @param {Line[]} lines */
  take(lines) {
    if (lines.length === 0) return;
    this.#reach = Math.max(this.#reach, lines[lines.length - 1].n);
    if (!this.known) return;
    if (lines[0].n > this.upto + 1) return void this.#later();
    for (const line of lines) if (line.n > this.upto) this.#take(line);
    this.dispatchEvent(new Event("change"));
  }

  /** Fetch it again: it may count lines after `last`, which are no longer in the log. @param {number} last */
  rewind(last) {
    this.#reach = Math.min(this.#reach, last);
    this.known = false;
    this.#asking = null;
    void this.load();
  }

  /** The section that holds a line. @param {number} n @returns {Section | null} */
  at(n) {
    return this.sections.find((one) => one.first <= n && n <= one.last) ?? null;
  }

  #later() {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      void this.load();
    }, AGAIN_MS);
  }

  /** Null: ask again later. Undefined: asking again would not help. @returns {Promise<any>} */
  async #told() {
    try {
      const answer = await this.#fetch(`${this.#url}/outline`, {
        headers: { Accept: "application/json" },
        redirect: "manual",
      });
      if (answer.type === "opaqueredirect" || (answer.status >= 400 && answer.status < 500 && answer.status !== 429)) return undefined;
      return answer.status === 200 ? await answer.json() : null;
    } catch {
      return null;
    }
  }

  /** @param {Line} line */
  #take(line) {
    const phase = line.phase ?? "";
    this.upto = line.n;
    this.levels.set(line.level, (this.levels.get(line.level) ?? 0) + 1);
    const known = !phase || this.phases.has(phase) || this.phases.size < MOST_PHASES;
    const counted = known ? phase : OTHER_PHASES;
    this.phases.set(counted, (this.phases.get(counted) ?? 0) + 1);
    if (this.cut) return;
    const last = this.sections.at(-1);
    const loose = this.#loose;
    if (!phase) {
      if (loose) add(loose, line);
      else this.#loose = section(line);
    } else if (last?.phase === phase && line.n - last.last <= BRIDGE_LINES + 1) {
      if (loose) join(last, loose);
      add(last, line);
      this.#loose = null;
    } else if (this.sections.length < MOST_SECTIONS) {
      this.sections.push(section(line));
      this.#loose = null;
    } else {
      this.cut = line.n;
    }
  }
}

/** @param {Line} line @returns {Section} */
function section(line) {
  const made = { first: line.n, last: line.n, phase: line.phase ?? "", errors: 0, warnings: 0, began: line.time, ended: line.time };
  add(made, line);
  return made;
}

/** @param {Section} to @param {Line} line */
function add(to, line) {
  to.last = line.n;
  to.ended = line.time;
  if (line.level === "error") to.errors += 1;
  if (line.level === "warning") to.warnings += 1;
}

/** @param {Section} to @param {Section} other */
function join(to, other) {
  to.last = other.last;
  to.ended = other.ended;
  to.errors += other.errors;
  to.warnings += other.warnings;
}
