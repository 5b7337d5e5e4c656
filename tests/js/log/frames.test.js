// Which frames a reader takes, and what it reports of them.

import assert from "node:assert/strict";
import { test } from "node:test";

import { Frames } from "../../../static/log/frames.js";
import { random } from "../random.js";

/** @param {number} first @param {number} last */
const lines = (first, last) => ({ type: "lines", first, last, lines: Array.from({ length: last - first + 1 }, (_, i) => ({ n: first + i })) });

/** @param {number} [after] */
function reader(after = 0) {
  const reported = [];
  const frames = new Frames(after, (type, detail) => reported.push([type, detail]));
  return { frames, reported, numbers: () => reported.flatMap(([, { lines }]) => lines.map(({ n }) => n)) };
}

test("however frames overlap, each line is reported once and in order", () => {
  const pick = random(7);
  for (let round = 0; round < 200; round += 1) {
    const { frames, numbers } = reader();
    while (frames.cursor < 100) {
      const first = 1 + pick(frames.cursor + 1);
      frames.take(lines(first, first + pick(20)));
    }
    assert.deepEqual(numbers(), Array.from({ length: frames.cursor }, (_, i) => i + 1));
  }
});

test("a frame that leaves a hole is refused, and reports nothing", () => {
  const { frames, reported } = reader(5);
  for (const wrong of [lines(7, 9), { type: "gap", first: 7, last: 9, why: "" }, { ...lines(6, 9), lines: lines(6, 8).lines }, { ...lines(6, 8), lines: [{ n: 6 }, { n: 8 }, { n: 7 }] }]) {
    assert.throws(() => frames.take(wrong), /follow 5/);
  }
  assert.deepEqual([frames.cursor, reported], [5, []]);
});

test("of a gap only what is not known yet is reported", () => {
  const { frames, reported } = reader(5);
  frames.take({ type: "gap", first: 3, last: 8, why: "lost" });
  frames.take({ type: "gap", first: 3, last: 8, why: "lost" });
  assert.deepEqual([frames.cursor, reported], [8, [["gap", { first: 6, last: 8, why: "lost" }]]]);
});

test("a frame of a kind that is not known changes nothing", () => {
  const { frames, reported } = reader(5);
  frames.take({ type: "of a newer server", last: 9 });
  assert.deepEqual([frames.cursor, reported], [5, []]);
});
