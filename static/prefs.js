// Owns what a reader of this browser prefers: wrap, how times are shown, the look. Kept in localStorage, as JSON.
// It refuses to fail: where storage is blocked, full or holds nonsense, a preference lives as long as the page.

const PREFIX = "synctail.";
const own = /** @type {Map<string, unknown>} */ (new Map()); // what was set here, whether it could be kept or not

export const prefs = {
  /**
   * What was set, or `fallback`; a value of another kind than `fallback` is not taken.
   * @template T
   * @param {string} name @param {T} fallback what holds until somebody chooses
   * @returns {T}
   */
  get(name, fallback) {
    const value = own.has(name) ? own.get(name) : stored(name);
    return kind(value) === kind(fallback) ? /** @type {T} */ (copied(value)) : fallback;
  },

  /** @param {string} name @param {unknown} value anything that JSON can carry */
  set(name, value) {
    own.set(name, value);
    try {
      localStorage.setItem(PREFIX + name, JSON.stringify(value));
    } catch {
      // Blocked or full: it holds for this page.
    }
  },
};

/** @param {string} name @returns {unknown} */
function stored(name) {
  try {
    return JSON.parse(localStorage.getItem(PREFIX + name) ?? "null");
  } catch {
    return null;
  }
}

/** @param {unknown} value */
const kind = (value) => (value === null ? "null" : Array.isArray(value) ? "array" : typeof value);

/** A copy: who changes what they were given changes no preference. @param {unknown} value */
const copied = (value) => (typeof value === "object" ? structuredClone(value) : value);
