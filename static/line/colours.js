// Owns how the colours of a terminal look on our pages: the classes and custom properties that carry a style, each text
// with a contrast of at least 4.5 to every background that a row may have, light or dark. It makes no element.

import { TRUE_COLOUR } from "./ansi.js";

/** @typedef {[number, number, number]} Rgb 0–255 */

export const ENOUGH = 4.5; // WCAG 2.2, 1.4.3

/** The sixteen colours as text, on light and on dark. `line.css` has the same as `--ansi-0` to `--ansi-15`; a test pins it. */
export const TEXT = [
  ["#24292c", "#a9b3b7"], // black
  ["#a82018", "#ff9d93"], // red
  ["#1a6338", "#71cf97"], // green
  ["#774a00", "#edb75c"], // yellow
  ["#0a529b", "#94c3ff"], // blue
  ["#872a8c", "#e6abee"], // magenta
  ["#0b5f6d", "#63cdd6"], // cyan
  ["#51595f", "#d3dadc"], // white
  ["#596167", "#b5bec2"], // bright black
  ["#b51d14", "#ffaaa1"], // bright red
  ["#136a35", "#8fe0b0"], // bright green
  ["#7a4d00", "#f5cc80"], // bright yellow
  ["#1b56b0", "#a9d0ff"], // bright blue
  ["#932f99", "#eec2f4"], // bright magenta
  ["#0a6474", "#8be0e8"], // bright cyan
  ["#16191b", "#ffffff"], // bright white
];

/** The same as they are on a terminal: for backgrounds, and for text on a background. */
const PLAIN = [
  "#000000", "#c8312b", "#1f9d55", "#c9a20c", "#2472c8", "#a838a8", "#1795b4", "#d8dcde",
  "#667176", "#ef5350", "#34c77b", "#f2d64b", "#4f9cf0", "#d670d6", "#3cc3dd", "#ffffff",
].map(rgbOf); // prettier-ignore

// The backgrounds that ask for most contrast: the darkest of a light page's rows (the one an address points at), the
// lightest of a dark page's.
export const DARKEST_LIGHT = rgbOf("#f0f0bd");
export const LIGHTEST_DARK = rgbOf("#4a3f10");

const [BLACK, WHITE] = [rgbOf("#000000"), rgbOf("#ffffff")];
const MOST_KEPT = 1024;
/** @type {Map<number, {light: string, dark: string}>} */
const corrected = new Map();

/**
 * How a style is drawn: classes of `line.css`, and values for custom properties (set by `style.setProperty`, which a
 * policy without `unsafe-inline` allows).
 * @param {import("./ansi.js").Style} style @returns {{classes: string[], properties: Record<string, string>}}
 */
export function drawn(style) {
  const classes = ["bold", "italic", "underline", "strike"].filter((name) => style[/** @type {"bold"} */ (name)]);
  const { fg, bg } = style;
  if (style.inverse && fg === undefined && bg === undefined) return { classes: [...classes, "inverse"], properties: {} };
  const [text, ground] = style.inverse ? [bg, fg] : [fg, bg];
  if (ground !== undefined) {
    const back = plain(ground);
    const front = text === undefined ? better(back) : towards(plain(text), better(back), back);
    return { classes: [...classes, "painted"], properties: { "--fg": hex(front), "--bg": hex(back) } };
  }
  if (text === undefined) return { classes: style.dim ? [...classes, "dim"] : classes, properties: {} };
  // A dim colour would be one that cannot be read; it stays as it is.
  if (text < 16) return { classes: [...classes, `fg-${text}`], properties: {} };
  const { light, dark } = both(text);
  return { classes: [...classes, "fg"], properties: { "--fg-light": light, "--fg-dark": dark } };
}

/** A colour of the palette or a true colour. @param {import("./ansi.js").Colour} colour @returns {Rgb} */
export function plain(colour) {
  if (colour >= TRUE_COLOUR) return [(colour >> 16) & 255, (colour >> 8) & 255, colour & 255];
  if (colour < 16) return PLAIN[colour];
  if (colour >= 232) {
    const grey = (colour - 232) * 10 + 8;
    return [grey, grey, grey];
  }
  const level = (/** @type {number} */ i) => (i === 0 ? 0 : 55 + 40 * i);
  const n = colour - 16;
  return [level(Math.floor(n / 36)), level(Math.floor(n / 6) % 6), level(n % 6)];
}

/** WCAG's contrast ratio, 1–21. @param {Rgb} a @param {Rgb} b */
export function contrast(a, b) {
  const [darker, lighter] = [luminance(a), luminance(b)].sort((x, y) => x - y);
  return (lighter + 0.05) / (darker + 0.05);
}

/** @param {string} text "#rrggbb" @returns {Rgb} */
export function rgbOf(text) {
  const n = parseInt(text.slice(1), 16);
  return [(n >> 16) & 255, (n >> 8) & 255, n & 255];
}

/** @param {Rgb} rgb */
const hex = (rgb) => `#${rgb.map((one) => Math.round(one).toString(16).padStart(2, "0")).join("")}`;

/** @param {import("./ansi.js").Colour} colour */
function both(colour) {
  let pair = corrected.get(colour);
  if (!pair) {
    const rgb = plain(colour);
    pair = { light: hex(towards(rgb, BLACK, DARKEST_LIGHT)), dark: hex(towards(rgb, WHITE, LIGHTEST_DARK)) };
    if (corrected.size >= MOST_KEPT) corrected.clear();
    corrected.set(colour, pair);
  }
  return pair;
}

/** Black or white, whichever can be read on it. @param {Rgb} back */
const better = (back) => (contrast(BLACK, back) >= contrast(WHITE, back) ? BLACK : WHITE);

/** The colour itself, or the first one on its way to `end` that can be read. @param {Rgb} rgb @param {Rgb} end @param {Rgb} back @returns {Rgb} */
function towards(rgb, end, back) {
  const steps = 32;
  for (let i = 0; i < steps; i += 1) {
    const mixed = /** @type {Rgb} */ (rgb.map((one, k) => Math.round(one + ((end[k] - one) * i) / steps)));
    if (contrast(mixed, back) >= ENOUGH) return mixed;
  }
  return end;
}

/** @param {Rgb} rgb */
function luminance(rgb) {
  const [r, g, b] = rgb.map((one) => {
    const part = one / 255;
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}
