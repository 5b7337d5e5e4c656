// Owns the wiring of a sync's page: the follower's events go to the view and to the head, buttons and keys go back.
// It refuses to draw a line or to open a connection itself; those are log-view.js and follower.js.

import { announcer } from "./announce.js";
import { showConnection, stateWords } from "./connection.js";
import { Follower } from "./follower.js";
import { plural, thousands } from "./format.js";
import { LogView } from "./log-view.js";
import { SyncHead } from "./sync-head.js";

// A log longer than this opens at its tail, and one that grows beyond it lets go of its top; a link brings the rest.
const MOST_LINES = 50_000;
const BEFORE_TARGET = 500;

const get = (id) => document.getElementById(id);
const whole = new URLSearchParams(location.search).has("all");

function startAfter(lines, target) {
  if (whole || lines <= MOST_LINES) return 0;
  const tail = lines - MOST_LINES;
  return target ? Math.max(0, Math.min(tail, target - BEFORE_TARGET)) : tail;
}

const lineInAddress = () => Number(/^#L(\d{1,9})$/.exec(location.hash)?.[1] ?? 0);

const log = get("log");
const known = Number(log.dataset.lines);
const head = new SyncHead(get("sync-head"), get("words"));
const most = whole ? Infinity : MOST_LINES;
const view = new LogView({ scroller: get("log-scroll"), rows: get("log-rows"), known, most });
const after = startAfter(known, lineInAddress());
const follower = new Follower({ sync: log.dataset.sync, after });
const announce = announcer(get("announcements"));
const showState = showConnection(get("connection"), get("sign-in-again"));

wireFollower();
wireToolbar();
wireAddress();
wireCopy();
head.setClock(document.querySelector('meta[name="server-time"]').content);
if (after > 0) notShown(after);
follower.start();

function wireFollower() {
  follower.addEventListener("lines", ({ detail }) => view.append(detail.lines));
  follower.addEventListener("gap", ({ detail }) => view.gap(detail));
  follower.addEventListener("rewind", ({ detail }) => view.rewind(detail));
  follower.addEventListener("summary", ({ detail }) => head.show(detail));
  follower.addEventListener("beat", ({ detail }) => head.setClock(detail.time));
  follower.addEventListener("end", ({ detail }) => ended(detail.last));
  follower.addEventListener("state", ({ detail }) => {
    showState(detail);
    if (detail.name !== "connecting" && !(detail.name === "reconnecting" && detail.seconds)) announce(stateWords(detail));
    log.dataset.state = detail.name;
    if (detail.name === "complete" || detail.name === "gone") retireButton();
  });
}

/** Nothing arrives any more, so nothing is held back either; what somebody reads stays where it is. */
function retireButton() {
  if (view.paused) {
    view.letGo();
    view.resume();
  }
  get("auto-refresh").hidden = true;
}

function notShown(last) {
  get("earlier").hidden = false;
  get("earlier-count").textContent = last > 1 ? `Lines 1–${thousands(last)} are not shown here.` : "Line 1 is not shown here.";
}

function ended(last) {
  const target = lineInAddress();
  get("log-empty").textContent = "This sync logged nothing.";
  if (target > last) say(`There is no line ${thousands(target)}; this log has ${plural(last, "line")}.`);
}

function say(text) {
  get("notice").textContent = text;
  get("notice").hidden = !text;
}

function wireToolbar() {
  const refresh = get("auto-refresh");
  const pill = get("pill");
  refresh.hidden = false;
  refresh.addEventListener("click", () => {
    if (view.paused) view.resume();
    else view.pause();
  });
  pill.addEventListener("click", () => {
    view.follow();
    get("log-scroll").focus({ preventScroll: true });
  });
  document.addEventListener("keydown", (event) => {
    const elsewhere = event.target !== document.body && !log.contains(event.target);
    if (event.key !== "End" || elsewhere || event.ctrlKey || event.metaKey || event.altKey || event.shiftKey) return;
    event.preventDefault();
    view.follow();
  });
  view.addEventListener("change", () => showView(refresh, pill));
  view.addEventListener("dropped", ({ detail }) => notShown(detail.last));
}

function showView(refresh, pill) {
  const { lines, errors } = view.held;
  refresh.setAttribute("aria-pressed", String(!view.paused));
  write(refresh.querySelector(".words"), view.paused ? "Auto-refresh is off" : "Auto-refresh is on");
  write(get("held"), view.paused ? heldWords(lines, errors) : "");
  pill.hidden = view.following;
  write(pill.querySelector(".words"), view.unseen ? `${thousands(view.unseen)} new` : "Newest");
}

/** Writing the same text again would still cost a layout. */
function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

function heldWords(lines, errors) {
  return errors ? `${thousands(lines)} new, ${plural(errors, "error")}` : `${thousands(lines)} new`;
}

function wireAddress() {
  const seek = () => {
    const n = lineInAddress();
    if (n) view.seek(n);
  };
  window.addEventListener("hashchange", seek);
  view.addEventListener("found", () => say(""));
  // A click on a number makes the address point at that line, and moves nothing.
  get("log-rows").addEventListener("click", (event) => {
    const number = event.target.closest("a.n");
    if (!number || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    history.replaceState(null, "", number.getAttribute("href"));
    view.mark(lineInAddress());
  });
  seek();
}

function wireCopy() {
  const button = get("copy-id");
  if (!navigator.clipboard) return;
  button.hidden = false;
  button.addEventListener("click", async () => {
    let done = true;
    await navigator.clipboard.writeText(button.dataset.copy).catch(() => (done = false));
    button.textContent = done ? "Copied" : "Not copied";
    announce(button.textContent);
    setTimeout(() => (button.textContent = "Copy"), 2000);
  });
}
