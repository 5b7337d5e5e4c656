// Owns finding the first error of a log that has ended, for the head of its page.

import { shown } from "../line/ansi.js";

const READ = 4096; // characters, styles included; the head shows the beginning

/**
 * @param {object} page
 * @param {string} page.sync
 * @param {import("../log/line-store.js").LineStore} page.store
 * @param {import("./sync-head.js").SyncHead} page.head
 * @param {number} page.last the last line of the log
 */
export async function showFirstError({ sync, store, head, last }) {
  const line = held(store, last) ?? (head.summary.errors === 0 ? null : await asked(sync));
  if (line) head.showFirstError({ n: line.n, text: shown(line.text.slice(0, READ)) });
}

/** @param {import("../log/line-store.js").LineStore} store @param {number} last */
function held(store, last) {
  for (let n = 1; n <= last; n += 1) {
    const line = store.get(n);
    if (line?.level === "error") return line;
    if (!line && !store.gapAt(n)) return null; // not held: the server knows
  }
  return null;
}

/** @param {string} sync @returns {Promise<import("../line/row.js").Line | null>} */
async function asked(sync) {
  try {
    const url = `/api/syncs/${encodeURIComponent(sync)}/log?level=error&limit=1`;
    const response = await fetch(url, { headers: { Accept: "application/json" } });
    const line = response.ok ? (await response.json()).matches?.[0] : null;
    return line?.level === "error" ? line : null;
  } catch {
    return null; // the head has the reason, and the line can be searched for
  }
}
