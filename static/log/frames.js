// Owns the cursor: the number of the last line reported. It reports lines in order, each once, whichever way they came.
// It refuses a frame that would leave a hole. It knows no network and no clock.

/** @typedef {import("../line/row.js").Line} Line */

/** Whether the lines have these numbers, all of them in order. @param {Line[]} lines @param {number} first @param {number} last */
export const numbered = (lines, first, last) => lines.length === last - first + 1 && lines.every((line, i) => line.n === first + i);

export class Frames {
  #report;

  /** @param {number} cursor the last line that is held @param {(type: string, detail: unknown) => void} report */
  constructor(cursor, report) {
    this.cursor = cursor;
    this.#report = report;
  }

  /** Throws for a frame that does not follow the cursor. @param {any} frame any but `end` */
  take(frame) {
    switch (frame.type) {
      case "lines":
        return this.#lines(frame);
      case "gap":
        return this.#gap(frame);
      case "rewind":
        return this.#rewind(frame);
      case "summary":
        return this.#report("summary", frame.summary);
      case "beat":
        return this.#report("beat", { time: frame.time, last: frame.last });
      default: // of a newer server
    }
  }

  /** @param {{first: number, last: number, lines: Line[]}} frame */
  #lines({ first, last, lines }) {
    if (last <= this.cursor) return;
    if (first > this.cursor + 1 || !numbered(lines, first, last)) {
      throw new Error(`lines ${first}–${last} do not follow ${this.cursor}`);
    }
    const fresh = first <= this.cursor ? lines.slice(this.cursor + 1 - first) : lines;
    this.cursor = last;
    this.#report("lines", { first: fresh[0].n, last, lines: fresh });
  }

  /** @param {{first: number, last: number, why: string}} frame */
  #gap({ first, last, why }) {
    if (last <= this.cursor) return;
    if (first > this.cursor + 1) throw new Error(`gap ${first}–${last} does not follow ${this.cursor}`);
    const from = this.cursor + 1;
    this.cursor = last;
    this.#report("gap", { first: from, last, why });
  }

  /** Redis went back in time: what we have beyond `last` is not in the log, which goes on from there. @param {{last: number, why: string}} frame */
  #rewind({ last, why }) {
    if (last >= this.cursor) return;
    this.cursor = last;
    this.#report("rewind", { last, why });
  }
}
