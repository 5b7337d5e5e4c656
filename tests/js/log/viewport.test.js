// Where a view is among rows whose number and heights change.

import assert from "node:assert/strict";
import { test } from "node:test";

import { AllRows, ListedRows } from "../../../static/log/rows.js";
import { Viewport } from "../../../static/log/viewport.js";
import { random } from "../random.js";

/** A view of so many rows, each 20 px high, with 600 px of them in view. @param {number} count */
function view(count) {
  const viewport = new Viewport(new AllRows(count));
  viewport.size = { width: 800, height: 600 };
  viewport.layout.resize(count);
  viewport.following = false;
  return viewport;
}

test("the row that holds the view stays where it is, whatever is measured above or below it", () => {
  const viewport = view(10_000);
  const pick = random(3);
  viewport.hold(5_000 * 20 + 7); // 7 px of line 5,001 are cut off
  for (let i = 0; i < 500; i += 1) {
    const index = pick(10_000);
    if (index !== 5_000) viewport.layout.set(index, 20 + pick(200));
    assert.equal(viewport.where() - viewport.layout.offset(5_000), 7);
  }
});

test("of a row whose height becomes another, the same share is cut off, and never all of it", () => {
  const viewport = view(1000);
  viewport.layout.set(10, 400);
  viewport.hold(200 + 300);
  viewport.forgetHeights(20);
  assert.equal(viewport.where(), 200, "as high as an estimated row: all of it is in view");
  viewport.layout.set(10, 200);
  assert.equal(viewport.where(), 200 + 150);
});

test("a line that is looked for stands in the middle, and near an end as close to it as can be", () => {
  const viewport = view(1000);
  for (const [n, top] of [[500, 499 * 20 - 290], [3, 0], [999, viewport.most]]) {
    viewport.centre(n);
    assert.equal(viewport.where(), top);
  }
});

test("among other rows the view is held by the same line, or by the next one that there is", () => {
  const viewport = view(1000);
  viewport.hold(499 * 20); // line 500
  viewport.rows = new ListedRows(Array.from({ length: 1000 }, (_, i) => i * 7 + 1));
  viewport.layout.resize(1000);
  assert.equal(viewport.where(), viewport.rows.indexOf(500) * 20);
});

test("a window never has more than 300 rows, and always those in view", () => {
  const viewport = view(100_000);
  viewport.size.height = 3000;
  for (const top of [0, 31, 1_000_000, viewport.most]) {
    const { start, end } = viewport.window(top, 3000);
    assert.ok(end - start <= 300);
    assert.ok(start * 20 <= top && end * 20 >= Math.min(top + 3000, 2_000_000));
  }
  assert.deepEqual(view(0).window(0, 600), { start: 0, end: 0 });
});

test("what arrives while paused is counted and not shown, and is unseen after following ended", () => {
  const rows = new AllRows(10);
  const viewport = new Viewport(rows, 10);
  viewport.pause(true);
  rows.grow(15);
  viewport.arrived({ first: 11, last: 15, errors: 2 });
  assert.deepEqual([viewport.count, viewport.last, viewport.held], [10, 10, { lines: 5, errors: 2 }]);
  viewport.pause(false);
  assert.deepEqual([viewport.count, viewport.unseen, viewport.held], [15, 0, { lines: 0, errors: 0 }]);
  viewport.letGo();
  rows.grow(18);
  assert.deepEqual([viewport.count, viewport.unseen], [18, 3]);
});
