// Owns times that go on: every <time data-relative> reads "12 s ago" or "in 3 min" by the server's clock, its title the
// exact moment; every [data-since] is how long something runs by now.
// It fetches nothing, and leaves what has no such mark alone.

import { ago, span } from "./format.js";

let offset = 0;

/** @param {Document} [from] a page the server has just sent; its clock is trusted over this machine's */
export function readClock(from = document) {
  const now = Date.parse(from.querySelector('meta[name="server-time"]')?.getAttribute("content") ?? "");
  if (!Number.isNaN(now)) offset = now - Date.now();
}

/** @param {number} seconds until then */
function ahead(seconds) {
  if (seconds < 60) return `in ${Math.ceil(seconds)} s`;
  if (seconds < 3600) return `in ${Math.round(seconds / 60)} min`;
  if (seconds < 86_400) return `in ${Math.round(seconds / 3600)} h`;
  return `in ${Math.round(seconds / 86_400)} d`;
}

/** @param {ParentNode} [root] */
export function tellTimes(root = document) {
  const now = Date.now() + offset;
  for (const time of root.querySelectorAll("time[data-relative]")) {
    const seconds = (now - Date.parse(time.getAttribute("datetime") ?? "")) / 1000;
    if (Number.isNaN(seconds)) continue;
    const passed = time.getAttribute("data-relative") === "to-come" ? "now" : ago(seconds);
    tell(time, seconds < 0 ? ahead(-seconds) : passed);
  }
  for (const one of root.querySelectorAll("[data-since]")) {
    const seconds = (now - Date.parse(one.getAttribute("data-since") ?? "")) / 1000;
    if (!Number.isNaN(seconds)) tell(one, span(seconds));
  }
}

/** @param {Element} element @param {string} text */
function tell(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

readClock();
tellTimes();
setInterval(() => {
  if (!document.hidden) tellTimes();
}, 1_000);
