// Owns how a log shows a payload file: name, size, when it expires, its beginning, and ways to download it.
// It refuses to fetch: it is handed a function that brings the beginning. An expired file is grey and says so.

import { shown } from "./ansi.js";
import { copyButton } from "../shared/clipboard.js";
import { button, element, write } from "../shared/elements.js";
import { bytes } from "../shared/format.js";
import { payloadPath } from "./payload-preview.js";

/**
 * @typedef {{n: number, kind: string, name: string, bytes: number}} Payload as a line names it
 * @typedef {object} PayloadOptions
 * @property {{id: string, status?: string, expires_at?: string | null}} [summary] of the sync; without it nothing can be downloaded
 * @property {() => number} [now] the server's time, in milliseconds since 1970
 * @property {string} [retention] "24 hours"
 * @property {(n: number) => Promise<string>} [preview] brings the beginning of a file
 * @property {{payload?: boolean, preview?: string}} [state] whether the beginning is unfolded, and what it is; written here
 */

const KINDS = /** @type {Record<string, string>} */ ({ pull: "Pulled", script: "From the script", push: "Pushed" });
const SHOWN_BYTES = 4096;

/** Whether this is a payload that can be shown: a line may carry anything. @param {unknown} value @returns {value is Payload} */
export function isPayload(value) {
  if (typeof value !== "object" || value === null) return false;
  const { n, name, bytes } = /** @type {Record<string, unknown>} */ (value);
  return Number.isSafeInteger(n) && typeof name === "string" && typeof bytes === "number" && bytes >= 0;
}

/**
 * How long a file will be there.
 * @param {string | null | undefined} expiresAt RFC 3339; null while the sync runs @param {number} now milliseconds
 * @param {string} [retention] @returns {{words: string, gone: boolean}}
 */
export function expiry(expiresAt, now, retention = "24 hours") {
  const at = Date.parse(expiresAt ?? "");
  if (Number.isNaN(at)) return { words: `kept for ${retention} after the sync`, gone: false };
  const seconds = (at - now) / 1000;
  if (seconds <= 0) return { words: `expired: files are kept for ${retention} after the sync`, gone: true };
  if (seconds < 60) return { words: `expires in ${Math.ceil(seconds)} s`, gone: false };
  if (seconds < 3600) return { words: `expires in ${Math.floor(seconds / 60)} min`, gone: false };
  if (seconds < 48 * 3600) return { words: `expires in ${Math.floor(seconds / 3600)} h`, gone: false };
  return { words: `expires in ${Math.floor(seconds / 86_400)} days`, gone: false };
}

/** The command that downloads it. @param {string} address of the file, whole */
export const curl = (address) => `curl -fOJ -H "Authorization: Bearer $TOKEN" '${address}'`;

/** @param {Payload} payload @param {PayloadOptions} [options] @returns {HTMLElement} */
export function payloadCard(payload, options = {}) {
  const card = element("div", "payload");
  card.append(
    element("span", "payload-kind", KINDS[payload.kind] ?? shown(String(payload.kind))),
    element("span", "payload-name", shown(payload.name)),
    element("span", "payload-size", bytes(payload.bytes)),
  );
  if (!options.summary) return card;
  const address = payloadPath(options.summary.id, payload.n);
  const link = element("a", "payload-get", "Download");
  link.href = address;
  link.download = "";
  link.setAttribute("aria-label", `Download ${shown(payload.name)}`);
  card.append(element("span", "payload-expiry"), link);
  const command = () => curl(new URL(address, location.origin).href);
  const copy = copyButton(command, `Copy curl for ${shown(payload.name)}`, "Copy curl");
  copy.title = "Reads your token from $TOKEN";
  const [toggle, box] = options.preview ? previewParts(card, payload, options) : [];
  card.append(...(toggle ? [toggle] : []), copy, ...(box ? [box] : []));
  tellCard(card, options);
  return card;
}

/** Updates how long each file is kept. @param {ParentNode} root @param {PayloadOptions} options */
export function tellExpiry(root, options) {
  for (const card of root.querySelectorAll(".payload")) tellCard(/** @type {HTMLElement} */ (card), options);
}

/** @param {HTMLElement} card @param {PayloadOptions} options */
function tellCard(card, { summary, now = Date.now, retention }) {
  const place = card.querySelector(".payload-expiry");
  if (!place) return;
  const { words, gone } = expiry(summary?.expires_at, now(), retention);
  write(place, words);
  if (gone) retire(card);
}

/** An expired file has no link, no button and no preview. @param {HTMLElement} card */
function retire(card) {
  if (card.classList.contains("gone")) return;
  card.classList.add("gone");
  for (const way of card.querySelectorAll("a, button, .payload-preview")) way.remove();
}

/** @param {HTMLElement} card @param {Payload} payload @param {PayloadOptions} options @returns {[HTMLElement, HTMLElement]} */
function previewParts(card, payload, { preview, state = {}, retention }) {
  const toggle = button("quiet", "Preview", () => {
    state.payload = !state.payload;
    open(state.payload);
    resized(card);
    if (state.payload) void fill();
  });
  const box = element("div", "payload-preview");
  const open = (/** @type {boolean} */ yes) => {
    toggle.setAttribute("aria-expanded", String(yes));
    box.hidden = !yes;
  };
  const fill = async () => {
    try {
      if (state.preview === undefined) box.textContent = "Loading…";
      const text = (state.preview ??= await /** @type {NonNullable<typeof preview>} */ (preview)(payload.n));
      const more = payload.bytes > SHOWN_BYTES ? `the first ${bytes(SHOWN_BYTES)} of ${bytes(payload.bytes)}` : "the whole file";
      box.replaceChildren(element("pre", "", shown(text)), element("p", "payload-note", text ? more : "This file is empty."));
    } catch (failure) {
      const { message, gone } = /** @type {Error & {gone?: boolean}} */ (failure);
      if (gone) {
        /** @type {HTMLElement} */ (card.querySelector(".payload-expiry")).textContent = expiry("1970-01-01", Date.now(), retention).words;
        retire(card);
      } else box.replaceChildren(element("p", "payload-note", message));
    }
    resized(card);
  };
  open(Boolean(state.payload));
  if (state.payload) void fill();
  return [toggle, box];
}

/** Tells the view that this row has another height now. @param {HTMLElement} inside */
export const resized = (inside) => inside.dispatchEvent(new CustomEvent("unfold", { bubbles: true }));
