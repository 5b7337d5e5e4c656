// Owns what a form of a service does beyond a plain form: rows and kinds change in place, a schedule is read back and a
// record is tried as one types, functions are found and put in. It draws no inputs: what changes is asked of the server,
// as the submit buttons would, and the parts of its answer are swapped in. What is typed elsewhere stays untouched.

const form = document.querySelector("form.service-form");
const PATIENCE = 15_000; // milliseconds
const SCHEDULE_AFTER = 250;
const TRY_AFTER = 700;

const part = (name, root = document) => root.querySelector(`[data-part="${CSS.escape(name)}"]`);
const wait = (ms, act) => {
  let timer = 0;
  return (...given) => {
    clearTimeout(timer);
    timer = setTimeout(act, ms, ...given);
  };
};

document.body.classList.add("scripted");
for (const one of document.querySelectorAll(".with-script")) one.hidden = false;

// --- asking the server -------------------------------------------------------------------------------------------

/** The page that the form would lead to with this button. */
async function ask(act) {
  const fields = new URLSearchParams(new FormData(form));
  fields.set("do", act);
  const response = await fetch(form.getAttribute("action"), {
    method: "POST",
    body: fields,
    headers: { Accept: "text/html" },
    redirect: "error",
    signal: AbortSignal.timeout(PATIENCE),
  });
  if (!response.ok) throw new Error(`answered ${response.status}`);
  return new DOMParser().parseFromString(await response.text(), "text/html");
}

function swap(page, name) {
  const [old, fresh] = [part(name), part(name, page)];
  if (!old || !fresh) return;
  const next = document.importNode(fresh, true);
  for (const one of next.querySelectorAll(".with-script")) one.hidden = false;
  old.replaceWith(next);
}

/** Do in place what a submit button does with a whole page; as a plain form where that fails. */
async function inPlace(act, name, focus) {
  try {
    swap(await ask(act), name);
  } catch {
    submitPlainly(act);
    return;
  }
  changed();
  focus?.();
}

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

form?.addEventListener("submit", (event) => {
  const act = event.submitter?.value ?? "";
  const [verb, path, place] = act.split(":");
  const here = event.submitter?.closest("[data-part]")?.dataset.part;
  if (act === "try") {
    event.preventDefault();
    void tryIt();
  } else if (["add", "remove", "up", "down"].includes(verb) && here && !event.submitter.hidden) {
    event.preventDefault();
    void inPlace(act, here, () => focusRow(verb, path, Number(place)));
  } else {
    saved = true; // it leaves the page on purpose
  }
});

function focusRow(verb, path, place) {
  const rows = [...document.querySelectorAll(`[data-rows="${CSS.escape(path)}"] > li`)];
  const add = document.querySelector(`button[value="${CSS.escape(`add:${path}`)}"]`);
  if (verb === "add") rows.at(-1)?.querySelector("input:not([type=hidden]), select, textarea")?.focus();
  else if (verb === "remove") (rows[Math.min(place, rows.length - 1)]?.querySelector(".away") ?? add)?.focus();
  else {
    const to = verb === "up" ? Math.max(0, place - 1) : Math.min(rows.length - 1, place + 1);
    const same = rows[to]?.querySelector(`.${verb}`);
    (same?.disabled ? rows[to].querySelector(".icon:enabled") : same)?.focus();
  }
}

form?.addEventListener("change", (event) => {
  if (!event.target.matches("select[data-kind]")) return;
  const { id } = event.target;
  void inPlace("show", event.target.closest("[data-part]").dataset.part, () => document.getElementById(id)?.focus());
});

// --- a schedule, read back ---------------------------------------------------------------------------------------

const due = document.querySelector("[data-due]");
let asked = 0;

function cell(...parts) {
  const made = document.createElement("td");
  for (const [text, tag] of parts) {
    const one = tag ? document.createElement(tag) : document.createTextNode(text);
    if (tag) one.textContent = text;
    made.append(one);
  }
  return made;
}

function showDue(said) {
  const words = document.createElement("p");
  words.className = "words";
  words.textContent = said.words || "It is due at";
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

function sayDue(text, state) {
  const one = document.createElement("p");
  one.className = "none";
  one.textContent = text;
  due.replaceChildren(one);
  due.dataset.state = state;
}

async function readBack() {
  const mine = ++asked;
  const schedule = form.elements.namedItem("trigger.schedule").value.trim();
  const timezone = form.elements.namedItem("trigger.timezone").value.trim();
  if (!schedule) return sayDue("It runs when somebody asks for it.", "none");
  try {
    const response = await fetch(`/api/schedule?${new URLSearchParams({ schedule, timezone })}`, {
      signal: AbortSignal.timeout(PATIENCE),
    });
    const said = await response.json();
    if (mine !== asked) return;
    if (response.ok) showDue(said);
    else if (response.status === 422) sayDue(said.errors[0].says, "wrong");
  } catch {
    if (mine === asked) sayDue("The server cannot be reached; what is due is not known.", "wrong");
  }
}

const readBackSoon = wait(SCHEDULE_AFTER, readBack);

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

const trySoon = wait(TRY_AFTER, () => {
  if (document.getElementById("try-record")?.value.trim()) void tryIt();
});

// --- functions ---------------------------------------------------------------------------------------------------

let lastSteps = null;

document.addEventListener("focusin", (event) => {
  if (event.target.matches?.('[data-shape="steps"]')) lastSteps = event.target.id;
});

document.addEventListener("input", (event) => {
  if (event.target.id !== "find-function") return;
  const wanted = event.target.value.trim().toLowerCase();
  const all = [...document.querySelectorAll("[data-function]")];
  for (const one of all) one.hidden = !one.textContent.toLowerCase().includes(wanted);
  const found = all.filter((one) => !one.hidden).length;
  document.getElementById("functions-found").textContent = wanted ? `${found} functions` : "";
});

document.addEventListener("click", (event) => {
  const step = event.target.closest?.("[data-insert]")?.dataset.insert;
  if (step === undefined) return;
  const every = [...document.querySelectorAll('[data-shape="steps"]')];
  const into = every.find((one) => one.id === lastSteps) ?? every.at(-1);
  if (!into) return;
  into.value = into.value.trim() ? `${into.value.trim().replace(/\|\s*$/, "").trimEnd()} | ${step}` : step;
  into.focus();
  into.dispatchEvent(new Event("input", { bubbles: true }));
});

// --- typing ------------------------------------------------------------------------------------------------------

let saved = false;
let touched = ["add", "remove", "up", "down", "show", "try", "look"].includes(form?.dataset.done?.split(":")[0]);
let ownId = false;

function changed() {
  touched = true;
  const note = document.getElementById("dirty");
  if (note && form.dataset.mode !== "run") note.textContent = "Not saved yet";
}

/** An id out of a name, as long as nobody has typed one. */
function proposeId() {
  const [name, id] = [form.elements.namedItem("name"), form.elements.namedItem("id")];
  if (form.dataset.mode !== "new" || ownId || !name || !id) return;
  const plain = name.value.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase();
  id.value = plain.replace(/[^a-z0-9]+/g, "-").replace(/^-+|-+$/g, "").slice(0, 63).replace(/-+$/, "");
}

form?.addEventListener("input", (event) => {
  const { name = "" } = event.target;
  if (!name) return;
  changed();
  if (name === "id") ownId = event.target.value !== "";
  if (name === "name") proposeId();
  if (name.startsWith("trigger.")) readBackSoon();
  if (/^(mapping|filters|lookups)\[|^try\.record$/.test(name)) trySoon();
});

form?.addEventListener("keydown", (event) => {
  if ((event.ctrlKey || event.metaKey) && event.key === "s" && form.dataset.mode !== "run") {
    event.preventDefault();
    form.requestSubmit(form.querySelector('button[value="save"]'));
  }
});

addEventListener("beforeunload", (event) => {
  if (touched && !saved && form?.dataset.mode !== "run") event.preventDefault();
});

addEventListener("pageshow", () => {
  saved = false;
});

if (form) {
  ownId = (form.elements.namedItem("id")?.value ?? "") !== "";
  if (touched) changed();
  document.getElementById("faults")?.focus();
  if (form.querySelector("[aria-invalid]")) changed();
}

// --- where one is ------------------------------------------------------------------------------------------------

const links = new Map([...document.querySelectorAll(".contents a")].map((one) => [one.hash.slice(1), one]));
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
