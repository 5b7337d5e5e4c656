// Owns keeping a list fresh: every five seconds it fetches the page's own address and swaps the [data-live] elements.
// The server renders both from the same template; while nothing changes, its answer is empty (304). It refuses to
// disturb: no swap under an open menu or a selection, none while the tab is hidden; the focus stays on the same link or
// menu, and what was unfolded stays so. It dispatches "swapped" on the document.

import { countsIn, grow } from "./counts.js";
import { readClock, tellTimes } from "./times.js";
import { element } from "../shared/elements.js";

const EVERY = 5_000; // milliseconds
const WITHIN = 15_000;

const note = /** @type {HTMLElement} */ (document.getElementById("refresh-state"));
/** @type {Map<string, Element>} name → the element as the server last sent it, untouched */
const swapped = new Map();
/** The ETag of what the page shows; empty while a part of it is older, because a swap would have disturbed. */
let tag = "";
let timer = 0;
let busy = false;
let reached = Date.now();

/** @param {string} state @param {string} text @param {string} [href] where to sign in */
function say(state, text, href = "") {
  if (note.dataset.state === state) return;
  note.dataset.state = state;
  note.replaceChildren(text);
  if (!href) return;
  const link = element("a", "", "Sign in");
  link.href = href;
  note.append(" ", link);
}

/** @param {Element} element */
function disturbed(element) {
  const selection = document.getSelection();
  return (
    element.querySelector("details.menu[open]") !== null ||
    (selection !== null && !selection.isCollapsed && selection.containsNode(element, true))
  );
}

/** What tells links, menus and days of a list apart. @param {Element} one */
const name = (one) => one.getAttribute("data-name") ?? one.getAttribute("aria-label") ?? one.getAttribute("href");

/**
 * The element of a fresh list for one of the old list: the same link, or the menu or day of the same name.
 * @param {Element} list @param {Element} element
 */
function counterpart(list, element) {
  const all = /** @type {HTMLElement[]} */ ([...list.querySelectorAll(element.localName)]);
  return all.find((one) => name(one) !== null && name(one) === name(element));
}

/** Rows, each with a text that is another one when the row changes. @param {Element} list @returns {[string, Element][]} */
const rowsIn = (list) => [...list.querySelectorAll("[data-row]")].map((row) => [row.getAttribute("data-row") ?? "", row]);

/** @param {Element} old @param {Element} fresh */
function put(old, fresh) {
  const next = document.importNode(fresh, true);
  for (const { id } of old.querySelectorAll("details[id][open]")) {
    next.querySelector(`#${CSS.escape(id)}`)?.setAttribute("open", "");
  }
  const focused = old.contains(document.activeElement) ? document.activeElement : null;
  const counts = countsIn(old);
  const rows = new Set(rowsIn(old).map(([state]) => state));
  for (const [state, row] of rowsIn(next)) row.classList.toggle("changed", rows.size > 0 && !rows.has(state));
  old.replaceWith(next);
  grow(next, counts, EVERY);
  document.dispatchEvent(new Event("swapped"));
  if (focused) counterpart(next, focused)?.focus({ preventScroll: true });
}

/** Whether all of it could be swapped in. @param {Document} page */
function swap(page) {
  let all = true;
  readClock(page);
  for (const fresh of page.querySelectorAll("[data-live]")) {
    const part = fresh.getAttribute("data-live") ?? "";
    const old = document.querySelector(`[data-live="${CSS.escape(part)}"]`);
    if (!old || swapped.get(part)?.isEqualNode(fresh)) continue;
    if (disturbed(old)) {
      all = false;
      continue;
    }
    swapped.set(part, fresh);
    put(old, fresh);
  }
  tellTimes();
  return all;
}

async function refresh() {
  if (busy || document.hidden) return;
  busy = true;
  try {
    const response = await fetch(location.href, {
      headers: { Accept: "text/html", ...(tag && { "If-None-Match": tag }) },
      cache: "no-store",
      signal: AbortSignal.timeout(WITHIN),
    });
    const signedOut = response.status === 401 || (response.redirected && new URL(response.url).pathname === "/sign-in");
    if (signedOut) return leave();
    if (response.status !== 304) {
      if (!response.ok) throw new Error(`answered ${response.status}`);
      const all = swap(new DOMParser().parseFromString(await response.text(), "text/html"));
      tag = (all && response.headers.get("ETag")) || "";
    }
    reached = Date.now();
    say("fresh", "Updates every 5 s");
  } catch {
    const answered = new Date(reached).toISOString().slice(11, 19);
    say("stale", `The server cannot be reached. Showing its state at ${answered} UTC. Retrying…`);
  } finally {
    busy = false;
  }
  again();
}

function leave() {
  clearTimeout(timer);
  say("signed-out", "Signed out.", `/sign-in?next=${encodeURIComponent(location.pathname + location.search)}`);
}

function again() {
  clearTimeout(timer);
  timer = setTimeout(refresh, EVERY);
}

document.addEventListener("visibilitychange", () => {
  if (document.hidden) clearTimeout(timer);
  else if (note.dataset.state !== "signed-out") void refresh();
});

say("fresh", "Updates every 5 s");
again();
