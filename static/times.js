// Owns relative times: every <time data-relative> reads "12 s ago" by the server's clock, its title the exact moment.
// It fetches nothing, and leaves times without that mark alone.

import { ago } from "./format.js";

let offset = 0;

/** @param {Document} [from] a page the server has just sent; its clock is trusted over this machine's */
export function readClock(from = document) {
  const now = Date.parse(from.querySelector('meta[name="server-time"]')?.content ?? "");
  if (!Number.isNaN(now)) offset = now - Date.now();
}

/** @param {ParentNode} [root] */
export function tellTimes(root = document) {
  for (const time of root.querySelectorAll("time[data-relative]")) {
    const seconds = (Date.now() + offset - Date.parse(time.dateTime)) / 1000;
    if (!Number.isNaN(seconds)) time.textContent = ago(seconds);
  }
}

readClock();
tellTimes();
setInterval(() => tellTimes(), 10_000);
