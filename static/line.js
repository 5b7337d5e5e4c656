// Owns the elements of one row of a log. `templates/_line.html` is the same row; the two must not part.
// It refuses anything but text: what was logged reaches the page as `textContent`, never as markup.

import { clock, thousands } from "./format.js";

/** A text longer than this is folded to a few rows, with a button that opens it. Nothing is taken out of the page. */
export const LONG_TEXT = 4096;

function part(tag, name, text) {
  const element = document.createElement(tag);
  if (name) element.className = name;
  element.textContent = text.replaceAll("\0", "\ufffd"); // HTML cannot carry a NUL, and the template's row is HTML
  return element;
}

/** @param {import("./follower.js").Line} line @returns {HTMLElement} */
export function lineRow(line) {
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

/** Lines that no longer exist, said where they would be. @returns {HTMLElement} */
export function gapRow({ first, last, why }) {
  const many = last > first;
  const which = many ? `Lines ${thousands(first)}–${thousands(last)} no longer exist` : `Line ${thousands(first)} no longer exists`;
  const row = part("div", "gap", why ? `${which}: ${why}` : which);
  row.dataset.first = String(first);
  row.dataset.last = String(last);
  return row;
}

function fold(row, length) {
  row.classList.add("folded");
  const button = part("button", "unfold", `Show all ${thousands(length)} characters`);
  button.type = "button";
  row.append(button);
}
