// Owns JSON in a text: where it begins, and how it reads with a row for each member. It works on the text itself, so
// numbers, order, repeated names and escapes are shown as they were logged. It shows a limited number of rows at a
// time, as text only, and refuses a text that is too long.

import { button, element } from "../shared/elements.js";
import { bytes, plural } from "../shared/format.js";

/**
 * @typedef {"name" | "string" | "number" | "word" | "mark"} Kind
 * @typedef {{kind: Kind, text: string}} Token
 * @typedef {{depth: number, tokens: Token[]}} JsonRow
 */

export const FIRST_ROWS = 200;
const SHORTEST = 20; // "[3]" and "{}" gain nothing from being unfolded
const LONGEST = 1 << 18;
const DEEPEST = 256; // real data is not deeper, and reading what is would take long
const STARTS = 8; // the number of brackets that are tried, as in "[info] took [1, 2] {…}"
const LONGEST_TOKEN = 2048;
const DEEPEST_INDENT = 40; // deeper rows are no further to the right
const ROWS_IN_ALL = 50_000;

/** Where an object or a list begins that goes on to the end of the text, or -1. @param {string} text */
export function jsonStart(text) {
  const trimmed = text.trimEnd();
  const last = trimmed.at(-1);
  if (last !== "}" && last !== "]") return -1;
  const start = /[{[](?=\s{0,99}["{[\-\dtfn}\]])/g;
  start.lastIndex = Math.max(0, trimmed.length - LONGEST);
  for (let tries = trimmed.length > 65_536 ? 2 : STARTS; tries > 0; tries -= 1) {
    const index = start.exec(trimmed)?.index;
    if (index === undefined || trimmed.length - index < SHORTEST) return -1;
    try {
      if (isShallow(trimmed, index)) {
        JSON.parse(trimmed.slice(index));
        return index;
      }
    } catch {
      // A bracket of the sentence's.
    }
  }
  return -1;
}

/** Whether the brackets from there on are nested to a bearable depth. @param {string} text @param {number} from */
function isShallow(text, from) {
  let depth = 0;
  for (let at = from; at < text.length; at += 1) {
    const one = text[at];
    if (one === '"') at = stringEnd(text, at) - 1;
    else if (one === "{" || one === "[") depth += 1;
    else if (one === "}" || one === "]") depth -= 1;
    if (depth > DEEPEST) return false;
  }
  return true;
}

/** The rows of a JSON text, one for each member. @param {string} source valid JSON @returns {Generator<JsonRow>} */
export function* jsonRows(source) {
  /** @type {JsonRow} */
  let row = { depth: 0, tokens: [] };
  let depth = 0;
  for (let at = skip(source, 0); at < source.length; at = skip(source, at)) {
    const one = source[at];
    if (one === "{" || one === "[") {
      const end = skip(source, at + 1);
      const empty = source[end] === (one === "{" ? "}" : "]");
      mark(row, empty ? one + source[end] : one);
      at = empty ? end + 1 : at + 1;
      if (empty) continue;
      yield row;
      depth += 1;
      row = { depth, tokens: [] };
    } else if (one === "}" || one === "]") {
      yield row;
      depth -= 1;
      row = { depth, tokens: [] };
      mark(row, one);
      at += 1;
    } else if (one === ",") {
      mark(row, one);
      yield row;
      row = { depth, tokens: [] };
      at += 1;
    } else if (one === ":") {
      mark(row, ": ");
      at += 1;
    } else {
      const end = one === '"' ? stringEnd(source, at) : wordEnd(source, at);
      const text = source.slice(at, end);
      at = end;
      row.tokens.push({ kind: kindOf(one, source[skip(source, end)]), text });
    }
  }
  if (row.tokens.length) yield row;
}

/** @param {JsonRow} row @param {string} text */
const mark = (row, text) => void row.tokens.push({ kind: "mark", text });

/** White space before a row. @param {number} depth */
export const indent = (depth) => "  ".repeat(Math.min(depth, DEEPEST_INDENT));

/** @param {string} first @param {string | undefined} after the next character that is no space @returns {Kind} */
function kindOf(first, after) {
  if (first === '"') return after === ":" ? "name" : "string";
  return /[-\d]/.test(first) ? "number" : "word";
}

/** @param {string} source @param {number} at */
function skip(source, at) {
  while (at < source.length && " \t\n\r".includes(source[at])) at += 1;
  return at;
}

/** @param {string} source @param {number} at */
function stringEnd(source, at) {
  for (let i = at + 1; i < source.length; i += 1) {
    if (source[i] === "\\") i += 1;
    else if (source[i] === '"') return i + 1;
  }
  return source.length;
}

/** @param {string} source @param {number} at */
function wordEnd(source, at) {
  while (at < source.length && !' \t\n\r,:{}[]"'.includes(source[at])) at += 1;
  return at;
}

// --- elements ---------------------------------------------------------------------------------------------------

/**
 * JSON as a person reads it, with a button for more of it.
 * @param {string} source valid JSON @param {{rows?: number, more?: (rows: number) => void}} [options] how many rows are
 *   shown, and what is called with a larger number when more are asked for
 * @returns {HTMLElement}
 */
export function jsonView(source, { rows = FIRST_ROWS, more } = {}) {
  const view = element("div", "json");
  const code = element("pre");
  view.append(code);
  const coming = jsonRows(source);
  let count = 0;
  /** @param {number} until */
  const show = (until) => {
    const fragment = document.createDocumentFragment();
    let next = coming.next();
    while (!next.done) {
      fragment.append(...rowParts(next.value, count > 0));
      count += 1;
      if (count >= until) break;
      next = coming.next();
    }
    code.append(fragment);
    return Boolean(next.done);
  };
  if (show(Math.min(rows, ROWS_IN_ALL))) return view;
  const label = () => `Show ${plural(Math.min(count, ROWS_IN_ALL - count), "row")} more`;
  const next = button("unfold", label(), () => {
    const done = show(Math.min(count * 2, ROWS_IN_ALL));
    more?.(count);
    next.textContent = label();
    if (done || count >= ROWS_IN_ALL) next.remove();
    view.dispatchEvent(new CustomEvent("unfold", { bubbles: true }));
  });
  view.append(next);
  return view;
}

/** @param {JsonRow} row @param {boolean} follows @returns {(Node | string)[]} */
function rowParts({ depth, tokens }, follows) {
  const parts = tokens.map(({ kind, text }) => {
    const cut = text.length > LONGEST_TOKEN;
    const shown = cut ? `${text.slice(0, LONGEST_TOKEN)}… ${bytes(text.length - LONGEST_TOKEN)} more` : text;
    if (kind === "mark") return shown;
    return element("span", `json-${kind}`, shown);
  });
  return [`${follows ? "\n" : ""}${indent(depth)}`, ...parts];
}
