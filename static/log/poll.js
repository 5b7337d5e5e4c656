// Owns one request for the frames after a line, and its condition: an answer that would say the same again is empty.
// It refuses to decide when to ask, and what follows from the answer.

const LIMIT = 5000; // lines

/** @typedef {{status: number, body?: any}} Answer */

export class Poll {
  #address;
  #fetch;
  /** @type {{url: string, value: string} | null} */
  #etag = null; // of the last answer

  /** @param {string} address the log's @param {typeof globalThis.fetch} fetch */
  constructor(address, fetch) {
    this.#address = address;
    this.#fetch = fetch;
  }

  /** Fails when the server cannot be reached or the answer is not JSON. @param {number} after @param {AbortSignal} signal @returns {Promise<Answer>} */
  async ask(after, signal) {
    const url = `${this.#address}?after=${after}&limit=${LIMIT}`;
    /** @type {Record<string, string>} */
    const headers = { Accept: "application/json" };
    if (this.#etag?.url === url) headers["If-None-Match"] = this.#etag.value;
    const response = await this.#fetch(url, {
      headers,
      signal,
      cache: "no-store", // the condition above is ours, not the browser cache's
      credentials: "same-origin",
      redirect: "manual", // only a sign-in page would send us elsewhere
    });
    if (response.type === "opaqueredirect") return { status: 401 };
    if (response.status !== 200) return { status: response.status };
    const body = await response.json();
    const etag = response.headers.get("ETag");
    this.#etag = etag ? { url, value: etag } : null;
    return { status: 200, body };
  }

  /** The next answer is whole. */
  forget() {
    this.#etag = null;
  }
}
