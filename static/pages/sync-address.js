// Owns the lines that a log's address names: `#L120` or `#L120-L140`. They are marked and brought into view, and a
// click on a line's number names it.

import { get } from "../shared/elements.js";

/** Both are 0 where it names no line. */
export function linesInAddress() {
  const [, from, to] = /^#L(\d{1,9})(?:-L?(\d{1,9}))?$/.exec(location.hash) ?? [];
  const [a, b] = [Number(from ?? 0), Number(to ?? from ?? 0)];
  return { first: Math.min(a, b), last: Math.max(a, b) };
}

/** @param {import("../log/log-view.js").LogView} view @param {(n: number) => void} sought told of the line that is gone to */
export function wireAddress(view, sought) {
  const seek = () => {
    const { first, last } = linesInAddress();
    view.pool.mark(first, last);
    if (!first) return;
    view.seek(first);
    sought(first);
  };
  window.addEventListener("hashchange", seek);
  get("log-rows").addEventListener("click", (event) => pointAt(event, view));
  get("sync-head").addEventListener("click", (event) => {
    const link = /** @type {Element} */ (event.target).closest("a[href^='#L']");
    if (link && link.getAttribute("href") === location.hash) seek(); // the same address again is no change of it
  });
  seek();
}

/** Names the line whose number was clicked, with Shift all from the one before; it moves nothing. @param {MouseEvent} event @param {import("../log/log-view.js").LogView} view */
function pointAt(event, view) {
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
