// Which parts of a text are web addresses.

import assert from "node:assert/strict";
import { test } from "node:test";

import { LONGEST, links, webAddress } from "../../../static/line/links.js";
import { SIZE, isQuick } from "../bounded.js";

const found = (text) => links(text).map(({ start, end }) => text.slice(start, end));

test("addresses are found without the punctuation of the sentence", () => {
  const cases = {
    "see https://example.org/a.": ["https://example.org/a"],
    "(https://example.org/a)": ["https://example.org/a"],
    "https://example.org/Foo_(bar), and": ["https://example.org/Foo_(bar)"],
    "(see https://example.org/Foo_(bar))": ["https://example.org/Foo_(bar)"],
    "[docs](https://example.org/a[1])": ["https://example.org/a[1]"],
    "what? https://example.org/?q=1&r=2#top!": ["https://example.org/?q=1&r=2#top"],
    "'http://localhost:8000/x'": ["http://localhost:8000/x"],
    '<a href="http://example.org/">': ["http://example.org/"],
    "HTTPS://EXAMPLE.org/": ["HTTPS://EXAMPLE.org/"],
    "https://a.example/,https://b.example/": ["https://a.example/,https://b.example/"],
    "https://a.example/ http://b.example/": ["https://a.example/", "http://b.example/"],
    "https://münchen.example/ä": ["https://münchen.example/ä"],
    "https://example.org/a\u2026": ["https://example.org/a"],
  };
  for (const [text, expected] of Object.entries(cases)) assert.deepEqual(found(text), expected, text);
});

test("nothing else is an address", () => {
  for (const text of ["javascript:alert(1)", "ftp://example.org", "https://", "http://)", "https:///x", "www.example.org", "http:/x", "data:text/html,https", "https://[bad"]) {
    assert.deepEqual(found(text), [], text);
  }
});

test("an address ends before what is shown in place of a character that acts", () => {
  assert.deepEqual(found("https://example.org/\\u{202e}gpj.exe"), ["https://example.org/"]);
});

test("no link leads elsewhere than to http and https, however its text is made", () => {
  for (const { href } of links("https://a.example/javascript: http://b.example:80/\\x https://user@c.example/")) {
    assert.match(href, /^https?:\/\//);
  }
  assert.equal(webAddress("javascript://example.org/%0aalert(1)"), null);
  assert.equal(webAddress(" https://example.org/"), null);
});

test("what is too long, or too many, stays text", () => {
  assert.deepEqual(found(`https://example.org/${"a".repeat(LONGEST)}`), []);
  assert.equal(links("http://a.example/ ".repeat(1000), 200).length, 200);
});

test("megabytes are looked through in no time to speak of", () => {
  for (const part of ["https://", "https://a(", "https://a)", "http://a.example/ ", "(((", "h"]) {
    const text = part.repeat(SIZE / part.length);
    isQuick(() => links(text, 200), part);
  }
});
