// Owns what somebody looks for in a log: as an object, as the parameters of an address, and in words.
// Pure. It decides for a line by itself only where that is certain and cheap; what is a pattern, the server answers.

/**
 * `q` and `exclude` are texts, or patterns (RE2) where `pattern` is on. `only`: the lines without `q` are left out.
 * @typedef {object} Query
 * @property {string} q
 * @property {boolean} pattern
 * @property {boolean} case
 * @property {boolean} only
 * @property {string[]} exclude
 * @property {string[]} levels
 * @property {string[]} phases `-` for the lines without one
 * @property {string[]} records
 * @property {[string, string][]} fields names and values, as they are shown
 * @typedef {import("./follower.js").Line & {fields?: Record<string, unknown>}} Line
 */

export const NO_PHASE = "-";
const FIELD = "field.";

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

/** @param {URLSearchParams} given @returns {Query} */
export function readQuery(given) {
  const all = (/** @type {string} */ name) => given.getAll(name).filter(Boolean);
  return {
    q: given.get("q") ?? "",
    pattern: given.get("pattern") === "1",
    case: given.get("case") === "1",
    only: given.get("only") === "1",
    exclude: all("exclude"),
    levels: all("level"),
    phases: all("phase"),
    records: all("record"),
    fields: [...given].filter(([name]) => name.startsWith(FIELD)).map(([name, value]) => [name.slice(FIELD.length), value]),
  };
}

/**
 * The parameters that the server takes; with `only`, those of a page's address.
 * @param {Query} query @param {{only?: boolean}} [options] @returns {URLSearchParams}
 */
export function parameters(query, { only = false } = {}) {
  const made = new URLSearchParams();
  if (query.q) made.set("q", query.q);
  if (query.pattern && (query.q || query.exclude.length)) made.set("pattern", "1");
  if (query.case && (query.q || query.exclude.length)) made.set("case", "1");
  if (query.only && query.q && only) made.set("only", "1");
  for (const one of query.exclude) made.append("exclude", one);
  for (const one of query.levels) made.append("level", one);
  for (const one of query.phases) made.append("phase", one);
  for (const one of query.records) made.append("record", one);
  for (const [name, value] of query.fields) made.append(FIELD + name, value);
  return made;
}

/** The address of a page with this query in it; what else it says stays. @param {URL} address @param {Query} query @returns {string} */
export function addressed(address, query) {
  const made = new URLSearchParams(address.search);
  for (const name of [...made.keys()]) {
    const ours = ["q", "pattern", "case", "only", "exclude", "level", "phase", "record"].includes(name);
    if (ours || name.startsWith(FIELD)) made.delete(name);
  }
  for (const [name, value] of parameters(query, { only: true })) made.append(name, value);
  const search = made.toString();
  return `${address.pathname}${search ? `?${search}` : ""}${address.hash}`;
}

/** What decides which lines are shown: a text does so only where the others are left out. @param {Query} query @returns {Query} */
export const filterOf = (query) => ({ ...query, q: query.only ? query.q : "", only: false });

/** @param {Query} query @returns {boolean} whether it leaves out any line */
export function filters(query) {
  return Boolean(
    (query.only && query.q) || [query.exclude, query.levels, query.phases, query.records, query.fields].some((one) => one.length),
  );
}

/** What is shown, in words. @param {Query} query @returns {string} "errors and warnings of push, without “beat”" */
export function words(query) {
  const names = { debug: "debug", info: "info", warning: "warnings", error: "errors" };
  const levels = query.levels.map((level) => names[/** @type {keyof typeof names} */ (level)] ?? level);
  const parts = [levels.length ? listed(levels) : "lines"];
  if (query.phases.length) parts.push(`of ${listed(query.phases.map((one) => (one === NO_PHASE ? "no phase" : one)))}`);
  if (query.records.length) parts.push(`about ${listed(query.records)}`);
  for (const [name, value] of query.fields) parts.push(`with ${name} = ${value}`);
  if (query.only && query.q) parts.push(`with “${query.q}”`);
  if (query.exclude.length) parts.push(`without ${listed(query.exclude.map((one) => `“${one}”`))}`);
  return parts.join(" ");
}

/** @param {string[]} names */
const listed = (names) => (names.length > 1 ? `${names.slice(0, -1).join(", ")} and ${names.at(-1)}` : names[0]);

/**
 * A test for lines, or null where only the server knows: of a pattern, whose time in a browser has no bound.
 * @param {Query} query @param {(text: string) => string} shown a line's text as it is shown
 * @returns {((line: Line) => boolean) | null}
 */
export function tester(query, shown) {
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

/** An expression that finds a text and is no pattern: its time is bounded. @param {string} text @param {boolean} exact */
export function literal(text, exact) {
  return new RegExp(text.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&"), exact ? "gu" : "giu");
}
