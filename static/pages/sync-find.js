// Owns the wiring of finding on a sync's page: it makes the parts, connects them, and keeps keys and the address.

import { Context } from "../find/context.js";
import { errorJumps } from "../find/error-jumps.js";
import { Filters } from "../find/filters.js";
import { Finder } from "../find/finder.js";
import { Folds } from "../find/folds.js";
import { Jump } from "../find/jump.js";
import { Outline } from "../find/outline.js";
import { Place } from "../find/place.js";
import { addressed, filterOf, filters, parameters, readQuery } from "../find/query.js";
import { SearchBar } from "../find/search-bar.js";
import { get } from "../shared/elements.js";
import { keys } from "../shared/keys.js";

/**
 * @typedef {object} Page what finding needs of the page
 * @property {string} sync
 * @property {HTMLElement} log
 * @property {import("../log/log-view.js").LogView} view
 * @property {import("../log/rows.js").AllRows} all
 * @property {(text: string) => void} tell shown for a moment
 * @property {(text: string) => void} announce for screen readers
 * @property {(text: string) => string} shown a line's text as it is shown
 * @property {() => import("../find/jump.js").Clock} clock how times are shown now
 * @property {() => string} started when the sync started
 */

/** @param {Page} page @returns {{take: (lines: import("../find/query.js").Line[]) => void, rewind: (last: number) => void}} */
export function wireFinder({ sync, log, view, all, tell, announce, shown, clock, started }) {
  const url = `/api/syncs/${encodeURIComponent(sync)}/log`;
  const fetching = (/** @type {Parameters<typeof fetch>} */ ...args) => fetch(...args);
  const finder = new Finder({ url, fetch: fetching, shown });
  const outline = new Outline({ url, fetch: fetching });
  const place = new Place(view, get("log-scroll"));
  const context = new Context({ finder, view, all, place, log, tell, announce });
  const bar = new SearchBar({ finder, place, log, announce, time: (time) => clock().time(time).slice(0, 8) });
  const strip = new Filters({ finder, outline, lines: () => all.last });
  const folds = new Folds({ outline, all, finder, button: get("find-fold"), tell });
  const jump = new Jump({ finder, clock, started, last: () => all.last, go: (n) => place.go(n) });
  const toError = errorJumps({ finder, place, tell });

  finder.addEventListener("marks", () => view.setOptions({ matcher: finder.marks }));
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
  keys.add("z", "Fold this phase", () => folds.fold(place.here()) || tell("This line is not in a phase that can be folded."));
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
