// Owns the state of a service's connections ([data-check]): asks for a check in place, and looks for its answer until it
// is there. What it shows is what the server rendered at the address that the element names.

import { tellTimes } from "./times.js";

const EVERY = 700; // milliseconds
const PATIENCE = 60_000;
const WITHIN = 15_000;

const place = () => document.querySelector("[data-check]");
let until = 0;

function swap(page) {
  const fresh = page.querySelector("[data-check]");
  if (!fresh || !place()) return;
  const focused = place().contains(document.activeElement);
  place().replaceWith(document.importNode(fresh, true));
  if (focused) place().querySelector("button")?.focus();
  tellTimes();
}

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

function say(text) {
  const note = place().querySelector("[role=status]");
  if (note) note.textContent = text;
}

async function look() {
  if (place()?.dataset.state !== "waits") return;
  if (Date.now() > until) return say("No worker has done the check within a minute. Is one running?");
  try {
    await load(place().dataset.check);
  } catch {
    say("The server cannot be reached; trying again.");
  }
  setTimeout(look, EVERY);
}

document.addEventListener("submit", async (event) => {
  if (!event.target.matches?.("[data-check-now]")) return;
  event.preventDefault();
  const form = event.target;
  say("Checking…");
  try {
    await load(form.getAttribute("action"), { method: "POST", body: new URLSearchParams(new FormData(form)) });
  } catch {
    form.submit();
    return;
  }
  until = Date.now() + PATIENCE;
  setTimeout(look, EVERY);
});

if (place()) {
  until = Date.now() + PATIENCE;
  if (place().dataset.state === "unknown") load(place().dataset.check).catch(() => say("Their state cannot be had now."));
  else void look();
}
