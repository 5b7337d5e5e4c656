// Owns how numbers, spans and moments read. The server's filters say the same things in the same words.
// It refuses to look at the page or at the clock: every moment is handed in.

const GROUPED = new Intl.NumberFormat("en-GB");

/** @param {number} n 12345 → "12,345" */
export const thousands = (n) => GROUPED.format(n);

/** @param {number} n @param {string} one @param {string} [many] */
export const plural = (n, one, many = `${one}s`) => `${thousands(n)} ${n === 1 ? one : many}`;

/** The time of day of an RFC 3339 moment in UTC. @param {string} moment "2026-01-31T09:30:00.125Z" → "09:30:00.125" */
export const clock = (moment) => moment.slice(11, 23).replace("Z", "");

/** A span in two units at most. @param {number} seconds 72 → "1 m 12 s" */
export function span(seconds) {
  const s = Math.max(0, Math.floor(seconds));
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} m ${s % 60} s`;
  return `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} m`;
}

/** A duration, as exact as it is useful. @param {number} ms 850 → "850 ms", 4250 → "4.2 s" */
export function took(ms) {
  const whole = Math.max(0, Math.floor(ms));
  if (whole < 1000) return `${whole} ms`;
  return whole < 10_000 ? `${(Math.floor(whole / 100) / 10).toFixed(1)} s` : span(whole / 1000);
}

/** How long ago, roughly. @param {number} seconds */
export function ago(seconds) {
  if (seconds < 5) return "just now";
  if (seconds < 60) return `${Math.floor(seconds)} s ago`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)} h ago`;
  return plural(Math.floor(seconds / 86_400), "day") + " ago";
}

/** A size. @param {number} n bytes; 1234567 → "1.2 MB" */
export function bytes(n) {
  if (n < 1000) return `${n} B`;
  const units = ["kB", "MB", "GB", "TB"];
  let value = n / 1000;
  let unit = 0;
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${value < 9.95 ? value.toFixed(1) : Math.round(value)} ${units[unit]}`;
}
