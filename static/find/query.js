// Owns the query: as an object, as parameters of an address, and as a test for lines.
// Pure. It tests lines only where the result is certain and cheap; patterns are left to the server.

import { shown } from "../line/ansi.js";

/**
 * `q` and `exclude` are texts, or RE2 patterns if `pattern` is on. `only`: lines without `q` are hidden.
 * @typedef {object} Query
 * @property {string} q
 * @property {boolean} pattern
 * @property {boolean} case
 * @property {boolean} only
 * @property {string[]} exclude
 * @property {string[]} levels
 * @property {string[]} phases `-` for lines without a phase
 * @property {string[]} records
 * @property {[string, string][]} fields names and values, as they are shown
 * @typedef {import("../line/row.js").Line} Line
 */

export const NO_PHASE = "-";
const FIELD = "field.";
/** The parameters that may occur several times, and their members. */
const LISTS = /** @type {const} */ ([["exclude", "exclude"], ["level", "levels"], ["phase", "phases"], ["record", "records"]]);
const PARAMETERS = ["q", "pattern", "case", "only", ...LISTS.map(([name]) => name)];

/** @type {Readonly<Query>} */
export const NOTHING = Object.freeze({
  q: "",
  pattern: false,
  case: false,
  only: false,
  exclude: [],
  levels: [],
  phases: [],
  records: [],
  fields: [],
});

/** @param {URLSearchParams} params @returns {Query} */
export function readQuery(params) {
  const all = (/** @type {string} */ name) => params.getAll(name).filter(Boolean);
  return {
    q: params.get("q") ?? "",
    pattern: params.get("pattern") === "1",
    case: params.get("case") === "1",
    only: params.get("only") === "1",
    exclude: all("exclude"),
    levels: all("level"),
    phases: all("phase"),
    records: all("record"),
    fields: [...params].filter(([name]) => name.startsWith(FIELD)).map(([name, value]) => [name.slice(FIELD.length), value]),
  };
}

/**
 * The parameters for the server; with `only`, those for the page's address.
 * @param {Query} query @param {{only?: boolean}} [options] @returns {URLSearchParams}
 */
export function parameters(query, { only = false } = {}) {
  const made = new URLSearchParams();
  if (query.q) made.set("q", query.q);
  if (query.pattern && (query.q || query.exclude.length)) made.set("pattern", "1");
  if (query.case && (query.q || query.exclude.length)) made.set("case", "1");
  if (query.only && query.q && only) made.set("only", "1");
  for (const [name, member] of LISTS) for (const one of query[member]) made.append(name, one);
  for (const [name, value] of query.fields) made.append(FIELD + name, value);
  return made;
}

/** A page's address with this query in it; its other parameters stay. @param {URL} address @param {Query} query @returns {string} */
export function addressed(address, query) {
  const made = new URLSearchParams(address.search);
  for (const name of [...made.keys()]) {
    if (PARAMETERS.includes(name) || name.startsWith(FIELD)) made.delete(name);
  }
  for (const [name, value] of parameters(query, { only: true })) made.append(name, value);
  const search = made.toString();
  return `${address.pathname}${search ? `?${search}` : ""}${address.hash}`;
}

/** The part of a query that decides which lines are shown: the text only if "Only matches" is on. @param {Query} query @returns {Query} */
export const filterOf = (query) => ({ ...query, q: query.only ? query.q : "", only: false });

/** @param {Query} query @returns {boolean} whether it can hide lines */
export function filters(query) {
  return Boolean((query.only && query.q) || query.fields.length || LISTS.some(([, member]) => query[member].length));
}

/**
 * A test for lines; null for patterns, which only the server matches: their time in a browser has no bound.
 * @param {Query} query
 * @returns {((line: Line) => boolean) | null}
 */
export function tester(query) {
  if (query.pattern && (query.q || query.exclude.length)) return null;
  const find = query.q ? literal(query.q, query.case) : null;
  const without = query.exclude.map((one) => literal(one, query.case));
  const phases = query.phases.map((one) => (one === NO_PHASE ? "" : one));
  return (line) => {
    if (query.levels.length && !query.levels.includes(line.level)) return false;
    if (phases.length && !phases.includes(line.phase ?? "")) return false;
    if (query.records.length && !query.records.includes(line.record ?? "")) return false;
    if (!query.fields.every(([name, value]) => name in (line.fields ?? {}) && shownValue(line.fields?.[name]) === value)) return false;
    if (!find && !without.length) return true;
    const text = shown(line.text);
    return (!find || text.search(find) >= 0) && without.every((one) => text.search(one) < 0);
  };
}

/** @param {unknown} value as JSON has it @returns {string} */
export const shownValue = (value) => (typeof value === "string" ? value : JSON.stringify(value));

/** An expression that finds a plain text; every special character is escaped, so its time is bounded. @param {string} text @param {boolean} exact */
export function literal(text, exact) {
  return new RegExp(text.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&"), exact ? "gu" : "giu");
}
