// Owns the jumps: to a line number or a time that is typed into a dialog, in the zone that is shown, and to the next or
// the previous error. It does not move the view itself.

import { get } from "../shared/elements.js";
import { thousands } from "../shared/format.js";

const DAY_MS = 86_400_000;
const MOST_WAITING = 5; // a key that is held down asks for more

/** @typedef {import("./finder.js").Direction} Direction */
/** @typedef {{zone: "local" | "utc", time: (moment: string) => string, words: string}} Clock */

export class Jump {
  #parts;
  #page;

  /** @param {import("./finder.js").Page} page */
  constructor(page) {
    this.#page = page;
    this.#parts = {
      dialog: /** @type {HTMLDialogElement} */ (get("jump")),
      to: /** @type {HTMLInputElement} */ (get("jump-to")),
      hint: get("jump-hint"),
      fault: get("jump-fault"),
    };
    const { dialog, to } = this.#parts;
    to.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || event.isComposing) return;
      event.preventDefault();
      void this.#submit();
    });
    get("jump-go").addEventListener("click", () => void this.#submit());
    get("jump-cancel").addEventListener("click", () => dialog.close());
  }

  open() {
    const { dialog, to, hint, fault } = this.#parts;
    hint.textContent = `A line number, or a time as shown in the log. ${this.#page.clock().words}.`;
    fault.textContent = "";
    if (!dialog.open) dialog.showModal();
    to.select();
  }

  async #submit() {
    const { dialog, to, fault } = this.#parts;
    const n = wholeNumber(to.value);
    if (n !== null && (n < 1 || n > this.#page.all.last)) {
      return void (fault.textContent = `There is no line ${thousands(n)}; there are ${thousands(this.#page.all.last)}.`);
    }
    const at = n === null ? moment(to.value, { zone: this.#page.clock().zone, started: this.#page.started() }) : null;
    if (n === null && at === null) {
      return void (fault.textContent = "Enter a line such as 1234, or a time such as 10:04, 10:04:30 or 2026-01-31 10:04.");
    }
    try {
      const line = n ?? (await this.#page.finder.lineAt(/** @type {Date} */ (at)));
      dialog.close();
      if (line) this.#page.place.go(line);
    } catch (error) {
      fault.textContent = /** @type {Error} */ (error).message;
    }
  }
}

/** @param {string} text @returns {number | null} */
function wholeNumber(text) {
  const digits = /^\s*#?L?(\d[\d,]{0,14})\s*$/i.exec(text)?.[1];
  return digits ? Number(digits.replaceAll(",", "")) : null;
}

/**
 * The moment that a text names; without a day, the first such time after the start.
 * @param {string} text "10:04", "10:04:30.5", "2026-01-31 10:04"
 * @param {{zone: "local" | "utc", started: string}} options
 * @returns {Date | null}
 */
export function moment(text, { zone, started }) {
  const found = /^\s*(?:(\d{4}-\d\d-\d\d)[T ]+)?([01]?\d|2[0-3]):([0-5]\d)(?::([0-5]\d)(?:[.,](\d{1,3}))?)?\s*(Z|UTC)?\s*$/i.exec(text);
  const from = new Date(started || Date.now());
  if (!found || Number.isNaN(from.getTime())) return null;
  const [, day, hours, minutes, seconds = "00", fraction = "", named] = found;
  const utc = zone === "utc" || Boolean(named);
  const today = new Date(from.getTime() - (utc ? 0 : from.getTimezoneOffset() * 60_000)).toISOString().slice(0, 10);
  const time = `${hours.padStart(2, "0")}:${minutes}:${seconds}.${fraction.padEnd(3, "0")}`;
  const at = Date.parse(`${day ?? today}T${time}${utc ? "Z" : ""}`);
  if (Number.isNaN(at)) return null;
  // A minute of slack: shown times are cut to the second or minute, and the start itself can be asked for.
  return new Date(!day && at < from.getTime() - 60_000 ? at + DAY_MS : at);
}

/**
 * Jumps to the next and the previous error. Each starts where the one before it led, so they run one by one.
 * @param {import("./finder.js").Page} page @returns {(direction: Direction) => void}
 */
export function errorJumps({ finder, place, tell }) {
  let waiting = 0;
  let last = Promise.resolve();
  /** @param {Direction} direction */
  const jump = async (direction) => {
    try {
      const n = await finder.nextOf("error", place.from(direction), direction);
      if (n === null) tell(direction > 0 ? "There is no error after this." : "There is no error before this.");
      else place.go(n);
    } catch (error) {
      tell(/** @type {Error} */ (error).message);
    }
  };
  return (direction) => {
    if (waiting >= MOST_WAITING) return;
    waiting += 1;
    last = last.then(() => jump(direction)).finally(() => (waiting -= 1));
  };
}
