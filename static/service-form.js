// Owns what a form of a service does beyond a plain form: rows and kinds change in place, a schedule is read back and a
// record is tried as one types, functions are found and put in. It draws no inputs: what changes is asked of the server,
// as the submit buttons would, and the parts of its answer are swapped in. What is typed elsewhere stays untouched.

const found = /** @type {HTMLFormElement | null} */ (document.querySelector("form.service-form"));
// A service that cannot run has a page without a form: then there is nothing to do.
const form = found ?? document.createElement("form");
const PATIENCE = 15_000; // milliseconds
const SCHEDULE_AFTER = 250;
const TRY_AFTER = 700;

/** @param {string} name @param {ParentNode} [root] */
const part = (name, root = document) => root.querySelector(`[data-part="${CSS.escape(name)}"]`);
/** @param {string} selector @param {ParentNode} [root] @returns {HTMLElement[]} */
const all = (selector, root = document) => [...root.querySelectorAll(selector)].filter((one) => one instanceof HTMLElement);
/** @param {string} name */
const input = (name) => /** @type {HTMLInputElement | null} */ (form.elements.namedItem(name));

/** @param {number} ms @param {() => unknown} act */
function after(ms, act) {
  let timer = 0;
  return () => {
    clearTimeout(timer);
    timer = setTimeout(act, ms);
  };
}

/** @param {ParentNode} [root] */
function reveal(root = document) {
  for (const one of all(".with-script", root)) one.hidden = false;
}

document.body.classList.add("scripted");
reveal();

// --- asking the server -------------------------------------------------------------------------------------------

/** The page that the form would lead to with this button. @param {string} act */
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
 * Do in place what a submit button does with a whole page; as a plain form where that fails.
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

/** Where one goes on after a row was added, removed or moved. @param {string} verb @param {string} path @param {number} place */
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

// --- a schedule, read back ---------------------------------------------------------------------------------------

const due = /** @type {HTMLElement} */ (document.querySelector("[data-due]") ?? document.createElement("div"));
let asked = 0;

/** @param {[text: string, tag?: string][]} parts */
function cell(...parts) {
  const made = document.createElement("td");
  for (const [text, tag] of parts) {
    const one = document.createElement(tag ?? "span");
    one.textContent = text;
    made.append(one);
  }
  return made;
}

/** @param {{ words: string, next: { local: string, utc: string }[] }} said */
function showDue(said) {
  const words = document.createElement("p");
  words.className = "words";
  words.textContent = said.words;
  const table = document.createElement("table");
  table.className = "moments";
  const head = table.createTHead().insertRow();
  for (const title of ["Next starts", "In UTC"]) {
    const one = document.createElement("th");
    one.scope = "col";
    one.textContent = title;
    head.append(one);
  }
  const body = table.createTBody();
  for (const { local, utc } of said.next) {
    body
      .insertRow()
      .append(
        cell([`${local.slice(0, 10)} `], [local.slice(11, 16), "strong"], [` ${local.slice(19)}`]),
        cell([`${utc.slice(0, 10)} ${utc.slice(11, 16)}`]),
      );
  }
  due.replaceChildren(words, table);
  due.dataset.state = "right";
}

/** @param {string} text @param {string} state */
function sayDue(text, state) {
  const one = document.createElement("p");
  one.className = "none";
  one.textContent = text;
  due.replaceChildren(one);
  due.dataset.state = state;
}

async function readBack() {
  const mine = ++asked;
  const schedule = input("trigger.schedule")?.value.trim() ?? "";
  const timezone = input("trigger.timezone")?.value.trim() ?? "";
  if (!schedule) {
    sayDue("Runs only on request.", "none");
    return;
  }
  try {
    const response = await fetch(`/api/schedule?${new URLSearchParams({ schedule, timezone })}`, {
      signal: AbortSignal.timeout(PATIENCE),
    });
    const said = await response.json();
    if (mine !== asked) return;
    if (response.ok) showDue(said);
    else if (response.status === 422) sayDue(said.errors[0].says, "wrong");
  } catch {
    if (mine === asked) sayDue("The server cannot be reached, so the next starts are unknown.", "wrong");
  }
}

const readBackSoon = after(SCHEDULE_AFTER, readBack);

// --- trying a record ---------------------------------------------------------------------------------------------

let trying = 0;

async function tryIt() {
  const mine = ++trying;
  try {
    const page = await ask("try");
    if (mine === trying) swap(page, "tried");
  } catch {
    if (mine === trying) submitPlainly("try");
  }
}

const trySoon = after(TRY_AFTER, () => {
  if (input("try.record")?.value.trim()) void tryIt();
});

// --- functions ---------------------------------------------------------------------------------------------------

let lastSteps = "";

document.addEventListener("focusin", ({ target }) => {
  if (target instanceof HTMLElement && target.matches('[data-shape="steps"]')) lastSteps = target.id;
});

document.addEventListener("input", ({ target }) => {
  if (!(target instanceof HTMLInputElement) || target.id !== "find-function") return;
  const wanted = target.value.trim().toLowerCase();
  const functions = all("[data-function]");
  for (const one of functions) one.hidden = !(one.textContent ?? "").toLowerCase().includes(wanted);
  const count = functions.filter((one) => !one.hidden).length;
  const note = document.getElementById("functions-found");
  if (note) note.textContent = wanted ? `${count} functions` : "";
});

document.addEventListener("click", ({ target }) => {
  const step = target instanceof Element ? target.closest("[data-insert]")?.getAttribute("data-insert") : null;
  const every = [...form.elements].filter((one) => one instanceof HTMLInputElement && one.dataset.shape === "steps");
  const into = /** @type {HTMLInputElement | undefined} */ (every.find((one) => one.id === lastSteps) ?? every.at(-1));
  if (!step || !into) return;
  const before = into.value.trim().replace(/\|\s*$/, "").trimEnd();
  into.value = before ? `${before} | ${step}` : step;
  into.focus();
  into.dispatchEvent(new Event("input", { bubbles: true }));
});

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

/** An id out of a name, as long as nobody has typed one. */
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
  if (name.startsWith("trigger.")) readBackSoon();
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

addEventListener("pageshow", () => {
  saved = false;
});

if (found) {
  ownId = (input("id")?.value ?? "") !== "";
  document.getElementById("faults")?.focus();
  if (touched || form.querySelector("[aria-invalid]")) changed();
}

// --- where one is ------------------------------------------------------------------------------------------------

const links = new Map(all(".contents a").map((one) => [(one.getAttribute("href") ?? "").slice(1), one]));
if (links.size) {
  const seen = new Set();
  const watch = new IntersectionObserver(
    (entries) => {
      for (const one of entries) {
        if (one.isIntersecting) seen.add(one.target.id);
        else seen.delete(one.target.id);
      }
      const first = [...links.keys()].find((id) => seen.has(id));
      for (const [id, link] of links) {
        if (id === first) link.setAttribute("aria-current", "true");
        else link.removeAttribute("aria-current");
      }
    },
    { rootMargin: "-10% 0px -55% 0px" },
  );
  for (const id of links.keys()) {
    const section = document.getElementById(id);
    if (section) watch.observe(section);
  }
}
