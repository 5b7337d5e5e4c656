// Owns the wiring of a sync's page: what the network brings goes to the store, and the store's changes to the view and
// the head; the lines that its address names, and the notice above the log. It refuses to draw a line or to open a
// connection itself.

import { wireFinder } from "./sync-find.js";
import { SyncHead } from "./sync-head.js";
import { SyncLines } from "./sync-lines.js";
import { retireAutoRefresh, wireToolbar } from "./sync-toolbar.js";
import { showConnection, stateWords } from "../log/connection.js";
import { Follower } from "../log/follower.js";
import { LineStore } from "../log/line-store.js";
import { LogView } from "../log/log-view.js";
import { Pager } from "../log/pager.js";
import { AllRows } from "../log/rows.js";
import { LogSelection } from "../log/selection.js";
import { shown } from "../line/ansi.js";
import { announcer } from "../shared/announce.js";
import { wireCopy } from "../shared/clipboard.js";
import { get, write } from "../shared/elements.js";
import { ago, plural, thousands } from "../shared/format.js";

// A longer log is followed from its tail; lines before it come when they are looked at.
const WHOLE_LINES = 2000;
const TAIL_LINES = 1000;
const HEARD = new Set(["connecting", "live", "polling", "complete"]);
const LAST_STATES = new Set(["complete", "gone", "signed-out"]);
const BRIEFLY_MS = 8000;
const READ = 4096; // characters of the first error, styles included; the head shows the beginning
const UNFETCHED = "These lines cannot be fetched now. Trying again…";

/** @template T @param {Event} event @returns {T} */
const detailOf = (event) => /** @type {CustomEvent<T>} */ (event).detail;

const log = get("log");
const sync = log.dataset.sync ?? "";
const known = Number(log.dataset.lines);

const head = new SyncHead(get("sync-head"), /** @type {HTMLTemplateElement} */ (get("words")));
const store = new LineStore();
const all = new AllRows(known);
const view = new LogView({ scroller: get("log-scroll"), space: get("log-space"), list: get("log-rows"), store }, all, known);
const pager = new Pager({ sync });
const follower = new Follower({ sync, after: known > WHOLE_LINES ? known - TAIL_LINES : 0 });
const announce = announcer(get("announcements"));
const showState = showConnection(get("connection"), /** @type {HTMLAnchorElement} */ (get("sign-in-again")));
const selection = new LogSelection({ view, read: (first, last) => pager.read(first, last), say: sayBriefly });
let ended = 0; // the number of the last line, once the log has ended
const dropped = { first: Infinity, last: 0 }; // lines that the page had, and that are no longer in the log
let notThere = ""; // what was said of the line in the address
/** @type {ReturnType<typeof setTimeout> | undefined} */
let unsaying;

// For tests and the console.
Object.assign(log, { parts: { store, all, view, pager, follower, selection } });

wireFollower();
wirePager();
wireToolbar(view);
wireAddress();
view.addEventListener("found", () => unsay(notThere));
get("copy-id").hidden = false;
wireCopy(get("copy-id"), () => sync);
const lines = new SyncLines({ log, view, head, line: lineAt, last: () => all.last });
const finding = wireFinder({ sync, log, view, all, tell: sayBriefly, announce, clock: () => lines.clock, started: () => head.summary.started_at ?? "" });
head.setClock(/** @type {HTMLMetaElement | null} */ (document.querySelector('meta[name="server-time"]'))?.content ?? "");
setInterval(tellLastLine, 1000);
follower.start();

// --- what the network brings ----------------------------------------------------------------------------------------

function wireFollower() {
  follower.addEventListener("lines", (event) => {
    const { lines: fresh, last } = detailOf(event);
    store.put(fresh);
    all.grow(last);
    finding.take(fresh);
    tellLastLine();
  });
  follower.addEventListener("gap", (event) => gone(detailOf(event)));
  follower.addEventListener("rewind", (event) => rewind(detailOf(event).last));
  follower.addEventListener("summary", (event) => {
    head.show(detailOf(event));
    lines.summary(detailOf(event));
  });
  follower.addEventListener("beat", (event) => head.setClock(detailOf(event).time));
  follower.addEventListener("end", (event) => end(detailOf(event).last));
  follower.addEventListener("state", (event) => {
    const state = /** @type {import("../log/follower.js").State} */ (detailOf(event));
    showState(state);
    if (state.name !== "connecting" && !(state.name === "reconnecting" && state.seconds)) announce(stateWords(state));
    log.dataset.state = state.name;
    // A try that follows at once is no silence, and a word that comes and goes would only flicker.
    head.hear(HEARD.has(state.name) || (state.name === "reconnecting" && !state.seconds && !head.unheard));
    if (LAST_STATES.has(state.name)) retireAutoRefresh(view);
    tellLastLine();
  });
}

/** @param {import("../log/line-store.js").Gap} gap */
function gone(gap) {
  store.gap(gap);
  all.gap(gap);
}

/** Lines after `last` are no longer in the log: nothing of them stays, and others may come under their numbers. @param {number} last */
function rewind(last) {
  dropped.first = Math.min(dropped.first, last + 1);
  dropped.last = Math.max(dropped.last, all.last);
  pager.want([]); // an answer on its way may be from before
  store.rewind(last);
  all.cut(last);
  lines.rewind(last);
  finding.rewind(last);
  const many = dropped.last > dropped.first;
  const which = many ? `Lines ${thousands(dropped.first)}–${thousands(dropped.last)} are` : `Line ${thousands(dropped.first)} is`;
  say(`Redis went back to an earlier state. ${which} gone; showing what it has now.`);
}

/** @param {number} last */
function end(last) {
  ended = last;
  if (all.last > last) rewind(last); // the page was opened with lines that Redis did not keep
  all.grow(last);
  view.complete();
  get("log-empty").textContent = "This sync logged nothing.";
  const { first } = linesInAddress();
  if (first > last && !dropped.last) sayNotThere(first);
  if (head.summary.reason) void tellFirstError(last);
}

function wirePager() {
  view.addEventListener("want", (event) => {
    // What comes after the cursor is on its way already.
    const ranges = /** @type {import("../log/pager.js").Range[]} */ (detailOf(event).ranges)
      .map(([first, last]) => /** @type {import("../log/pager.js").Range} */ ([first, Math.min(last, follower.cursor)]))
      .filter(([first, last]) => first <= last);
    pager.want(ranges);
  });
  pager.addEventListener("lines", (event) => {
    unsay(UNFETCHED);
    store.put(detailOf(event).lines);
  });
  pager.addEventListener("gap", (event) => {
    unsay(UNFETCHED);
    gone(detailOf(event));
  });
  pager.addEventListener("failed", (event) => {
    const { status } = detailOf(event);
    if (status === 401) showState({ name: "signed-out" }); // of an ended log there is no connection that would tell
    else if (status === 410) say("This log has expired: lines that are not on this page can no longer be fetched.");
    else say(UNFETCHED);
  });
}

/** @param {number} n @returns {Promise<import("../line/row.js").Line | undefined>} */
async function lineAt(n) {
  if (n < 1 || n > all.last) return undefined;
  for await (const part of store.get(n) ? [] : pager.read(n, n)) if ("lines" in part) store.put(part.lines);
  return n <= all.last ? store.get(n) : undefined; // it may have gone meanwhile
}

// --- the lines that the address names: `#L120` or `#L120-L140` ------------------------------------------------------

/** Both are 0 where it names no line. */
function linesInAddress() {
  const [, from, to] = /^#L(\d{1,9})(?:-L?(\d{1,9}))?$/.exec(location.hash) ?? [];
  const [a, b] = [Number(from ?? 0), Number(to ?? from ?? 0)];
  return { first: Math.min(a, b), last: Math.max(a, b) };
}

/** Brings the line that the address names into view. */
function seekAddressed() {
  const { first, last } = linesInAddress();
  view.pool.mark(first, last);
  if (!first) return;
  view.seek(first);
  if (first > all.last) sayNotThere(first);
}

function wireAddress() {
  window.addEventListener("hashchange", seekAddressed);
  get("log-rows").addEventListener("click", nameClicked);
  get("sync-head").addEventListener("click", (event) => {
    const link = /** @type {Element} */ (event.target).closest("a[href^='#L']");
    if (link && link.getAttribute("href") === location.hash) seekAddressed(); // the same address again is no change of it
  });
  seekAddressed();
}

/** Names the line whose number was clicked, with Shift all from the one before; it moves nothing. @param {MouseEvent} event */
function nameClicked(event) {
  const number = /** @type {Element} */ (event.target).closest("a.n");
  if (!number || event.ctrlKey || event.metaKey) return;
  event.preventDefault();
  const n = Number(/\d+/.exec(number.getAttribute("href") ?? "")?.[0] ?? 0);
  const { first } = linesInAddress();
  const from = event.shiftKey && first ? first : n;
  history.replaceState(null, "", from === n ? `#L${n}` : `#L${Math.min(from, n)}-L${Math.max(from, n)}`);
  const marked = linesInAddress();
  view.pool.mark(marked.first, marked.last);
  if (event.shiftKey) document.getSelection()?.removeAllRanges();
}

// --- what the page says ---------------------------------------------------------------------------------------------

/** In the line above the log, until something else is said. @param {string} text */
function say(text) {
  clearTimeout(unsaying);
  write(get("notice"), text);
  get("notice").hidden = !text;
}

/** @param {string} text */
function sayBriefly(text) {
  say(text);
  unsaying = setTimeout(say, BRIEFLY_MS, "");
}

/** Takes a text back, if it is still there. @param {string} text */
function unsay(text) {
  if (text && get("notice").textContent === text) say("");
}

/** In the head, once the log has ended. @param {number} last */
async function tellFirstError(last) {
  let n = 1;
  while (n <= last && (store.get(n) ? store.get(n)?.level !== "error" : store.gapAt(n))) n += 1;
  let line = store.get(n);
  if (!line && head.summary.errors !== 0) {
    // Not held, but the server knows. Without its answer the head has the reason, and the line can be searched for.
    const url = `/api/syncs/${encodeURIComponent(sync)}/log?level=error&limit=1`;
    const response = await fetch(url, { headers: { Accept: "application/json" } }).catch(() => null);
    line = response?.ok ? (await response.json().catch(() => null))?.matches?.[0] : undefined;
  }
  if (line?.level === "error") head.showFirstError({ n: line.n, text: shown(line.text.slice(0, READ)) });
}

/** @param {number} n */
function sayNotThere(n) {
  notThere = ended
    ? `There is no line ${thousands(n)}; this log has ${plural(ended, "line")}.`
    : `Line ${thousands(n)} has not arrived yet; the log has ${plural(all.last, "line")} so far.`;
  say(notThere);
}

function tellLastLine() {
  const over = ended > 0 || log.dataset.state === "complete" || log.dataset.state === "gone";
  const moment = store.get(store.last)?.time ?? log.dataset.lastTime ?? "";
  const seconds = (head.now - Date.parse(moment)) / 1000;
  write(get("last-line"), over || Number.isNaN(seconds) ? "" : `last line ${ago(seconds)}`);
}
