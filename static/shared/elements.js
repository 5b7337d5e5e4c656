// Owns making an element with a class and a text in one call. Text only: there is no way to hand it markup.

/**
 * @template {keyof HTMLElementTagNameMap} T
 * @param {T} tag @param {string} [name] its class @param {string} [text] @returns {HTMLElementTagNameMap[T]}
 */
export function element(tag, name = "", text = "") {
  const made = document.createElement(tag);
  if (name) made.className = name;
  if (text) made.textContent = text;
  return made;
}

/** A button that submits nothing. @param {string} name its class @param {string} text @param {() => void} [act] */
export function button(name, text, act) {
  const made = element("button", name, text);
  made.type = "button";
  if (act) made.addEventListener("click", act);
  return made;
}

/** An element that the page's template has. @param {string} id @returns {HTMLElement} */
export const get = (id) => /** @type {HTMLElement} */ (document.getElementById(id));

/** Writing the same text again would still cost a layout. @param {Element | null} into @param {string} text */
export function write(into, text) {
  if (into && into.textContent !== text) into.textContent = text;
}
