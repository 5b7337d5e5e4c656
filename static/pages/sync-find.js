// Owns the wiring of finding on a sync's page: it makes the parts, connects them, and keeps keys and the address.

import { Context, Place } from "../find/context.js";
import { Filters } from "../find/filters.js";
import { Finder } from "../find/finder.js";
import { Folds } from "../find/folds.js";
import { Jump, errorJumps } from "../find/jump.js";
import { Outline } from "../find/outline.js";
import { addressed, filterOf, filters, parameters, readQuery } from "../find/query.js";
import { SearchBar } from "../find/search-bar.js";
import { get } from "../shared/elements.js";
import { keys } from "../shared/keys.js";

/**
 * @param {Omit<import("../find/finder.js").Page, "finder" | "outline" | "place"> & {sync: string}} around
 * @returns {{take: (lines: import("../find/query.js").Line[]) => void, rewind: (last: number) => void}}
 */
export function wireFinder({ sync, ...around }) {
  const url = `/api/syncs/${encodeURIComponent(sync)}/log`;
  const options = { url, fetch: (/** @type {Parameters<typeof fetch>} */ ...args) => fetch(...args) };
  const finder = new Finder(options);
  const outline = new Outline(options);
  const place = new Place(around.view, get("log-scroll"));
  const page = { ...around, finder, outline, place };
  const context = new Context(page);
  const bar = new SearchBar(page);
  const strip = new Filters(page);
  const folds = new Folds(page);
  const jump = new Jump(page);
  const toError = errorJumps(page);

  finder.addEventListener("marks", () => around.view.setOptions({ matcher: finder.marks }));
  finder.addEventListener("query", () => {
    history.replaceState(history.state, "", addressed(new URL(location.href), finder.query));
    showDownloads(url, finder.query);
  });
  get("find-jump").addEventListener("click", () => jump.open());
  // "Filter by this", in the pane of a line.
  document.addEventListener("filter", (event) => {
    const { name, value, of } = /** @type {CustomEvent} */ (event).detail;
    strip.by(name, value, of);
  });

  keys.add("/", "Find", () => bar.open());
  keys.add("n", "Next match", () => bar.go(1));
  keys.add("N", "Previous match", () => bar.go(-1));
  keys.add("e", "Next error", () => toError(1));
  keys.add("E", "Previous error", () => toError(-1));
  keys.add("l", "Go to a line or a time", () => jump.open());
  keys.add("c", "Show this line in context, without filters", () => context.show());
  keys.add("z", "Fold this phase", () => folds.fold(place.here()) || page.tell("This line is not in a phase that can be folded."));
  keys.add("Z", "Fold or unfold all phases", () => folds.toggle());

  const asked = readQuery(new URLSearchParams(location.search));
  if (asked.q || filters(asked)) {
    bar.open({ focus: false });
    finder.set(asked);
  }
  void outline.load();

  return {
    take(lines) {
      finder.take(lines);
      outline.take(lines);
    },
    rewind(last) {
      finder.restart();
      outline.rewind(last);
    },
  };
}

/** The lines that are shown can be downloaded as well. @param {string} url @param {import("../find/query.js").Query} query */
function showDownloads(url, query) {
  for (const link of /** @type {NodeListOf<HTMLAnchorElement>} */ (document.querySelectorAll("[data-download-shown]"))) {
    link.hidden = !filters(query);
    link.href = `${url}.${link.dataset.downloadShown}?${parameters(filterOf(query))}`;
  }
}
