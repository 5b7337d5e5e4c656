// Numbers that look random and are the same in each run (mulberry32), so that a failure can be had again.

/** @param {number} seed @returns {(below: number) => number} whole numbers from 0 up to but not including `below` */
export function random(seed) {
  let state = seed >>> 0;
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 4294967296) * below);
  };
}
