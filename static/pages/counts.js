// Owns counts that grow: an old number runs up to the new one over the time until the next answer, so that a list of
// running syncs moves as they do. It refuses to run ahead, to count down, and to move for people who prefer less
// motion.

import { thousands } from "../shared/format.js";

const STEP = 100; // milliseconds
const still = matchMedia("(prefers-reduced-motion: reduce)");
/** @type {Map<HTMLElement, {from: number, to: number, start: number, span: number}>} */
const growing = new Map();
let timer = 0;

/** @param {Element} element */
const number = (element) => Number(element.textContent?.replaceAll(",", ""));

/** @param {ParentNode} root */
const counts = (root) => /** @type {NodeListOf<HTMLElement>} */ (root.querySelectorAll("[data-count]"));

/** The numbers in a list now, by the name of each count. @param {ParentNode} root @returns {Map<string, number>} */
export function countsIn(root) {
  return new Map([...counts(root)].map((one) => [one.dataset.count ?? "", number(one)]));
}

/**
 * Let the counts of a fresh list start where the old one stood.
 * @param {ParentNode} root @param {Map<string, number>} before @param {number} span milliseconds
 */
export function grow(root, before, span) {
  if (still.matches) return;
  const start = performance.now();
  for (const element of counts(root)) {
    const from = before.get(element.dataset.count ?? "");
    const to = number(element);
    if (from === undefined || from >= to) continue;
    growing.set(element, { from, to, start, span });
    element.textContent = thousands(from);
  }
  if (growing.size && !timer) timer = setInterval(step, STEP);
}

function step() {
  const now = performance.now();
  for (const [element, { from, to, start, span }] of growing) {
    const part = Math.min(1, (now - start) / span);
    element.textContent = thousands(Math.floor(from + (to - from) * part));
    if (part === 1 || !element.isConnected) growing.delete(element);
  }
  if (growing.size) return;
  clearInterval(timer);
  timer = 0;
}
