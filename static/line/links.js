// Owns which parts of a text are web addresses: http and https, and nothing else, found in linear time.
// It refuses every other scheme, and makes no element; line/row.js does.

/** A longer address stays text: a reader could not see where it leads. */
export const LONGEST = 2048;

// An address ends at a space, at a quote or bracket that is never part of one, at a backslash (invisible
// characters are shown as "\u{202e}"), and before control characters.
const FOUND = /https?:\/\/[^\s<>"`{}|\\^\0-\x1f\x7f-\x9f]+/gi;
const PAIRS = /** @type {Record<string, string>} */ ({ ")": "(", "]": "[" });
const TRAILING = ".,;:!?'*_~…";

/**
 * The web addresses in a text, in order.
 * @param {string} text as shown @param {number} [most] the rest stays text
 * @returns {{start: number, end: number, href: string}[]} places in `text`, the end exclusive
 */
export function links(text, most = Infinity) {
  const found = [];
  for (const match of text.matchAll(FOUND)) {
    if (found.length >= most) break;
    const address = trimmed(match[0]);
    const href = webAddress(address);
    if (href) found.push({ start: match.index, end: match.index + address.length, href });
  }
  return found;
}

/** The address as a link may carry it, or null: only http and https, not too long, with a host. @param {string} text */
export function webAddress(text) {
  if (text.length > LONGEST || !/^https?:\/\/[^/?#]/i.test(text)) return null;
  try {
    const url = new URL(text);
    return url.protocol === "http:" || url.protocol === "https:" ? url.href : null;
  } catch {
    return null;
  }
}

/** Without the sentence's own punctuation, and without a bracket that was opened before. @param {string} address */
function trimmed(address) {
  const open = { "(": 0, "[": 0 };
  for (const one of address) {
    if (one === "(" || one === "[") open[one] += 1;
    else if (one in PAIRS) open[/** @type {"("|"["} */ (PAIRS[one])] -= 1;
  }
  let end = address.length;
  for (; end > 0; end -= 1) {
    const last = address[end - 1];
    if (last in PAIRS) {
      const pair = /** @type {"("|"["} */ (PAIRS[last]);
      if (open[pair] >= 0) break;
      open[pair] += 1;
    } else if (!TRAILING.includes(last)) break;
  }
  return address.slice(0, end);
}
