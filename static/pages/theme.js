// Owns the switch between light, dark and the system's choice: it shows at once what the form would show after a
// reload, and the server sets the cookie, so that the next page has the right colours from its first paint. Without it
// the form does the same, with a reload.

const form = document.getElementById("theme");

/** @param {string} theme */
function show(theme) {
  document.documentElement.dataset.theme = theme;
  const scheme = theme === "system" ? "light dark" : theme;
  document.querySelector('meta[name="color-scheme"]')?.setAttribute("content", scheme);
  for (const button of form?.querySelectorAll("button") ?? []) {
    button.setAttribute("aria-pressed", String(button.value === theme));
  }
}

if (form instanceof HTMLFormElement) {
  form.addEventListener("submit", async (event) => {
    if (!(event.submitter instanceof HTMLButtonElement)) return;
    event.preventDefault();
    const before = document.documentElement.dataset.theme ?? "system";
    const theme = event.submitter.value;
    show(theme);
    const body = new URLSearchParams({ theme, next: "/" });
    const kept = await fetch(form.action, { method: "POST", body, redirect: "manual" }).catch(() => null);
    // A redirection is what an answer to a form looks like; anything else has kept nothing.
    if (kept?.type !== "opaqueredirect") show(before);
  });
}
