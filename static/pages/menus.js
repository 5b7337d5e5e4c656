// Owns the ⋯ menus (<details class="menu">): one open at a time, closed by Escape or a click elsewhere, with arrow
// keys; it opens upwards where there is no room below. It listens on the document, so replaced rows need no wiring.
// Without it the menus still open and close.

/** @returns {HTMLDetailsElement[]} */
const open = () => [...document.querySelectorAll("details.menu")].filter((one) => isOpen(one));

/** @param {Element} one @returns {one is HTMLDetailsElement} */
const isOpen = (one) => one instanceof HTMLDetailsElement && one.open;

/** @param {EventTarget | null} target */
const node = (target) => (target instanceof Node ? target : null);

/** @param {HTMLDetailsElement} menu @param {boolean} refocus */
function close(menu, refocus) {
  menu.open = false;
  if (refocus) menu.querySelector("summary")?.focus();
}

document.addEventListener("click", (event) => {
  for (const menu of open()) if (!menu.contains(node(event.target))) close(menu, false);
});

document.addEventListener("focusin", (event) => {
  for (const menu of open()) if (!menu.contains(node(event.target))) close(menu, false);
});

document.addEventListener(
  "toggle",
  ({ target: menu }) => {
    if (!(menu instanceof HTMLDetailsElement) || !menu.matches(".menu")) return;
    menu.classList.remove("upwards");
    if (!menu.open) return;
    const items = menu.querySelector(".menu-items")?.getBoundingClientRect();
    const above = menu.getBoundingClientRect().top;
    if (items && items.bottom > innerHeight && above > items.height) menu.classList.add("upwards");
  },
  true, // it does not bubble
);

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") {
    for (const menu of open()) close(menu, menu.contains(document.activeElement));
    return;
  }
  if (event.key !== "ArrowDown" && event.key !== "ArrowUp") return;
  const menu = event.target instanceof Element ? event.target.closest("details.menu") : null;
  if (!(menu instanceof HTMLDetailsElement)) return;
  event.preventDefault();
  menu.open = true;
  const items = /** @type {HTMLElement[]} */ ([...menu.querySelectorAll("a, button")]);
  const at = items.findIndex((item) => item === document.activeElement);
  const step = event.key === "ArrowDown" ? 1 : -1;
  items.at(at < 0 && step < 0 ? -1 : (at + step) % items.length)?.focus();
});
