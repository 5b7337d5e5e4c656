// Owns copying a text to the clipboard, and the buttons that do it and say whether it worked: some browsers do not let
// a page copy.

import { button } from "./elements.js";

const SAID_FOR = 2000; // milliseconds

/** @param {string} text @returns {Promise<boolean>} whether it is in the clipboard now */
export async function copyText(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return copyTheOldWay(text); // without TLS there is no `navigator.clipboard`
  }
}

/**
 * A button that copies. The text is asked for when it is pressed.
 * @param {() => string} text @param {string} label what a screen reader hears: "Copy the value of region"
 * @param {string} [word] its text, with which `label` begins
 * @returns {HTMLButtonElement}
 */
export function copyButton(text, label, word = "Copy") {
  const made = button("quiet copy", word);
  made.setAttribute("aria-label", label);
  wireCopy(made, text);
  return made;
}

/** Makes a button copy, and say for a moment whether it worked. @param {HTMLElement} made @param {() => string} text */
export function wireCopy(made, text) {
  const [word, label] = [made.textContent ?? "", made.getAttribute("aria-label") ?? ""];
  let timer = 0;
  made.addEventListener("click", async () => {
    made.textContent = (await copyText(text())) ? "Copied" : "Not copied";
    made.setAttribute("aria-label", made.textContent);
    clearTimeout(timer);
    timer = setTimeout(() => {
      made.textContent = word;
      made.setAttribute("aria-label", label);
    }, SAID_FOR);
  });
}

/** @param {string} text */
function copyTheOldWay(text) {
  const before = /** @type {HTMLElement | null} */ (document.activeElement);
  const area = document.createElement("textarea");
  area.className = "unseen";
  area.value = text;
  document.body.append(area);
  area.select();
  let done = false;
  try {
    done = document.execCommand("copy");
  } catch {
    // Not allowed: the answer is no.
  }
  area.remove();
  before?.focus({ preventScroll: true });
  return done;
}
