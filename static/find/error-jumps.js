// Owns the jumps to the next and the previous error. Each starts where the one before it led, so they run one by one.

const MOST_WAITING = 5; // a key that is held down asks for more

/**
 * @typedef {import("./finder.js").Direction} Direction
 * @param {object} options
 * @param {import("./finder.js").Finder} options.finder
 * @param {import("./place.js").Place} options.place
 * @param {(text: string) => void} options.tell shown for a moment
 * @returns {(direction: Direction) => void}
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
