// Owns the keys of a page: what single keys do, the list of them that "?" opens, and the switch that turns them off.
// It refuses to take a key from a field, or from a button that has the focus.

import { button, element } from "./elements.js";
import { prefs } from "./prefs.js";

const SEQUENCE_MS = 1000; // between the two keys of "gg"

/**
 * `keys` as they are pressed: "f", "G", "gg", "Space", "PageUp"; `label`: what it does, for the list; `always`: it also
 * works while single keys are switched off, as it is not a character.
 * @typedef {{keys: string, label: string, act: (event: KeyboardEvent) => void, always: boolean,
 *   where: (event: KeyboardEvent) => boolean}} Key
 */

/** @param {string} name @returns {string} */
const shown = (name) => ({ PageUp: "PgUp", PageDown: "PgDn", ArrowUp: "↑", ArrowDown: "↓" })[name] ?? name;

/** @param {EventTarget | null} target */
const typing = (target) => target instanceof Element && target.closest("input, textarea, select, [contenteditable]") !== null;

/** @param {EventTarget | null} target @returns {boolean} whether the space bar already does something there */
const presses = (target) => target instanceof Element && target.closest("button, a, summary, label, dialog") !== null;

class Keys {
  /** @type {Map<string, Key>} */
  #known = new Map();
  #before = { key: "", at: 0 };
  /** @type {HTMLDialogElement | null} */
  #dialog = null;
  #on = prefs.get("keys", true);

  constructor() {
    document.addEventListener("keydown", (event) => this.#pressed(event));
  }

  /**
   * Replaces what these keys did before.
   * @param {string} keys "f", "G", "gg", or a key's name: "Space", "Home", "PageUp"
   * @param {string} label what it does
   * @param {(event: KeyboardEvent) => void} act
   * @param {{always?: boolean, where?: (event: KeyboardEvent) => boolean}} [options] `always`: also while single keys are
   *   switched off; `where`: only if this returns true
   */
  add(keys, label, act, { always = false, where = () => true } = {}) {
    this.#known.set(keys, { keys, label, act, always, where });
  }

  /** The list of keys, in the order in which they were added; the key of this list last. */
  show() {
    this.#dialog ??= this.#build();
    const list = /** @type {HTMLElement} */ (this.#dialog.querySelector("dl"));
    const all = [...this.#known.values()].sort((a, b) => Number(a.keys === "?") - Number(b.keys === "?"));
    list.replaceChildren(...all.map(({ keys, label }) => entry(keys, label)));
    if (!this.#dialog.open) this.#dialog.showModal();
  }

  /** @param {KeyboardEvent} event */
  #pressed(event) {
    if (event.defaultPrevented || event.isComposing || event.ctrlKey || event.metaKey || event.altKey) return;
    if (typing(event.target) || this.#dialog?.open) return;
    const name = event.key === " " ? "Space" : event.key;
    if (event.shiftKey && name.length > 1) return; // Shift+Home selects
    const pair = performance.now() - this.#before.at < SEQUENCE_MS ? this.#before.key + name : "";
    this.#before = { key: name, at: performance.now() };
    const key = this.#known.get(pair) ?? this.#known.get(name);
    if (!key || (!this.#on && !key.always) || !key.where(event)) return;
    if ((name === "Space" || name === "Enter") && presses(event.target)) return;
    if (pair && key.keys === pair) this.#before.at = 0;
    event.preventDefault();
    key.act(event);
  }

  #build() {
    const dialog = element("dialog", "keys-dialog");
    dialog.id = "keys-dialog";
    const title = element("h2", "", "Keys");
    title.id = "keys-title";
    dialog.setAttribute("aria-labelledby", title.id);
    const label = element("label");
    const box = element("input");
    box.type = "checkbox";
    box.checked = this.#on;
    box.addEventListener("change", () => prefs.set("keys", (this.#on = box.checked)));
    label.append(box, " Single keys work");
    dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
    dialog.append(title, element("dl"), label, button("button", "Close", () => dialog.close()));
    document.body.append(dialog);
    return dialog;
  }
}

/** @param {string} keys @param {string} label */
function entry(keys, label) {
  const term = element("dt");
  const pressed = /^[a-z]{2,}$/.test(keys) ? [...keys] : [shown(keys)];
  term.append(...pressed.flatMap((one, i) => [...(i ? [" "] : []), element("kbd", "", one)]));
  const pair = element("div");
  pair.append(term, element("dd", "", label));
  return pair;
}

/** The page's own. */
export const keys = new Keys();
keys.add("?", "This list", () => keys.show());
