// Owns how the time of a line reads: in this reader's zone, in UTC, since the sync's start, since the line before; and
// where a new day begins. It refuses to fail: an invalid time is shown as it is, and a missing one as a dash.

/**
 * @typedef {"local" | "utc" | "start" | "before"} Mode
 * @typedef {object} TimeOptions
 * @property {Mode} [mode] "utc" by default
 * @property {string} [zone] an IANA name, for "local"; by default this machine's
 * @property {string | null} [start] when the sync started (RFC 3339)
 * @property {string | null} [before] the time of the line before, where there is one
 */

/** @type {Mode[]} in the order in which the button goes through them */
export const MODES = ["local", "utc", "start", "before"];

const WORDS = { utc: "Times in UTC", start: "Times since the start", before: "Times since the line before" };
const NONE = "–";
const LONGEST = 24; // characters of an invalid time
const QUARTER_MS = 15 * 60_000; // no zone changes its offset within one
const MOST_OFFSETS = 512;

/** This machine's zone. */
export const localZone = () => Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC";

/** The next mode; UTC is left out where it is the local time. @param {Mode} mode @param {string} [zone] @returns {Mode} */
export function nextMode(mode, zone = localZone()) {
  const next = MODES[(MODES.indexOf(mode) + 1) % MODES.length];
  return next === "utc" && modeWords("local", zone) === modeWords(next) ? nextMode(next, zone) : next;
}

/** What a mode shows, in words; the zone is always named. @param {Mode} mode @param {string} [zone] */
export function modeWords(mode, zone = localZone()) {
  return mode === "local" ? `Times in ${known(zone)}` : WORDS[mode];
}

/**
 * The time as shown. @param {unknown} time RFC 3339, unless it is invalid @param {TimeOptions} [options]
 * @returns {string} "09:30:00.125", "+0:01:12.345" or "+0.012 s"
 */
export function timeText(time, { mode = "utc", zone, start, before } = {}) {
  const at = moment(time);
  if (at === null) return typeof time === "string" && time ? cut(time) : NONE;
  if (mode === "start") return since(at, moment(start), clockSpan);
  if (mode === "before") return since(at, moment(before), shortSpan);
  return new Date(at + (mode === "local" ? offset(at, zone) : 0)).toISOString().slice(11, 23);
}

/** All forms of a time. @param {unknown} time @param {TimeOptions} [options] @returns {[string, string][]} */
export function timeForms(time, { zone = localZone(), start, before } = {}) {
  const at = moment(time);
  if (at === null) return [["Time", typeof time === "string" && time ? cut(time) : NONE]];
  const local = `${dayOf(at, zone)} ${timeText(time, { mode: "local", zone })}`;
  /** @type {[string, string][]} */
  const forms = [[known(zone), local]];
  if (known(zone) !== "UTC") forms.push(["UTC", `${dayOf(at, "UTC")} ${timeText(time)}`]);
  if (moment(start) !== null) forms.push(["Since the start", timeText(time, { mode: "start", start })]);
  if (moment(before) !== null) forms.push(["Since the line before", timeText(time, { mode: "before", before })]);
  return forms;
}

/**
 * The day that begins with this line, in words; null if the line before is of the same day, or times have no day.
 * @param {unknown} time @param {TimeOptions} [options] @returns {string | null} "Wednesday, 25 November 2026"
 */
export function newDay(time, { mode = "utc", zone, before } = {}) {
  const [at, previous] = [moment(time), moment(before)];
  if (at === null || previous === null || (mode !== "local" && mode !== "utc")) return null;
  const shown = mode === "local" ? (zone ?? localZone()) : "UTC";
  if (dayOf(at, shown) === dayOf(previous, shown)) return null;
  return DAY.format(at + offset(at, shown));
}

const DAY = new Intl.DateTimeFormat("en-GB", { weekday: "long", day: "numeric", month: "long", year: "numeric", timeZone: "UTC" });

/** @param {number} at @param {string} zone @returns {string} "2026-11-25" */
const dayOf = (at, zone) => new Date(at + offset(at, zone)).toISOString().slice(0, 10);

/** Milliseconds since 1970, or null. @param {unknown} time */
function moment(time) {
  if (typeof time !== "string" || !/^\d{4}-\d\d-\d\dT/.test(time)) return null;
  const at = Date.parse(time);
  // A day of slack at both ends: an offset must not lead out of what a date can be.
  return Number.isNaN(at) || Math.abs(at) > 8.64e15 - 86_400_000 ? null : at;
}

/** @param {string} text */
const cut = (text) => (text.length > LONGEST ? `${text.slice(0, LONGEST)}…` : text);

/** @param {number} at @param {number | null} from @param {(ms: number) => string} words */
function since(at, from, words) {
  if (from === null) return NONE;
  return at < from ? `-${words(from - at)}` : `+${words(at - from)}`;
}

/** @param {number} ms 72345 → "0:01:12.345" */
function clockSpan(ms) {
  const two = (/** @type {number} */ n) => String(n).padStart(2, "0");
  const s = Math.floor(ms / 1000);
  return `${Math.floor(s / 3600)}:${two(Math.floor(s / 60) % 60)}:${two(s % 60)}.${String(ms % 1000).padStart(3, "0")}`;
}

/** @param {number} ms 12 → "0.012 s", 72345 → "1 m 12.3 s" */
function shortSpan(ms) {
  if (ms < 60_000) return `${(ms / 1000).toFixed(3)} s`;
  if (ms < 3_600_000) return `${Math.floor(ms / 60_000)} m ${(Math.floor((ms % 60_000) / 100) / 10).toFixed(1)} s`;
  return `${Math.floor(ms / 3_600_000)} h ${Math.floor((ms % 3_600_000) / 60_000)} m`;
}

// --- zones ------------------------------------------------------------------------------------------------------

/** @type {Map<string, Intl.DateTimeFormat | null>} */
const formats = new Map();
/** @type {Map<string, number>} */
const offsets = new Map();

/** The zone, or UTC if it is unknown. @param {string} zone */
const known = (zone) => (formatOf(zone) ? zone : "UTC");

/** @param {string} zone */
function formatOf(zone) {
  let format = formats.get(zone);
  if (format === undefined) {
    try {
      format = new Intl.DateTimeFormat("en-GB", { timeZone: zone, timeZoneName: "longOffset" });
    } catch {
      format = null;
    }
    formats.set(zone, format);
  }
  return format;
}

/**
 * Milliseconds to add to UTC. Asked of Intl once for each quarter of an hour: a log has many lines in one.
 * @param {number} at @param {string} [zone]
 */
function offset(at, zone = localZone()) {
  const quarter = Math.floor(at / QUARTER_MS);
  const key = `${quarter} ${zone}`;
  let found = offsets.get(key);
  if (found === undefined) {
    found = askedOffset(quarter * QUARTER_MS, zone);
    if (offsets.size >= MOST_OFFSETS) offsets.clear();
    offsets.set(key, found);
  }
  return found;
}

/** @param {number} at a whole second @param {string} zone */
function askedOffset(at, zone) {
  const name = formatOf(zone)?.formatToParts(at).find(({ type }) => type === "timeZoneName")?.value ?? "";
  const [, sign, hours, minutes, seconds = "0"] = /([+-])(\d+):(\d+)(?::(\d+))?/.exec(name) ?? []; // "GMT+05:30"
  const span = (Number(hours) * 60 + Number(minutes)) * 60_000 + Number(seconds) * 1000;
  if (!sign) return 0;
  return sign === "-" ? -span : span;
}
