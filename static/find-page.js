// Owns finding on a sync's page: the finder's results go to the view, keys and buttons to the finder, both to the address.
// It refuses to search, to draw a line, or to know how a row is built.

import { Filters } from "./filters.js";
import { Finder } from "./finder.js";
import { Folds } from "./folds.js";
import { plural, thousands } from "./format.js";
import { Jump } from "./jump.js";
import { Outline } from "./outline.js";
import { addressed, filterOf, filters, parameters, readQuery } from "./query.js";
import { SearchBar } from "./search-bar.js";

/**
 * @typedef {object} Page what finding needs of the page
 * @property {string} sync
 * @property {HTMLElement} log
 * @property {import("./log-view.js").LogView} view
 * @property {import("./rows.js").AllRows} all
 * @property {typeof import("./keys.js").keys} keys
 * @property {(text: string) => void} tell said for a moment
 * @property {(text: string) => void} announce for whoever cannot see it
 * @property {(text: string) => string} shown a line's text as it is shown
 * @property {() => import("./jump.js").Clock} clock how times are shown now
 * @property {() => string} started when the sync started
 */

/** @typedef {import("./finder.js").Direction} Direction */

const MOST_JUMPS = 5;
const MISSED_MS = 8000; // so long "c" means the line that was not among those that are shown

/** @param {string} id @returns {HTMLElement} */
const get = (id) => /** @type {HTMLElement} */ (document.getElementById(id));

/** @param {Page} page @returns {{take: (lines: import("./query.js").Line[]) => void, rewind: (last: number) => void, clockChanged: () => void}} */
export function wireFinder({ sync, log, view, all, keys, tell, announce, shown, clock, started }) {
  const url = `/api/syncs/${encodeURIComponent(sync)}/log`;
  const fetching = (/** @type {Parameters<typeof fetch>} */ ...given) => fetch(...given);
  const finder = new Finder({ url, fetch: fetching, shown });
  const outline = new Outline({ url, fetch: fetching });
  const place = new Place(view);
  const bar = new SearchBar({ finder, get, where: (direction) => place.hit(direction), time: (time) => clock().time(time).slice(0, 8) });
  const strip = new Filters({ finder, outline, lines: () => all.last, get });
  const folds = new Folds({ outline, all, button: get("find-fold"), tell });
  const jump = new Jump({ get, finder, clock, started, last: () => all.last, go: (n) => seek(n) });
  const button = get("find");
  const nothing = emptiness(finder, log);

  // --- what is shown -----------------------------------------------------------------------------------------------

  let context = 0; // the line that was to be shown and is not among those that are
  let missed = { n: 0, at: -Infinity }; // the one that it was said of, and when
  const showRows = () => view.setRows(finder.rows ?? all);
  const showMarks = () => view.setMatcher(finder.marks);
  finder.addEventListener("rows", showRows);
  finder.addEventListener("marks", showMarks);
  finder.addEventListener("query", () => {
    const { query } = finder;
    context = 0;
    history.replaceState(history.state, "", addressed(new URL(location.href), query));
    log.classList.toggle("is-filtered", filters(query));
    showDownloads(url, query);
    showFold();
  });
  const showFold = () => (get("find-fold").hidden = filters(finder.query) || !folds.any);
  outline.addEventListener("change", showFold);
  let told = finder.hits; // whose end was announced
  finder.addEventListener("change", () => {
    nothing();
    if (finder.hits !== told && (!finder.hits || finder.hits.complete || finder.hits.error)) {
      told = finder.hits;
      if (told) announce(bar.words);
    }
    if (context && finder.shows?.rows.has(context)) seek(context);
    else if (context && finder.shows?.complete) sayNotShown(context);
  });
  let offered = false;
  view.addEventListener("painted", () => {
    const filtered = filters(finder.query);
    if (filtered || offered) offerContext(view, filtered, showInContext);
    offered = filtered;
  });
  view.addEventListener("hidden", (event) => {
    const { n } = /** @type {CustomEvent} */ (event).detail;
    if (finder.shows?.complete) sayNotShown(n);
    else context = n; // it may yet be found
    place.at = n;
  });

  /** @param {number} n */
  function sayNotShown(n) {
    context = 0;
    missed = { n, at: performance.now() };
    tell(`Line ${thousands(n)} is not among the lines that are shown; "c" shows it in context.`);
  }

  /** @param {number} n */
  function seek(n) {
    context = 0;
    missed.n = 0;
    place.go(n);
    view.mark(n);
    view.seek(n);
  }

  /** The whole log again, at this line. @param {number} n */
  function showInContext(n) {
    finder.clearFilter();
    seek(n);
    announce(`Line ${n} in context; all lines are shown`);
  }

  // --- the row of the search ---------------------------------------------------------------------------------------

  const open = ({ focus = true } = {}) => {
    bar.open({ focus });
    if (focus) log.scrollIntoView({ block: "nearest" }); // on a small screen the page's head is above it
    button.setAttribute("aria-expanded", "true");
  };
  bar.addEventListener("close", () => {
    button.setAttribute("aria-expanded", "false");
    get("log-scroll").focus({ preventScroll: true });
  });
  bar.addEventListener("go", (event) => {
    const { n, wrapped } = /** @type {CustomEvent} */ (event).detail;
    seek(n);
    announce([`Line ${n}`, bar.words, wrapped ? "from the other end" : ""].filter(Boolean).join(", "));
  });
  button.hidden = false;
  button.addEventListener("click", () => (bar.isOpen ? bar.close() : open()));
  document.addEventListener("keydown", (event) => {
    const find = (event.ctrlKey || event.metaKey) && !event.shiftKey && !event.altKey && event.key.toLowerCase() === "f";
    if (!find || bar.has || document.querySelector("dialog[open]")) return; // the second time it is the browser's
    event.preventDefault();
    open();
  });
  keys.add("/", "Find", () => open());
  keys.add("n", "Next match", () => bar.go(1));
  keys.add("N", "Match before", () => bar.go(-1));

  // --- jumps -------------------------------------------------------------------------------------------------------

  let jumps = 0; // on their way: each one starts from where the one before it led
  let jumping = Promise.resolve();
  /** @param {Direction} direction */
  const toError = (direction) => {
    if (jumps >= MOST_JUMPS) return; // a key that is held down
    jumps += 1;
    jumping = jumping.then(() => jumpToError(direction)).finally(() => (jumps -= 1));
  };
  /** @param {Direction} direction */
  const jumpToError = async (direction) => {
    try {
      const n = await finder.nextOf("error", place.from(direction), direction);
      if (n === null) tell(direction > 0 ? "There is no error after this." : "There is no error before this.");
      else seek(n);
    } catch (error) {
      tell(/** @type {Error} */ (error).message);
    }
  };
  keys.add("e", "Next error", () => toError(1));
  keys.add("E", "Error before", () => toError(-1));
  keys.add("l", "Go to a line or a time", () => jump.open());
  keys.add("c", "Show this line in context, without filters", () => {
    const told = performance.now() - missed.at < MISSED_MS;
    if (filters(finder.query)) showInContext((told && missed.n) || place.here());
  });
  keys.add("z", "Fold this phase", () => folds.fold(place.here()) || tell("This line is in no phase that could be folded."));
  keys.add("Z", "Fold all phases, or none", () => folds.toggle());
  get("find-jump").addEventListener("click", () => jump.open());

  // A field that somebody wants to see more of.
  document.addEventListener("filter", (event) => {
    const { name, value, of } = /** @type {CustomEvent} */ (event).detail;
    strip.by(name, value, of);
  });

  // --- as the address has it ---------------------------------------------------------------------------------------

  const asked = readQuery(new URLSearchParams(location.search));
  if (asked.q || filters(asked)) {
    open({ focus: false });
    finder.set(asked);
  }
  void outline.load();

  return {
    take(lines) {
      finder.take(lines);
      outline.take(lines);
    },
    rewind(last) {
      finder.rewind(last);
      outline.rewind(last);
    },
    clockChanged: () => bar.show(),
  };
}

/** Where somebody is: at the line they went to, as long as they can see it. */
class Place {
  at = 0;
  #view;
  #coming = false; // it was gone to and is not in view yet

  /** @param {import("./log-view.js").LogView} view */
  constructor(view) {
    this.#view = view;
    view.addEventListener("found", () => (this.#coming = false));
  }

  /** @param {number} n */
  go(n) {
    this.at = n;
    this.#coming = true;
  }

  /** The line that is gone to, or the one at the top. */
  here() {
    return this.#stays ? this.at : this.#view.top;
  }

  get #stays() {
    if (!this.at || this.#coming) return this.at > 0;
    const row = this.#view.mounted.find(({ row: { first, last } }) => first <= this.at && this.at <= last);
    if (!row) return false;
    const { top, bottom } = row.element.getBoundingClientRect();
    const seen = get("log-scroll").getBoundingClientRect();
    return bottom > seen.top && top < seen.bottom;
  }

  /** From where the next line of a kind is looked for. @param {Direction} direction */
  from(direction) {
    if (this.#stays) return this.at;
    if (this.#view.following) return direction > 0 ? this.#view.shown : this.#view.shown + 1;
    return direction > 0 ? this.#view.top - 1 : this.#view.top;
  }

  /** The same of a hit: who follows the newest line wants the newest hit first. @param {Direction} direction */
  hit(direction) {
    if (!this.#stays && this.#view.following) return { from: this.#view.shown + 1, direction: /** @type {Direction} */ (-1) };
    return { from: this.from(direction), direction };
  }
}

/** Says so when a filter hides everything. @param {Finder} finder @param {HTMLElement} log */
function emptiness(finder, log) {
  const said = document.createElement("div");
  said.id = "all-hidden";
  said.className = "all-hidden";
  said.hidden = true;
  const words = document.createElement("p");
  const clear = document.createElement("button");
  clear.type = "button";
  clear.className = "button";
  clear.textContent = "Show all lines";
  clear.addEventListener("click", () => finder.clearFilter());
  said.append(words, clear);
  log.querySelector(".log-frame")?.append(said);
  return () => {
    said.hidden = !finder.empty;
    log.classList.toggle("is-hidden", finder.empty);
    if (finder.empty) words.textContent = `No line matches. The filters hide all ${plural(finder.shows?.last ?? 0, "line")}.`;
  };
}

/** A button in each row of a filtered log. @param {import("./log-view.js").LogView} view @param {boolean} filtered @param {(n: number) => void} act */
function offerContext(view, filtered, act) {
  for (const { row, element } of view.mounted) {
    const there = element.querySelector(":scope > .in-context");
    if (filtered === (there !== null) || row.kind !== "line") continue;
    if (there) {
      there.remove();
      continue;
    }
    const button = document.createElement("button");
    button.type = "button";
    button.className = "in-context";
    button.textContent = "In context";
    button.setAttribute("aria-label", `Show line ${row.n} in context`);
    button.addEventListener("click", () => act(row.n));
    element.append(button);
  }
}

/** What is shown can be had as a file as well. @param {string} url @param {import("./query.js").Query} query */
function showDownloads(url, query) {
  for (const link of /** @type {NodeListOf<HTMLAnchorElement>} */ (document.querySelectorAll("[data-download-shown]"))) {
    link.hidden = !filters(query);
    link.href = `${url}.${link.dataset.downloadShown}?${parameters(filterOf(query))}`;
  }
}
