// Owns the rows of a log that are no lines: a gap, a rewind, a line that is on its way, a folded section.
// Lines themselves are line.js. Text reaches the page as `textContent`, never as markup.

import { thousands } from "./format.js";

/**
 * @param {string} name @param {string} text @param {string} [tag] @returns {HTMLElement}
 */
function part(name, text, tag = "div") {
  const element = document.createElement(tag);
  element.className = name;
  element.textContent = text;
  return element;
}

/** Lines that no longer exist, said where they would be. @param {{first: number, last: number, why: string}} gap */
export function gapText({ first, last, why }) {
  const many = last > first;
  const which = many ? `Lines ${thousands(first)}–${thousands(last)} no longer exist` : `Line ${thousands(first)} no longer exists`;
  return why ? `${which}: ${why}` : which;
}

/** @param {{first: number, last: number, why: string}} gap */
export function gapRow(gap) {
  const row = part("gap", "");
  row.append(part("words", gapText(gap), "span"));
  row.dataset.first = String(gap.first);
  row.dataset.last = String(gap.last);
  return row;
}

/** The lines above it that came after `last` are struck out. @param {{last: number, why: string}} rewind */
export function rewindText({ last, why }) {
  return `The lines from ${thousands(last + 1)} on that stand above are not in the log${why ? `: ${why}` : ""}`;
}

/** @param {{last: number, why: string}} rewind */
export function rewindRow(rewind) {
  const row = part("gap", "");
  row.append(part("words", rewindText(rewind), "span"));
  row.dataset.last = String(rewind.last);
  return row;
}

/** A line that the page does not hold yet. @param {number} n */
export function missingRow(n) {
  const row = part("line missing", "");
  row.dataset.missing = String(n);
  row.append(part("n", String(n), "span"), part("text", "", "span"));
  return row;
}

/** A section in one row. @param {{first: number, last: number, fold: {label: string, level?: string}}} section */
export function foldRow({ first, last, fold }) {
  const row = part("fold", "");
  row.dataset.first = String(first);
  row.dataset.last = String(last);
  if (fold.level) row.dataset.level = fold.level;
  const button = part("unfold-section", `${fold.label} · ${thousands(last - first + 1)} lines`, "button");
  button.setAttribute("type", "button");
  button.setAttribute("aria-expanded", "false");
  row.append(button);
  return row;
}
