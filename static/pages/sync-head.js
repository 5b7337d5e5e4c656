// Owns the head of a sync's page: status, reason, counts, progress, duration, title, and which buttons are there.
// It knows neither the network nor the log; it is handed summaries, the first error and the server's time.
// The words for statuses and reasons are the server's: they are in the template.

import { write } from "../shared/elements.js";
import { span, thousands, took } from "../shared/format.js";

const ENDED = new Set(["completed", "completed_with_errors", "failed", "stopped"]);
const COUNTS = /** @type {const} */ (["pulled", "pushed", "skipped", "filtered", "failed"]);
const MOST_OF_HOVER = 2000; // of the same, on hover
const MOST_OF_ERROR = 300; // characters of the first error; one line of it is shown

/**
 * As the API has it.
 * @typedef {{status: string, reason?: string | null, started_at?: string | null, ended_at?: string | null, pulled?: number,
 *   pushed?: number, skipped?: number, filtered?: number, failed?: number, progress?: number | null, errors?: number,
 *   retried_by?: string | null}} Summary
 */

export class SyncHead {
  /** @type {Summary} */
  summary;
  unheard = false;
  #root;
  #words;
  #offset = 0; // milliseconds to add to this machine's clock to have the server's

  /** @param {HTMLElement} root the head @param {HTMLTemplateElement} words statuses and reasons, by `data-word` */
  constructor(root, words) {
    this.#root = root;
    this.#words = words.content;
    const { status = "", started, ended } = root.dataset;
    this.summary = { status, started_at: started || null, ended_at: ended || null };
    setInterval(() => this.#tick(), 1000);
  }

  get ended() {
    return ENDED.has(this.summary.status);
  }

  /** The server's time as of now, in milliseconds. */
  get now() {
    return Date.now() + this.#offset;
  }

  /** The server's time as of now. @param {string} moment RFC 3339 */
  setClock(moment) {
    const at = Date.parse(moment);
    if (!Number.isNaN(at)) this.#offset = at - Date.now();
    this.#tick();
  }

  /** Whether the connection works. If not, the numbers are old, and nothing moves. @param {boolean} heard */
  hear(heard) {
    this.unheard = !heard;
    this.#root.classList.toggle("unheard", this.unheard && !this.ended);
    this.#hide("[data-unheard]", heard || this.ended);
    this.#tick();
  }

  /** @param {Summary} summary */
  show(summary) {
    this.summary = summary;
    this.#status(summary);
    for (const name of COUNTS) this.#text(`[data-count="${name}"]`, thousands(summary[name] ?? 0));
    const { pulled = 0, filtered = 0, failed = 0 } = summary;
    const pending = COUNTS.slice(1).reduce((left, name) => left - (summary[name] ?? 0), pulled);
    this.#text('[data-count="pending"]', thousands(pending));
    // While a sync runs, this comes and goes many times a second: its place stays, so that the log below does not move.
    this.#hide("[data-pending]", pending === 0 && this.ended);
    this.#hide("[data-filtered]", filtered === 0);
    this.#root.querySelector('[data-count="failed"]')?.closest("div")?.classList.toggle("alarm", failed > 0);
    this.#hide("[data-again-failed]", !this.ended || failed === 0);
    this.#progress(summary.progress ?? null);
    this.#started(summary.started_at ?? null);
    this.#retried(summary.retried_by ?? null);
    this.#tick();
  }

  /** Next to the reason, as a link to the line. @param {{n: number, text: string}} line its text as it is shown */
  showFirstError({ n, text }) {
    const link = /** @type {HTMLAnchorElement | null} */ (this.#root.querySelector("[data-first-error]"));
    if (!link || !link.hidden) return;
    link.href = `#L${n}`;
    link.textContent = `Line ${thousands(n)}: ${text.slice(0, MOST_OF_ERROR)}`;
    link.title = text.slice(0, MOST_OF_HOVER);
    link.hidden = false;
  }

  /** @param {Summary} summary */
  #status({ status, reason }) {
    const shown = /** @type {HTMLElement} */ (this.#root.querySelector(".status"));
    const word = this.#word("status", status);
    shown.dataset.status = status;
    this.#text(".status .word", word);
    this.#text("[data-reason]", reason ? this.#word("reason", reason) : "");
    this.#hide("[data-reason]", !reason);
    this.#hide("[data-stop]", this.ended);
    this.#hide("[data-again]", !this.ended);
    const title = `${word} · ${this.#root.dataset.name} · Synctail`;
    if (document.title !== title) document.title = title;
  }

  /** @param {"status" | "reason"} kind @param {string} value */
  #word(kind, value) {
    return this.#words.querySelector(`[data-word="${kind}:${CSS.escape(value)}"]`)?.textContent ?? value;
  }

  /** @param {number | null} value */
  #progress(value) {
    const known = value !== null && !this.ended;
    this.#hide("[data-progress]", !known);
    if (!known) return;
    const bar = this.#root.querySelector("progress");
    if (bar) bar.value = value;
    this.#text("[data-percent]", `${Math.floor(value * 100)}%`);
  }

  /** @param {string | null} moment */
  #started(moment) {
    const time = /** @type {HTMLTimeElement | null} */ (this.#root.querySelector("time[data-started]"));
    if (!moment || !time || time.dateTime === moment) return;
    time.dateTime = moment;
    time.title = moment;
    time.textContent = `${moment.slice(0, 10)} ${moment.slice(11, 19)} UTC`;
    this.#hide("[data-started-row]", false);
    this.#hide("[data-duration-row]", false);
  }

  /** @param {string | null} id */
  #retried(id) {
    const link = /** @type {HTMLAnchorElement | null} */ (this.#root.querySelector("[data-retried] a"));
    if (!id || !link) return;
    link.href = `/syncs/${id}`;
    link.textContent = `…${id.slice(-8)}`;
    link.title = id;
    this.#hide("[data-retried]", false);
  }

  #tick() {
    const { started_at: started, ended_at: ended } = this.summary;
    if (!started || this.unheard) return;
    const began = Date.parse(started);
    this.#text("[data-duration]", ended ? took(Date.parse(ended) - began) : span((this.now - began) / 1000));
  }

  /** @param {string} selector @param {string} text */
  #text(selector, text) {
    write(this.#root.querySelector(selector), text);
  }

  /** @param {string} selector @param {boolean} hidden */
  #hide(selector, hidden) {
    for (const element of /** @type {NodeListOf<HTMLElement>} */ (this.#root.querySelectorAll(selector))) {
      if (element.hidden !== hidden) element.hidden = hidden;
    }
  }
}
