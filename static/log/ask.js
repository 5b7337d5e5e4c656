// Owns one request for lines of a log. It refuses to decide when to ask, and what follows from the answer.

/** @typedef {{status: number, body?: any, etag?: string | null}} Answer `body` only with status 200 */

/**
 * Fails when the server cannot be reached or the answer is not JSON.
 * @param {typeof globalThis.fetch} fetch @param {string} url @param {RequestInit} options @returns {Promise<Answer>}
 */
export async function ask(fetch, url, options) {
  const response = await fetch(url, {
    ...options,
    headers: { Accept: "application/json", ...options.headers },
    credentials: "same-origin",
    redirect: "manual", // only a sign-in page would send us elsewhere
  });
  if (response.type === "opaqueredirect") return { status: 401 };
  if (response.status !== 200) return { status: response.status };
  return { status: 200, body: await response.json(), etag: response.headers?.get("ETag") };
}
