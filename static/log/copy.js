// Owns copying rows of a log as text, also of lines that the page does not hold. It fetches nothing itself: it is
// handed what reads lines by number.

import { lineText } from "../line/row.js";
import { plural } from "../shared/format.js";
import { rangesOf } from "./line-store.js";
import { gapText } from "./placeholder-rows.js";

/**
 * @typedef {import("../line/row.js").Line} Line
 * @typedef {import("./selection.js").Point} Point
 * @typedef {{first: Point, last: Point, from: number, to: number}} Selected two places, and the indices of their rows
 *
 * @typedef {object} Source
 * @property {import("./log-view.js").LogView} view
 * @property {(first: number, last: number) => AsyncIterable<{lines: Line[]} | {gap: import("./line-store.js").Gap}>} read
 *   lines by number, where they are not held
 * @property {(text: string) => void} say tells a person whether a copy worked
 */

const MOST_LINES = 100_000;
const MOST_CHARACTERS = 32_000_000;

export class Copying {
  #view;
  #store;
  #read;
  #say;

  /** @param {Source} source */
  constructor({ view, read, say }) {
    this.#view = view;
    this.#store = view.parts.store;
    this.#read = read;
    this.#say = say;
  }

  /** @param {DataTransfer} into @param {Selected} selected */
  copy(into, selected) {
    const lines = selected.to - selected.from + 1;
    const count = plural(lines, "line");
    if (lines > MOST_LINES) return this.#say(`${count} are too many for the clipboard. Use Download.`);
    const lacking = this.#lacking(selected);
    if (lacking.length) return void this.#fetchAndCopy(selected, lacking, `Copied ${count}.`);
    const text = this.#text(selected, new Map());
    if (text === null) return this.#say("That is too much text for the clipboard. Use Download.");
    into.setData("text/plain", text);
    this.#say(`Copied ${count}.`);
  }

  /** @param {Selected} selected */
  #lacking({ from, to }) {
    const lacking = [];
    for (let index = from; index <= to; index += 1) {
      const { kind, n } = this.#view.viewport.rows.rowAt(index);
      if (kind === "line" && !this.#store.knows(n)) lacking.push(n);
    }
    return rangesOf(lacking);
  }

  /** @param {Selected} selected @param {[number, number][]} lacking @param {string} copied */
  async #fetchAndCopy(selected, lacking, copied) {
    this.#say("Fetching the lines to copy…");
    const fetched = this.#fetched(selected, lacking);
    try {
      // The promise goes in, and not the text: a key press allows writing only for a moment.
      if (!navigator.clipboard?.write) throw new Error("no clipboard without a secure connection");
      const blob = fetched.then((text) => new Blob([text], { type: "text/plain" }));
      await navigator.clipboard.write([new ClipboardItem({ "text/plain": blob })]);
      this.#say(copied);
    } catch {
      const text = await fetched.catch(() => null);
      if (text === null) return this.#say("Not copied: the lines could not be fetched, or are too long. Use Download.");
      const done = await navigator.clipboard?.writeText(text).then(() => true, () => false);
      this.#say(done ? copied : "The lines are loaded. Copy again.");
    }
  }

  /** @param {Selected} selected @param {[number, number][]} lacking */
  async #fetched(selected, lacking) {
    /** @type {Map<number, Line>} */
    const lines = new Map();
    let characters = 0;
    for (const range of lacking) {
      for await (const part of this.#read(...range)) {
        if ("gap" in part) {
          this.#store.gap(part.gap);
          continue;
        }
        for (const line of part.lines) {
          lines.set(line.n, line);
          characters += line.text.length;
        }
        this.#store.put(part.lines);
        if (characters > MOST_CHARACTERS) throw new Error("too much text");
      }
    }
    const text = this.#text(selected, lines);
    if (text === null) throw new Error("too much text");
    return text;
  }

  /** As shown, with a newline after each line but the last; null when it is too much. @param {Selected} selected @param {Map<number, Line>} fetched */
  #text({ first, last, from, to }, fetched) {
    /** @type {string[]} */
    const texts = [];
    let characters = 0;
    for (let index = from; index <= to; index += 1) {
      const whole = this.#rowText(index, fetched);
      const start = index === from ? within(whole, first) : 0;
      const text = whole.slice(start, index === to ? within(whole, last) : undefined);
      texts.push(text);
      characters += text.length;
      if (characters > MOST_CHARACTERS) return null;
    }
    return texts.join("\n");
  }

  /** @param {number} index @param {Map<number, Line>} fetched */
  #rowText(index, fetched) {
    const row = this.#view.viewport.rows.rowAt(index);
    if (row.kind === "gap") return gapText(row);
    if (row.kind === "fold") return row.fold.label;
    const line = this.#store.get(row.n) ?? fetched.get(row.n);
    if (line) return lineText(line, this.#view.pool.optionsAt(index));
    const gap = this.#store.gapAt(row.n);
    return gap ? gapText(gap) : "";
  }
}

/**
 * Where a place is in the row's text. What is before a line's own text (time, level, phase) counts; of a long line, only
 * the beginning may be shown.
 * @param {string} whole @param {Point} point
 */
function within(whole, { text, offset }) {
  if (offset < 0) return 0;
  const from = whole.endsWith(text) ? whole.length - text.length : Math.max(0, whole.indexOf(text));
  return from + offset;
}
