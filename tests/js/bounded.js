// What hostile input may cost. In processor time, the best of three: the machine may be busy with something else, and what
// takes quadratic time takes minutes.

import assert from "node:assert/strict";

const MOST_MS = 500;
export const SIZE = 2 << 20; // characters; 8 MB take four times as long, which on an idle machine is below a second

/** @param {() => unknown} act @param {string} [about] */
export function isQuick(act, about = "") {
  let took = Infinity;
  for (let tries = 0; tries < 3 && took >= MOST_MS; tries += 1) {
    const before = process.cpuUsage();
    act();
    const { user, system } = process.cpuUsage(before);
    took = Math.min(took, (user + system) / 1000);
  }
  assert.ok(took < MOST_MS, `${about} ${Math.round(took)} ms`);
}
