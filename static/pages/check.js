// Owns the state of a service's connections ([data-check]): it asks for a check without leaving the page, and loads the
// state until the check is done. It shows what the server renders at the address that the element names.

import { tellTimes } from "./times.js";

const EVERY = 700; // milliseconds
const PATIENCE = 60_000;
const WITHIN = 15_000;

const place = () => /** @type {HTMLElement | null} */ (document.querySelector("[data-check]"));
let until = 0;

/** @param {Document} page */
function swap(page) {
  const [old, fresh] = [place(), page.querySelector("[data-check]")];
  if (!fresh || !old) return;
  const focused = old.contains(document.activeElement);
  old.replaceWith(document.importNode(fresh, true));
  if (focused) place()?.querySelector("button")?.focus();
  tellTimes();
}

/** @param {string} address @param {RequestInit} [how] */
async function load(address, how = {}) {
  const response = await fetch(address, {
    headers: { Accept: "text/html" },
    cache: "no-store",
    signal: AbortSignal.timeout(WITHIN),
    ...how,
  });
  if (!response.ok) throw new Error(`answered ${response.status}`);
  swap(new DOMParser().parseFromString(await response.text(), "text/html"));
}

/** @param {string} text */
function say(text) {
  const note = place()?.querySelector("[role=status]");
  if (note) note.textContent = text;
}

async function look() {
  const here = place();
  if (here?.dataset.state !== "waits") return;
  if (Date.now() > until) {
    say("No worker ran the check within a minute. Is one running?");
    return;
  }
  try {
    await load(here.dataset.check ?? "");
  } catch {
    say("The server cannot be reached. Trying again…");
  }
  setTimeout(look, EVERY);
}

document.addEventListener("submit", async (event) => {
  const form = event.target;
  if (!(form instanceof HTMLFormElement) || !form.matches("[data-check-now]")) return;
  event.preventDefault();
  say("Checking…");
  try {
    await load(form.action, { method: "POST" });
  } catch {
    form.submit();
    return;
  }
  until = Date.now() + PATIENCE;
  setTimeout(look, EVERY);
});

const first = place();
if (first) {
  until = Date.now() + PATIENCE;
  if (first.dataset.state === "unknown") {
    load(first.dataset.check ?? "").catch(() => say("The connection state cannot be loaded."));
  } else void look();
}
