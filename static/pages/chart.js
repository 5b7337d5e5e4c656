// Owns the keys of the daily chart: one stop for Tab, arrows, Home and End from day to day.
// It listens on the document, so a replaced chart needs no wiring. Without it each day is a stop of its own.

/** @type {Record<string, number>} */
const MOVES = { ArrowLeft: -1, ArrowRight: 1, Home: -Infinity, End: Infinity };

const columns = () => /** @type {HTMLElement[]} */ ([...document.querySelectorAll(".chart .column")]);

/** The stop is the day that has the focus, or had it last, else today. */
function settle() {
  const all = columns();
  const last = all.filter((column) => column.tabIndex === 0);
  const stop = all.find((column) => column === document.activeElement) ?? (last.length === 1 ? last[0] : all.at(-1));
  for (const column of all) column.tabIndex = column === stop ? 0 : -1;
}

document.addEventListener("keydown", (event) => {
  const move = MOVES[event.key];
  const all = columns();
  const at = all.findIndex((column) => column === event.target);
  if (!move || at < 0 || event.altKey || event.ctrlKey || event.metaKey) return;
  event.preventDefault();
  all[Math.max(0, Math.min(all.length - 1, at + move))]?.focus();
});

document.addEventListener("focusin", settle);
document.addEventListener("swapped", settle);
settle();
