// Owns the wiring of what a row needs from its page: how times are shown, what was unfolded, when payload files expire,
// and the pane with all of a line. It refuses to draw a row or to fetch a line; it is handed who does.

import { FieldsPane } from "./fields-pane.js";
import { keys } from "./keys.js";
import { MODES, localZone, modeWords, nextMode } from "./line-time.js";
import { payloadPreview } from "./payload-preview.js";
import { tellExpiry } from "./payload.js";
import { prefs } from "./prefs.js";

const TELL_MS = 10_000; // how often "expires in 12 min" is said anew

/** @typedef {import("./line-time.js").Mode} Mode */

/**
 * @param {object} page
 * @param {HTMLElement} page.log the section with toolbar and rows
 * @param {import("./log-view.js").LogView} page.view
 * @param {import("./sync-head.js").SyncHead} page.head knows the server's time
 * @param {(n: number) => Promise<import("./follower.js").Line | undefined>} page.line
 * @param {() => number} page.last the number of the last line there is
 */
export function wireLines({ log, view, head, line, last }) {
  const id = log.dataset.sync ?? "";
  const list = /** @type {HTMLElement} */ (log.querySelector("#log-rows"));
  const scroller = /** @type {HTMLElement} */ (log.querySelector("#log-scroll"));
  const button = /** @type {HTMLElement} */ (log.querySelector("#time"));
  // Rows read from this when they are built; it changes without building them anew.
  const summary = { id, expires_at: /** @type {string | null} */ (log.dataset.expires || null) };
  const time = { mode: asked() ?? known(prefs.get("time", "local")), zone: localZone(), start: head.summary.started_at };
  const options = {
    expanded: new Map(),
    now: () => head.now,
    summary,
    retention: log.dataset.retention,
    preview: (/** @type {number} */ n) => payloadPreview(id, n),
  };

  const show = () => {
    button.textContent = modeWords(time.mode, time.zone);
    button.title = "How times are shown (t)";
    view.setOptions({ ...options, time: { ...time } });
  };
  const cycle = () => {
    time.mode = nextMode(time.mode, time.zone);
    prefs.set("time", time.mode);
    const url = new URL(location.href);
    url.searchParams.set("time", time.mode);
    history.replaceState(null, "", url);
    show();
  };
  button.hidden = false;
  button.addEventListener("click", cycle);
  keys.add("t", "Times: here, in UTC, since the start, since the line before", cycle);
  show();

  const pane = new FieldsPane({
    pane: /** @type {HTMLElement} */ (log.querySelector("#fields")),
    log,
    line,
    last,
    time: () => time,
  });
  log.addEventListener("show", (event) => {
    const { n, step } = /** @type {CustomEvent} */ (event).detail;
    // The address points at what is looked at, as after a click on its number.
    history.replaceState(null, "", `#L${n}`);
    view.mark(n);
    if (step) view.seek(n);
  });
  const open = async () => {
    const found = await line(view.marked || view.top).catch(() => undefined);
    if (found) pane.open(found, scroller);
  };
  keys.add("Enter", "All of the line that is pointed at, or of the first in view", open, {
    always: true,
    where: ({ target }) => target === scroller || target === document.body,
  });
  setInterval(() => tellExpiry(list, options), TELL_MS);

  return {
    pane,
    /** @param {{expires_at?: string | null, started_at?: string | null}} fresh the newest summary */
    summary({ expires_at, started_at }) {
      if (started_at && started_at !== time.start) {
        time.start = started_at;
        if (time.mode === "start") show();
      }
      if (!expires_at || expires_at === summary.expires_at) return;
      summary.expires_at = expires_at;
      tellExpiry(list, options);
    },
  };
}

/** What the address asks for: who sends a link sends what they see. @returns {Mode | null} */
function asked() {
  const mode = new URLSearchParams(location.search).get("time");
  return mode && MODES.includes(/** @type {Mode} */ (mode)) ? /** @type {Mode} */ (mode) : null;
}

/** @param {string} mode @returns {Mode} */
const known = (mode) => (MODES.includes(/** @type {Mode} */ (mode)) ? /** @type {Mode} */ (mode) : "local");
