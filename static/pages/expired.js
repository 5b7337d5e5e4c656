// Owns one sentence on the page of an expired log: which lines the link meant. Only the browser knows an address's `#`.

import { thousands } from "../shared/format.js";

const [, first, last] = /^#L(\d{1,9})(?:-L(\d{1,9}))?$/.exec(location.hash) ?? [];
const told = document.getElementById("expired-lines");
if (first && told) {
  const lines = last ? `lines ${thousands(Number(first))} to ${thousands(Number(last))}` : `line ${thousands(Number(first))}`;
  told.textContent = `This link pointed to ${lines}, which expired with the log.`;
  told.hidden = false;
}
