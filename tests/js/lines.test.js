// Which lines a page holds: by number, bounded, with gaps and rewinds.

import assert from "node:assert/strict";
import { test } from "node:test";

import { LineStore, Spans } from "../../static/lines.js";

const lines = (first, last, text = "some text") =>
  Array.from({ length: last - first + 1 }, (_, i) => ({ n: first + i, time: "", level: (first + i) % 10 ? "info" : "error", text }));

test("lines are held by number, and what is missing is told", () => {
  const store = new LineStore();
  const told = [];
  store.addEventListener("lines", (event) => told.push(event.detail));
  store.put(lines(1001, 3500));
  store.put(lines(1, 10));
  assert.equal(store.get(2000).n, 2000);
  assert.equal(store.get(500), undefined);
  assert.deepEqual(store.missing(1, 4000), [[11, 1000], [3501, 4000]]);
  assert.deepEqual(store.missing(1500, 2500), []);
  assert.deepEqual(store.came, [[1, 10], [1001, 3500]]);
  assert.deepEqual(told, [{ first: 1001, last: 3500, errors: 250 }, { first: 1, last: 10, errors: 1 }]);
  assert.equal(store.last, 3500);
});

test("a line in a gap is not missing, and knows why", () => {
  const store = new LineStore();
  store.put(lines(1, 10));
  store.gap({ first: 11, last: 40, why: "lost" });
  store.put(lines(41, 50));
  assert.equal(store.gapAt(30).why, "lost");
  assert.equal(store.gapAt(41), undefined);
  assert.deepEqual(store.missing(5, 60), [[51, 60]]);
  assert.deepEqual(store.came, [[1, 50]]);
});

test("what is far from what is read is let go, and the neighbourhood and the end stay", () => {
  const store = new LineStore({ most: 5_000_000 });
  let dropped = 0;
  store.addEventListener("dropped", (event) => (dropped += event.detail.lines));
  store.focus(50_500);
  for (let first = 1; first < 100_000; first += 500) store.put(lines(first, first + 499));
  assert.ok(store.weight <= 5_000_000);
  assert.ok(dropped > 50_000);
  assert.equal(store.size, 100_000 - dropped);
  for (const n of [50_000, 50_999, 100_000]) assert.ok(store.get(n), `${n} is held`);
  assert.deepEqual(store.came, [[1, 100_000]]);
  const [[first, last]] = store.missing(1, 49_000);
  store.put(lines(first, last).slice(0, 1000));
  assert.ok(store.get(first), "what was let go can be had again");
});

test("a line that comes twice is held once", () => {
  const store = new LineStore();
  store.put(lines(1, 100));
  const { weight } = store;
  store.put(lines(50, 100));
  assert.equal(store.weight, weight);
  assert.equal(store.size, 100);
});

test("a rewind hands back what it undid, and the numbers come again", () => {
  const store = new LineStore();
  store.put(lines(1, 2500));
  store.gap({ first: 2501, last: 2600, why: "lost" });
  const undone = store.rewind(1500);
  assert.deepEqual(undone.map((line) => line.n), lines(1501, 2500).map((line) => line.n));
  assert.equal(store.last, 1500);
  assert.equal(store.gapAt(2550), undefined);
  assert.deepEqual(store.came, [[1, 1500]]);
  store.put(lines(1501, 1501, "another"));
  assert.equal(store.get(1501).text, "another");
});

test("spans of numbers are joined where they touch", () => {
  const spans = new Spans();
  for (const [first, last] of [[5, 6], [10, 12], [1, 2], [7, 9], [20, 30], [25, 26], [3, 3]]) spans.add(first, last);
  assert.deepEqual(spans.all, [[1, 3], [5, 12], [20, 30]]);
  spans.add(4, 40);
  assert.deepEqual(spans.all, [[1, 40]]);
  spans.cut(7);
  assert.deepEqual(spans.all, [[1, 7]]);
  spans.cut(0);
  assert.deepEqual(spans.all, []);
});
