// Owns the wiring of a sync's page: what the network brings goes to the store, the store's changes to the view and the
// head; buttons, keys and the address go back. It refuses to draw a line or to open a connection itself.

import { announcer } from "./announce.js";
import { shown as shownText } from "./ansi.js";
import { copyText } from "./clipboard.js";
import { showConnection, stateWords } from "./connection.js";
import { wireFinder } from "./find-page.js";
import { Follower } from "./follower.js";
import { ago, plural, thousands } from "./format.js";
import { keys } from "./keys.js";
import { localZone, modeWords, timeText } from "./line-time.js";
import { wireLines } from "./line-wiring.js";
import { LineStore } from "./lines.js";
import { LogView } from "./log-view.js";
import { Pager } from "./pager.js";
import { prefs } from "./prefs.js";
import { AllRows } from "./rows.js";
import { LogSelection } from "./selection.js";
import { SyncHead } from "./sync-head.js";

/** @typedef {import("./follower.js").Line} Line */

// A log longer than this is followed from its tail; what is before it comes when somebody looks at it.
const WHOLE_LINES = 2000;
const TAIL_LINES = 1000;
const NOTICE_MS = 8000;
const HEARD = new Set(["connecting", "live", "polling", "complete"]);
const LAST_STATES = new Set(["complete", "gone", "signed-out"]);
const READ_OF_ERROR = 4096; // characters, styles included; the head shows the beginning

/** @param {string} id @returns {HTMLElement} */
const get = (id) => /** @type {HTMLElement} */ (document.getElementById(id));
/** @template T @param {Event} event @returns {T} */
const detailOf = (event) => /** @type {CustomEvent<T>} */ (event).detail;

const log = get("log");
const sync = log.dataset.sync ?? "";
const known = Number(log.dataset.lines);
const scroller = get("log-scroll");
const list = get("log-rows");

const head = new SyncHead(get("sync-head"), /** @type {HTMLTemplateElement} */ (get("words")));
const store = new LineStore();
const all = new AllRows(known);
const view = new LogView({ scroller, space: get("log-space"), list, store, rows: all, known });
const pager = new Pager({ sync });
const follower = new Follower({ sync, after: known > WHOLE_LINES ? known - TAIL_LINES : 0 });
const announce = announcer(get("announcements"));
const showState = showConnection(get("connection"), /** @type {HTMLAnchorElement} */ (get("sign-in-again")));
const selection = new LogSelection({ view, store, scroller, list, read: ([first, last], signal) => pager.read(first, last, signal), say: tell });
let ended = 0; // the number of the last line, once the log has ended
/** @type {ReturnType<typeof setTimeout> | undefined} */
let noticeTimer;

// For tests, and for whoever looks in the console.
Object.assign(log, { parts: { store, all, view, pager, follower, selection } });

wireFollower();
wirePager();
wireToolbar();
wireKeys();
wireAddress();
wireCopyId();
const shown = wireLines({ log, view, head, line: lineAt, last: () => all.last });
const finding = wireFinder({ sync, log, view, all, keys, tell, announce, clock, shown: shownText, started: () => head.summary.started_at ?? "" });
head.setClock(/** @type {HTMLMetaElement | null} */ (document.querySelector('meta[name="server-time"]'))?.content ?? "");
setInterval(tellLastLine, 1000);
follower.start();

// --- what the network brings ----------------------------------------------------------------------------------------

function wireFollower() {
  follower.addEventListener("lines", (event) => {
    const { lines, last } = detailOf(event);
    store.put(lines);
    all.grow(last);
    finding.take(lines);
    tellLastLine();
  });
  follower.addEventListener("gap", (event) => gone(detailOf(event)));
  follower.addEventListener("rewind", (event) => rewound(detailOf(event)));
  follower.addEventListener("summary", (event) => {
    head.show(detailOf(event));
    shown.summary(detailOf(event));
  });
  follower.addEventListener("beat", (event) => head.setClock(detailOf(event).time));
  follower.addEventListener("end", (event) => end(detailOf(event).last));
  follower.addEventListener("state", (event) => {
    const state = /** @type {import("./follower.js").State} */ (detailOf(event));
    showState(state);
    if (state.name !== "connecting" && !(state.name === "reconnecting" && state.seconds)) announce(stateWords(state));
    log.dataset.state = state.name;
    // A try that follows at once is no silence, and a word that comes and goes would only flicker.
    head.hear(HEARD.has(state.name) || (state.name === "reconnecting" && !state.seconds && !head.unheard));
    if (LAST_STATES.has(state.name)) retireButton();
    tellLastLine();
  });
}

/** @param {import("./lines.js").Gap} gap */
function gone(gap) {
  store.gap(gap);
  all.gap(gap);
}

/** What somebody has seen stays, struck out, and a row says why. @param {{last: number, why: string}} rewind */
function rewound(rewind) {
  const { shown } = view;
  const undone = store.rewind(rewind.last).filter((line) => line.n <= shown);
  all.rewind(rewind.last, [...undone.map((line) => ({ line })), { rewind }]);
  finding.rewind(rewind.last);
}

/** @param {number} last */
function end(last) {
  ended = last;
  // The page was opened with lines that Redis did not keep.
  if (all.last > last) all.rewind(last, []);
  all.grow(last);
  view.complete();
  get("log-empty").textContent = "This sync logged nothing.";
  const { first } = linesInAddress();
  if (first > last) say(`There is no line ${thousands(first)}; this log has ${plural(last, "line")}.`);
  if (head.summary.reason) void findFirstError(last);
}

/** Nothing arrives any more, so nothing is held back either; what somebody reads stays where it is. */
function retireButton() {
  if (view.paused) {
    view.letGo();
    view.resume();
  }
  get("auto-refresh").hidden = true;
}

/** @param {number} last */
async function findFirstError(last) {
  for (let n = 1; n <= last; n += 1) {
    const line = store.get(n);
    if (line?.level === "error") return showFirstError(line);
    if (!line && !store.gapAt(n)) break; // not held: the server knows
  }
  if (head.summary.errors === 0) return;
  try {
    const url = `/api/syncs/${encodeURIComponent(sync)}/log?level=error&limit=1`;
    const response = await fetch(url, { headers: { Accept: "application/json" } });
    const line = response.ok ? firstLine(await response.json()) : null;
    if (line) showFirstError(line);
  } catch {
    // The reason stands there; the line can be looked for.
  }
}

/** @param {Line} line */
function showFirstError({ n, text }) {
  head.showFirstError({ n, text: shownText(text.slice(0, READ_OF_ERROR)) });
}

/** @param {any} answer @returns {Line | null} */
function firstLine(answer) {
  const line = answer.matches?.[0];
  return line?.level === "error" ? line : null;
}

function wirePager() {
  view.addEventListener("want", (event) => {
    // What comes after the cursor is on its way already.
    const ranges = /** @type {import("./pager.js").Range[]} */ (detailOf(event).ranges)
      .map(([first, last]) => /** @type {import("./pager.js").Range} */ ([first, Math.min(last, follower.cursor)]))
      .filter(([first, last]) => first <= last);
    pager.want(ranges);
  });
  let failing = false;
  const works = () => {
    if (failing) say("");
    failing = false;
  };
  pager.addEventListener("lines", (event) => {
    works();
    store.put(detailOf(event).lines);
  });
  pager.addEventListener("gap", (event) => {
    works();
    gone(detailOf(event));
  });
  pager.addEventListener("failed", (event) => {
    const { status } = detailOf(event);
    failing = true;
    if (status === 401) showState({ name: "signed-out" }); // of an ended log nobody else would tell
    else if (status === 410) say("This log has expired: lines that are not here already cannot be had any more.");
    else say("These lines cannot be fetched now. Trying again…");
  });
}

/** @param {number} n @returns {Promise<Line | undefined>} */
async function lineAt(n) {
  if (n < 1 || n > all.last) return undefined;
  for await (const part of store.get(n) ? [] : pager.read(n, n)) if ("lines" in part) store.put(part.lines);
  return store.get(n);
}

// --- what the page says ---------------------------------------------------------------------------------------------

/** Stays until something else is said. @param {string} text */
function say(text) {
  clearTimeout(noticeTimer);
  const notice = get("notice");
  if (notice.textContent !== text) notice.textContent = text;
  notice.hidden = !text;
}

/** Goes by itself. @param {string} text */
function tell(text) {
  say(text);
  noticeTimer = setTimeout(() => say(""), NOTICE_MS);
}

function tellLastLine() {
  const over = ended > 0 || log.dataset.state === "complete" || log.dataset.state === "gone";
  const moment = store.get(store.last)?.time ?? log.dataset.lastTime ?? "";
  const seconds = (head.now - Date.parse(moment)) / 1000;
  write(get("last-line"), over || Number.isNaN(seconds) ? "" : `last line ${ago(seconds)}`);
}

/** The zone in which times are shown, or would be: what somebody types is meant so as well. @returns {import("./jump.js").Clock} */
function clock() {
  const { mode = "utc", zone = localZone() } = /** @type {import("./line-time.js").TimeOptions} */ (view.options.time ?? {});
  const absolute = mode === "utc" ? "utc" : "local";
  return { zone: absolute, time: (moment) => timeText(moment, { mode: absolute, zone }), words: modeWords(absolute, zone) };
}

/** Writing the same text again would still cost a layout. @param {Element | null} element @param {string} text */
function write(element, text) {
  if (element && element.textContent !== text) element.textContent = text;
}

// --- buttons and keys -----------------------------------------------------------------------------------------------

function wireToolbar() {
  for (const id of ["auto-refresh", "wrap", "show-keys", "more"]) get(id).hidden = false;
  get("auto-refresh").addEventListener("click", togglePause);
  get("wrap").addEventListener("click", toggleWrap);
  get("show-keys").addEventListener("click", () => keys.show());
  get("pill").addEventListener("click", () => {
    view.follow();
    scroller.focus({ preventScroll: true });
  });
  wireMore();
  view.addEventListener("change", showView);
  const asked = new URLSearchParams(location.search).get("wrap");
  showWrap(asked ? asked !== "off" : prefs.get("wrap", true));
}

/** On a narrow screen the tools stand in a menu. */
function wireMore() {
  const [more, tools] = [get("more"), get("tools")];
  const open = (/** @type {boolean} */ yes) => {
    more.setAttribute("aria-expanded", String(yes));
    tools.classList.toggle("open", yes);
  };
  more.addEventListener("click", () => open(more.getAttribute("aria-expanded") !== "true"));
  document.addEventListener("click", (event) => {
    const target = /** @type {Node} */ (event.target);
    if (!more.contains(target) && !tools.contains(target)) open(false);
  });
  for (const id of ["find", "show-keys"]) get(id).addEventListener("click", () => open(false)); // they open what it would cover
  tools.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    open(false);
    more.focus();
  });
}

function showView() {
  const { lines, errors } = view.held;
  const refresh = get("auto-refresh");
  const pill = get("pill");
  refresh.setAttribute("aria-pressed", String(!view.paused));
  write(refresh.querySelector(".words"), view.paused ? "Auto-refresh is off" : "Auto-refresh is on");
  write(get("held"), view.paused ? heldWords(lines, errors) : "");
  if (pill.hidden !== view.following) pill.hidden = view.following;
  write(pill.querySelector(".words"), view.unseen ? `${thousands(view.unseen)} new` : "Newest");
  get("log-empty").hidden = view.count > 0;
}

/** @param {number} lines @param {number} errors */
function heldWords(lines, errors) {
  return errors ? `${thousands(lines)} new, ${plural(errors, "error")}` : `${thousands(lines)} new`;
}

function togglePause() {
  if (get("auto-refresh").hidden) return;
  if (view.paused) view.resume();
  else view.pause();
}

function toggleWrap() {
  const wrap = !view.wrap;
  showWrap(wrap);
  prefs.set("wrap", wrap);
  const url = new URL(location.href);
  if (wrap) url.searchParams.delete("wrap");
  else url.searchParams.set("wrap", "off");
  history.replaceState(null, "", url);
}

/** @param {boolean} wrap */
function showWrap(wrap) {
  view.setWrap(wrap);
  get("wrap").setAttribute("aria-pressed", String(wrap));
}

function wireKeys() {
  // Where nobody is on something else that takes these keys.
  const inLog = (/** @type {KeyboardEvent} */ { target }) => target === document.body || scroller.contains(/** @type {Node} */ (target));
  const moves = { always: true, where: inLog };
  keys.add("f", "Follow the newest line, or let go", () => (view.following ? view.letGo() : view.follow()));
  keys.add("Space", "Auto-refresh on or off", togglePause, { where: inLog });
  keys.add("w", "Wrap long lines, or not", toggleWrap);
  keys.add("gg", "First line", () => view.toFirst());
  keys.add("G", "Newest line, and follow", () => view.follow());
  keys.add("Home", "First line", () => view.toFirst(), moves);
  keys.add("End", "Newest line, and follow", () => view.follow(), moves);
  keys.add("PageUp", "A screen up", () => view.page(-1), moves);
  keys.add("PageDown", "A screen down", () => view.page(1), moves);
  keys.add("ArrowUp", "A line up", () => view.step(-1), moves);
  keys.add("ArrowDown", "A line down", () => view.step(1), moves);
}

// --- the address ----------------------------------------------------------------------------------------------------

/** `#L120` or `#L120-L140`; 0 where it names no line. */
function linesInAddress() {
  const [, from, to] = /^#L(\d{1,9})(?:-L?(\d{1,9}))?$/.exec(location.hash) ?? [];
  const [a, b] = [Number(from ?? 0), Number(to ?? from ?? 0)];
  return { first: Math.min(a, b), last: Math.max(a, b) };
}

function wireAddress() {
  const seek = () => {
    const { first, last } = linesInAddress();
    view.mark(first, last);
    if (!first) return;
    view.seek(first);
    const { last: there } = all;
    if (first > there) {
      say(ended ? `There is no line ${thousands(first)}; this log has ${plural(ended, "line")}.` : `Line ${thousands(first)} has not come yet; there are ${thousands(there)} so far.`);
    }
  };
  window.addEventListener("hashchange", seek);
  view.addEventListener("found", () => say(""));
  list.addEventListener("click", pointAt);
  get("sync-head").addEventListener("click", (event) => {
    const link = /** @type {Element} */ (event.target).closest("a[href^='#L']");
    if (link && link.getAttribute("href") === location.hash) seek(); // the same address again is no change of it
  });
  seek();
}

/** A click on a number makes the address point at that line, with shift from the one before; it moves nothing. @param {MouseEvent} event */
function pointAt(event) {
  const number = /** @type {Element} */ (event.target).closest("a.n");
  if (!number || event.ctrlKey || event.metaKey) return;
  event.preventDefault();
  const n = Number(/\d+/.exec(number.getAttribute("href") ?? "")?.[0] ?? 0);
  const { first } = linesInAddress();
  const from = event.shiftKey && first ? first : n;
  const address = from === n ? `#L${n}` : `#L${Math.min(from, n)}-L${Math.max(from, n)}`;
  history.replaceState(null, "", address);
  const marked = linesInAddress();
  view.mark(marked.first, marked.last);
  if (event.shiftKey) document.getSelection()?.removeAllRanges();
}

function wireCopyId() {
  const button = get("copy-id");
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  button.hidden = false;
  button.addEventListener("click", async () => {
    button.textContent = (await copyText(sync)) ? "Copied" : "Not copied";
    announce(button.textContent);
    clearTimeout(timer);
    timer = setTimeout(() => (button.textContent = "Copy"), 2000);
  });
}
