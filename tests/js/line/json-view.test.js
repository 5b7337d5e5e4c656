// JSON in a text: where it begins, and how it reads with a row for each member.

import assert from "node:assert/strict";
import { test } from "node:test";

import { indent, jsonRows, jsonStart } from "../../../static/line/json-view.js";
import { SIZE, isQuick } from "../bounded.js";
import { random } from "../random.js";

/** The whole of it, as its rows stand below each other. */
const pretty = (source) =>
  [...jsonRows(source)].map(({ depth, tokens }) => indent(depth) + tokens.map((token) => token.text).join("")).join("\n");

const after = (text) => text.slice(jsonStart(text));

test("JSON is found where it goes on to the end of the text", () => {
  assert.equal(after('POST answered {"id": 1, "name": "x"}'), '{"id": 1, "name": "x"}');
  assert.equal(after('[info] [2026] took [1, 2] {"id": 1, "name": "x"}\n'), '{"id": 1, "name": "x"}\n');
  assert.equal(after('rows: [{"id": 1}, {"id": 2}]'), '[{"id": 1}, {"id": 2}]');
  assert.equal(after('"{" {"a": "a long enough text"}'), '{"a": "a long enough text"}');
});

test("what is no JSON, or not worth unfolding, is left alone", () => {
  for (const text of ["", "done", "took [1, 2]", "{}", "[info] done [ok]", '{"a": 1, "b": "cut off', '{"id": 1, "name": "x"} and more', "{ not: 'json', at: 'all' }", "]]]]]]]]]]]]]]]]]]]]]]]]]", `{"a": ${"9".repeat(1 << 19)}}`]) {
    assert.equal(jsonStart(text), -1, text.slice(0, 40));
  }
});

test("it reads as it was logged: numbers, order, doubled names and escapes", () => {
  assert.equal(
    pretty('{"id":12345678901234567890,"b":1e3,"a":[],"o":{},"id":"\\u001b\\"}","l":[1,{"x":null}]}'),
    `{
  "id": 12345678901234567890,
  "b": 1e3,
  "a": [],
  "o": {},
  "id": "\\u001b\\"}",
  "l": [
    1,
    {
      "x": null
    }
  ]
}`,
  );
});

test("names, texts, numbers and words are told apart", () => {
  const tokens = [...jsonRows('{"a":"b","c":-1,"d":true}')].flatMap((row) => row.tokens).filter(({ kind }) => kind !== "mark");
  assert.deepEqual(tokens.map(({ kind }) => kind), ["name", "string", "name", "number", "name", "word"]);
});

test("any JSON says the same after it was made pretty, as JSON.stringify would", () => {
  const pick = random(11);
  const value = (depth) => {
    const kind = pick(depth > 4 ? 5 : 7);
    if (kind === 0) return null;
    if (kind === 1) return pick(2) === 1;
    if (kind === 2) return pick(100_000) / 8 - 5000;
    if (kind <= 4) return ['"', "\\", "{", "}", "[1]", ":", ", ", "ä😀", "\n", ""][pick(10)] + pick(10);
    const many = Array.from({ length: pick(5) }, (_, i) => i);
    return kind === 5 ? many.map(() => value(depth + 1)) : Object.fromEntries(many.map((i) => [`${i}"}{`, value(depth + 1)]));
  };
  for (let i = 0; i < 500; i += 1) {
    const one = { value: value(0) };
    assert.equal(pretty(JSON.stringify(one)), JSON.stringify(one, null, 2));
  }
});

test("depth is bounded, and hostile text takes no time to speak of", () => {
  const nested = (depth) => `${"[".repeat(depth)}${"]".repeat(depth)}`;
  assert.equal(jsonStart(nested(256)), 0);
  assert.equal(jsonStart(nested(300)), -1);
  assert.ok(pretty(nested(5000)).length < 2_000_000);
  const texts = ["[".repeat(SIZE) + "]", '{"'.repeat(SIZE / 2) + "}", "{ ".repeat(SIZE / 2) + "}", `["${"\\".repeat(SIZE)}"]`, "[1,".repeat(SIZE / 3) + "]"];
  for (const text of texts) isQuick(() => jsonStart(text), text.slice(0, 8));
});
