// Owns one search through one sync's log: back from its end to its first line, then on with the lines that arrive.
// The server searches; lines that arrive are matched here where that is certain. It never ends early without saying so.
// It knows no DOM. The numbers of matching lines collect in `rows`.

import { parameters, tester } from "./query.js";
import { ListedRows } from "../log/rows.js";

const AGAIN_MS = [1_000, 15_000];
const LIVE_MS = 400; // between two requests for new lines

/**
 * @typedef {import("./query.js").Query} Query
 * @typedef {import("./query.js").Line} Line
 * @typedef {"searching" | "done" | "waiting" | "refused"} State `waiting`: it will try again · `refused`: it cannot work
 */

/** Events: `change`, when it found matches, made progress, or changed its state. */
export class Search extends EventTarget {
  rows = new ListedRows();
  /** @type {State} */
  state = "searching";
  /** What went wrong, in words for people. */
  error = "";
  /** @type {number | null} where in the pattern the error is */
  position = null;
  /** Lines `first` to `last` were searched; 0: none. */
  first = 0;
  last = 0;
  /** @type {string | null} the time of line `first` */
  time = null;
  /** The log was searched back to its first line. */
  complete = false;
  /** The count of lines that no longer exist and could not be searched. */
  gone = 0;

  #url;
  #query;
  #test;
  #fetch;
  #again;
  #abort = new AbortController();
  #gone = 0; // more of them, beyond what counts as searched: if the answer breaks off, the next one reports them again
  #reach = 0; // the last line of the log, as far as is known
  #started = false; // the server has reported progress
  #failures = 0;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  #busy = false;
  #stopped = false;

  /**
   * @param {object} options
   * @param {string} options.url of the log: `/api/syncs/ID/log`
   * @param {Query} options.query
   * @param {typeof globalThis.fetch} options.fetch
   * @param {number[]} [options.again] the first and the longest pause after a failure, in milliseconds
   */
  constructor({ url, query, fetch, again = AGAIN_MS }) {
    super();
    this.#url = url;
    this.#query = query;
    this.key = parameters(query).toString();
    this.#test = tester(query);
    this.#fetch = fetch;
    this.#again = again;
  }

  get count() {
    return this.rows.length;
  }

  start() {
    void this.#go();
  }

  /** No event comes after this. */
  stop() {
    this.#stopped = true;
    clearTimeout(this.#timer);
    this.#abort.abort();
  }

  /** These lines arrived, in order. @param {Line[]} lines */
  take(lines) {
    if (this.#stopped || lines.length === 0) return;
    const last = lines[lines.length - 1].n;
    this.#reach = Math.max(this.#reach, last);
    if (!this.complete || last <= this.last) return;
    if (this.#test && !this.#busy && lines[0].n <= this.last + 1) {
      const test = this.#test;
      const found = lines.filter((line) => line.n > this.last && test(line)).map((line) => line.n);
      this.last = last;
      this.first ||= 1;
      this.rows.add(found);
      return this.#changed();
    }
    this.#later(LIVE_MS);
  }

  /** @param {number} ms */
  #later(ms) {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      void this.#go();
    }, ms);
  }

  /** Search what was not searched yet: first back to the log's first line, then forward. */
  async #go() {
    if (this.#busy || this.#stopped || this.state === "refused") return;
    this.#busy = true;
    const back = !this.complete;
    const asked = parameters(this.#query);
    if (back) asked.set("order", "desc");
    if (back && this.#started) asked.set("before", String(this.first));
    if (!back) asked.set("after", String(this.last));
    try {
      await this.#ask(asked, back);
      this.#failures = 0;
    } catch (error) {
      if (this.#stopped) return;
      this.#failed(error);
    } finally {
      this.#busy = false;
    }
    const state = /** @type {State} */ (this.state); // it may have changed meanwhile
    if (this.#stopped || state === "refused") return;
    if (state === "waiting") return this.#later(Math.min(this.#again[1], this.#again[0] * 2 ** (this.#failures - 1)));
    if (back && this.first > 1) return void this.#go(); // each request has a time limit
    this.complete = true;
    this.state = "done";
    this.#changed();
    if (this.#reach > this.last) this.#later(LIVE_MS);
  }

  /** @param {unknown} error */
  #failed(error) {
    this.#failures += 1;
    if (error instanceof Refused) Object.assign(this, { state: "refused", error: error.message, position: error.position });
    else Object.assign(this, { state: "waiting", error: "The server cannot be reached", position: null });
    this.#changed();
  }

  /** @param {URLSearchParams} asked @param {boolean} back */
  async #ask(asked, back) {
    const answer = await this.#fetch(`${this.#url}?${asked}`, {
      headers: { Accept: "application/x-ndjson" },
      signal: this.#abort.signal,
      redirect: "manual",
    });
    if (answer.type === "opaqueredirect" || answer.status === 401) throw new Refused({ detail: "Signed out" }, 401);
    if (answer.status >= 400 && answer.status < 500 && answer.status !== 429) {
      throw new Refused(await answer.json().catch(() => ({})), answer.status);
    }
    if (answer.status !== 200 || !answer.body) throw new Error(`status ${answer.status}`);
    this.state = back ? "searching" : "done";
    this.error = "";
    let ended = false;
    this.#gone = 0;
    for await (const frame of framesOf(answer.body)) {
      if (this.#stopped) return;
      if (frame.type === "error") throw new Error(frame.detail);
      ended ||= frame.type === "done";
      this.#take(frame, back);
    }
    if (!ended) throw new Error("it broke off");
  }

  /** @param {any} frame @param {boolean} back */
  #take(frame, back) {
    if (frame.type === "matches") {
      this.rows.add(back ? frame.numbers.reverse() : frame.numbers);
    } else if (frame.type === "gap") {
      this.#gone += frame.last - frame.first + 1;
    } else if (frame.type === "progress" || frame.type === "done") {
      this.#started = true;
      this.gone += this.#gone;
      this.#gone = 0;
      if (frame.last) {
        this.last = Math.max(this.last, frame.last);
        this.first = this.first ? Math.min(this.first, frame.first) : frame.first;
        if (back && frame.time) this.time = frame.time;
      }
      if (frame.type === "progress") this.#changed();
    }
  }

  #changed() {
    if (!this.#stopped) this.dispatchEvent(new Event("change"));
  }
}

class Refused extends Error {
  /** @param {{says?: string, detail?: string, position?: number}} problem @param {number} status */
  constructor({ says, detail, position }, status) {
    super(says || detail || `The server answered ${status}`);
    this.position = position ?? null;
  }
}

/** The frames of a stream of JSON lines. @param {ReadableStream<Uint8Array>} body @returns {AsyncGenerator<any>} */
async function* framesOf(body) {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  let rest = "";
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      const lines = (rest + decoder.decode(value, { stream: true })).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) if (line) yield JSON.parse(line);
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}
