// Owns the elements of one row of a log, and the row as text. `templates/_line.html` is the same row as the server
// makes it; the two must agree. It refuses markup: what was logged reaches the page as `textContent`. A row keeps no
// state: what was unfolded is kept by line number, so that rows can come and go.

import { parse, shown } from "./ansi.js";
import { drawn } from "./colours.js";
import { button, element } from "../shared/elements.js";
import { bytes, plural } from "../shared/format.js";
import { FIRST_ROWS, jsonStart, jsonView } from "./json-view.js";
import { newDay, timeText } from "./time.js";
import { LONGEST as LONGEST_LINK, links } from "./links.js";
import { isPayload, payloadCard, resized } from "./payload.js";

/**
 * @typedef {{n: number, time: string, level: string, text: string, phase?: string, record?: string,
 *   fields?: Record<string, unknown>, payload?: import("./payload.js").Payload}} Line
 * @typedef {{find: (text: string) => [number, number][]}} Matcher the places to mark in a text as shown, in order
 * @typedef {{chars?: number, json?: number, payload?: boolean, preview?: string}} Unfolded
 * @typedef {object} RowOptions
 * @property {import("./time.js").TimeOptions} [time]
 * @property {Matcher | null} [matcher]
 * @property {Map<number, Unfolded>} [expanded] what was unfolded, by line number; written here
 * @property {() => number} [now] the server's time, in milliseconds since 1970
 * @property {import("./payload.js").PayloadOptions["summary"]} [summary] of the sync, for its payload files
 * @property {string} [retention] how long those live: "24 hours"
 * @property {import("./payload.js").PayloadOptions["preview"]} [preview] brings the beginning of one
 */

/** Characters of a text that are shown at first. */
const FIRST_CHARS = 2048;
const STEP_CHARS = 65_536; // what the first press adds; each further one doubles what is shown
const PARSED_WHOLE = 65_536; // a longer text is read only as far as it is shown
const MOST_LINKS = 200;
const MOST_MARKS = 1000;
const MOST_SPANS = 5000; // styled parts; a text that has more is not meant for people
const JSON_UP_TO = 1 << 18;

/** @type {WeakMap<Element, Line>} */
const lines = new WeakMap();
/** @type {WeakMap<Line, {most: number, whole: boolean, rest: number, segments: import("./ansi.js").Segment[]}>} */
const parsed = new WeakMap();
/** @type {WeakMap<Line, number>} where the JSON in a line begins */
const jsonStarts = new WeakMap();

/**
 * One row. It dispatches `fields` {line} when all of the line is asked for, and `unfold` when its height changes; both
 * bubble.
 * @param {Line} line @param {RowOptions} [options] @returns {HTMLElement}
 */
export function lineRow(line, options = {}) {
  const row = element("div", "line");
  row.dataset.n = String(line.n);
  row.dataset.level = line.level;
  row.id = `L${line.n}`;
  lines.set(row, line);
  const day = newDay(line.time, options.time);
  if (day) row.append(element("div", "day", day));
  const number = element("a", "n", String(line.n));
  number.setAttribute("href", `#L${line.n}`);
  const time = element("time", "", shown(timeText(line.time, options.time)));
  time.setAttribute("datetime", line.time);
  time.title = shown(String(line.time));
  row.append(number, time, element("span", "level", shown(line.level)), element("span", "phase", shown(line.phase ?? "")));
  row.append(body(line, options));
  return row;
}

/** The line of a row, or of anything in it. @param {EventTarget | null} target @returns {Line | null} */
export function lineOf(target) {
  const row = target instanceof Element ? target.closest(".line") : null;
  return (row && lines.get(row)) ?? null;
}

/**
 * The row as plain text, as it is shown and never cut: for copying.
 * @param {Line} line @param {RowOptions} [options] @returns {string}
 */
export function lineText(line, options = {}) {
  const record = line.record ? `[${shown(line.record)}]` : "";
  const parts = [shown(timeText(line.time, options.time)), shown(line.level), shown(line.phase ?? ""), record];
  return [...parts.filter(Boolean), shown(line.text)].join(" ");
}

// --- what a line says -------------------------------------------------------------------------------------------

/** @param {Line} line @param {RowOptions} options */
function body(line, options) {
  const own = element("div", "body");
  const state = stateOf(line.n, options.expanded);
  if (line.record) {
    const record = element("span", "record", shown(line.record));
    record.title = `Record ${record.textContent}`;
    own.append(record, " ");
  }
  const text = element("span", "text");
  const tools = element("span", "extras");
  own.append(text);
  const [toggle, box] = jsonParts(line, state);
  for (const one of [fieldsButton(line), toggle]) if (one) tools.append(one);
  showText(text, tools, line, { matcher: options.matcher, state });
  if (tools.childElementCount) own.append(tools);
  if (box) own.append(box);
  if (isPayload(line.payload)) own.append(payloadCard(line.payload, { ...options, state }));
  return own;
}

/**
 * What was unfolded of a line. It is kept once something is written to it: most lines have nothing.
 * @param {number} n @param {Map<number, Unfolded>} [expanded] @returns {Unfolded}
 */
function stateOf(n, expanded) {
  const state = expanded?.get(n) ?? {};
  if (!expanded) return state;
  return new Proxy(state, {
    set(target, name, value) {
      expanded.set(n, target);
      return Reflect.set(target, name, value);
    },
  });
}

/** @param {HTMLElement} text @param {HTMLElement} tools @param {Line} line @param {{matcher?: Matcher | null, state: Unfolded}} options */
function showText(text, tools, line, options) {
  const { matcher = null, state } = options;
  const most = Math.max(FIRST_CHARS, state.chars ?? 0);
  const { segments, rest } = read(line, most);
  text.replaceChildren();
  const { hidden, marked } = paint(text, segments, most, matcher);
  tools.querySelector(".unfold")?.remove();
  if (hidden + rest === 0) return;
  const step = most === FIRST_CHARS ? STEP_CHARS : most;
  const hits = marked ? `, with ${plural(marked, "hit")}` : "";
  const steps = hidden + rest > step ? `, ${bytes(step)} at a time` : "";
  const more = button("unfold", `Show ${bytes(hidden + rest)} more${hits}${steps}`, () => {
    state.chars = most + step;
    const focused = document.activeElement === more;
    showText(text, tools, line, options);
    const next = tools.querySelector(".unfold") ?? tools.closest(".line")?.querySelector(".n");
    if (focused && next instanceof HTMLElement) next.focus({ preventScroll: true });
    resized(tools);
  });
  tools.prepend(more);
}

/** The text as segments, whole or as far as it is shown; `rest`: about how many characters were not read. @param {Line} line @param {number} most */
function read(line, most) {
  const text = String(line.text);
  if (text.length <= FIRST_CHARS) return { segments: parse(text).segments, rest: 0 };
  const known = parsed.get(line);
  if (known && (known.whole || known.most >= most)) return known;
  const until = text.length <= PARSED_WHOLE ? Infinity : most + LONGEST_LINK;
  const { segments, read: end } = parse(text, until);
  const found = { most, whole: end === text.length, rest: text.length - end, segments };
  parsed.set(line, found);
  return found;
}

/** @param {Line} line */
function fieldsButton(line) {
  const count = line.fields ? Object.keys(line.fields).length : 0;
  if (!count) return null;
  const made = button("tool fields", plural(count, "field"), () => {
    made.dispatchEvent(new CustomEvent("fields", { bubbles: true, detail: { line } }));
  });
  made.setAttribute("aria-label", `${made.textContent} of line ${line.n}`);
  return made;
}

// --- JSON -------------------------------------------------------------------------------------------------------

/** A button, and what it unfolds. @param {Line} line @param {Unfolded} state @returns {HTMLElement[]} */
function jsonParts(line, state) {
  const source = jsonOf(line);
  if (!source) return [];
  const toggle = button("tool", "JSON", () => {
    state.json = state.json ? 0 : FIRST_ROWS;
    show();
    resized(box);
  });
  toggle.setAttribute("aria-label", `JSON of line ${line.n}`);
  const box = element("div", "json-box");
  const show = () => {
    const open = Boolean(state.json);
    toggle.setAttribute("aria-expanded", String(open));
    box.replaceChildren(...(open ? [jsonView(source, { rows: state.json, more: (rows) => (state.json = rows) })] : []));
  };
  show();
  return [toggle, box];
}

/** The JSON that a line ends with, or "". @param {Line} line */
function jsonOf(line) {
  const text = String(line.text);
  const last = text.at(-1);
  // This decides for most lines; a style or a space may follow the last bracket.
  if (text.length > JSON_UP_TO || (last !== "}" && last !== "]" && !/[}\]][\s\x1b[\dm]{0,16}$/.test(text.slice(-20)))) return "";
  const whole = shown(text);
  let start = jsonStarts.get(line);
  if (start === undefined) jsonStarts.set(line, (start = jsonStart(whole)));
  return start < 0 ? "" : whole.slice(start);
}

// --- drawing ----------------------------------------------------------------------------------------------------

/**
 * Segments, with links and marks over them, as nested elements: link > style > mark. Returns how many characters were not
 * drawn, and how many marks are among them.
 * @param {HTMLElement} into @param {import("./ansi.js").Segment[]} segments @param {number} most @param {Matcher | null} matcher
 */
function paint(into, segments, most, matcher) {
  const whole = segments.length === 1 ? segments[0].text : segments.map((segment) => segment.text).join("");
  let end = Math.min(most, whole.length);
  if (end < whole.length && isHighSurrogate(whole.charCodeAt(end - 1))) end -= 1;
  // A link that goes on after the cut must keep its whole address.
  const near = whole.slice(0, end + LONGEST_LINK);
  const found = /:\/\//.test(near) ? links(near, MOST_LINKS) : [];
  const all = matcher ? matcher.find(whole.length <= PARSED_WHOLE ? whole : near).slice(0, MOST_MARKS) : [];
  const marks = all.filter(([from, to]) => from < end && to > from);
  if (segments.length <= 1 && !found.length && !marks.length && !segments[0]?.style && !segments[0]?.href) {
    into.textContent = whole.slice(0, end);
  } else {
    draw(into, whole.slice(0, end), segments, found, marks);
  }
  return { hidden: whole.length - end, marked: all.length - marks.length };
}

/**
 * @param {HTMLElement} into @param {string} text @param {import("./ansi.js").Segment[]} segments
 * @param {{start: number, end: number, href: string}[]} found @param {[number, number][]} marks
 */
function draw(into, text, segments, found, marks) {
  const [linked, marked] = [splitter(found), splitter(marks.map(([start, end]) => ({ start, end })))];
  // One address in several colours is one link.
  let open = /** @type {{href: string, end: number, element: HTMLElement} | null} */ (null);
  let [at, spans] = [0, 0];
  for (const { text: own, style, href } of segments) {
    if (at >= text.length) return;
    /** @param {number} from @param {number} until @param {{href: string, end: number} | null} link */
    const put = (from, until, link) => {
      if (link?.href !== open?.href || link?.end !== open?.end) open = link && { ...link, element: into.appendChild(anchor(link.href)) };
      let host = open?.element ?? into;
      if (style && spans++ < MOST_SPANS) host = host.appendChild(styled(style));
      marked(from, until, (start, end, mark) => {
        const piece = text.slice(start, end);
        host.append(mark ? element("mark", "", piece) : piece);
      });
    };
    const end = Math.min(at + own.length, text.length);
    if (href) put(at, end, { href, end: Infinity });
    else linked(at, end, put);
    at = end;
  }
}

/**
 * Splits stretches of a text, which must come in order, where something over it begins or ends.
 * @template {{start: number, end: number}} T
 * @param {T[]} list in order, apart from each other
 * @returns {(from: number, to: number, put: (from: number, until: number, over: T | null) => void) => void}
 */
function splitter(list) {
  let i = 0;
  return (from, to, put) => {
    while (from < to) {
      while (i < list.length && list[i].end <= from) i += 1;
      const next = i < list.length ? list[i] : null;
      const over = next && next.start <= from ? next : null;
      const until = Math.min(to, over ? over.end : (next?.start ?? to));
      put(from, until, over);
      from = until;
    }
  };
}

/** @param {string} href */
const anchor = (href) => Object.assign(element("a"), { href, title: href, rel: "noopener noreferrer nofollow", target: "_blank" });

/** @param {import("./ansi.js").Style} style */
function styled(style) {
  const { classes, properties } = drawn(style);
  const span = element("span", classes.map((name) => `ansi-${name}`).join(" "));
  for (const [name, value] of Object.entries(properties)) span.style.setProperty(name, value);
  return span;
}

/** @param {number} code */
const isHighSurrogate = (code) => code >= 0xd800 && code <= 0xdbff;
