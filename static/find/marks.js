// Owns the places to highlight: where the query matches in the texts in view. Plain texts are found here. Patterns are
// matched by the server: they are RE2's, and a browser has no bound on their time. It knows no DOM.

import { literal } from "./query.js";

const MOST_KNOWN = 3000; // texts whose matches are kept
const MOST_SPANS = 100; // per text; the server has the same limit
const BATCH_TEXTS = 300;
const BATCH_CHARACTERS = 17_000; // a request body has 64 KiB at most, and JSON escapes some characters
const LONGEST = 17_000; // no line's text is longer
const GATHER_MS = 20;

/** @typedef {[number, number][]} Spans starts and ends */

/** Events: `change`, when the matches of texts asked for before are known. */
export class Marks extends EventTarget {
  #q;
  #case;
  #fetch;
  /** @type {RegExp | null} */
  #literal;
  /** @type {Map<string, Spans>} */
  #known = new Map();
  /** @type {Set<string>} */
  #wanted = new Set();
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  #busy = false;
  #stopped = false;

  /** @param {{q: string, pattern: boolean, case: boolean, fetch: typeof globalThis.fetch}} options */
  constructor({ q, pattern, case: exact, fetch }) {
    super();
    this.#q = q;
    this.#case = exact;
    this.#fetch = fetch;
    this.#literal = pattern ? null : literal(q, exact);
  }

  /** Where a text matches; empty while the server has not answered. @param {string} text @returns {Spans} */
  find(text) {
    if (this.#literal) return spansOf(this.#literal, text);
    const known = this.#known.get(text);
    if (known) return known;
    if (text.length <= LONGEST && !this.#stopped) {
      this.#wanted.add(text);
      this.#timer ??= setTimeout(() => void this.#ask(), GATHER_MS);
    }
    return [];
  }

  stop() {
    this.#stopped = true;
    clearTimeout(this.#timer);
  }

  async #ask() {
    this.#timer = undefined;
    if (this.#busy || this.#stopped || this.#wanted.size === 0) return;
    this.#busy = true;
    const texts = this.#batch();
    const marks = await this.#marks(texts).catch(() => null);
    this.#busy = false;
    if (this.#stopped) return;
    // If the server failed, a text is asked for again when it is drawn the next time.
    if (marks) texts.forEach((text, i) => this.#known.set(text, marks[i] ?? []));
    for (const text of [...this.#known.keys()].slice(0, -MOST_KNOWN)) this.#known.delete(text);
    if (marks?.some((spans) => spans.length)) this.dispatchEvent(new Event("change"));
    if (this.#wanted.size) this.#timer ??= setTimeout(() => void this.#ask(), GATHER_MS);
  }

  #batch() {
    /** @type {string[]} */
    const texts = [];
    let characters = 0;
    for (const text of this.#wanted) {
      if (texts.length && (texts.length >= BATCH_TEXTS || characters + text.length > BATCH_CHARACTERS)) break;
      texts.push(text);
      characters += text.length;
      this.#wanted.delete(text);
    }
    return texts;
  }

  /** @param {string[]} texts @returns {Promise<Spans[] | null>} */
  async #marks(texts) {
    const answer = await this.#fetch("/api/marks", {
      method: "POST",
      headers: { "Content-Type": "application/json", Accept: "application/json" },
      body: JSON.stringify({ q: this.#q, case: this.#case, texts }),
      redirect: "manual",
    });
    if (answer.status === 422) this.stop(); // the pattern is wrong
    return answer.status === 200 ? (await answer.json()).marks : null;
  }
}

/** @param {RegExp} expression @param {string} text @returns {Spans} */
function spansOf(expression, text) {
  /** @type {Spans} */
  const found = [];
  for (const match of text.matchAll(expression)) {
    found.push([match.index, match.index + match[0].length]);
    if (found.length === MOST_SPANS) break;
  }
  return found;
}
