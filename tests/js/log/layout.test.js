// Rows and places, held to a list that is added up naively.

import assert from "node:assert/strict";
import { test } from "node:test";

import { Layout, scrollMap, TALLEST_PX } from "../../../static/log/layout.js";
import { isQuick } from "../bounded.js";

/** A generator that gives the same numbers each time. */
function random(seed) {
  let state = seed;
  return () => (state = (state * 1_103_515_245 + 12_345) % 2_147_483_648) / 2_147_483_648;
}

const naive = (heights, index) => heights.slice(0, index).reduce((sum, one) => sum + one, 0);

test("a place follows from the heights above it, whatever was measured, added or forgotten", () => {
  const next = random(1);
  const layout = new Layout(20);
  let heights = [];
  for (let step = 0; step < 400; step += 1) {
    const what = next();
    if (what < 0.3) {
      const length = Math.floor(next() * 2000);
      heights = heights.slice(0, length);
      while (heights.length < length) heights.push(20);
      layout.resize(length);
    } else if (what < 0.35) {
      const from = Math.floor(next() * heights.length);
      heights.fill(20, from);
      layout.forget(from);
    } else if (heights.length) {
      const index = Math.floor(next() * heights.length);
      heights[index] = Math.floor(next() * 4000) / 64;
      layout.set(index, heights[index]);
    }
    const index = Math.floor(next() * (heights.length + 1));
    assert.equal(layout.offset(index), naive(heights, index));
    assert.equal(layout.total, naive(heights, heights.length));
  }
});

test("the row at a place is the one that covers it", () => {
  const next = random(2);
  const layout = new Layout(20);
  layout.resize(3000);
  for (let i = 0; i < 500; i += 1) layout.set(Math.floor(next() * 3000), 1 + Math.floor(next() * 300));
  for (let i = 0; i < 500; i += 1) {
    const y = next() * layout.total;
    const index = layout.at(y);
    assert.ok(layout.offset(index) <= y && y < layout.offset(index + 1), `${y} is in row ${index}`);
  }
  assert.equal(layout.at(-5), 0);
  assert.equal(layout.at(layout.total + 5), 2999);
});

test("a million rows cost the logarithm of it", () => {
  const layout = new Layout(20);
  for (let length = 0; length <= 1_000_000; length += 500) layout.resize(length);
  isQuick(() => {
    for (let i = 0; i < 1000; i += 1) {
      layout.set(i * 997, 40);
      assert.equal(layout.at(layout.offset(i * 997)), i * 997);
    }
  });
  assert.equal(layout.total, 1_000_000 * 20 + 1000 * 20);
});

test("where everything fits into an element, the scrollbar stands where the rows do", () => {
  const map = scrollMap(100_000, 500);
  assert.equal(map.height, 100_000);
  assert.equal(map.bar(12_345), 12_345);
  assert.equal(map.top(12_345), 12_345);
});

test("a taller log is mapped: exactly at both ends, in proportion between, and back again", () => {
  const [total, view] = [80_000_000, 600];
  const map = scrollMap(total, view);
  assert.equal(map.height, TALLEST_PX);
  assert.equal(map.bar(0), 0);
  assert.equal(map.bar(1234), 1234);
  assert.equal(map.bar(total - view), TALLEST_PX - view);
  assert.equal(map.bar(total - view - 999), TALLEST_PX - view - 999);
  let before = -1;
  for (let top = 0; top <= total - view; top += 777_777) {
    const bar = map.bar(top);
    assert.ok(bar > before);
    assert.ok(Math.abs(map.top(bar) - top) < 0.01);
    before = bar;
  }
});
