// Owns the head of a sync's page: status, reason, counts, progress, duration, title, which buttons make sense.
// It knows neither the network nor the log; it is handed summaries and the server's time.
// The words for statuses and reasons are the server's: the template brings them along.

import { span, thousands } from "./format.js";

const ENDED = new Set(["completed", "completed_with_errors", "failed", "stopped"]);
const COUNTS = ["pulled", "pushed", "skipped", "filtered", "failed"];

export class SyncHead {
  #root;
  #words = new Map();
  #summary;
  #offset = 0; // milliseconds to add to this machine's clock to have the server's
  #name;

  /** @param {HTMLElement} root the head @param {HTMLTemplateElement} words statuses and reasons, by `data-word` */
  constructor(root, words) {
    this.#root = root;
    this.#name = root.dataset.name;
    for (const word of words.content.querySelectorAll("[data-word]")) {
      this.#words.set(word.dataset.word, word.textContent);
    }
    const { status, started, ended } = root.dataset;
    this.#summary = { status, started_at: started || null, ended_at: ended || null };
    setInterval(() => this.#tick(), 1000);
  }

  /** The server's time as of now. @param {string} moment RFC 3339 */
  setClock(moment) {
    const at = Date.parse(moment);
    if (!Number.isNaN(at)) this.#offset = at - Date.now();
    this.#tick();
  }

  /** @param {object} summary as the API gives it */
  show(summary) {
    this.#summary = summary;
    this.#status(summary);
    for (const name of COUNTS) this.#text(`[data-count="${name}"]`, thousands(summary[name]));
    const pending = COUNTS.slice(1).reduce((left, name) => left - summary[name], summary.pulled);
    this.#text('[data-count="pending"]', thousands(pending));
    // While it runs it comes and goes many times a second; then its place stays, and the log below stays where it is.
    this.#hide("[data-pending]", pending === 0 && ENDED.has(summary.status));
    this.#hide("[data-filtered]", summary.filtered === 0);
    this.#alarm(summary.failed > 0);
    this.#progress(summary.progress);
    this.#started(summary.started_at);
    this.#tick();
  }

  #status({ status, reason }) {
    const ended = ENDED.has(status);
    const shown = this.#root.querySelector(".status");
    const word = this.#words.get(`status:${status}`) ?? status;
    shown.dataset.status = status;
    shown.querySelector(".word").textContent = word;
    this.#text("[data-reason]", reason ? (this.#words.get(`reason:${reason}`) ?? reason) : "");
    this.#hide("[data-reason]", !reason);
    this.#hide("[data-stop]", ended);
    this.#hide("[data-again]", !ended);
    document.title = `${word} · ${this.#name} · Synctail`;
  }

  #alarm(failed) {
    this.#root.querySelector('[data-count="failed"]').closest("div").classList.toggle("alarm", failed);
  }

  #progress(value) {
    const known = value !== null && value !== undefined && !ENDED.has(this.#summary.status);
    this.#hide("[data-progress]", !known);
    if (!known) return;
    this.#root.querySelector("progress").value = value;
    this.#text("[data-percent]", `${Math.floor(value * 100)}%`);
  }

  #started(moment) {
    const time = this.#root.querySelector("time[data-started]");
    if (!moment || time.dateTime === moment) return;
    time.dateTime = moment;
    time.title = moment;
    time.textContent = `${moment.slice(0, 10)} ${moment.slice(11, 19)} UTC`;
    this.#hide("[data-started-row]", false);
    this.#hide("[data-duration-row]", false);
  }

  #tick() {
    const { started_at: started, ended_at: ended } = this.#summary;
    if (!started) return;
    const until = ended ? Date.parse(ended) : Date.now() + this.#offset;
    this.#text("[data-duration]", span((until - Date.parse(started)) / 1000));
  }

  #text(selector, text) {
    const element = this.#root.querySelector(selector);
    if (element && element.textContent !== text) element.textContent = text;
  }

  #hide(selector, hidden) {
    for (const element of this.#root.querySelectorAll(selector)) element.hidden = hidden;
  }
}

