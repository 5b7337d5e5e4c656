// Which lines a page holds: by number, bounded, with gaps and rewinds.

import assert from "node:assert/strict";
import { test } from "node:test";

import { LineStore } from "../../../static/log/line-store.js";

const lines = (first, last, text = "some text") =>
  Array.from({ length: last - first + 1 }, (_, i) => ({ n: first + i, time: "", level: (first + i) % 10 ? "info" : "error", text }));

/** How many lines it holds. @param {LineStore} store */
const size = (store) => Array.from({ length: store.last }, (_, i) => store.get(i + 1)).filter(Boolean).length;

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
});

test("what is far from what is read is dropped, and the neighbourhood and the end stay", () => {
  const store = new LineStore({ most: 5_000_000 });
  store.focus(50_500);
  for (let first = 1; first < 100_000; first += 500) store.put(lines(first, first + 499));
  assert.ok(store.weight <= 5_000_000);
  assert.ok(size(store) < 50_000);
  for (const n of [50_000, 50_999, 100_000]) assert.ok(store.get(n), `${n} is held`);
  const [[first, last]] = store.missing(1, 49_000);
  store.put(lines(first, last).slice(0, 1000));
  assert.ok(store.get(first), "what was dropped can be had again");
});

test("a line that comes twice is held once", () => {
  const store = new LineStore();
  store.put(lines(1, 100));
  const { weight } = store;
  store.put(lines(50, 100));
  assert.equal(store.weight, weight);
  assert.equal(size(store), 100);
});

test("a rewind leaves nothing of the lines after it, and their numbers come again", () => {
  const store = new LineStore();
  store.put(lines(1, 1500));
  const { weight } = store;
  store.put(lines(1501, 2500));
  store.gap({ first: 2501, last: 2600, why: "lost" });
  store.rewind(1500);
  assert.deepEqual([store.last, size(store), store.weight], [1500, 1500, weight]);
  assert.deepEqual([store.get(1501), store.gapAt(2550)], [undefined, undefined]);
  assert.deepEqual(store.missing(1, 1600), [[1501, 1600]]);
  store.put(lines(1501, 1501, "another"));
  assert.equal(store.get(1501).text, "another");
  store.gap({ first: 1502, last: 1600, why: "lost" });
  store.rewind(1550);
  assert.equal(store.gapAt(1550).last, 1550);
  store.rewind(0);
  assert.deepEqual([store.last, size(store), store.weight, store.gapAt(1510)], [0, 0, 0, undefined]);
});
