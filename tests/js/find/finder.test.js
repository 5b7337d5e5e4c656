// Finding in a log, without a page: what is looked for, the searches for it, and which hit is next.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { Finder } from "../../../static/find/finder.js";
import { Marks } from "../../../static/find/marks.js";
import { NOTHING, addressed, filterOf, filters, parameters, readQuery, tester } from "../../../static/find/query.js";
import { Outline } from "../../../static/find/outline.js";
import { Search } from "../../../static/find/search.js";

/** A server that answers by a function of the address, and keeps what it was asked. */
function server(answer) {
  const asked = [];
  const fetch = async (address, options = {}) => {
    asked.push(String(address));
    const { status = 200, frames, json } = await answer(new URL(address, "http://log"), options, asked.length);
    const body = frames ? frames.map((frame) => `${JSON.stringify(frame)}\n`).join("") : JSON.stringify(json);
    return new Response(body, { status });
  };
  return { fetch, asked };
}

/** A log of so many lines, as the server would search it. */
function searched(last, matches, { pieces = 3 } = {}) {
  return (url) => {
    const after = Number(url.searchParams.get("after") ?? 0);
    const before = Number(url.searchParams.get("before") ?? last() + 1);
    const back = url.searchParams.get("order") === "desc";
    const numbers = [];
    for (let n = after + 1; n < before; n += 1) if (matches(n)) numbers.push(n);
    if (back) numbers.reverse();
    const frames = [];
    const size = Math.max(1, Math.ceil(numbers.length / pieces));
    for (let i = 0; i < numbers.length; i += size) frames.push({ type: "matches", numbers: numbers.slice(i, i + size) });
    const covered = before > after + 1 ? { first: after + 1, last: before - 1 } : { first: null, last: null };
    if (covered.first) frames.push({ type: "progress", ...covered, time: "2026-01-31T10:04:00.000Z" });
    return { frames: [...frames, { type: "done", total: numbers.length, ...covered, more: null, status: "running" }] };
  };
}

/** Waits for an event after which the condition holds, or for nothing where it holds already. */
const happens = (target, name, condition) =>
  new Promise((resolve) => {
    if (condition?.()) return void resolve();
    const look = () => {
      if (condition && !condition()) return;
      target.removeEventListener(name, look);
      resolve();
    };
    target.addEventListener(name, look);
  });

const line = (n, text, more = {}) => ({ n, time: "2026-01-31T10:00:00.000Z", level: "info", text, ...more });

test("an address holds all that is looked for, and gives it back", () => {
  const query = {
    q: "a&b=ü",
    pattern: true,
    case: true,
    only: true,
    exclude: ["x y", "z"],
    levels: ["error", "warning"],
    phases: ["push", "-"],
    records: ["SO-1"],
    fields: [["customer.id", "5"]],
  };
  const address = addressed(new URL("http://log/syncs/1?all=1&q=old&level=info#L7"), query);
  assert.match(address, /^\/syncs\/1\?all=1&q=a%26b%3D/);
  assert.ok(address.endsWith("#L7"));
  assert.deepEqual(readQuery(new URL(address, "http://log").searchParams), query);
  assert.equal(addressed(new URL(address, "http://log"), NOTHING), "/syncs/1?all=1#L7");
  assert.equal(parameters({ ...NOTHING, case: true, pattern: true }).toString(), "");
});

test("a text alone hides no line", () => {
  const query = { ...NOTHING, levels: ["error", "warning"], q: "x" };
  assert.ok(filters(query));
  assert.ok(filters({ ...NOTHING, q: "x", only: true }));
  assert.ok(!filters({ ...NOTHING, q: "x" }));
  assert.equal(filterOf(query).q, "");
});

test("a line is tried as the server would", () => {
  const tries = (query, one) => tester({ ...NOTHING, ...query })(one);
  assert.ok(tries({ q: "PUSHED (1)" }, line(1, "was pushed (1)")));
  assert.ok(!tries({ q: "PUSHED", case: true }, line(1, "was pushed")));
  assert.ok(tries({ levels: ["error"], phases: ["-"] }, line(1, "x", { level: "error" })));
  assert.ok(!tries({ phases: ["push"] }, line(1, "x")));
  assert.ok(tries({ fields: [["rows", "3"]], records: ["7"] }, line(1, "x", { record: "7", fields: { rows: 3 } })));
  assert.ok(!tries({ exclude: ["be", "ra"] }, line(1, "BEAT")));
  assert.equal(tester({ ...NOTHING, q: "(a+)+$", pattern: true }), null, "a pattern is never tried in a browser");
  assert.equal(tester({ ...NOTHING, exclude: ["(a+)+$"], pattern: true }), null);
});

test("a search goes back to the first line and on with what is written meanwhile", async () => {
  let last = 1000;
  const { fetch, asked } = server(searched(() => last, (n) => n % 100 === 0));
  const search = new Search({ url: "/log", query: { ...NOTHING, q: "hundred" }, fetch });
  search.start();
  await happens(search, "change", () => search.complete);
  assert.deepEqual(asked, ["/log?q=hundred&order=desc"]);
  assert.deepEqual([search.count, search.first, search.last, search.state], [10, 1, 1000, "done"]);
  assert.equal(search.rows.numberAt(0), 100);
  // Plain texts are matched as they arrive, without a word to the server.
  search.take([line(1001, "x"), line(1002, "a Hundred")]);
  assert.equal(search.count, 11);
  assert.equal(search.last, 1002);
  assert.equal(asked.length, 1);
  // Lines were missed: the server is asked for all since.
  last = 1300;
  search.take([line(1300, "hundred")]);
  await happens(search, "change", () => search.last === 1300);
  assert.equal(asked[1], "/log?q=hundred&after=1002");
  assert.deepEqual([search.count, search.rows.numberAt(search.count - 1)], [14, 1300]);
  search.stop();
});

test("a pattern is left to the server for live lines as well", async () => {
  let last = 10;
  const { fetch, asked } = server(searched(() => last, (n) => n === 12));
  const search = new Search({ url: "/log", query: { ...NOTHING, q: "(a+)+$", pattern: true }, fetch });
  search.start();
  await happens(search, "change", () => search.complete);
  last = 12;
  search.take([line(11, `${"a".repeat(5000)}b`), line(12, "aaa")]);
  await happens(search, "change", () => search.count === 1);
  assert.match(asked[1], /&after=10$/);
  search.stop();
});

test("a search that ends early or fails goes on from where it came", async () => {
  const answers = [
    { frames: [{ type: "matches", numbers: [90] }, { type: "progress", first: 51, last: 100, time: "t" }, { type: "done", total: 1, first: 51, last: 100, more: 51 }] },
    { frames: [{ type: "matches", numbers: [40] }, { type: "progress", first: 30, last: 50, time: "t" }] }, // and it breaks off
    { status: 503, json: {} },
    { frames: [{ type: "progress", first: 1, last: 29, time: "t" }, { type: "done", total: 0, first: 1, last: 29, more: null }] },
  ];
  const { fetch, asked } = server((_url, _options, times) => answers[times - 1]);
  const search = new Search({ url: "/log", query: { ...NOTHING, q: "x" }, fetch, again: [1, 2] });
  const seen = new Set();
  search.addEventListener("change", () => seen.add(search.state));
  search.start();
  await happens(search, "change", () => search.complete);
  assert.deepEqual(asked.map((one) => new URL(one, "http://log").searchParams.get("before")), [null, "51", "30", "30"]);
  assert.deepEqual([search.count, search.first, search.last], [2, 1, 100]);
  assert.ok(seen.has("waiting"));
  search.stop();
});

test("lines that no longer exist are counted once, also when the answer that told of them broke off", async () => {
  const gap = { type: "gap", first: 11, last: 40, why: "lost" };
  const answers = [
    { frames: [{ type: "progress", first: 41, last: 100, time: "t" }, gap] }, // and it breaks off
    { frames: [gap, { type: "progress", first: 5, last: 40, time: "t" }, { type: "done", total: 0, first: 5, last: 40, more: 5 }] },
    { frames: [{ type: "gap", first: 1, last: 4, why: "lost" }, { type: "done", total: 0, first: 1, last: 4, more: null }] },
  ];
  const { fetch, asked } = server((_url, _options, times) => answers[times - 1]);
  const search = new Search({ url: "/log", query: { ...NOTHING, q: "x" }, fetch, again: [1, 2] });
  search.start();
  await happens(search, "change", () => search.complete);
  assert.deepEqual([asked.length, search.gone], [3, 34]);
  search.stop();
});

test("a refused pattern is said with its place, and not asked for again", async () => {
  const { fetch, asked } = server(() => ({ status: 422, json: { detail: "long", says: "missing ): (", position: 1 } }));
  const search = new Search({ url: "/log", query: { ...NOTHING, q: "(", pattern: true }, fetch });
  search.start();
  await happens(search, "change", () => search.state === "refused");
  assert.deepEqual([search.error, search.position, search.complete], ["missing ): (", 1, false]);
  search.take([line(1, "(")]);
  assert.equal(asked.length, 1);
});

test("hits are gone through in both directions, and around once all are known", async () => {
  const { fetch } = server(searched(() => 100, (n) => n % 30 === 0));
  const finder = new Finder({ url: "/log", fetch });
  finder.set({ q: "x" });
  assert.deepEqual(finder.next(50, -1), { n: null, wrapped: false, wait: true });
  const [go] = await Promise.all([new Promise((resolve) => finder.addEventListener("go", resolve, { once: true }))]);
  assert.deepEqual(go.detail, { n: 30, wrapped: false });
  await happens(finder, "change", () => finder.hits.complete);
  assert.equal(finder.next(30, 1).n, 60);
  assert.deepEqual(finder.next(90, 1), { n: 30, wrapped: true, wait: false });
  assert.deepEqual(finder.next(30, -1), { n: 90, wrapped: true, wait: false });
  assert.deepEqual([finder.place(60), finder.place(61)], [2, 0]);
  finder.set({ q: "" });
  assert.equal(finder.hits, null);
});

test("a log that lost lines is searched again, and what was found in them is forgotten", async () => {
  let last = 100;
  const { fetch, asked } = server(searched(() => last, (n) => n % 30 === 0));
  const finder = new Finder({ url: "/log", fetch });
  finder.set({ q: "x", only: true });
  await happens(finder, "change", () => finder.hits.complete);
  const { rows } = finder.shows;
  let shows = null;
  finder.addEventListener("rows", () => (shows = finder.shows?.rows));
  last = 70;
  finder.restart();
  assert.ok(shows !== null && shows !== rows && finder.shows === finder.hits);
  finder.restart(); // once more, before the first answer
  finder.take([line(71, "x")]);
  await happens(finder, "change", () => finder.hits.complete);
  assert.deepEqual([finder.shows.rows.length, finder.hits.last, rows.length], [2, 70, 3]);
  assert.deepEqual(finder.next(60, 1), { n: 30, wrapped: true, wait: false });
  assert.equal(asked.length, 3);
  finder.set({ q: "" });
});

test("one search serves both where it is the same, and none is begun twice", async () => {
  const { fetch, asked } = server(searched(() => 10, (n) => n === 3));
  const finder = new Finder({ url: "/log", fetch });
  let rows = 0;
  finder.addEventListener("rows", () => (rows += 1));
  finder.set({ q: "x" });
  assert.equal(finder.shows, null);
  finder.set({ only: true });
  assert.equal(finder.shows, finder.hits);
  finder.set({ levels: ["error"], only: false });
  assert.notEqual(finder.shows, finder.hits);
  assert.equal(rows, 2);
  assert.deepEqual(asked, ["/log?q=x&order=desc", "/log?level=error&order=desc", "/log?q=x&level=error&order=desc"]);
  await happens(finder, "change", () => finder.shows.complete && finder.hits.complete);
  assert.equal(finder.empty, false);
  finder.clearFilter();
  assert.deepEqual([finder.shows, finder.query.q], [null, "x"]);
  finder.set({ q: "" });
});

test("the next error is asked for wherever it is", async () => {
  const { fetch, asked } = server((_url, _options, times) => ({ json: times === 1 ? { matches: [], more: 700 } : { matches: [{ n: 812 }], more: 812 } }));
  const finder = new Finder({ url: "/log", fetch });
  assert.equal(await finder.nextOf("error", 5, 1), 812);
  assert.deepEqual(asked, ["/log?level=error&limit=1&after=5", "/log?level=error&limit=1&after=700"]);
  assert.equal(await finder.nextOf("error", 900, -1), 812);
  assert.equal(asked[2], "/log?level=error&limit=1&order=desc&before=900");
  finder.set({ phases: ["push"], levels: ["info"] });
  await finder.nextOf("error", 900, 1);
  assert.equal(asked.at(-1), "/log?level=error&phase=push&limit=1&after=900");
  finder.set({ phases: [], levels: [] });
});

test("places of a plain text are found here, those of a pattern asked for together and kept", async () => {
  const { fetch, asked } = server((_url, { body }) => ({ json: { marks: JSON.parse(body).texts.map((text) => (text ? [[0, 1]] : [])) } }));
  const here = new Marks({ q: "a.b", pattern: false, case: false, fetch });
  assert.deepEqual(here.find("A.b axb a.b"), [[0, 3], [8, 11]]);
  assert.equal(here.find("a.b".repeat(500)).length, 100);
  const there = new Marks({ q: "(a+)+$", pattern: true, case: false, fetch });
  assert.deepEqual([there.find("one"), there.find("two"), there.find("")], [[], [], []]);
  await happens(there, "change");
  assert.deepEqual([there.find("one"), there.find("two"), there.find("")], [[[0, 1]], [[0, 1]], []]);
  assert.equal(asked.length, 1);
  there.stop();
});

test("an outline goes on with the lines that arrive, as the server's would", async () => {
  const { fetch, asked } = server(() => ({
    json: {
      upto: 2,
      levels: { info: 2 },
      phases: [{ phase: "pull", lines: 2 }],
      sections: [{ first: 1, last: 2, phase: "pull", errors: 0, warnings: 0, began: "a", ended: "b" }],
      cut: null,
    },
  }));
  const outline = new Outline({ url: "/log", fetch });
  outline.take([line(1, "x")]);
  assert.equal(outline.upto, 0, "what is not known cannot go on");
  await outline.load();
  outline.take([line(2, "x", { phase: "pull" }), line(3, "x", { level: "error" }), line(4, "x", { phase: "pull" })]);
  outline.take([line(5, "x", { phase: "push", level: "warning" })]);
  assert.deepEqual(outline.sections.map(({ first, last, phase, errors, warnings }) => [first, last, phase, errors, warnings]), [
    [1, 4, "pull", 1, 0],
    [5, 5, "push", 0, 1],
  ]);
  assert.deepEqual([...outline.levels], [["info", 3], ["error", 1], ["warning", 1]]);
  assert.deepEqual([...outline.phases], [["pull", 3], ["", 1], ["push", 1]]);
  assert.equal(outline.at(3).first, 1);
  assert.deepEqual(asked, ["/log/outline"]);
});

test("an outline is fetched again when the log lost lines, also while the first answer is on its way", async () => {
  const answers = [];
  const { fetch } = server((_url, _options, times) => new Promise((resolve) => (answers[times - 1] = resolve)));
  const told = (upto) => ({ json: { upto, levels: { info: upto }, phases: [], sections: [], cut: null } });
  const outline = new Outline({ url: "/log", fetch });
  const loaded = outline.load();
  outline.take([line(9, "x")]);
  outline.rewind(5);
  answers[0](told(9));
  await loaded;
  assert.equal(outline.known, false, "that answer counts lines that are gone");
  outline.take([line(6, "x")]);
  answers[1](told(6));
  await happens(outline, "change");
  assert.deepEqual([outline.upto, outline.levels.get("info"), answers.length], [6, 6, 2]);
  outline.rewind(0);
  answers[2](told(1));
  await happens(outline, "change", () => outline.known);
  assert.equal(outline.upto, 1);
});

// The server's outline is tried with the same: tests/server/log/test_search.py.
for (const { says, lines, sections, loose, later, end } of JSON.parse(readFileSync(new URL("../outline.json", import.meta.url), "utf8"))) {
  const lined = (all) => all.map(([n, phase, level]) => line(n, "x", { level, ...(phase && { phase }) }));
  const sectioned = (one) => one && { first: one[0], last: one[1], phase: one[2], errors: one[3], warnings: one[4], began: "", ended: "" };
  const short = (one) => [one.first, one.last, one.phase, one.errors, one.warnings];
  const told = { upto: 0, levels: {}, phases: [], sections: [], loose: null, cut: null };
  const known = { ...told, upto: lines.at(-1)[0], sections: sections.map(sectioned), loose: sectioned(loose) };
  for (const [how, json, arrived] of [["as they arrive", told, [...lines, ...later]], ["after what the server told", known, later]]) {
    test(`sections, ${how}: ${says}`, async () => {
      const outline = new Outline({ url: "/log", fetch: server(() => ({ json })).fetch });
      await outline.load();
      outline.take(lined(arrived));
      assert.deepEqual(outline.sections.map(short), end);
    });
  }
}

test("what arrives while an outline is asked for is asked for again, also when nothing follows", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  let upto = 2;
  const { fetch, asked } = server(() => ({ json: { upto, levels: { info: upto }, phases: [], sections: [], cut: null } }));
  const outline = new Outline({ url: "/log", fetch });
  const loaded = outline.load();
  outline.take([line(3, "x")]);
  await loaded;
  assert.equal(outline.upto, 2);
  upto = 3;
  const told = new Promise((resolve) => outline.addEventListener("change", resolve, { once: true }));
  t.mock.timers.tick(2000);
  await told;
  assert.equal(outline.upto, 3);
  t.mock.timers.tick(60_000);
  assert.equal(asked.length, 2);
});
