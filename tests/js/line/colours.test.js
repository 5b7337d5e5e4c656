// Each colour of a terminal can be read on each background that a row may have, light and dark.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { TRUE_COLOUR } from "../../../static/line/ansi.js";
import { DARKEST_LIGHT, ENOUGH, LIGHTEST_DARK, TEXT, contrast, drawn, plain, rgbOf } from "../../../static/line/colours.js";

const css = readFileSync(new URL("../../../static/css/line.css", import.meta.url), "utf8");

/** All 256, and a spread of true colours. */
const SOME = [...Array(256).keys(), ...Array.from({ length: 1000 }, (_, i) => TRUE_COLOUR | ((i * 16_769) & 0xffffff))];

test("contrast is what WCAG says it is", () => {
  assert.equal(contrast([0, 0, 0], [255, 255, 255]), 21);
  assert.equal(contrast([255, 255, 255], [255, 255, 255]), 1);
  assert.ok(Math.abs(contrast(rgbOf("#777777"), rgbOf("#ffffff")) - 4.48) < 0.01);
});

test("the sixteen colours can be read on light and on dark, and the style sheet has the same", () => {
  TEXT.forEach(([light, dark], n) => {
    assert.ok(contrast(rgbOf(light), DARKEST_LIGHT) >= ENOUGH, `${n} on light`);
    assert.ok(contrast(rgbOf(dark), LIGHTEST_DARK) >= ENOUGH, `${n} on dark`);
    assert.ok(css.includes(`--ansi-${n}: light-dark(${light}, ${dark});`), `--ansi-${n}`);
    assert.ok(css.includes(`.ansi-fg-${n} { color: var(--ansi-${n}); }`), `.ansi-fg-${n}`);
  });
});

test("any other colour is moved until it can be read, and no further", () => {
  for (const fg of SOME) {
    const { properties } = drawn({ fg });
    if (fg < 16) continue;
    assert.ok(contrast(rgbOf(properties["--fg-light"]), DARKEST_LIGHT) >= ENOUGH, String(fg));
    assert.ok(contrast(rgbOf(properties["--fg-dark"]), LIGHTEST_DARK) >= ENOUGH, String(fg));
  }
  assert.equal(drawn({ fg: TRUE_COLOUR | 0x101010 }).properties["--fg-light"], "#101010");
});

test("text can be read on any background", () => {
  for (const bg of SOME) {
    for (const style of [{ bg }, { bg, fg: bg }, { bg, fg: 1 }, { bg, fg: 250 }, { fg: bg, inverse: true }, { fg: 3, bg, inverse: true }]) {
      const { classes, properties } = drawn(style);
      assert.ok(classes.includes("painted"));
      assert.ok(contrast(rgbOf(properties["--fg"]), rgbOf(properties["--bg"])) >= ENOUGH, JSON.stringify(style));
    }
  }
});

test("the palette is that of xterm", () => {
  assert.deepEqual(plain(16), [0, 0, 0]);
  assert.deepEqual(plain(196), [255, 0, 0]);
  assert.deepEqual(plain(231), [255, 255, 255]);
  assert.deepEqual(plain(67), [95, 135, 175]);
  assert.deepEqual(plain(232), [8, 8, 8]);
  assert.deepEqual(plain(255), [238, 238, 238]);
  assert.deepEqual(plain(TRUE_COLOUR | 0x010203), [1, 2, 3]);
});

test("styles without colour are classes alone", () => {
  assert.deepEqual(drawn({ bold: true, italic: true, underline: true, strike: true }), { classes: ["bold", "italic", "underline", "strike"], properties: {} });
  assert.deepEqual(drawn({ dim: true }), { classes: ["dim"], properties: {} });
  assert.deepEqual(drawn({ inverse: true }), { classes: ["inverse"], properties: {} });
  assert.deepEqual(drawn({ fg: 9, dim: true }), { classes: ["fg-9"], properties: {} });
  for (const name of ["bold", "italic", "underline", "strike", "dim", "inverse", "painted", "fg"]) assert.ok(css.includes(`.ansi-${name} {`), name);
});
