// Which rows there are, and where a number is among them.

import assert from "node:assert/strict";
import { test } from "node:test";

import { AllRows, ListedRows } from "../../../static/log/rows.js";

const name = (row) => (row.kind === "line" ? row.n : `${row.kind} ${row.first}`);
const shown = (rows) => Array.from({ length: rows.length }, (_, i) => name(rows.rowAt(i)));

/** Every row is found again by each number that it stands for. */
function consistent(rows) {
  for (let i = 0; i < rows.length; i += 1) {
    const row = rows.rowAt(i);
    assert.equal(rows.numberAt(i), row.n);
    for (const n of [row.first, row.last]) assert.equal(rows.indexOf(n), i, `${n} is in row ${i}`);
  }
}

test("all lines are rows, and more come at the end", () => {
  const rows = new AllRows(3);
  const froms = [];
  rows.addEventListener("change", (event) => froms.push(event.detail.from));
  rows.grow(5);
  rows.grow(4);
  assert.deepEqual(shown(rows), [1, 2, 3, 4, 5]);
  assert.deepEqual(froms, [3]);
  assert.equal(rows.indexOf(6), 5);
  assert.ok(rows.has(5) && !rows.has(6) && !rows.has(0));
  consistent(rows);
});

test("lines that no longer exist are one row", () => {
  const rows = new AllRows(10);
  rows.gap({ first: 3, last: 6, why: "lost" });
  assert.deepEqual(shown(rows), [1, 2, "gap 3", 7, 8, 9, 10]);
  assert.equal(rows.indexOf(5), 2);
  rows.gap({ first: 11, last: 20, why: "lost" });
  rows.grow(21);
  assert.deepEqual(shown(rows), [1, 2, "gap 3", 7, 8, 9, 10, "gap 11", 21]);
  rows.gap({ first: 3, last: 6, why: "told twice" });
  assert.equal(rows.length, 9);
  consistent(rows);
  rows.gap({ first: 7, last: 8, why: "lost" });
  assert.deepEqual(shown(rows), [1, 2, "gap 3", 9, 10, "gap 11", 21]);
  rows.gap({ first: 9, last: 10, why: "another reason" });
  assert.deepEqual(shown(rows), [1, 2, "gap 3", "gap 9", "gap 11", 21]);
  consistent(rows);
});

test("a folded section is one row until it is unfolded, with the gaps in it", () => {
  const rows = new AllRows(10);
  rows.gap({ first: 4, last: 5, why: "lost" });
  rows.fold(3, 8, { label: "pull" });
  assert.deepEqual(shown(rows), [1, 2, "fold 3", 9, 10]);
  assert.equal(rows.indexOf(7), 2);
  assert.ok(rows.has(7));
  assert.deepEqual(rows.folded, [{ first: 3, last: 8 }]);
  consistent(rows);
  assert.equal(rows.unfold(9), false);
  assert.equal(rows.unfold(7), true);
  assert.deepEqual(shown(rows), [1, 2, 3, "gap 4", 6, 7, 8, 9, 10]);
  consistent(rows);
});

test("rows after a rewind are gone, and come again", () => {
  const rows = new AllRows(9);
  rows.gap({ first: 3, last: 5, why: "lost" });
  rows.cut(9);
  const froms = [];
  rows.addEventListener("change", (event) => froms.push(event.detail.from));
  rows.cut(4);
  assert.deepEqual([shown(rows), rows.last], [[1, 2, "gap 3"], 4]);
  assert.deepEqual(froms, [3]);
  rows.grow(6);
  assert.deepEqual(shown(rows), [1, 2, "gap 3", 5, 6]);
  consistent(rows);
  rows.cut(0);
  assert.deepEqual([rows.length, rows.last], [0, 0]);
  rows.grow(2);
  assert.deepEqual(shown(rows), [1, 2]);
});

test("a rewind into a folded section unfolds it, and one before it takes it away", () => {
  const rows = new AllRows(20);
  rows.fold(2, 4, { label: "pull" });
  rows.fold(6, 9, { label: "push" });
  rows.fold(5, 12, { label: "both" });
  rows.cut(7);
  assert.deepEqual(shown(rows), [1, "fold 2", 5, 6, 7]);
  consistent(rows);
  rows.cut(1);
  assert.deepEqual([shown(rows), rows.folded], [[1], []]);
});

test("a list of numbers grows at its end and in between", () => {
  const rows = new ListedRows([5, 10, 20]);
  const froms = [];
  rows.addEventListener("change", (event) => froms.push(event.detail.from));
  rows.add([30, 40]);
  rows.add([7, 10, 25]);
  rows.add([1]);
  assert.deepEqual(shown(rows), [1, 5, 7, 10, 20, 25, 30, 40]);
  assert.deepEqual(froms, [3, 1, 0]);
  assert.equal(rows.indexOf(11), 4);
  assert.ok(rows.has(25) && !rows.has(26));
  consistent(rows);
});
