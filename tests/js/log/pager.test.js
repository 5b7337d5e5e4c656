// Fetching lines by number: what is wanted, what is not any more, and answers that are not to be believed.

import assert from "node:assert/strict";
import { test } from "node:test";

import { Pager } from "../../../static/log/pager.js";

const frame = (first, last) => ({
  type: "lines",
  first,
  last,
  lines: Array.from({ length: last - first + 1 }, (_, i) => ({ n: first + i, time: "", level: "info", text: "" })),
});
const answer = (frames, status = 200) => ({ status, type: "basic", json: async () => ({ frames }) });
const soon = () => new Promise((done) => setTimeout(done, 5));

/** A server whose answers the test gives. */
class Server {
  asked = [];
  fetch = (url, { signal }) =>
    new Promise((resolve, reject) => {
      const [, first, last] = /first=(\d+)&last=(\d+)/.exec(url).map(Number);
      this.asked.push({ first, last, resolve, reject, signal });
      signal.addEventListener("abort", () => reject(signal.reason));
    });
}

function started() {
  const server = new Server();
  const pager = new Pager({ sync: "S", origin: "http://test", fetch: server.fetch });
  const got = [];
  pager.addEventListener("lines", ({ detail }) => got.push([detail.lines[0].n, detail.lines.at(-1).n]));
  pager.addEventListener("gap", ({ detail }) => got.push(detail));
  pager.addEventListener("failed", ({ detail }) => got.push(detail.status));
  return { server, pager, got };
}

test("what is wanted is fetched, and handed on as it is", async () => {
  const { server, pager, got } = started();
  pager.want([[101, 300]]);
  assert.deepEqual([server.asked[0].first, server.asked[0].last], [101, 300]);
  server.asked[0].resolve(answer([frame(101, 200), { type: "gap", first: 201, last: 300, why: "lost", sync: "S" }]));
  await soon();
  assert.deepEqual(got, [[101, 200], { first: 201, last: 300, why: "lost" }]);
});

test("what is no longer wanted is aborted, and what is still wanted is left to come", async () => {
  const { server, pager, got } = started();
  pager.want([[1, 100]]);
  pager.want([[50, 150]]);
  assert.equal(server.asked[0].signal.aborted, false);
  pager.want([[9000, 9100]]);
  assert.equal(server.asked[0].signal.aborted, true);
  assert.deepEqual(got, []);
});

test("ranges that lie apart are fetched one after the other, without a pause; what was given up is not asked for at once", async (t) => {
  t.mock.method(performance, "now", () => 1000); // however slow the machine is, no time passes
  const { server, pager } = started();
  pager.want([[1, 1], [500, 500]]);
  server.asked[0].resolve(answer([frame(1, 1)]));
  await new Promise(setImmediate);
  assert.deepEqual(server.asked.map(({ first }) => first), [1, 500]);
  pager.want([[9000, 9000]]);
  assert.equal(server.asked.length, 2);
});

test("an answer with a hole is not taken", async () => {
  const { server, pager, got } = started();
  pager.want([[1, 100]]);
  server.asked[0].resolve(answer([frame(2, 100)]));
  await soon();
  assert.deepEqual(got, [0]);
});

test("who is signed out is told, and does not ask again", async () => {
  const { server, pager, got } = started();
  pager.want([[1, 100]]);
  server.asked[0].resolve(answer([], 401));
  await soon();
  pager.want([[1, 200]]);
  assert.deepEqual(got, [401]);
  assert.equal(server.asked.length, 1);
});

test("a long range is read in parts, as far as each answer went", async () => {
  const server = new Server();
  const pager = new Pager({ sync: "S", origin: "http://test", fetch: server.fetch });
  const parts = [];
  const reading = (async () => {
    for await (const part of pager.read(1, 12_000)) parts.push(part.lines?.length ?? part.gap);
  })();
  for (const [first, until] of [[1, 3000], [3001, 8000], [8001, 12_000]]) {
    const one = server.asked.at(-1);
    assert.equal(one.first, first);
    one.resolve(answer([frame(first, until)]));
    await soon();
  }
  await reading;
  assert.deepEqual(parts, [3000, 5000, 4000]);
});
