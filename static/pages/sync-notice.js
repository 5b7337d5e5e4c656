// Owns the one line of notice above a log. A new text replaces the old one.

import { get, write } from "../shared/elements.js";

const BRIEFLY_MS = 8000;
/** @type {ReturnType<typeof setTimeout> | undefined} */
let timer;

/** Stays until something else is said. @param {string} text */
export function say(text) {
  clearTimeout(timer);
  write(get("notice"), text);
  get("notice").hidden = !text;
}

/** Goes by itself. @param {string} text */
export function sayBriefly(text) {
  say(text);
  timer = setTimeout(() => say(""), BRIEFLY_MS);
}

/** Takes a text back, if it is still there. @param {string} text */
export function unsay(text) {
  if (text && get("notice").textContent === text) say("");
}
