// Owns what the rows of a sync's page are built with: how times are shown, what was unfolded, when payload files
// expire; and the pane with all of a line. It refuses to draw a row or to fetch a line.

import { FieldsPane } from "../line/fields-pane.js";
import { tellExpiry } from "../line/payload.js";
import { payloadPreview } from "../line/payload-preview.js";
import { MODES, localZone, modeWords, nextMode, timeText } from "../line/time.js";
import { get } from "../shared/elements.js";
import { keys } from "../shared/keys.js";
import { prefs } from "../shared/prefs.js";

const TELL_MS = 10_000; // how often "expires in 12 min" is updated

export class SyncLines {
  #view;
  #time;
  #pane;
  #options;

  /**
   * @param {object} page
   * @param {HTMLElement} page.log the section with toolbar and rows
   * @param {import("../log/log-view.js").LogView} page.view
   * @param {import("./sync-head.js").SyncHead} page.head knows the server's time
   * @param {(n: number) => Promise<import("../line/row.js").Line | undefined>} page.line
   * @param {() => number} page.last the number of the last line there is
   */
  constructor({ log, view, head, line, last }) {
    const id = log.dataset.sync ?? "";
    this.#view = view;
    // The mode in the address comes first: a link shows what its sender saw.
    const mode = known(new URLSearchParams(location.search).get("time")) ?? known(prefs.get("time", "")) ?? "local";
    this.#time = { mode, zone: localZone(), start: head.summary.started_at };
    // Rows read from this when they are built; it changes without building them anew.
    this.#options = {
      expanded: new Map(),
      now: () => head.now,
      summary: { id, expires_at: /** @type {string | null} */ (log.dataset.expires || null) },
      retention: log.dataset.retention,
      preview: (/** @type {number} */ n) => payloadPreview(id, n),
    };
    this.#pane = new FieldsPane({ pane: get("fields"), log, line, last, time: () => this.#time });
    this.#wireTime();
    this.#wirePane(log, line);
    setInterval(() => tellExpiry(get("log-rows"), this.#options), TELL_MS);
  }

  /** How a typed time is meant: in UTC if times are shown so, else in the local zone. @returns {import("../find/jump.js").Clock} */
  get clock() {
    const { mode, zone } = this.#time;
    const absolute = mode === "utc" ? "utc" : "local";
    return { zone: absolute, time: (moment) => timeText(moment, { mode: absolute, zone }), words: modeWords(absolute, zone) };
  }

  /** @param {{expires_at?: string | null, started_at?: string | null}} fresh the newest summary */
  summary({ expires_at, started_at }) {
    if (started_at && started_at !== this.#time.start) {
      this.#time.start = started_at;
      if (this.#time.mode === "start") this.#showTimes();
    }
    if (!expires_at || expires_at === this.#options.summary.expires_at) return;
    this.#options.summary.expires_at = expires_at;
    tellExpiry(get("log-rows"), this.#options);
  }

  /** Lines after `last` are no longer in the log; others may come under their numbers. @param {number} last */
  rewind(last) {
    if (this.#pane.n > last) this.#pane.close();
    for (const n of [...this.#options.expanded.keys()]) if (n > last) this.#options.expanded.delete(n);
  }

  #wireTime() {
    const button = get("time");
    button.hidden = false;
    button.title = "How times are shown (t)";
    button.addEventListener("click", () => this.#nextMode());
    keys.add("t", "Times: local, UTC, since the start, since the line before", () => this.#nextMode());
    this.#showTimes();
  }

  #showTimes() {
    get("time").textContent = modeWords(this.#time.mode, this.#time.zone);
    this.#view.setOptions({ ...this.#options, time: { ...this.#time } });
  }

  #nextMode() {
    this.#time.mode = nextMode(this.#time.mode, this.#time.zone);
    prefs.set("time", this.#time.mode);
    const url = new URL(location.href);
    url.searchParams.set("time", this.#time.mode);
    history.replaceState(null, "", url);
    this.#showTimes();
  }

  /** @param {HTMLElement} log @param {(n: number) => Promise<import("../line/row.js").Line | undefined>} line */
  #wirePane(log, line) {
    log.addEventListener("show", (event) => {
      const { n, step } = /** @type {CustomEvent} */ (event).detail;
      // The address names the line in the pane, as after a click on its number.
      history.replaceState(null, "", `#L${n}`);
      this.#view.pool.mark(n);
      if (step) this.#view.seek(n);
    });
    const scroller = get("log-scroll");
    const open = async () => {
      const found = await line(this.#view.pool.marked.first || this.#view.top).catch(() => undefined);
      if (found) this.#pane.open(found, scroller);
    };
    keys.add("Enter", "Details of the marked line, or the first in view", open, {
      always: true,
      where: ({ target }) => target === scroller || target === document.body,
    });
  }
}

/** @param {string | null} mode */
const known = (mode) => MODES.find((one) => one === mode);
