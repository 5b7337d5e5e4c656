// Owns the rows of a log that are not lines: a gap, a line that is still on its way, a folded section.
// Lines themselves are line/row.js. Text reaches the page as `textContent`, never as markup.

import { button, element } from "../shared/elements.js";
import { thousands } from "../shared/format.js";

/** Lines that no longer exist, said where they would be. @param {{first: number, last: number, why: string}} gap */
export function gapText({ first, last, why }) {
  const many = last > first;
  const which = many ? `Lines ${thousands(first)}–${thousands(last)} no longer exist` : `Line ${thousands(first)} no longer exists`;
  return why ? `${which}: ${why}` : which;
}

/** @param {{first: number, last: number, why: string}} gap */
export function gapRow(gap) {
  const row = element("div", "gap");
  row.append(element("span", "words", gapText(gap)));
  row.dataset.first = String(gap.first);
  row.dataset.last = String(gap.last);
  return row;
}

/** A line that the page does not hold yet. @param {number} n */
export function missingRow(n) {
  const row = element("div", "line missing");
  row.dataset.missing = String(n);
  row.append(element("span", "n", String(n)), element("span", "text", ""));
  return row;
}

/** A section in one row. @param {{first: number, last: number, fold: {label: string, level?: string}}} section */
export function foldRow({ first, last, fold }) {
  const row = element("div", "fold");
  row.dataset.first = String(first);
  row.dataset.last = String(last);
  if (fold.level) row.dataset.level = fold.level;
  const unfold = button("unfold-section", `${fold.label} · ${thousands(last - first + 1)} lines`);
  unfold.setAttribute("aria-expanded", "false");
  row.append(unfold);
  return row;
}
