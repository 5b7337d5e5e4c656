// Owns the table of contents beside a long form: it marks the section that is in view.

/** @type {NodeListOf<HTMLElement>} */
const links = document.querySelectorAll(".contents a");
const sectionOf = (/** @type {HTMLElement} */ link) => (link.getAttribute("href") ?? "").slice(1);

/** @type {Set<string>} */
const seen = new Set();
const watch = new IntersectionObserver(
  (entries) => {
    for (const { isIntersecting, target } of entries) {
      if (isIntersecting) seen.add(target.id);
      else seen.delete(target.id);
    }
    const first = [...links].find((link) => seen.has(sectionOf(link)));
    for (const link of links) {
      if (link === first) link.setAttribute("aria-current", "true");
      else link.removeAttribute("aria-current");
    }
  },
  { rootMargin: "-10% 0px -55% 0px" },
);

for (const link of links) {
  const section = document.getElementById(sectionOf(link));
  if (section) watch.observe(section);
}
