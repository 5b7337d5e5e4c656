// Owns the ⋯ menus (<details class="menu">): one open at a time, closed by Escape or a click elsewhere, arrow keys.
// It listens on the document, so rows that are replaced need nothing. Without it the menus still open and close.

const open = () => document.querySelectorAll("details.menu[open]");

function close(menu, refocus) {
  menu.open = false;
  if (refocus) menu.querySelector("summary").focus();
}

document.addEventListener("click", (event) => {
  for (const menu of open()) if (!menu.contains(event.target)) close(menu, false);
});

document.addEventListener("focusin", (event) => {
  for (const menu of open()) if (!menu.contains(event.target)) close(menu, false);
});

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") {
    for (const menu of open()) close(menu, menu.contains(document.activeElement));
    return;
  }
  if (event.key !== "ArrowDown" && event.key !== "ArrowUp") return;
  const menu = event.target.closest?.("details.menu");
  if (!menu) return;
  event.preventDefault();
  menu.open = true;
  const items = [...menu.querySelectorAll("a, button")];
  const at = items.indexOf(document.activeElement);
  const step = event.key === "ArrowDown" ? 1 : -1;
  items.at(at < 0 && step < 0 ? -1 : (at + step) % items.length)?.focus();
});
