// Owns the words for the state of the connection: "Live", "Reconnecting in 3 s", "Complete: 12,345 lines". It refuses
// to know how the connection works: it is handed states, and counts their seconds down.

import { plural } from "../shared/format.js";

const CUT_SHORT = new Set(["failed", "stopped"]);

/** @param {import("./follower.js").State} state @param {number} [left] seconds until the next try @returns {string} */
export function stateWords(state, left = state.seconds ?? 0) {
  switch (state.name) {
    case "connecting":
      return "Connecting…";
    case "live":
      return "Live";
    case "polling":
      return `Polling every ${state.seconds} s`;
    case "reconnecting":
      return left > 0 ? `Reconnecting in ${left} s` : "Reconnecting…";
    case "offline":
      return "Offline";
    case "complete":
      return `${CUT_SHORT.has(state.status ?? "") ? "Ended" : "Complete"}: ${plural(state.total ?? 0, "line")}`;
    case "signed-out":
      return "Signed out";
    default:
      return state.reason === "expired" ? "Gone: this log has expired" : `Gone: ${state.reason ?? "no such sync"}`;
  }
}

/**
 * Keeps an element saying the state, ticking while it waits. Returns the function that takes states.
 * @param {HTMLElement} element with a `.words` inside @param {HTMLAnchorElement} signIn shown when signed out
 */
export function showConnection(element, signIn) {
  const words = /** @type {HTMLElement} */ (element.querySelector(".words"));
  /** @type {ReturnType<typeof setInterval> | undefined} */
  let timer;
  /** @param {import("./follower.js").State} state */
  return (state) => {
    clearInterval(timer);
    let left = state.name === "reconnecting" ? (state.seconds ?? 0) : 0;
    element.dataset.state = state.name;
    words.textContent = stateWords(state, left);
    element.title = words.textContent ?? "";
    signIn.hidden = state.name !== "signed-out";
    if (left === 0) return;
    timer = setInterval(() => {
      left = Math.max(0, left - 1);
      words.textContent = stateWords(state, left);
    }, 1000);
  };
}
