// How times read, in each zone and since something; where a day begins.

import assert from "node:assert/strict";
import { test } from "node:test";

import { MODES, modeWords, newDay, nextMode, timeForms, timeText } from "../../../static/line/time.js";
import { random } from "../random.js";

const AT = "2026-07-31T23:30:00.125Z";

test("a time is shown in UTC, in a zone, since the start and since the line before", () => {
  assert.equal(timeText(AT), "23:30:00.125");
  assert.equal(timeText(AT, { mode: "local", zone: "Europe/London" }), "00:30:00.125");
  assert.equal(timeText(AT, { mode: "local", zone: "Asia/Kathmandu" }), "05:15:00.125");
  assert.equal(timeText(AT, { mode: "local", zone: "America/St_Johns" }), "21:00:00.125");
  assert.equal(timeText(AT, { mode: "start", start: "2026-07-31T22:28:47.000Z" }), "+1:01:13.125");
  assert.equal(timeText(AT, { mode: "before", before: "2026-07-31T23:30:00.113Z" }), "+0.012 s");
  assert.equal(timeText(AT, { mode: "before", before: "2026-07-31T23:28:47.000Z" }), "+1 m 13.1 s");
  assert.equal(timeText(AT, { mode: "before", before: "2026-07-31T20:28:47.000Z" }), "+3 h 1 m");
  assert.equal(timeText(AT, { mode: "before", before: "2026-07-31T23:30:00.225Z" }), "-0.100 s");
});

test("a clock that is put back is shown as it stood", () => {
  const times = ["2026-10-25T00:59:59.999Z", "2026-10-25T01:00:00.000Z"];
  assert.deepEqual(times.map((time) => timeText(time, { mode: "local", zone: "Europe/London" })), ["01:59:59.999", "01:00:00.000"]);
});

test("what is no time is shown as it is, and breaks nothing", () => {
  for (const mode of MODES) {
    assert.equal(timeText(undefined, { mode }), "–");
    assert.equal(timeText(null, { mode }), "–");
    assert.equal(timeText("", { mode }), "–");
    assert.equal(timeText(17, { mode }), "–");
    assert.equal(timeText("yesterday", { mode }), "yesterday");
    assert.equal(timeText("2026-99-99T00:00:00Z", { mode }), "2026-99-99T00:00:00Z");
    assert.equal(timeText("x".repeat(100), { mode }), `${"x".repeat(24)}…`);
  }
  assert.equal(timeText(AT, { mode: "start" }), "–");
  assert.equal(timeText(AT, { mode: "start", start: "never" }), "–");
  assert.equal(timeText(AT, { mode: "before", before: null }), "–");
  assert.equal(timeText(AT, { mode: "local", zone: "No/Where" }), "23:30:00.125");
  assert.equal(newDay(AT, { before: "never" }), null);
  assert.equal(newDay("never", { before: AT }), null);
  assert.equal(timeText("+275760-09-13T00:00:00.000Z", { mode: "local", zone: "Asia/Tokyo" }), "+275760-09-13T00:00:00.0…");
});

test("a day begins where the zone that is shown says so", () => {
  const before = "2026-07-31T22:59:59.999Z";
  const at = "2026-07-31T23:00:00.000Z";
  assert.equal(newDay(at, { mode: "local", zone: "Europe/London", before }), "Saturday, 1 August 2026".replace(", ", newDayComma()));
  assert.equal(newDay(at, { mode: "utc", before }), null);
  assert.equal(newDay(at, { mode: "start", before, start: before }), null);
  assert.equal(newDay(at, { mode: "local", zone: "Europe/London" }), null, "the first line of all begins none");
});

/** Browsers and versions differ in whether a comma stands behind the weekday. */
const newDayComma = () => (newDay("2026-01-02T00:00:00Z", { before: "2026-01-01T00:00:00Z" })?.includes(",") ? ", " : " ");

test("the zone is always named, and the button goes round", () => {
  assert.equal(modeWords("local", "Europe/London"), "Times in Europe/London");
  assert.equal(modeWords("local", "No/Where"), "Times in UTC");
  assert.equal(modeWords("utc"), "Times in UTC");
  const round = MODES.map((_, i) => Array.from({ length: i + 1 }).reduce((mode) => nextMode(mode, "Europe/London"), "utc"));
  assert.deepEqual(new Set(round), new Set(MODES));
  assert.equal(nextMode("nonsense"), "local");
  assert.equal(nextMode("local", "UTC"), "start", "the same times twice would be a key that does nothing");
});

test("all forms of a time are there for who wants to know", () => {
  assert.deepEqual(timeForms(AT, { zone: "Europe/London", start: "2026-07-31T23:29:00.000Z", before: AT }), [
    ["Europe/London", "2026-08-01 00:30:00.125"],
    ["UTC", "2026-07-31 23:30:00.125"],
    ["Since the start", "+0:01:00.125"],
    ["Since the line before", "+0.000 s"],
  ]);
  assert.deepEqual(timeForms("never"), [["Time", "never"]]);
});

test("the clock of a zone is that of the system's own tables", () => {
  const pick = random(7);
  for (const zone of ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata", "Pacific/Apia"]) {
    const own = new Intl.DateTimeFormat("en-GB", { timeZone: zone, hourCycle: "h23", hour: "2-digit", minute: "2-digit", second: "2-digit" });
    for (let i = 0; i < 200; i += 1) {
      const at = new Date(Date.UTC(2000, 0, 1) + pick(2 ** 31) * 500);
      assert.equal(timeText(at.toISOString(), { mode: "local", zone }).slice(0, 8), own.format(at), `${zone} ${at.toISOString()}`);
    }
  }
});
