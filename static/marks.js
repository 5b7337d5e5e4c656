// Owns where the text that is looked for stands in the texts in view. A plain text is found here; where a pattern matches
// the server says, for it is the one whose patterns these are, and whose time is bounded. It knows no DOM.

import { literal } from "./query.js";

const MOST_KNOWN = 3000; // texts whose places are kept
const MOST_SPANS = 100; // of one text, as the server has it
const BATCH_TEXTS = 300;
const BATCH_CHARACTERS = 17_000; // a request's body may have 64 KiB, and JSON makes more of some characters
const LONGEST = 17_000; // a line's text is cut before that
const GATHER_MS = 20;

/** @typedef {[number, number][]} Spans starts and ends */

/** Events: `change`, when places of texts became known that were asked for before. */
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

  /** Where a text matches, as far as is known now. @param {string} text @returns {Spans} */
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
    // What the server could not say is asked for again when it is next looked at, and not before.
    texts.forEach((text, i) => this.#know(text, marks?.[i] ?? (marks ? [] : null)));
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
      credentials: "same-origin",
      redirect: "manual",
    });
    if (answer.status === 422) this.stop(); // it is no pattern, and will not become one
    return answer.status === 200 ? (await answer.json()).marks : null;
  }

  /** @param {string} text @param {Spans | null} spans */
  #know(text, spans) {
    if (spans === null) return;
    this.#known.set(text, spans);
    if (this.#known.size > MOST_KNOWN) this.#known.delete(/** @type {string} */ (this.#known.keys().next().value));
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
