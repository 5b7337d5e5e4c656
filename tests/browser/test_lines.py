"""How one line looks, in a real browser: text and nothing but text, whatever was logged; what unfolds; the pane."""

from __future__ import annotations

import json
import re
from typing import Any, cast

import redis
from playwright.sync_api import Page, Route, expect

from synctail.log.payload_files import JSON, PayloadLimit, Payloads
from synctail.model.sync import Stored
from tests.kit.browser import OwnSync, Visits, shows
from tests.kit.support import in_time, until

HOSTILE = (
    "<img src=x onerror=\"window.hacked = 'img'\">",
    "<script>window.hacked = 'script'</script>",
    "</span></div></noscript></main></template><script>window.hacked = 'closing'</script><b>bold</b>",
    "<!-- <style>*{display:none}</style> -->",
    "{{ 7 * 7 }} {% raw %} &lt;i&gt;already escaped&lt;/i&gt; &amp; &#60;u&#62;",
    "price \u202e0001\u202c and \u2067mirrored\u2069 text",
    "\x1b[31mred\x1b[0m and \x1b]8;;javascript:window.hacked=1\x07a link\x1b]8;;\x07 javascript:window.hacked=1",
    "first\nsecond\r\nthird\rover\ttab",
    "a NUL \0, a bell \a, a form feed \f, a DEL \x7f and a lone \x85",
    "marks \u200e, \u200f, \x80, \x9f, \u202a, \u2066; none \u00a0\u200d\u2065",
    " leading and trailing ",
    "'single' \"double\" `back` \\ \u2028 \ufeff",
    "",
    '{"<img src=x onerror=alert(1)>": "</pre><script>window.hacked = 1</script>", "n": 1}',
)

# What would act on a terminal or turn the text around is shown instead.
SHOWN = {
    HOSTILE[5]: r"price \u{202e}0001\u{202c} and \u{2067}mirrored\u{2069} text",
    HOSTILE[6]: "red and a link javascript:window.hacked=1",
    HOSTILE[7]: "first\nsecond\nover\ttab",
    HOSTILE[8]: r"a NUL ␀, a bell ␇, a form feed ␌, a DEL ␡ and a lone \u{85}",
    HOSTILE[9]: r"marks \u{200e}, \u{200f}, \u{80}, \u{9f}, \u{202a}, \u{2066}; none " + "\u00a0\u200d\u2065",
}

# The rows of a page, without what the list adds and without what needs a script or a terminal's colours.
BARE_ROWS = """(root) => Array.from(root.querySelectorAll(".line"), (row) => {
  row = row.cloneNode(true);
  for (const name of ["role", "aria-posinset", "aria-setsize"]) row.removeAttribute(name);
  for (const one of row.querySelectorAll(".extras, .json-box, .plain-fields, .rest")) one.remove();
  const text = row.querySelector(".text");
  text.textContent = text.textContent;
  return row.outerHTML;
})"""

# A row is put on the page by itself: `line` may be anything, `options` are those of `lineRow`.
PUT = """async ([line, options]) => {
  const { lineRow } = await import("/static/line/row.js");
  if (line.part) line.text = line.part.repeat(line.times);
  window.before = performance.now();
  const row = lineRow(line, { expanded: (window.expanded ??= new Map()), ...options });
  const took = performance.now() - window.before;
  row.id = "own";
  document.getElementById("own")?.remove();
  document.getElementById("log").before(row);
  return took;
}"""

# Every text in the log that does not contrast with what it stands on.
UNREADABLE = """() => {
  const rgb = (text) => text.match(/[\\d.]+/g).map(Number);
  const luminance = (colour) => {
    const [r, g, b] = colour.map((x) => (x /= 255) <= 0.04045 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = (element) => {
    for (let one = element; one; one = one.parentElement) {
      const [r, g, b, a = 1] = rgb(getComputedStyle(one).backgroundColor);
      if (a === 1) return [r, g, b];
      if (a > 0) throw new Error(`not opaque: ${one.className}`);
    }
  };
  const found = [];
  let looked = 0;
  for (const element of document.querySelectorAll("#log-rows *")) {
    const own = Array.from(element.childNodes, (node) => node.nodeType === 3 ? node.data.trim() : "").join("");
    if (!own) continue;
    looked += 1;
    const [a, b] = [luminance(rgb(getComputedStyle(element).color).slice(0, 3)), luminance(ground(element))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) found.push(`${element.className} ${own.slice(0, 30)}: ${ratio.toFixed(2)}`);
  }
  return { looked, found };
}"""

A_LINE = {"n": 7, "time": "2026-11-24T12:00:00.125Z", "level": "info", "text": "A line"}


def has_line(page: Page, n: int) -> None:
    page.locator(f"#L{n}").wait_for(state="attached")


def put(page: Page, line: dict[str, Any], options: dict[str, Any] | None = None) -> float:
    """Returns how long the row took to build, in milliseconds."""
    return cast("float", page.evaluate(PUT, [{**A_LINE, **line}, options or {}]))


# --- hostile text -------------------------------------------------------------------------------------------------


def test_hostile_text_stays_text(page: Page, own_sync: OwnSync) -> None:
    own_sync.say(*HOSTILE)
    hostile = "<img src=x onerror=\"window.hacked = 'name'\">"
    own_sync.say("A markup", phase="<b>pull</b>", record=hostile, fields={hostile: hostile, "<u>": {"<i>": ["<b>"]}})
    page.goto(own_sync.path)
    last = len(HOSTILE) + 1
    has_line(page, last)
    texts = page.locator("#log-rows .text").evaluate_all("(all) => all.map((one) => one.textContent)")
    assert texts == [*(SHOWN.get(text, text) for text in HOSTILE), "A markup"]
    expect(page.locator(f"#L{last} .phase")).to_have_text("<b>pull</b>")
    expect(page.locator(f"#L{last} .record")).to_have_text(hostile)
    page.get_by_role("button", name=f"JSON of line {len(HOSTILE)}").click()
    page.get_by_role("button", name=f"2 fields of line {last}").press("Enter")
    expect(page.locator("#fields th").first).to_have_text(hostile)
    inside = page.locator("#log-rows *").evaluate_all("(all) => [...new Set(all.map((one) => one.localName))].sort()")
    assert inside == ["a", "button", "div", "pre", "span", "time"]
    within = page.locator("#fields *").evaluate_all("(all) => [...new Set(all.map((one) => one.localName))].sort()")
    assert not {"img", "script", "u", "i", "b"} & set(within)
    assert page.locator("#log-rows a:not(.n)").count() == 0
    assert page.evaluate("() => window.hacked") is None


def test_a_row_made_live_is_the_row_of_the_template(page: Page, own_sync: OwnSync) -> None:
    own_sync.say(*HOSTILE, "10%\r20%\r30%\x1b[K see https://example.org/", "x" * 15_000)
    own_sync.say("A warning", level="warning", phase="push", fields={"wait_s": 1})
    own_sync.say("An error", level="error", phase="<b>", record="7")
    own_sync.say("Details", level="debug")
    page.goto(f"{own_sync.path}?time=utc")
    has_line(page, own_sync.lines)
    live = page.evaluate(f"() => ({BARE_ROWS})(document.getElementById('log-rows'))")
    served = page.evaluate(f"""async () => {{
        const text = await (await fetch(location.href, {{ headers: {{ Accept: "text/html" }} }})).text();
        return ({BARE_ROWS})(new DOMParser().parseFromString(text, "text/html"));
    }}""")
    assert live == served


def test_links_lead_to_the_web_and_tell_it_nothing(page: Page, own_sync: OwnSync) -> None:
    own_sync.say(
        "see https://example.org/a?b=1#c. \x1b[31mand (http://ex\x1b[32mample.org/)\x1b[0m",
        "\x1b]8;;https://example.org/osc\x07here\x1b]8;;\x07 and \x1b]8;;data:text/html,x\x07there\x1b]8;;\x07",
        "y" * 2040 + " https://example.org/" + "z" * 500,
    )
    page.goto(own_sync.path)
    has_line(page, 3)
    links = page.locator("#log-rows .text a")
    assert links.evaluate_all("(all) => all.map((a) => [a.textContent, a.getAttribute('href')])") == [
        ["https://example.org/a?b=1#c", "https://example.org/a?b=1#c"],
        ["http://example.org/", "http://example.org/"],
        ["here", "https://example.org/osc"],
        ["https:/", "https://example.org/" + "z" * 500],
    ]
    for attribute, value in (("rel", "noopener noreferrer nofollow"), ("target", "_blank")):
        assert links.evaluate_all(f"(all) => all.every((a) => a.getAttribute('{attribute}') === '{value}')")


# --- what it costs ------------------------------------------------------------------------------------------------


def test_a_line_of_8_mb_is_a_row_soon_and_never_more_than_was_asked_for(page: Page, own_sync: OwnSync) -> None:
    page.goto(own_sync.path)
    for part in ("x", "50% \r", "\x1b[31mx\x1b[32m", "https://e.org/ "):
        line = {"part": part, "times": (8 << 20) // len(part)}
        in_time(1, lambda: put(page, line) / 1000)  # noqa: B023 - used at once
        assert page.locator("#own .text").evaluate("(one) => one.textContent.length") <= 2048
        more = page.locator("#own").get_by_role("button", name=re.compile(r"^Show .* more"))
        if more.count():
            more.click()
            assert page.locator("#own .text").evaluate("(one) => one.textContent.length") <= 2048 + 65_536
        page.evaluate("() => window.expanded.clear()")


def test_a_screen_full_of_progress_bars_is_drawn_at_once(page: Page, own_sync: OwnSync) -> None:
    bar = "".join(f"\r{n / 10:5.1f}% \x1b[32m{'█' * (n % 40)}\x1b[0m\x1b[K" for n in range(400))[:15_000]
    own_sync.say(*[bar] * 200)
    page.goto(own_sync.path)
    has_line(page, 200)
    draw = """async () => {
      const { lineRow } = await import("/static/line/row.js");
      const { store } = document.getElementById("log").parts;
      const before = performance.now();
      for (let n = 1; n <= 200; n += 1) lineRow({ ...store.get(n) });
      return (performance.now() - before) / 1000;
    }"""
    in_time(2, lambda: cast("float", page.evaluate(draw)))


# --- what unfolds -------------------------------------------------------------------------------------------------


def test_a_long_line_shows_2_kib_and_the_rest_in_steps(page: Page, own_sync: OwnSync) -> None:
    own_sync.say("short", "y" * 15_000)
    page.goto(own_sync.path)
    row = page.locator("#L2")
    length = "(one) => one.querySelector('.text').textContent.length"
    assert row.evaluate(length) == 2048
    row.get_by_role("button", name="Show 13 kB more").click()
    assert row.evaluate(length) == 15_000
    expect(row.get_by_role("button")).to_have_count(0)

    put(page, {"part": "z", "times": 1_200_000})
    own = page.locator("#own")
    own.get_by_role("button", name="Show 1.2 MB more, 66 kB at a time").click()
    assert own.evaluate(length) == 2048 + 65_536
    own.get_by_role("button", name="Show 1.1 MB more, 68 kB at a time").click()
    assert own.evaluate(length) == 2 * (2048 + 65_536)


def test_what_was_unfolded_is_still_so_when_its_row_comes_back(page: Page, own_sync: OwnSync) -> None:
    own_sync.say("y" * 5000, 'answered {"id": 1, "rows": [1, 2]}')
    own_sync.write(2000)
    page.goto(f"{own_sync.path}#L1")
    page.locator("#L1").get_by_role("button", name="Show 3.0 kB more").click()
    page.get_by_role("button", name="JSON of line 2").click()
    expect(page.locator("#L2 .json")).to_contain_text('"rows": [')
    page.locator("#log-scroll").press("End")
    expect(page.locator("#L1")).to_have_count(0)
    page.locator("#log-scroll").press("Home")
    expect(page.locator("#L2 .json")).to_contain_text('"rows": [')
    assert page.locator("#L1 .text").evaluate("(one) => one.textContent.length") == 5000
    page.get_by_role("button", name="JSON of line 2").click()
    expect(page.locator("#L2 .json")).to_have_count(0)


def test_json_is_shown_as_it_was_logged_and_in_steps(page: Page, own_sync: OwnSync) -> None:
    page.goto(own_sync.path)
    source = json.dumps({"big": 1, "list": list(range(1000))}).replace("1,", "12345678901234567890,", 1)
    put(page, {"text": f"[info] got {source}"})
    page.get_by_role("button", name="JSON of line 7").click()
    shown = page.locator("#own .json")
    expect(shown).to_contain_text('"big": 12345678901234567890')
    rows = "(one) => one.querySelector('pre').textContent.split('\\n').length"
    assert shown.evaluate(rows) == 200
    shown.get_by_role("button", name="Show 200 rows more").click()
    assert shown.evaluate(rows) == 400


# --- colours ------------------------------------------------------------------------------------------------------


def test_every_colour_can_be_read_in_every_look(page: Page, own_sync: OwnSync) -> None:
    codes = [*(f"{n}" for n in (*range(30, 38), *range(90, 98), *range(40, 48), *range(100, 108), 1, 2, 3, 4, 7, 9))]
    codes += [f"{kind};5;{n}" for kind in (38, 48) for n in range(0, 256, 5)]
    codes += ["38;2;250;250;250", "38;2;5;5;5", "31;41", "97;107", "30;40", "33;7", "2;31", "38;5;21;48;5;20"]
    text = " ".join(f"\x1b[{code}m{code}\x1b[0m" for code in codes)
    for level in ("debug", "info", "warning", "error"):
        own_sync.say(text, level=level, phase="pull", record="1042", fields={"a": 1})
    own_sync.say('A page: {"name": "text", "n": 1, "yes": true, "none": null}')
    page.goto(f"{own_sync.path}#L1")
    has_line(page, 5)
    for button in page.get_by_role("button", name=re.compile("Show .* more")).all():
        button.click()
    page.get_by_role("button", name="JSON of line 5").click()
    for scheme in ("light", "dark"):
        for forced in ("none", "active"):
            page.emulate_media(color_scheme=scheme, forced_colors=forced)
            told = page.evaluate(UNREADABLE)
            assert told["looked"] > 4 * len(codes)
            assert told["found"] == [], (scheme, forced)


# --- times --------------------------------------------------------------------------------------------------------


def test_t_goes_through_the_ways_to_show_times_and_the_choice_stays(visits: Visits, own_sync: OwnSync) -> None:
    page = visits.signed_in(timezone_id="America/St_Johns")
    own_sync.say("first", "second")
    page.goto(own_sync.path)
    button, time = page.locator("#time"), page.locator("#L2 time")
    iso = time.get_attribute("datetime") or ""
    assert time.get_attribute("title") == iso
    expect(button).to_have_text("Times in America/St_Johns")
    local = time.inner_text()
    page.keyboard.press("t")
    expect(button).to_have_text("Times in UTC")
    expect(time).to_have_text(iso[11:23])
    assert local[3:] != iso[14:23]
    page.keyboard.press("t")
    expect(button).to_have_text("Times since the start")
    expect(time).to_have_text(re.compile(r"^\+0:00:\d\d\.\d{3}$"))
    button.click()
    expect(button).to_have_text("Times since the line before")
    expect(time).to_have_text(re.compile(r"^\+\d\.\d{3} s$"))
    page.goto(own_sync.path)
    expect(button).to_have_text("Times since the line before")
    page.goto(f"{own_sync.path}?time=utc")
    expect(button).to_have_text("Times in UTC")


def test_a_new_day_is_said_and_a_wrong_time_breaks_nothing(page: Page, own_sync: OwnSync) -> None:
    page.goto(own_sync.path)
    before = {"before": "2026-11-24T22:59:59.999Z"}
    time = {"time": "2026-11-24T23:00:00.000Z"}
    put(page, time, {"time": {"mode": "local", "zone": "Europe/Berlin", **before}})
    expect(page.locator("#own .day")).to_have_text(re.compile("^Wednesday,? 25 November 2026$"))
    put(page, time, {"time": {"mode": "utc", **before}})
    expect(page.locator("#own .day")).to_have_count(0)
    for wrong in ("yesterday", "", None, 17, "\u202e<b>"):
        put(page, {"time": wrong}, {"time": {"mode": "local", "zone": "Europe/Berlin", **before}})
        expect(page.locator("#own .text")).to_have_text("A line")


# --- the pane -----------------------------------------------------------------------------------------------------


def test_the_pane_shows_all_of_a_line_and_the_lines_beside_it(page: Page, own_sync: OwnSync) -> None:
    own_sync.say("first")
    own_sync.say(
        "\x1b[31mRefused\x1b[0m", level="error", phase="push", record="1042", fields={"status": 429, "body": {"a": [1]}}
    )
    own_sync.say("third")
    page.goto(own_sync.path)
    page.evaluate("""() => {
      window.told = [];
      document.addEventListener("filter", (event) => window.told.push(event.detail));
    }""")
    opener = page.get_by_role("button", name="2 fields of line 2")
    opener.click()
    pane = page.get_by_role("complementary", name="Line 2")
    expect(pane).to_be_visible()
    expect(pane.get_by_role("heading", name="Line 2")).to_be_focused()
    for words in ("error", "push", "1042", "429", '"a": [', "␛[31mRefused␛[0m"):
        expect(pane).to_contain_text(words)
    pane.get_by_role("button", name="Filter by this status").click()
    pane.get_by_role("button", name="Filter by this record").click()
    assert page.evaluate("() => window.told") == [
        {"name": "status", "value": 429, "of": "fields"},
        {"name": "record", "value": "1042", "of": "line"},
    ]
    expect(page.locator("#filtered-count")).to_have_text("1 of 3 lines")
    shows(page, 2)
    pane.get_by_role("button", name="Next line").click()
    expect(page.get_by_role("complementary", name="Line 3")).to_be_visible()
    expect(page.get_by_role("button", name="Previous line")).to_be_focused()
    page.keyboard.press("Enter")
    expect(pane).to_be_visible()
    page.keyboard.press("Escape")
    expect(pane).to_be_hidden()
    expect(opener).to_be_focused()

    page.get_by_role("region", name="Log lines").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("complementary", name="Line 2")).to_be_visible()
    expect(page.locator("#L2")).to_have_class(re.compile("is-target"))
    page.keyboard.press("Escape")
    expect(page.get_by_role("region", name="Log lines")).to_be_focused()


def test_the_pane_copies_a_value_and_covers_the_log_where_there_is_no_room(visits: Visits, own_sync: OwnSync) -> None:
    page = visits.signed_in(viewport={"width": 360, "height": 740}, permissions=["clipboard-read", "clipboard-write"])
    own_sync.say("A line", fields={"name": "a \x1b[31mvalue"})
    page.goto(own_sync.path)
    page.get_by_role("button", name="1 field of line 1").click()
    pane = page.get_by_role("complementary", name="Line 1")
    pane.get_by_role("button", name="Copy name").click()
    expect(pane.get_by_text("Copied")).to_be_visible()
    assert page.evaluate("() => navigator.clipboard.readText()") == "a \x1b[31mvalue"
    place, covered = pane.bounding_box(), page.locator(".log-frame").bounding_box()
    assert place == covered
    assert page.evaluate("() => document.documentElement.scrollWidth") <= 360


# --- payload files ------------------------------------------------------------------------------------------------

PAYLOAD = {"text": "Kept what was pulled", "payload": {"n": 3, "kind": "pull", "name": "page 1 <b>", "bytes": 123_456}}
OPTIONS_WITH_PREVIEW = """async ([line, summary, now]) => {
  const { lineRow } = await import("/static/line/row.js");
  const { payloadPreview } = await import("/static/line/payload-preview.js");
  const preview = (n) => payloadPreview(summary.id, n);
  const options = { summary, retention: "24 hours", preview, now: () => Date.parse(now) };
  const row = lineRow(line, { expanded: (window.expanded ??= new Map()), ...options });
  row.id = "own";
  document.getElementById("own")?.remove();
  document.getElementById("log").before(row);
}"""


def put_payload(page: Page, expires_at: str | None, now: str = "2026-11-24T12:00:00Z") -> None:
    page.evaluate(OPTIONS_WITH_PREVIEW, [{**A_LINE, **PAYLOAD}, {"id": "S", "expires_at": expires_at}, now])


def test_a_payload_says_what_it_is_how_long_it_stays_and_how_to_have_it(page: Page, own_sync: OwnSync) -> None:
    asked: list[str] = []
    page.goto(own_sync.path)

    def answer(route: Route) -> None:
        asked.append(route.request.url)
        route.fulfill(body="<b>bold</b>\x1b[31m")

    page.route("**/payloads/3?preview=1", answer)
    put_payload(page, None)
    card = page.locator("#own .payload")
    expect(card).to_contain_text("page 1 <b>")
    expect(card).to_contain_text("123 kB")
    expect(card).to_contain_text("kept for 24 hours after the sync")
    assert card.get_by_role("link", name="Download page 1 <b>").get_attribute("href") == "/api/syncs/S/payloads/3"
    card.get_by_role("button", name="Preview").click()
    expect(card.locator("pre")).to_have_text("<b>bold</b>")
    put_payload(page, "2026-11-24T15:30:00Z")
    expect(card).to_contain_text("expires in 3 h")
    expect(card.locator("pre")).to_have_text("<b>bold</b>")
    assert len(asked) == 1


def test_a_payload_of_a_sync_is_had_from_its_line(page: Page, own_sync: OwnSync, client: redis.Redis) -> None:
    limit = PayloadLimit(each=1 << 20, total=1 << 20)
    wanted = Stored(pull=True)
    log = own_sync.writer
    kept = Payloads(client, own_sync.id, log._flusher._attempt, log, wanted, limit=limit, ttl_ms=60_000)
    kept.keep("pull", "page 1", JSON, b'{"id": 1}')
    log.flush()
    own_sync.lines += 1
    page.goto(own_sync.path)
    card = page.locator("#L1 .payload")
    expect(card).to_contain_text("kept for 24 hours after the sync")
    card.get_by_role("button", name="Preview").click()
    expect(card.locator("pre")).to_have_text('{"id": 1}')
    own_sync.end()
    expect(card).to_contain_text(re.compile("expires in (23|24) h"))
    with page.expect_download() as download:
        card.get_by_role("link", name="Download page 1").click()
    assert download.value.path().read_text() == '{"id": 1}'
    served = page.context.request.get(own_sync.path, headers={"Accept": "text/html"}).text()
    assert f'<a class="payload-get" href="/api/syncs/{own_sync.id}/payloads/1" download>' in served


def test_a_payload_that_expired_is_grey_and_says_why(visits: Visits, page: Page, own_sync: OwnSync) -> None:
    visits.forgive("status of 410")
    page.goto(own_sync.path)
    put_payload(page, "2026-11-24T11:00:00Z")
    card = page.locator("#own .payload")
    expect(card).to_have_class(re.compile("gone"))
    expect(card).to_contain_text("expired: files are kept for 24 hours after the sync")
    expect(card.get_by_role("link")).to_have_count(0)
    expect(card.get_by_role("button")).to_have_count(0)

    page.route("**/payloads/3?preview=1", lambda route: route.fulfill(status=410))
    page.evaluate("() => window.expanded.clear()")
    put_payload(page, None)
    card.get_by_role("button", name="Preview").click()
    expect(card).to_have_class(re.compile("gone"))


def test_what_a_payload_says_of_its_time_goes_on(page: Page, own_sync: OwnSync) -> None:
    page.goto(own_sync.path)
    put_payload(page, "2026-11-24T12:02:00Z")
    expect(page.locator("#own .payload")).to_contain_text("expires in 2 min")
    page.evaluate("""async () => {
      const { tellExpiry } = await import("/static/line/payload.js");
      const summary = { id: "S", expires_at: "2026-11-24T12:02:00Z" };
      tellExpiry(document, { summary, now: () => Date.parse("2026-11-24T12:02:00Z") });
    }""")
    until(lambda: page.locator("#own .payload.gone").count() == 1, "it has expired")
