// Owns the elements of one row of a log. `templates/_line.html` is the same row; the two must not part.
// It refuses anything but text: what was logged reaches the page as `textContent`, never as markup.

import { clock, thousands } from "./format.js";

/** A text longer than this is folded to a few rows, with a button that opens it. Nothing is taken out of the page. */
export const LONG_TEXT = 4096;

// What would act on a terminal or turn the text around is shown instead. `logged` in server/pages.py is the same.
const ACTING = /[\0-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;

/** @param {string} one a control character @returns {string} ESC → "␛", U+202E → "\u{202e}" */
function visible(one) {
  const code = one.charCodeAt(0);
  if (code < 0x20) return String.fromCharCode(0x2400 + code);
  return code === 0x7f ? "\u2421" : `\\u{${code.toString(16)}}`;
}

function part(tag, name, text) {
  const element = document.createElement(tag);
  if (name) element.className = name;
  element.textContent = text.replace(ACTING, visible);
  return element;
}

/** @param {import("./follower.js").Line} line @param {object} [_options] @returns {HTMLElement} */
export function lineRow(line, _options) {
  const row = document.createElement("div");
  row.className = "line";
  row.dataset.n = String(line.n);
  row.dataset.level = line.level;
  row.id = `L${line.n}`;
  const number = part("a", "n", String(line.n));
  number.setAttribute("href", `#L${line.n}`);
  const time = part("time", "", clock(line.time));
  time.setAttribute("datetime", line.time);
  time.title = line.time;
  row.append(number, time, part("span", "level", line.level), part("span", "phase", line.phase ?? ""));
  row.append(part("span", "text", line.text));
  if (line.text.length > LONG_TEXT) fold(row, line.text.length);
  return row;
}

/** What a row shows, as text. @param {import("./follower.js").Line} line @param {object} [_options] @returns {string} */
export function lineText(line, _options) {
  const parts = [clock(line.time), line.level, line.phase ?? "", line.text];
  return parts.filter(Boolean).map((one) => one.replace(ACTING, visible)).join(" ");
}

/** Lines that no longer exist, said where they would be. @returns {HTMLElement} */
export function gapRow({ first, last, why }) {
  const many = last > first;
  const which = many ? `Lines ${thousands(first)}–${thousands(last)} no longer exist` : `Line ${thousands(first)} no longer exists`;
  const row = part("div", "gap", why ? `${which}: ${why}` : which);
  row.dataset.first = String(first);
  row.dataset.last = String(last);
  return row;
}

/** The lines above it that came after `last` are struck out: they are no longer in the log. @returns {HTMLElement} */
export function rewindRow({ last, why }) {
  const from = thousands(last + 1);
  const row = part("div", "gap", `The lines from ${from} on that stand above are not in the log${why ? `: ${why}` : ""}`);
  row.dataset.last = String(last);
  return row;
}

function fold(row, length) {
  row.classList.add("folded");
  const button = part("button", "unfold", `Show all ${thousands(length)} characters`);
  button.type = "button";
  row.append(button);
}
