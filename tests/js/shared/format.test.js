// How numbers, spans and moments read. What a sync took is said by the server too: tests/server/pages/test_pages.py.

import assert from "node:assert/strict";
import { test } from "node:test";

import { ago, bytes, plural, span, thousands, took } from "../../../static/shared/format.js";

test("numbers and their words", () => {
  assert.equal(thousands(1234567), "1,234,567");
  assert.deepEqual([plural(1, "line"), plural(0, "line"), plural(1200, "match", "matches")], ["1 line", "0 lines", "1,200 matches"]);
});

test("what runs is told in whole seconds, what ended as exact as somebody wants it", () => {
  assert.deepEqual([-5, 0.9, 59.9, 72, 3600, 90_061].map(span), ["0 s", "0 s", "59 s", "1 m 12 s", "1 h 0 m", "25 h 1 m"]);
  assert.deepEqual([-5, 0, 850, 999.9, 1000, 4250, 9999, 10_000, 72_000].map(took), ["0 ms", "0 ms", "850 ms", "999 ms", "1.0 s", "4.2 s", "9.9 s", "10 s", "1 m 12 s"]);
});

test("how long ago", () => {
  assert.deepEqual([2, 12, 125, 7300, 90_000, 200_000].map(ago), ["just now", "12 s ago", "2 min ago", "2 h ago", "1 day ago", "2 days ago"]);
});

test("sizes", () => {
  assert.deepEqual([0, 999, 1000, 9949, 9950, 999_499, 999_500, 1_234_567].map(bytes), ["0 B", "999 B", "1.0 kB", "9.9 kB", "10 kB", "999 kB", "1.0 MB", "1.2 MB"]);
});
