// Owns the list of functions next to a mapping: it finds one by a part of its text, and adds it to the steps that were
// edited last.

let lastSteps = ""; // the id of the field

document.addEventListener("focusin", ({ target }) => {
  if (target instanceof HTMLElement && target.matches('[data-shape="steps"]')) lastSteps = target.id;
});

document.addEventListener("input", ({ target }) => {
  if (!(target instanceof HTMLInputElement) || target.id !== "find-function") return;
  const wanted = target.value.trim().toLowerCase();
  let count = 0;
  for (const one of /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll("[data-function]"))) {
    one.hidden = !one.textContent?.toLowerCase().includes(wanted);
    if (!one.hidden) count += 1;
  }
  const note = document.getElementById("functions-found");
  if (note) note.textContent = wanted ? `${count} functions` : "";
});

document.addEventListener("click", ({ target }) => {
  const step = target instanceof Element && target.closest("[data-insert]")?.getAttribute("data-insert");
  const every = /** @type {HTMLInputElement[]} */ ([...document.querySelectorAll('input[data-shape="steps"]')]);
  const into = every.find((one) => one.id === lastSteps) ?? every.at(-1);
  if (!step || !into) return;
  const before = into.value.trim().replace(/\|\s*$/, "").trimEnd();
  into.value = before ? `${before} | ${step}` : step;
  into.focus();
  into.dispatchEvent(new Event("input", { bubbles: true }));
});
