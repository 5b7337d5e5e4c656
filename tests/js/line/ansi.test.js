// What a text for a terminal looks like: known cases, which server/log/terminal_text.py is held to as well; then anything at all.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { TRUE_COLOUR, parse, shown, visibleText } from "../../../static/line/ansi.js";
import { SIZE, isQuick } from "../bounded.js";
import { random } from "../random.js";

const ESC = "\x1b";
const CASES = JSON.parse(readFileSync(new URL("../shown.json", import.meta.url), "utf8"));
const ACTS = /[\0-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/;

const styleOf = (codes) => parse(`${ESC}[${codes}mx`).segments[0].style;
const pieces = (text) => parse(text).segments.map(({ text, style, href }) => [text, style, href]);

test("each text is shown as a terminal would show it", () => {
  for (const [text, expected] of CASES) assert.equal(shown(text), expected, JSON.stringify(text));
});

test("styles of a terminal become styles of ours", () => {
  assert.deepEqual(styleOf("1;2;3;4;7;9"), { bold: true, dim: true, inverse: true, italic: true, strike: true, underline: true });
  assert.deepEqual(styleOf("31;42"), { bg: 2, fg: 1 });
  assert.deepEqual(styleOf("97;100"), { bg: 8, fg: 15 });
  assert.deepEqual(styleOf("38;5;196;48;5;16"), { bg: 16, fg: 196 });
  assert.deepEqual(styleOf("38;2;1;2;3"), { fg: TRUE_COLOUR | 0x010203 });
  assert.deepEqual(styleOf("38:2::1:2:3;1"), { bold: true, fg: TRUE_COLOUR | 0x010203 });
  assert.deepEqual(styleOf("38:2:1:2:3"), { fg: TRUE_COLOUR | 0x010203 });
  assert.deepEqual(styleOf("48:5:7;4:3"), { bg: 7, underline: true });
  assert.deepEqual(styleOf("4;4:0;1;22;31;39;41;49;3;23;9;29;7;27"), null);
  assert.deepEqual(styleOf("1;31;0;4"), { underline: true });
  assert.deepEqual(styleOf("1;"), null);
});

test("what is no style changes none", () => {
  for (const codes of ["38;5;256", "38;2;1;2;300", "38;9", "38", "38;5", "38;2;1", "5;8;10;53;99;1234", "<1", "38:2", "x"]) {
    assert.equal(styleOf(codes) ?? null, null, codes);
  }
});

test("neighbours of one style are one segment, and each text starts anew", () => {
  assert.deepEqual(pieces(`a${ESC}[31mb${ESC}[31mc${ESC}[0md`), [["a", null, null], ["bc", { fg: 1 }, null], ["d", null, null]]);
  assert.deepEqual(pieces("after"), [["after", null, null]]);
});

test("a style goes on over a newline, and what was written over keeps the newer style", () => {
  assert.deepEqual(pieces(`${ESC}[31ma\nb`), [["a\nb", { fg: 1 }, null]]);
  assert.deepEqual(pieces(`${ESC}[31mabc\r${ESC}[32mx`), [["x", { fg: 2 }, null], ["bc", { fg: 1 }, null]]);
});

test("links lead to http and https, and nowhere else", () => {
  const link = (address) => pieces(`${ESC}]8;id=1;${address}${ESC}\\here${ESC}]8;;${ESC}\\`)[0];
  assert.deepEqual(link("https://example.org/a?b=c"), ["here", null, "https://example.org/a?b=c"]);
  assert.deepEqual(link("HTTP://example.org"), ["here", null, "http://example.org/"]);
  for (const bad of ["javascript:alert(1)", "data:text/html,x", "file:///etc/passwd", "//example.org", "https:", "https://", "http:example.org", " https://a"]) {
    assert.deepEqual(link(bad), ["here", null, null], bad);
  }
  assert.deepEqual(link(`https://example.org/${"a".repeat(3000)}`), ["here", null, null]);
});

test("reading stops once there is enough", () => {
  const { segments, read } = parse(`${ESC}[31m${"ab".repeat(50)}${ESC}[0m${"c".repeat(1000)}${ESC}[1m${"d".repeat(1e6)}`, 200);
  assert.ok(read < 2000, `${read}`);
  assert.ok(segments.map((one) => one.text).join("").length >= 200);
});

test("the text as it was logged drops nothing", () => {
  assert.equal(visibleText(`a\rb${ESC}[31mc\u202e`), "a␍b␛[31mc\\u{202e}");
});

test("anything at all comes out without what acts, and is never too much", () => {
  const pick = random(20261124);
  const parts = [ESC, "[", "]8;;", "m", "K", "2K", "G", "\r", "\n", "\b", "\x07", "\\", ";", ":", "38;5;", "1", "31", "x", "é", "😀", "\u202e", "\x9b", " ", "P", "(B", "\t", "\0"];
  for (let i = 0; i < 5000; i += 1) {
    const text = Array.from({ length: pick(40) }, () => parts[pick(parts.length)]).join("");
    const { segments, read } = parse(text);
    const out = segments.map((one) => one.text).join("");
    assert.equal(read, text.length);
    assert.ok(!ACTS.test(out), JSON.stringify(text));
    assert.ok(out.length <= text.length * 8);
    assert.ok(out.isWellFormed?.() ?? true, JSON.stringify(text));
    assert.equal(shown(out), out);
    for (const [k, one] of segments.entries()) {
      assert.notEqual(one.text, "");
      const next = segments[k + 1];
      assert.ok(!next || next.href !== one.href || JSON.stringify(next.style) !== JSON.stringify(one.style), JSON.stringify(text));
    }
  }
});

const HOSTILE = {
  "progress bars": () => "50% done \r".repeat(SIZE / 10),
  escapes: () => ESC.repeat(SIZE),
  "escapes that do not end": () => `${ESC}]8;;https://x`.repeat(SIZE / 15),
  "strings that do not end": () => `${ESC}P`.repeat(SIZE / 2),
  "parameters without end": () => `${ESC}[${"1;".repeat(SIZE / 2)}`,
  styles: () => `${ESC}[31ma${ESC}[32mb`.repeat(SIZE / 12),
  colours: () => Array.from({ length: SIZE / 20 }, (_, i) => `${ESC}[38;2;${i % 256};${(i >> 8) % 256};${i % 7}mx`).join(""),
  backspaces: () => "a\b".repeat(SIZE / 2),
  "a row erased again and again": () => `${"x".repeat(SIZE / 8)}${`${ESC}[2Kx`.repeat(SIZE / 6)}`,
  "the end of a row erased again and again": () => `\r${ESC}[Kxxxxxxxx`.repeat(SIZE / 12),
  "turned text": () => "\u202e".repeat(SIZE),
  "short rows": () => "a\r\n\b".repeat(SIZE / 4),
};

for (const [name, make] of Object.entries(HOSTILE)) {
  test(`megabytes of ${name} take no time to speak of`, () => {
    const text = make();
    isQuick(() => parse(text));
  });
}
