// Owns reading a schedule back while it is typed: in words with its next starts, or what is wrong with it.
// It refuses to understand a schedule; the server does.

import { element } from "../shared/elements.js";

const PATIENCE = 15_000; // milliseconds
const PAUSE = 250;

/** @type {ReturnType<typeof setTimeout> | undefined} */
let timer;
let asked = 0;

/** @param {string} name */
const typed = (name) => /** @type {HTMLInputElement | null} */ (document.querySelector(`[name="${name}"]`))?.value.trim() ?? "";

/** @param {string} state @param {...HTMLElement} parts */
function show(state, ...parts) {
  const due = /** @type {HTMLElement | null} */ (document.querySelector("[data-due]"));
  due?.replaceChildren(...parts);
  if (due) due.dataset.state = state;
}

/** @param {string} state @param {string} text */
const say = (state, text) => show(state, element("p", "none", text));

/** @param {...(string | HTMLElement)} parts */
function cell(...parts) {
  const made = element("td");
  made.append(...parts);
  return made;
}

/** @param {{ words: string, next: { local: string, utc: string }[] }} schedule */
function showStarts({ words, next }) {
  const table = element("table", "moments");
  const head = table.createTHead().insertRow();
  for (const title of ["Next starts", "In UTC"]) {
    head.append(Object.assign(element("th", "", title), { scope: "col" }));
  }
  const body = table.createTBody();
  for (const { local, utc } of next) {
    const time = element("strong", "", local.slice(11, 16));
    body.insertRow().append(
      cell(`${local.slice(0, 10)} `, time, ` ${local.slice(19)}`),
      cell(`${utc.slice(0, 10)} ${utc.slice(11, 16)}`),
    );
  }
  show("right", element("p", "words", words), table);
}

async function readBack() {
  const mine = ++asked;
  const [schedule, timezone] = [typed("trigger.schedule"), typed("trigger.timezone")];
  if (!schedule) return say("none", "Runs only on request.");
  try {
    const response = await fetch(`/api/schedule?${new URLSearchParams({ schedule, timezone })}`, {
      signal: AbortSignal.timeout(PATIENCE),
    });
    const answer = await response.json();
    if (mine !== asked) return;
    if (response.ok) showStarts(answer);
    else if (response.status === 422) say("wrong", answer.errors[0].says);
  } catch {
    if (mine === asked) say("wrong", "The server cannot be reached, so the next starts are not known.");
  }
}

document.addEventListener("input", ({ target }) => {
  if (!(target instanceof Element) || !target.getAttribute("name")?.startsWith("trigger.")) return;
  clearTimeout(timer);
  timer = setTimeout(readBack, PAUSE);
});
