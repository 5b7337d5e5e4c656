// Owns the scrollbar: what a person did with it, and where it belongs. It is put there only when it is at rest; until
// then the rows are placed where the view is, wherever the scrollbar may be.

import { scrollMap } from "./layout.js";

const SETTLED_MS = 150; // without a scroll event, it is at rest
const JUMP_PX = 3000; // more in one scroll event was the scrollbar, not a wheel or a finger

export class Scrollbar {
  #parts;
  #rested;
  #bar = 0; // its place, as far as we know
  #moved = -Infinity; // when a person last moved it
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;

  /** @param {import("./log-view.js").Parts} parts @param {() => void} rested called when it is at rest */
  constructor(parts, rested) {
    this.#parts = parts;
    this.#rested = rested;
  }

  /** By how many pixels it was moved, not by us, since this was last asked. */
  read() {
    const bar = this.#parts.scroller.scrollTop;
    const moved = bar - this.#bar;
    if (Math.abs(moved) < 0.5) return 0;
    this.#bar = bar;
    return moved;
  }

  /** A person moved it. @param {number} moved @returns {number} the place in the rows that they moved to */
  moved(moved) {
    this.#moved = performance.now();
    clearTimeout(this.#timer);
    this.#timer = setTimeout(this.#rested, SETTLED_MS + 20);
    const { total, top, size } = this.#parts.viewport;
    const jumped = Math.abs(moved) > Math.max(JUMP_PX, 3 * size.height);
    return jumped ? scrollMap(total, size.height).top(this.#bar) : top + moved;
  }

  /** It counts as being at rest. */
  settle() {
    this.#moved = -Infinity;
  }

  /** Places the rows that have elements, and the scrollbar if it is at rest. @param {number} top @param {number} start the first row with an element */
  place(top, start) {
    const { scroller, space, list, viewport } = this.#parts;
    const map = scrollMap(viewport.total, viewport.size.height);
    write(space, "height", `${Math.round(map.height)}px`);
    const wanted = this.#wanted(map, top);
    const moves = Math.abs(wanted - this.#bar) >= 0.5;
    const at = viewport.layout.offset(start) - top;
    write(list, "top", `${at + (moves ? wanted : this.#bar)}px`);
    if (!moves) return;
    scroller.scrollTop = wanted;
    this.#bar = scroller.scrollTop; // some screens round it to what they can show
    write(list, "top", `${at + this.#bar}px`);
  }

  /** @param {ReturnType<typeof scrollMap>} map @param {number} top */
  #wanted(map, top) {
    const { size, most, following } = this.#parts.viewport;
    const end = Math.max(0, Math.round(map.height) - size.height);
    const settled = following || performance.now() - this.#moved > SETTLED_MS;
    const stuck = (this.#bar <= 0 && top > 0) || (this.#bar >= end - 1 && top < most - 1) || this.#bar > end;
    return settled || stuck ? Math.min(end, Math.round(map.bar(top))) : this.#bar;
  }
}

/** @param {HTMLElement} element @param {"height" | "top"} name @param {string} value */
function write(element, name, value) {
  if (element.style[name] !== value) element.style[name] = value;
}
