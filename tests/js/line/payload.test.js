// What a payload's line says, and how its beginning is asked for.

import assert from "node:assert/strict";
import { test } from "node:test";

import { bytes } from "../../../static/shared/format.js";
import { curl, expiry, isPayload } from "../../../static/line/payload.js";
import { payloadPath, payloadPreview } from "../../../static/line/payload-preview.js";

const NOW = Date.parse("2026-11-24T12:00:00Z");

test("how long a file will be there is said in the largest unit that fits", () => {
  const words = (expires) => expiry(expires, NOW, "24 hours").words;
  assert.equal(words(null), "kept for 24 hours after the sync");
  assert.equal(words("nonsense"), "kept for 24 hours after the sync");
  assert.equal(words("2026-11-24T12:00:30Z"), "expires in 30 s");
  assert.equal(words("2026-11-24T12:59:59Z"), "expires in 59 min");
  assert.equal(words("2026-11-24T15:10:00Z"), "expires in 3 h");
  assert.equal(words("2026-11-25T12:00:00Z"), "expires in 24 h");
  assert.equal(words("2026-11-30T12:00:00Z"), "expires in 6 days");
});

test("what has expired says why", () => {
  assert.deepEqual(expiry("2026-11-24T12:00:00Z", NOW, "7 days"), { words: "expired: files are kept for 7 days after the sync", gone: true });
});

test("a line may carry anything where a payload should stand", () => {
  assert.ok(isPayload({ n: 1, kind: "pull", name: "page 1", bytes: 0 }));
  for (const bad of [null, undefined, 1, "x", [], {}, { n: "1", name: "x", bytes: 1 }, { n: 1, name: {}, bytes: 1 }, { n: 1, name: "x", bytes: -1 }, { n: 1.5, name: "x", bytes: 1 }]) {
    assert.ok(!isPayload(bad), JSON.stringify(bad));
  }
});

test("the command names the file, and no token", () => {
  assert.equal(curl("http://localhost:8000/api/syncs/S/payloads/1"), `curl -fOJ -H "Authorization: Bearer $TOKEN" 'http://localhost:8000/api/syncs/S/payloads/1'`);
  assert.equal(payloadPath("../x", 1), "/api/syncs/..%2Fx/payloads/1");
});

test("sizes read as people say them", () => {
  const cases = [[0, "0 B"], [999, "999 B"], [1000, "1.0 kB"], [4096, "4.1 kB"], [13_952, "14 kB"], [999_499, "999 kB"], [999_500, "1.0 MB"], [1_234_567, "1.2 MB"], [5e9, "5.0 GB"]];
  for (const [n, words] of cases) assert.equal(bytes(n), words);
});

test("the beginning of a file is asked for, and each failure has words for people", async () => {
  const asked = [];
  const server = (status, body = "") => async (url) => {
    asked.push(url);
    return new Response(body, { status });
  };
  assert.equal(await payloadPreview("S", 2, server(200, "[1]")), "[1]");
  assert.deepEqual(asked, ["/api/syncs/S/payloads/2?preview=1"]);
  await assert.rejects(payloadPreview("S", 2, server(410)), (error) => error.gone === true && /expired/.test(error.message));
  await assert.rejects(payloadPreview("S", 2, server(404)), /no such file/);
  await assert.rejects(payloadPreview("S", 2, server(401)), /signed out/);
  await assert.rejects(payloadPreview("S", 2, server(500)), /answered 500/);
  await assert.rejects(payloadPreview("S", 2, () => Promise.reject(new TypeError("x"))), /cannot be reached/);
});
