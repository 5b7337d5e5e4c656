// Owns binary search.

/** The first index at which `holds` is true, as it is from there on; `length` if there is none. @param {number} length @param {(index: number) => boolean} holds */
export function bisect(length, holds) {
  let low = 0;
  let high = length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (holds(middle)) high = middle;
    else low = middle + 1;
  }
  return low;
}
