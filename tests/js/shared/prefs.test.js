// Preferences outlive the page where storage works, and the page where it does not.

import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

let loads = 0;
/** The module as a new page has it. */
const page = async () => (await import(`../../../static/shared/prefs.js?${(loads += 1)}`)).prefs;

/** @param {Map<string, string>} kept */
const storage = (kept) => ({ getItem: (name) => kept.get(name) ?? null, setItem: (name, value) => void kept.set(name, String(value)) });

const put = (value) => Object.defineProperty(globalThis, "localStorage", { configurable: true, ...value });

beforeEach(() => put({ value: storage(new Map()) }));

test("what was set is there in the next page", async () => {
  (await page()).set("wrap", false);
  (await page()).set("columns", ["n", "time"]);
  const prefs = await page();
  assert.equal(prefs.get("wrap", true), false);
  assert.deepEqual(prefs.get("columns", []), ["n", "time"]);
  assert.equal(prefs.get("never set", 7), 7);
});

test("where storage is blocked, a preference lives as long as the page", async () => {
  put({ get: () => { throw new DOMException("blocked", "SecurityError"); } });
  const prefs = await page();
  assert.equal(prefs.get("wrap", true), true);
  prefs.set("wrap", false);
  assert.equal(prefs.get("wrap", true), false);
});

test("where storage is full, or missing, nothing breaks", async () => {
  put({ value: { getItem: () => null, setItem: () => { throw new DOMException("full", "QuotaExceededError"); } } });
  let prefs = await page();
  prefs.set("wrap", false);
  assert.equal(prefs.get("wrap", true), false);
  put({ value: undefined });
  prefs = await page();
  assert.equal(prefs.get("wrap", true), true);
});

test("nonsense, and values of another kind, are not taken", async () => {
  put({ value: storage(new Map([["synctail.a", "{not json"], ["synctail.b", '"text"'], ["synctail.c", "null"], ["synctail.d", "[1]"]])) });
  const prefs = await page();
  assert.equal(prefs.get("a", true), true);
  assert.equal(prefs.get("b", 3), 3);
  assert.equal(prefs.get("c", "x"), "x");
  assert.deepEqual(prefs.get("d", { x: 1 }), { x: 1 });
});

test("who changes what they were given changes no preference", async () => {
  const prefs = await page();
  prefs.set("columns", ["n"]);
  prefs.get("columns", []).push("time");
  assert.deepEqual(prefs.get("columns", []), ["n"]);
});
