// Owns what a screen reader announces: at most one text in five seconds, the newest one.
// It refuses to read the log aloud; rows are never a live region.

const QUIET = 5_000; // milliseconds

/** @param {HTMLElement} region an element with role="status" @returns {(text: string) => void} */
export function announcer(region) {
  let next = 0;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  return (text) => {
    clearTimeout(timer);
    const wait = Math.max(0, next - performance.now());
    timer = setTimeout(() => {
      next = performance.now() + QUIET;
      region.textContent = text;
    }, wait);
  };
}
