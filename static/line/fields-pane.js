// Owns the pane with all of a line: its number, its time in all forms, its fields with buttons to copy and filter, its
// text as it was logged, and buttons for the lines before and after. It refuses to fetch or filter lines: it asks for
// both.

import { visibleText } from "./ansi.js";
import { copyButton } from "../shared/clipboard.js";
import { button, element } from "../shared/elements.js";
import { bytes, plural, thousands } from "../shared/format.js";
import { jsonView } from "./json-view.js";
import { lineOf } from "./row.js";
import { timeForms } from "./time.js";

/** @typedef {import("./row.js").Line} Line */

const MOST_FIELDS = 200; // at first; a button brings the others
const MOST_RAW = 16_384; // of the text, in characters; copying gives all of it
const NAMES = /** @type {const} */ (["level", "phase", "record"]);

/**
 * Dispatches, on the pane and bubbling: `filter` {name, value, of}: only lines that have this, where `of` is "line" (level,
 * phase, record) or "fields" · `show` {n, step}: it shows this line now; with `step`, which may not be in view.
 */
export class FieldsPane {
  #pane;
  #title;
  #content;
  #steps;
  #lineAt;
  #last;
  #time;
  /** @type {Line | null} */
  #line = null;
  /** @type {HTMLElement | null} */
  #opener = null;
  #asked = 0;

  /**
   * @param {object} options
   * @param {HTMLElement} options.pane an empty <aside>
   * @param {HTMLElement} options.log holds the rows and the pane: `fields` events and keys are heard there
   * @param {(n: number) => Line | undefined | Promise<Line | undefined>} options.line a line by its number
   * @param {() => number} options.last the number of the last line there is
   * @param {() => import("./time.js").TimeOptions} [options.time] zone and start
   */
  constructor({ pane, log, line, last, time = () => ({}) }) {
    this.#lineAt = line;
    this.#last = last;
    this.#time = time;
    this.#pane = pane;
    pane.classList.add("fields-pane");
    pane.hidden = true;
    pane.removeAttribute("aria-label");
    this.#pane.setAttribute("aria-labelledby", "fields-pane-title");
    this.#title = element("h2");
    this.#title.id = "fields-pane-title";
    this.#title.tabIndex = -1;
    this.#steps = [step("‹", "Previous line", () => this.#step(-1)), step("›", "Next line", () => this.#step(1))];
    const close = step("✕", "Close", () => this.close());
    const head = element("div", "pane-head");
    head.append(this.#title, ...this.#steps, close);
    this.#content = element("div", "pane-content");
    this.#content.tabIndex = 0; // it scrolls
    this.#content.setAttribute("role", "group");
    this.#content.setAttribute("aria-labelledby", "fields-pane-title");
    this.#pane.append(head, this.#content);
    this.#listen(log);
  }

  get isOpen() {
    return !this.#pane.hidden;
  }

  /** The number of the line it shows, or 0. */
  get n() {
    return this.#line?.n ?? 0;
  }

  /** @param {Line} line @param {HTMLElement | null} [opener] gets the focus back */
  open(line, opener = null) {
    this.#asked += 1;
    if (opener) this.#opener = opener;
    this.#show(line);
    this.#pane.hidden = false;
    this.#title.focus({ preventScroll: true });
    this.#tell("show", { n: line.n, step: false });
  }

  close() {
    if (!this.isOpen) return;
    this.#asked += 1;
    const n = this.#line?.n;
    this.#pane.hidden = true;
    this.#content.replaceChildren();
    const row = document.getElementById(`L${n}`);
    const back = this.#opener?.isConnected ? this.#opener : (row?.querySelector(".fields") ?? row ?? null);
    const target = back instanceof HTMLElement && back.tabIndex >= 0 ? back : document.getElementById("log-scroll");
    target?.focus({ preventScroll: true });
    this.#opener = null;
    this.#line = null;
  }

  /** @param {HTMLElement} log */
  #listen(log) {
    log.addEventListener("fields", (event) => {
      const opener = event.target instanceof HTMLElement ? event.target : null;
      this.open(/** @type {CustomEvent<{line: Line}>} */ (event).detail.line, opener);
    });
    log.addEventListener("keydown", (event) => {
      const { target, key } = event;
      if (key === "Escape" && this.isOpen && !event.defaultPrevented) {
        event.preventDefault();
        this.close();
      } else if (key === "Enter" && target instanceof HTMLElement && target.classList.contains("line")) {
        const line = lineOf(target);
        if (!line || event.ctrlKey || event.metaKey || event.altKey) return;
        event.preventDefault();
        this.open(line, target);
      }
    });
  }

  /** @param {-1 | 1} by */
  async #step(by) {
    if (!this.#line) return;
    this.#asked += 1;
    const asked = this.#asked;
    const n = this.#line.n + by;
    let line;
    try {
      line = await this.#lineAt(n);
    } catch {
      line = undefined; // the page says so; the pane stays as it is
    }
    if (asked !== this.#asked || !line) return;
    this.#opener = null; // it belonged to another line
    this.#show(line);
    this.#tell("show", { n, step: true });
  }

  /** @param {Line} line */
  #show(line) {
    this.#line = line;
    this.#title.textContent = `Line ${thousands(line.n)}`;
    const [previous, next] = this.#steps;
    previous.disabled = line.n <= 1;
    next.disabled = line.n >= this.#last();
    const focused = document.activeElement;
    this.#content.replaceChildren(this.#facts(line), ...this.#fields(line), ...raw(line));
    this.#content.scrollTop = 0;
    if (focused === previous && previous.disabled) next.focus();
    if (focused === next && next.disabled) previous.focus();
  }

  /** @param {Line} line */
  #facts(line) {
    const list = element("dl", "pane-facts");
    for (const [name, value] of timeForms(line.time, this.#time())) list.append(...fact(name, value));
    list.append(...fact("As logged", visibleText(String(line.time)), copyButton(() => String(line.time), "Copy the time")));
    for (const name of NAMES) {
      const value = line[name];
      if (!value) continue;
      list.append(...fact(name[0].toUpperCase() + name.slice(1), visibleText(value), this.#filter(name, value, "line")));
    }
    return list;
  }

  /** @param {Line} line @returns {HTMLElement[]} */
  #fields(line) {
    const all = Object.entries(line.fields ?? {});
    if (!all.length) return [];
    const table = element("table", "pane-fields");
    const caption = element("caption", "", plural(all.length, "field"));
    const rows = element("tbody");
    table.append(caption, rows);
    rows.append(...all.slice(0, MOST_FIELDS).map(([name, value]) => this.#field(name, value)));
    const rest = all.slice(MOST_FIELDS);
    if (!rest.length) return [table];
    const more = button("unfold", `Show ${plural(rest.length, "field")} more`, () => {
      rows.append(...rest.map(([name, value]) => this.#field(name, value)));
      more.remove();
    });
    return [table, more];
  }

  /** @param {string} name @param {unknown} value */
  #field(name, value) {
    const row = element("tr");
    const head = element("th", "", visibleText(name));
    head.setAttribute("scope", "row");
    const cell = element("td");
    const inner = element("div", "pane-cell");
    const nested = typeof value === "object" && value !== null;
    if (nested) inner.append(jsonView(JSON.stringify(value)));
    else inner.append(element("span", `value json-${typeof value}`, visibleText(String(value))));
    const tools = element("span", "pane-tools");
    tools.append(copyButton(() => (nested ? JSON.stringify(value, null, 2) : String(value)), `Copy ${visibleText(name)}`));
    if (!nested) tools.append(this.#filter(name, value, "fields"));
    inner.append(tools);
    cell.append(inner);
    row.append(head, cell);
    return row;
  }

  /** @param {string} name @param {unknown} value @param {"line" | "fields"} of */
  #filter(name, value, of) {
    const made = button("quiet", "Filter by this", () => this.#tell("filter", { name, value, of }));
    made.setAttribute("aria-label", `Filter by this ${visibleText(name)}`);
    return made;
  }

  /** @param {string} type @param {object} detail */
  #tell(type, detail) {
    this.#pane.dispatchEvent(new CustomEvent(type, { bubbles: true, detail }));
  }
}

/** @param {Line} line @returns {HTMLElement[]} */
function raw(line) {
  const text = String(line.text);
  const head = element("div", "pane-raw-head");
  head.append(element("h3", "", "Text as logged"), copyButton(() => text, "Copy the text"));
  const shown = element("pre", "pane-raw", visibleText(text.slice(0, MOST_RAW)));
  if (text.length <= MOST_RAW) return [head, shown];
  return [head, shown, element("p", "payload-note", `${bytes(text.length - MOST_RAW)} more; copying gives all of it`)];
}

/** @param {string} name @param {string} value @param {HTMLElement[]} tools */
function fact(name, value, ...tools) {
  const dd = element("dd");
  dd.append(element("span", "value", value), ...tools);
  return [element("dt", "", name), dd];
}

/** @param {string} sign @param {string} label @param {() => void} act */
function step(sign, label, act) {
  const made = button("pane-step", sign, act);
  made.setAttribute("aria-label", label);
  made.title = label;
  return made;
}
