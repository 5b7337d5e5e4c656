// Owns the ⋯ menus (<details class="menu">): one open at a time, closed by Escape or a click elsewhere, with arrow
// keys; it opens upwards where there is no room below. It listens on the document, so replaced rows need no wiring.
// Without it the menus still open and close.

const open = () => /** @type {NodeListOf<HTMLDetailsElement>} */ (document.querySelectorAll("details.menu[open]"));

for (const name of ["click", "focusin"]) {
  document.addEventListener(name, ({ target }) => {
    for (const menu of open()) if (!(target instanceof Node && menu.contains(target))) menu.open = false;
  });
}

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
    for (const menu of open()) {
      menu.open = false;
      if (menu.contains(document.activeElement)) menu.querySelector("summary")?.focus();
    }
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
