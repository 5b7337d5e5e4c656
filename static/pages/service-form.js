// Owns what the form of a service does with a script: rows and kinds change in place, a record is tried while one
// types, functions are found and inserted, and leaving with unsaved changes is asked about. It draws no inputs: it sends the form as the submit buttons
// would, and swaps in parts of the answer. What was typed in other parts stays.

const found = /** @type {HTMLFormElement | null} */ (document.querySelector("form.service-form"));
// The page of a service that cannot run has no form, and nothing happens here.
const form = found ?? document.createElement("form");
const PATIENCE = 15_000; // milliseconds
const TRY_AFTER = 700;

/** @param {string} name @param {ParentNode} [root] */
const part = (name, root = document) => root.querySelector(`[data-part="${CSS.escape(name)}"]`);
/** @param {string} selector @param {ParentNode} [root] @returns {HTMLElement[]} */
const all = (selector, root = document) => [...root.querySelectorAll(selector)].filter((one) => one instanceof HTMLElement);
/** @param {string} name */
const input = (name) => /** @type {HTMLInputElement | null} */ (form.elements.namedItem(name));

/** @param {ParentNode} [root] */
function reveal(root = document) {
  for (const one of all(".with-script", root)) one.hidden = false;
}

document.body.classList.add("scripted");
reveal();

// --- asking the server -------------------------------------------------------------------------------------------

/** The page that this button would lead to. @param {string} act */
async function ask(act) {
  const fields = new URLSearchParams();
  for (const [name, value] of new FormData(form)) if (typeof value === "string") fields.append(name, value);
  fields.set("do", act);
  const response = await fetch(form.getAttribute("action") ?? "", {
    method: "POST",
    body: fields,
    headers: { Accept: "text/html" },
    redirect: "error",
    signal: AbortSignal.timeout(PATIENCE),
  });
  if (!response.ok) throw new Error(`answered ${response.status}`);
  return new DOMParser().parseFromString(await response.text(), "text/html");
}

/** @param {Document} page @param {string} name */
function swap(page, name) {
  const [old, fresh] = [part(name), part(name, page)];
  if (!old || !fresh) return;
  const next = document.importNode(fresh, true);
  reveal(next);
  old.replaceWith(next);
}

/**
 * Do in place what a submit button does by loading a page. If that fails, submit the form.
 * @param {string} act @param {string} name @param {() => void} focus
 */
async function inPlace(act, name, focus) {
  try {
    swap(await ask(act), name);
  } catch {
    submitPlainly(act);
    return;
  }
  changed();
  focus();
}

/** @param {string} act */
function submitPlainly(act) {
  const button = document.createElement("button");
  button.name = "do";
  button.value = act;
  button.hidden = true;
  form.append(button);
  saved = true;
  form.requestSubmit(button);
}

// --- rows and kinds ----------------------------------------------------------------------------------------------

/** @param {Element | null} element */
const partOf = (element) => /** @type {HTMLElement | null} */ (element?.closest("[data-part]") ?? null)?.dataset.part ?? "";

form.addEventListener("submit", (event) => {
  const button = /** @type {HTMLButtonElement | null} */ (event.submitter);
  const act = button?.value ?? "";
  const [verb, path, place] = act.split(":");
  const here = partOf(button);
  if (act === "try") {
    event.preventDefault();
    void tryIt();
  } else if (["add", "remove", "up", "down"].includes(verb) && here && !button?.hidden) {
    event.preventDefault();
    void inPlace(act, here, () => focusRow(verb, path, Number(place)));
  } else {
    saved = true; // it leaves the page on purpose
  }
});

/** @type {Record<string, number>} */
const STEPS = { remove: 0, up: -1, down: 1 };

/** Moves the focus after a row was added, removed or moved. @param {string} verb @param {string} path @param {number} place */
function focusRow(verb, path, place) {
  const rows = all(`[data-rows="${CSS.escape(path)}"] > li`);
  const last = rows.length - 1;
  let next = all(`button[value="${CSS.escape(`add:${path}`)}"]`)[0];
  if (verb === "add") [next] = all("input:not([type=hidden]), select, textarea", rows[last]);
  else if (last >= 0) {
    const to = rows[Math.min(last, Math.max(0, place + STEPS[verb]))];
    const same = all(verb === "remove" ? ".away" : `.${verb}:enabled`, to)[0];
    next = same ?? all(".icon:enabled", to)[0];
  }
  next?.focus();
}

form.addEventListener("change", (event) => {
  if (!(event.target instanceof HTMLSelectElement) || !event.target.matches("[data-kind]")) return;
  const { id } = event.target;
  void inPlace("show", partOf(event.target), () => document.getElementById(id)?.focus());
});

// --- trying a record ---------------------------------------------------------------------------------------------

let trying = 0;
/** @type {ReturnType<typeof setTimeout> | undefined} */
let tryTimer;

async function tryIt() {
  const mine = ++trying;
  try {
    const page = await ask("try");
    if (mine === trying) swap(page, "tried");
  } catch {
    if (mine === trying) submitPlainly("try");
  }
}

function trySoon() {
  clearTimeout(tryTimer);
  tryTimer = setTimeout(() => input("try.record")?.value.trim() && void tryIt(), TRY_AFTER);
}

// --- typing ------------------------------------------------------------------------------------------------------

const REDONE = ["add", "remove", "up", "down", "show", "try", "look"];
let saved = false;
let touched = REDONE.includes(form.dataset.done?.split(":")[0] ?? "");
let ownId = false;

function changed() {
  touched = true;
  const note = document.getElementById("dirty");
  if (note && form.dataset.mode !== "run") note.textContent = "Not saved yet";
}

/** Makes an id of the name, until an id is typed. */
function proposeId() {
  const [name, id] = [input("name"), input("id")];
  if (form.dataset.mode !== "new" || ownId || !name || !id) return;
  const plain = name.value.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase();
  id.value = plain.replace(/[^a-z0-9]+/g, "-").replace(/^-+/, "").slice(0, 63).replace(/-+$/, "");
}

form.addEventListener("input", ({ target }) => {
  const name = target instanceof Element ? (target.getAttribute("name") ?? "") : "";
  if (!name) return;
  changed();
  if (name === "id") ownId = input("id")?.value !== "";
  if (name === "name") proposeId();
  if (/^(mapping|filters|lookups)\[|^try\.record$/.test(name)) trySoon();
});

form.addEventListener("keydown", (event) => {
  if ((event.ctrlKey || event.metaKey) && event.key === "s" && form.dataset.mode !== "run") {
    event.preventDefault();
    form.requestSubmit(form.querySelector('button[value="save"]'));
  }
});

addEventListener("beforeunload", (event) => {
  if (touched && !saved && form.dataset.mode !== "run") event.preventDefault();
});

addEventListener("pageshow", () => (saved = false));

// --- the list of functions ---------------------------------------------------------------------------------------

let lastSteps = ""; // the id of the field

document.addEventListener("focusin", ({ target }) => {
  if (target instanceof HTMLElement && target.matches('[data-shape="steps"]')) lastSteps = target.id;
});

document.addEventListener("input", ({ target }) => {
  if (!(target instanceof HTMLInputElement) || target.id !== "find-function") return;
  const wanted = target.value.trim().toLowerCase();
  const functions = all("[data-function]");
  for (const one of functions) one.hidden = !one.textContent?.toLowerCase().includes(wanted);
  const note = document.getElementById("functions-found");
  if (note) note.textContent = wanted ? `${functions.filter((one) => !one.hidden).length} functions` : "";
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

// --- the table of contents ---------------------------------------------------------------------------------------

/** @type {NodeListOf<HTMLElement>} */
const links = document.querySelectorAll(".contents a");
const sectionOf = (/** @type {HTMLElement} */ link) => (link.getAttribute("href") ?? "").slice(1);

/** @type {Set<string>} */
const seen = new Set();
const watch = new IntersectionObserver(
  (entries) => {
    for (const { isIntersecting, target } of entries) {
      if (isIntersecting) seen.add(target.id);
      else seen.delete(target.id);
    }
    const first = [...links].find((link) => seen.has(sectionOf(link)));
    for (const link of links) link.ariaCurrent = link === first ? "true" : null;
  },
  { rootMargin: "-10% 0px -55% 0px" },
);

for (const link of links) {
  const section = document.getElementById(sectionOf(link));
  if (section) watch.observe(section);
}

// --- the start ---------------------------------------------------------------------------------------------------

if (found) {
  ownId = (input("id")?.value ?? "") !== "";
  document.getElementById("faults")?.focus();
  if (touched || form.querySelector("[aria-invalid]")) changed();
}
