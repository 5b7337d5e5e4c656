// Owns following one sync over the network: websocket, polling, and the change from one to the other.
// It knows no DOM, draws nothing and has no words for people; it refuses to let two transports deliver at once.

import { Frames } from "./frames.js";
import { ask } from "./pager.js";

/** The times of the rules below, in milliseconds. Tests hand in shorter ones. */
const TIMING = Object.freeze({
  deadAfter: 25_000, // without a frame, a socket is dead (the server beats every 10 s)
  connectWithin: 5_000, // without a frame, polling takes over
  provenAfter: 5_000, // a socket that lived this long counts as a success, even if the log was silent
  backoffFirst: 500,
  backoffMost: 15_000,
  pollEvery: 5_000,
  pollWithin: 20_000,
  probeEvery: 30_000, // while polling, how often the websocket is tried again
  crowdedWait: 60_000, // after "too many connections"
});

const TRIES_BEFORE_POLLING = 2;
const POLL_LINES = 5000;
/** @type {Record<number, string>} */
const GONE = { 403: "not allowed", 404: "no such sync", 410: "expired" };
const ENDED = new Set(["completed", "completed_with_errors", "failed", "stopped"]);

/**
 * @typedef {"connecting"|"live"|"polling"|"reconnecting"|"offline"|"complete"|"signed-out"|"gone"} StateName
 * @typedef {{last: number, summary: {status: string}}} End
 * @typedef {{name: StateName, seconds?: number, total?: number, status?: string, reason?: string}} State
 */

/**
 * Follows one sync. Events (`CustomEvent`, see `detail`):
 * `lines` {first, last, lines} · `gap` {first, last, why} · `rewind` {last, why}: reported lines after `last` are not
 * in the log, and their numbers come again · `summary` (the object) · `beat` {time, last} · `end` {last, summary} ·
 * `state` (State). `end` and `complete` come only once every line up to `end.last` was reported.
 */
export class Follower extends EventTarget {
  #address;
  #frames;
  #timing;
  #WebSocket;
  #fetch;
  #random;
  #net;

  #running = false;
  #state = /** @type {State|null} */ (null);
  // Each socket or poll belongs to an epoch; what comes from an earlier one is stale and ignored.
  #epoch = 0;
  /** @type {WebSocket | null} */
  #socket = null;
  /** @type {AbortController | null} */
  #abort = null;
  /** @type {Map<string, ReturnType<typeof setTimeout>>} */
  #timers = new Map();

  #failures = 0; // websocket tries in a row that brought nothing
  #retries = 0; // how far the backoff has grown
  #without = 0; // since when there has been no working websocket
  #probeAt = Infinity; // while polling: when the websocket is next tried
  #etag = { url: "", value: "" }; // of the last answer to a poll: one that would say the same again is empty
  #outage = false; // neither way worked, and no poll has succeeded since
  /** @type {End | null} */
  #end = null; // the end frame, while lines before it are still missing

  /**
   * @param {object} options
   * @param {string} options.sync the sync's id
   * @param {number} [options.after] the number of the last line already held; following starts with the next one
   * @param {string} [options.origin] `https://host`, by default the page's own
   * @param {Partial<typeof TIMING>} [options.timing]
   * @param {typeof globalThis.WebSocket} [options.WebSocket]
   * @param {typeof globalThis.fetch} [options.fetch]
   * @param {() => number} [options.random] from 0 to 1, for jitter
   * @param {EventTarget & {navigator?: {onLine?: boolean}}} [options.net] tells `online` and `offline`; by default the window
   */
  constructor({ sync, after = 0, origin, timing = {}, WebSocket, fetch, random = Math.random, net = globalThis }) {
    super();
    this.#address = `${origin ?? globalThis.location?.origin ?? ""}/api/syncs/${encodeURIComponent(sync)}`;
    this.#frames = new Frames(after, (type, detail) => this.#emit(type, detail));
    this.#timing = { ...TIMING, ...timing };
    this.#WebSocket = WebSocket ?? globalThis.WebSocket;
    this.#fetch = fetch ?? ((...args) => globalThis.fetch(...args));
    this.#random = random;
    this.#net = net;
  }

  /** The number of the last line reported (or known to be gone). */
  get cursor() {
    return this.#frames.cursor;
  }

  start() {
    if (this.#running) return;
    this.#running = true;
    this.#net.addEventListener?.("online", this.#onOnline);
    this.#net.addEventListener?.("offline", this.#onOffline);
    this.#say({ name: "connecting" });
    this.#begin();
  }

  /** Closes the connection; no event comes after this. `start` goes on from the cursor. */
  stop() {
    this.#running = false;
    this.#drop();
    this.#net.removeEventListener?.("online", this.#onOnline);
    this.#net.removeEventListener?.("offline", this.#onOffline);
  }

  // --- coming and going -----------------------------------------------------------------------------------------

  #onOnline = () => {
    if (this.#state?.name === "offline") this.#begin();
  };

  #onOffline = () => {
    this.#drop();
    this.#say({ name: "offline" });
  };

  #begin() {
    this.#drop();
    if (this.#net.navigator?.onLine === false) return this.#say({ name: "offline" });
    if (this.#state?.name !== "connecting") this.#say({ name: "reconnecting", seconds: 0 });
    this.#failures = 0;
    this.#retries = 0;
    this.#without = performance.now();
    if (this.#end) return void this.#ask();
    this.#open();
  }

  /** Ends the transport; what still comes from it belongs to an old epoch. */
  #drop() {
    this.#epoch += 1;
    for (const timer of this.#timers.values()) clearTimeout(timer);
    this.#timers.clear();
    this.#abort?.abort();
    this.#socket?.close(1000);
    this.#socket = null;
    return this.#epoch;
  }

  /** @param {State} state */
  #finish(state) {
    this.stop();
    this.#say(state);
  }

  /** @param {number} wait @param {() => void} then */
  #retry(wait, then) {
    this.#drop();
    this.#say({ name: "reconnecting", seconds: Math.ceil(wait / 1000) });
    this.#later("retry", wait, () => {
      this.#say({ name: "reconnecting", seconds: 0 });
      then();
    });
  }

  #backoff() {
    const { backoffFirst, backoffMost } = this.#timing;
    this.#retries += 1;
    const ceiling = Math.min(backoffMost, backoffFirst * 2 ** this.#retries);
    // Anywhere up to the ceiling: readers of a server that comes back do not arrive in step.
    return backoffFirst + (ceiling - backoffFirst) * this.#random();
  }

  // --- the websocket --------------------------------------------------------------------------------------------

  /** @param {boolean} [probing] tried from polling, which stays the state until the socket proves itself */
  #open(probing = false) {
    const epoch = this.#drop();
    try {
      this.#socket = new this.#WebSocket(`${this.#address.replace(/^http/, "ws")}/live?after=${this.cursor}`, "synctail.v1");
    } catch {
      return this.#lost(1006, false);
    }
    this.#listen(this.#socket, epoch);
    // Without a frame in time, polling takes over; a hanging handshake must not hold lines back.
    const left = probing ? this.#timing.connectWithin : this.#without + this.#timing.connectWithin - performance.now();
    this.#later("connect", Math.max(left, 0), () => this.#ask());
  }

  /** @param {WebSocket} socket @param {number} epoch */
  #listen(socket, epoch) {
    const seen = { heard: 0, at: 0, cursor: this.cursor };
    const lost = (/** @type {number} */ code) => {
      if (epoch !== this.#epoch) return;
      const alive = seen.heard > 0 && performance.now() - seen.heard > this.#timing.provenAfter;
      this.#lost(code, alive || this.cursor > seen.cursor);
    };
    socket.onmessage = (event) => {
      if (epoch !== this.#epoch) return;
      seen.at = performance.now();
      if (!seen.heard) this.#heard(seen, lost);
      try {
        this.#take(JSON.parse(event.data));
      } catch {
        lost(1006); // a hole, or no frame at all: come back from the cursor
      }
    };
    socket.onclose = (event) => lost(event.code);
  }

  /** @param {{heard: number, at: number}} seen @param {(code: number) => void} lost */
  #heard(seen, lost) {
    seen.heard = seen.at;
    this.#cancel("connect");
    this.#probeAt = Infinity;
    this.#outage = false;
    this.#say({ name: "live" });
    const check = () => {
      const left = seen.at + this.#timing.deadAfter - performance.now();
      if (left <= 0) lost(1006);
      else this.#later("dead", left, check);
    };
    this.#later("dead", this.#timing.deadAfter, check);
  }

  /** @param {number} code @param {boolean} proven */
  #lost(code, proven) {
    const was = this.#state?.name;
    this.#drop();
    if (was === "live") {
      this.#without = performance.now();
      this.#say({ name: "reconnecting", seconds: 0 });
    }
    if (code === 4401) return this.#finish({ name: "signed-out" });
    if (code - 4000 in GONE) return this.#finish({ name: "gone", reason: GONE[code - 4000] });
    if (code === 4429 || code === 4400) {
      // A socket is not wanted; a poll holds no connection, and brings the same frames meanwhile.
      this.#probeAt = performance.now() + this.#timing.crowdedWait * (1 + this.#random());
      this.#outage = false;
      return void this.#ask();
    }
    if (was === "polling") return void this.#ask();
    this.#tryAgain(code, proven);
  }

  /** @param {number} code @param {boolean} proven */
  #tryAgain(code, proven) {
    this.#failures = proven ? 0 : this.#failures + 1;
    if (proven) this.#retries = 0;
    const late = performance.now() - this.#without >= this.#timing.connectWithin;
    if (this.#failures >= TRIES_BEFORE_POLLING || (late && !proven)) return void this.#ask();
    // A restarting server takes a moment, and all its readers come back together: spread them further.
    const wait = this.#backoff() * (code === 1012 ? 1 + 4 * this.#random() : 1);
    if (code === 1012) this.#without = performance.now() + wait; // the wait is ours, and no sign that sockets fail
    this.#retry(wait, () => this.#open());
  }

  // --- polling --------------------------------------------------------------------------------------------------

  async #ask() {
    const epoch = this.#drop();
    const abort = new AbortController();
    this.#abort = abort;
    this.#later("ask", this.#timing.pollWithin, () => {
      abort.abort();
      this.#pollFailed();
    });
    const url = `${this.#address}/log?after=${this.cursor}&limit=${POLL_LINES}`;
    /** @type {RequestInit} the condition is ours, not the browser cache's */
    const options = { signal: abort.signal, cache: "no-store" };
    if (this.#etag.value && this.#etag.url === url) options.headers = { "If-None-Match": this.#etag.value };
    /** @type {import("./pager.js").Answer} status 0: not reached, cut off, or not JSON */
    const answer = await ask(this.#fetch, url, options).catch(() => ({ status: 0 }));
    if (epoch !== this.#epoch) return;
    this.#cancel("ask");
    if (answer.body) this.#etag = { url, value: answer.etag ?? "" };
    this.#answered(answer);
  }

  /** @param {import("./pager.js").Answer} answer */
  #answered({ status, body }) {
    if (status === 401) return this.#finish({ name: "signed-out" });
    if (status in GONE) return this.#finish({ name: "gone", reason: GONE[status] });
    if (status !== 200 && status !== 304) return this.#pollFailed(status);
    this.#say({ name: "polling", seconds: Math.round(this.#timing.pollEvery / 1000) });
    this.#retries = 0;
    const [epoch, from] = [this.#epoch, this.cursor];
    try {
      for (const frame of body?.frames ?? []) {
        this.#take(frame);
        if (epoch !== this.#epoch) return; // that frame ended it, or a listener stopped us
      }
      if (this.#end) this.#takeEnd(this.#end);
      if (epoch !== this.#epoch) return;
    } catch {
      return this.#pollFailed();
    }
    this.#pollNext(body, this.cursor !== from);
  }

  /** @param {any} body @param {boolean} moved */
  #pollNext(body, moved) {
    const now = performance.now();
    if (moved && body && (this.cursor < body.last || ENDED.has(body.status))) return void this.#ask();
    // The probe goes between two polls, and has as long as the pause between them: lines wait no longer for it.
    // After an outage it was the server that was away, not websockets: they are tried at once.
    if (this.#outage) this.#probeAt = now;
    this.#outage = false;
    if (this.#probeAt === Infinity) this.#probeAt = now + this.#timing.probeEvery;
    if (now >= this.#probeAt && !this.#end) {
      this.#probeAt = now + this.#timing.probeEvery;
      return this.#open(true);
    }
    this.#later("poll", this.#timing.pollEvery, () => this.#ask());
  }

  /** Neither way works. Wait, then try both: after an outage no reader should be left on polling. @param {number} [status] */
  #pollFailed(status) {
    this.#etag.value = ""; // the next answer is whole
    this.#outage = status !== 429;
    const wait = status === 429 ? this.#timing.crowdedWait / 2 : this.#backoff();
    this.#retry(wait, () => {
      if (this.#end || status === 429) return void this.#ask();
      this.#failures = TRIES_BEFORE_POLLING - 1; // one try by websocket, then a poll at once
      this.#without = performance.now();
      this.#open();
    });
  }

  // --- frames, whichever way they came --------------------------------------------------------------------------

  /** @param {any} frame */
  #take(frame) {
    if (frame.type === "end") this.#takeEnd(frame);
    else this.#frames.take(frame);
  }

  /** @param {End} frame */
  #takeEnd(frame) {
    if (this.cursor < frame.last) {
      if (this.#end) return; // already fetching what is missing
      this.#end = frame;
      return void this.#ask();
    }
    this.#end = null;
    this.#emit("summary", frame.summary);
    this.#emit("end", { last: frame.last, summary: frame.summary });
    this.#finish({ name: "complete", total: frame.last, status: frame.summary.status });
  }

  // --- small things ---------------------------------------------------------------------------------------------

  /** @param {string} type @param {unknown} detail */
  #emit(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }

  /** @param {State} state */
  #say(state) {
    const same = this.#state?.name === state.name && this.#state?.seconds === state.seconds;
    this.#state = state;
    if (!same) this.#emit("state", state);
  }

  /** @param {string} name @param {number} ms @param {() => void} act */
  #later(name, ms, act) {
    this.#cancel(name);
    this.#timers.set(name, setTimeout(act, ms));
  }

  /** @param {string} name */
  #cancel(name) {
    clearTimeout(this.#timers.get(name));
    this.#timers.delete(name);
  }
}
