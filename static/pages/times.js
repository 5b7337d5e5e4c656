// Owns times that tick: every <time data-relative> reads "12 s ago" or "in 3 min" by the server's clock, and every
// [data-since] how long something has been running. It fetches nothing.

import { write } from "../shared/elements.js";
import { ago, span } from "../shared/format.js";

let offset = 0;

/** @param {Document} [from] a page that the server has just sent; its clock is used in place of this machine's */
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
    write(time, seconds < 0 ? ahead(-seconds) : passed);
  }
  for (const one of root.querySelectorAll("[data-since]")) {
    const seconds = (now - Date.parse(one.getAttribute("data-since") ?? "")) / 1000;
    if (!Number.isNaN(seconds)) write(one, span(seconds));
  }
}

readClock();
tellTimes();
setInterval(() => {
  if (!document.hidden) tellTimes();
}, 1_000);
