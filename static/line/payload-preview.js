// Owns asking the server for the beginning of a payload file. It knows no DOM, and keeps nothing.

const WITHIN = 15_000; // milliseconds

/**
 * The first 4 KiB, as text. Fails with an `Error` whose message is for people; `gone` says that the file has expired.
 * @param {string} sync @param {number} n @param {typeof globalThis.fetch} [fetch]
 * @returns {Promise<string>}
 */
export async function payloadPreview(sync, n, fetch = globalThis.fetch) {
  const address = `${payloadPath(sync, n)}?preview=1`;
  let answer;
  try {
    answer = await fetch(address, { cache: "no-store", signal: AbortSignal.timeout(WITHIN) });
    if (answer.ok) return await answer.text();
  } catch {
    throw new Error("The server cannot be reached. Try again.");
  }
  if (answer.status === 410) throw Object.assign(new Error("This file has expired."), { gone: true });
  if (answer.status === 404) throw new Error("There is no such file.");
  if (answer.status === 401) throw new Error("You are signed out. Sign in again to see it.");
  throw new Error(`The server answered ${answer.status}. Try again.`);
}

/** @param {string} sync @param {number} n */
export const payloadPath = (sync, n) => `/api/syncs/${encodeURIComponent(sync)}/payloads/${n}`;
