// Owns the toolbar of a log and the keys that move its view: auto-refresh, wrap, the way to the newest line, and the
// menu that holds the tools on a narrow screen. It moves nothing itself: the view does.

import { get, write } from "../shared/elements.js";
import { plural, thousands } from "../shared/format.js";
import { keys } from "../shared/keys.js";
import { prefs } from "../shared/prefs.js";

/** @typedef {import("../log/log-view.js").LogView} LogView */

/** @param {LogView} view */
export function wireToolbar(view) {
  for (const id of ["auto-refresh", "wrap", "show-keys", "more"]) get(id).hidden = false;
  get("auto-refresh").addEventListener("click", () => togglePause(view));
  get("wrap").addEventListener("click", () => toggleWrap(view));
  get("show-keys").addEventListener("click", () => keys.show());
  get("pill").addEventListener("click", () => {
    view.follow();
    get("log-scroll").focus({ preventScroll: true });
  });
  view.addEventListener("change", () => showState(view));
  const asked = new URLSearchParams(location.search).get("wrap");
  setWrap(view, asked ? asked !== "off" : prefs.get("wrap", true));
  wireMenu();
  wireKeys(view);
}

/** Nothing arrives any more, so nothing is held back either; what is being read stays where it is. @param {LogView} view */
export function retireAutoRefresh(view) {
  if (view.viewport.paused) {
    view.letGo();
    view.pause(false);
  }
  get("auto-refresh").hidden = true;
}

function wireMenu() {
  const [more, tools] = [get("more"), get("tools")];
  const open = (/** @type {boolean} */ yes) => {
    more.setAttribute("aria-expanded", String(yes));
    tools.classList.toggle("open", yes);
  };
  more.addEventListener("click", () => open(more.getAttribute("aria-expanded") !== "true"));
  document.addEventListener("click", (event) => {
    const target = /** @type {Node} */ (event.target);
    if (!more.contains(target) && !tools.contains(target)) open(false);
  });
  for (const id of ["find", "show-keys"]) get(id).addEventListener("click", () => open(false)); // they open what it would cover
  tools.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    open(false);
    more.focus();
  });
}

/** @param {LogView} view */
function wireKeys(view) {
  const scroller = get("log-scroll");
  // Not while the focus is on something else that takes these keys.
  const inLog = (/** @type {KeyboardEvent} */ { target }) => target === document.body || scroller.contains(/** @type {Node} */ (target));
  const moves = { always: true, where: inLog };
  keys.add("f", "Follow the newest line, or stop following", () => (view.viewport.following ? view.letGo() : view.follow()));
  keys.add("Space", "Auto-refresh on or off", () => togglePause(view), { where: inLog });
  keys.add("w", "Wrap long lines on or off", () => toggleWrap(view));
  keys.add("gg", "First line", () => view.toFirst());
  keys.add("G", "Newest line, and follow", () => view.follow());
  keys.add("Home", "First line", () => view.toFirst(), moves);
  keys.add("End", "Newest line, and follow", () => view.follow(), moves);
  keys.add("PageUp", "A screen up", () => view.page(-1), moves);
  keys.add("PageDown", "A screen down", () => view.page(1), moves);
  keys.add("ArrowUp", "A line up", () => view.step(-1), moves);
  keys.add("ArrowDown", "A line down", () => view.step(1), moves);
}

/** @param {LogView} view */
function showState(view) {
  const { count, following, paused, unseen, held: { lines, errors } } = view.viewport; // prettier-ignore
  const [refresh, pill] = [get("auto-refresh"), get("pill")];
  refresh.setAttribute("aria-pressed", String(!paused));
  write(refresh.querySelector(".words"), paused ? "Auto-refresh is off" : "Auto-refresh is on");
  const held = errors ? `${thousands(lines)} new, ${plural(errors, "error")}` : `${thousands(lines)} new`;
  write(get("held"), paused ? held : "");
  if (pill.hidden !== following) pill.hidden = following;
  write(pill.querySelector(".words"), unseen ? `${thousands(unseen)} new` : "Newest");
  get("log-empty").hidden = count > 0;
}

/** @param {LogView} view */
function togglePause(view) {
  if (!get("auto-refresh").hidden) view.pause(!view.viewport.paused);
}

/** @param {LogView} view */
function toggleWrap(view) {
  setWrap(view, !view.wrap);
  prefs.set("wrap", view.wrap);
  const url = new URL(location.href);
  if (view.wrap) url.searchParams.delete("wrap");
  else url.searchParams.set("wrap", "off");
  history.replaceState(null, "", url);
}

/** @param {LogView} view @param {boolean} wrap */
function setWrap(view, wrap) {
  view.setWrap(wrap);
  get("wrap").setAttribute("aria-pressed", String(wrap));
}
