// Owns the preferences of this browser: wrap, how times are shown, single keys. They are kept in localStorage, as JSON.
// It refuses to fail: where storage is blocked, full or broken, a preference lives as long as the page.

const PREFIX = "synctail.";
const own = /** @type {Map<string, unknown>} */ (new Map()); // what was set on this page, whether it could be kept or not

export const prefs = {
  /**
   * What was set, if it is of the same type as `fallback`; else `fallback`.
   * @template T
   * @param {string} name @param {T} fallback
   * @returns {T}
   */
  get(name, fallback) {
    const value = own.has(name) ? own.get(name) : stored(name);
    return kind(value) === kind(fallback) ? /** @type {T} */ (structuredClone(value)) : fallback; // changing it does not change the preference
  },

  /** @param {string} name @param {unknown} value anything that JSON can carry */
  set(name, value) {
    own.set(name, value);
    try {
      localStorage.setItem(PREFIX + name, JSON.stringify(value));
    } catch {
      // Blocked or full: it is kept for this page.
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
