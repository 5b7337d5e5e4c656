// Following a sync, with sockets, answers and a clock that the test gives: order, silence, polling, and the end.

import assert from "node:assert/strict";
import { test } from "node:test";

import { announcer } from "../../../static/shared/announce.js";
import { Follower } from "../../../static/log/follower.js";

/** A clock that goes on when the test says so, for timers and for `performance.now`. */
function clocked(t) {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  let now = 1_000_000;
  t.mock.method(performance, "now", () => now);
  return async (ms) => {
    for (const end = now + ms; now < end; ) {
      const step = Math.min(250, end - now);
      now += step;
      t.mock.timers.tick(step);
      await settled();
    }
  };
}

/** Promises that answers hang on have gone their way. */
const settled = async () => {
  for (let i = 0; i < 5; i += 1) await new Promise(setImmediate);
};

const lines = (first, last) => ({
  type: "lines",
  first,
  last,
  lines: Array.from({ length: last - first + 1 }, (_, i) => ({ n: first + i, time: "", level: "info", text: "" })),
});
const ending = (last) => ({ type: "end", last, summary: { status: "completed" } });

/** One who follows, all sockets that were opened, all polls that were sent, and what was reported. */
function followed({ after = 0, random = () => 0, poll = () => ({ http: 503 }) } = {}) {
  const sockets = [];
  class Socket {
    closed = false;
    constructor(url) {
      this.after = Number(new URL(url).searchParams.get("after"));
      sockets.push(this);
    }
    close() {
      this.closed = true;
    }
    says(...frames) {
      for (const frame of frames) this.onmessage({ data: JSON.stringify(frame) });
    }
    ends(code) {
      this.onclose({ code });
    }
  }
  const polls = [];
  const fetch = async (url) => {
    polls.push(Number(new URL(url).searchParams.get("after")));
    const { http = 200, ...body } = poll(polls.at(-1));
    return { status: http, type: "basic", headers: new Headers(), json: async () => body };
  };
  const follower = new Follower({ sync: "S", after, origin: "http://test", WebSocket: Socket, fetch, random, net: new EventTarget() });
  const got = [];
  const states = [];
  follower.addEventListener("lines", ({ detail }) => got.push([detail.first, detail.last]));
  follower.addEventListener("gap", ({ detail }) => got.push(["gap", detail.first, detail.last]));
  follower.addEventListener("rewind", ({ detail }) => got.push(["rewind", detail.last]));
  follower.addEventListener("end", ({ detail }) => got.push(["end", detail.last]));
  follower.addEventListener("state", ({ detail }) => states.push(detail.name));
  follower.start();
  return { follower, sockets, polls, got, states };
}

test("a frame that does not follow the last line is not taken: the socket is left, and the next one asks from there", async (t) => {
  const pass = clocked(t);
  const { sockets, got } = followed();
  sockets[0].says(lines(1, 10), lines(12, 20));
  assert.deepEqual(got, [[1, 10]]);
  assert.ok(sockets[0].closed);
  await pass(1_000);
  assert.deepEqual(sockets.map(({ after }) => after), [0, 10]);
  sockets[0].says(lines(11, 15)); // what is left is not heard any more
  sockets[1].says(lines(11, 20), { type: "gap", first: 21, last: 30, why: "lost" }, lines(25, 32));
  assert.deepEqual(got, [[1, 10], [11, 20], ["gap", 21, 30], [31, 32]]);
});

test("a socket that says nothing for 25 s is dead, and a beat keeps it alive", async (t) => {
  const pass = clocked(t);
  const { sockets, states } = followed();
  sockets[0].says(lines(1, 3));
  await pass(24_000);
  sockets[0].says({ type: "beat", time: "", last: 3 });
  await pass(24_000);
  assert.equal(sockets.length, 1);
  assert.equal(states.at(-1), "live");
  await pass(1_750);
  assert.equal(states.at(-1), "reconnecting");
  assert.ok(sockets[0].closed);
  assert.equal(sockets[1].after, 3);
});

test("after two failed tries it polls, tries the socket again after 30 s, and goes back to it", async (t) => {
  const pass = clocked(t);
  let last = 5;
  const { sockets, polls, got, states } = followed({ poll: (after) => ({ frames: after < last ? [lines(after + 1, last)] : [], last, status: "running" }) });
  sockets[0].ends(1006);
  await pass(1_000);
  sockets[1].ends(1006);
  await settled();
  assert.equal(states.at(-1), "polling");
  assert.deepEqual(got, [[1, 5]]);
  last = 9;
  await pass(5_000);
  assert.deepEqual(got, [[1, 5], [6, 9]]);
  const polled = polls.length;
  await pass(24_000);
  assert.ok(polls.length >= polled + 4);
  assert.equal(sockets.length, 2);
  await pass(1_500);
  assert.equal(sockets.length, 3);
  assert.equal(states.at(-1), "polling", "it is not live before it says something");
  sockets[2].says(lines(10, 11));
  assert.equal(states.at(-1), "live");
  const told = polls.length;
  await pass(20_000);
  assert.equal(polls.length, told, "two ways never deliver at once");
});

test("a handshake that hangs for 5 s holds no line back", async (t) => {
  const pass = clocked(t);
  const { sockets, got, states } = followed({ poll: (after) => ({ frames: after ? [] : [lines(1, 2)], last: 2, status: "running" }) });
  await pass(4_750);
  assert.deepEqual(got, []);
  await pass(250);
  assert.deepEqual(got, [[1, 2]]);
  assert.equal(states.at(-1), "polling");
  assert.ok(sockets[0].closed);
});

test("pauses between tries grow from half a second to 15 s, and are drawn", async (t) => {
  const pass = clocked(t);
  const { polls } = followed({ random: () => 1 }); // the longest, each time; neither way works
  const at = [];
  for (let second = 0, seen = 0; second < 90; second += 0.25) {
    await pass(250);
    if (polls.length > seen) at.push(second);
    seen = polls.length;
  }
  const pauses = at.slice(1).map((one, i) => one - at[i]);
  assert.ok(pauses.every((one, i) => i === 0 || one >= pauses[i - 1]), String(pauses));
  assert.ok(Math.max(...pauses) <= 15 + 5.25, String(pauses)); // and the 5 s that a socket has
  assert.ok(pauses.at(-1) >= 15, String(pauses));
});

test("it is complete only when the last line is held: what is missing is fetched first", async (t) => {
  clocked(t);
  const { sockets, polls, got, states } = followed({ poll: (after) => ({ frames: [lines(after + 1, 9), ending(9)], last: 9, status: "completed" }) });
  sockets[0].says(lines(1, 7), ending(9));
  assert.ok(!states.includes("complete"));
  await settled();
  assert.deepEqual(polls, [7]);
  assert.deepEqual(got, [[1, 7], [8, 9], ["end", 9]]);
  assert.equal(states.at(-1), "complete");
});

for (const [code, state] of [[4401, "signed-out"], [4403, "gone"], [4404, "gone"], [4410, "gone"]]) {
  test(`code ${code} is final: ${state}`, async (t) => {
    const pass = clocked(t);
    const { sockets, polls, states } = followed();
    sockets[0].ends(code);
    await pass(60_000);
    assert.deepEqual([states.at(-1), sockets.length, polls.length], [state, 1, 0]);
  });
}

test("after a rewind the lines from there on come again, however often it happens", async (t) => {
  const pass = clocked(t);
  const back = (last) => ({ type: "rewind", last, why: "" });
  const { sockets, got } = followed();
  sockets[0].says(lines(1, 9), back(6), lines(7, 8), back(7), back(7), back(0), lines(1, 2));
  assert.deepEqual(got, [[1, 9], ["rewind", 6], [7, 8], ["rewind", 7], ["rewind", 0], [1, 2]]);
  sockets[0].ends(1006);
  await pass(1_000);
  assert.equal(sockets[1].after, 2, "it goes on from there");
});

test("a rewind may come with a poll, and before the end that was waited for", async (t) => {
  clocked(t);
  const frames = [{ type: "rewind", last: 4, why: "" }, lines(5, 5), ending(5)];
  const { sockets, got, states } = followed({ poll: () => ({ frames, last: 5, status: "failed" }) });
  sockets[0].says(lines(1, 7), ending(9));
  await settled();
  assert.deepEqual(got, [[1, 7], ["rewind", 4], [5, 5], ["end", 5]]);
  assert.equal(states.at(-1), "complete");
});

test("a screen reader is told at most one thing in five seconds: the newest", async (t) => {
  const pass = clocked(t);
  const said = [];
  const tell = announcer({ set textContent(text) { said.push(text); } });
  tell("one");
  await pass(250);
  for (const text of ["two", "three", "four"]) tell(text);
  await pass(4_500);
  assert.deepEqual(said, ["one"]);
  await pass(500);
  assert.deepEqual(said, ["one", "four"]);
});
