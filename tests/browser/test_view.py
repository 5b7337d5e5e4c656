"""The view of a log that is longer than any page could hold: any line at once, links, copying, wrapping, keys."""

from __future__ import annotations

import re
from typing import Any, cast

import pytest
import redis
from playwright.sync_api import Locator, Page, Route, expect

from server.access.auth import token_hash
from synctail.model import keys
from synctail.model.sync import Reason, Status
from tests.kit.browser import OwnSync, Visits, adjoin, came, numbers
from tests.kit.support import in_time, until

ROWS = "#log-rows > *"
FREEZES_S = 0.5
FIRST_VISIBLE = """
() => {
  const { left, top } = document.getElementById("log-scroll").getBoundingClientRect();
  const row = document.elementFromPoint(left + 60, top + 9).closest(".line");
  if (!row) return { n: 0, y: 0 }; // nothing has been drawn there yet
  return { n: +(row.dataset.n ?? row.dataset.missing), y: row.getBoundingClientRect().y };
}
"""
STILL = f"""
async () => {{
  const look = {FIRST_VISIBLE};
  let [same, last] = [0, look()];
  while (same < 6) {{
    await new Promise(requestAnimationFrame);
    const now = look();
    same = now.n === last.n && now.y === last.y ? same + 1 : 0;
    last = now;
  }}
  return last;
}}
"""
# The longest task that kept the page from answering. What is expected of it is a matter of `bench.page`: many tests
# share the machine here, and only a page that freezes may fail one.
LONG_TASKS = """
window.longest = 0;
new PerformanceObserver((list) => {
  for (const { duration } of list.getEntries()) window.longest = Math.max(window.longest, duration);
}).observe({ type: "longtask" });
"""
# What a browser does to a hidden tab: no frames, until it is seen again.
NO_FRAMES = """
const real = window.requestAnimationFrame;
const held = [];
window.away = false;
window.requestAnimationFrame = (act) => (window.away ? held.push(act) : real.call(window, act));
window.comeBack = () => {
  window.away = false;
  for (const act of held.splice(0)) real.call(window, act);
};
"""


def the_log(page: Page) -> Locator:
    return page.get_by_role("region", name="Log lines")


def settled(page: Page, *, but: dict[str, Any] | None = None) -> dict[str, Any]:
    """The first visible row and its place, once nothing moves any more from frame to frame. `but`: where it was before
    somebody scrolled, which a browser does when it comes to it."""
    return cast("dict[str, Any]", until(lambda: (at := page.evaluate(STILL)) != but and at, "it has moved, and stands"))


def longest(page: Page) -> float:
    """How long the page could not answer, at most, in seconds."""
    return cast("float", page.evaluate("() => window.longest / 1000"))


@pytest.fixture
def reader(visits: Visits) -> Page:
    """Somebody whose browser lets a page copy."""
    return visits.signed_in(permissions=["clipboard-read", "clipboard-write"])


# --- any line at once ---------------------------------------------------------------------------------------------


def test_a_long_log_opens_at_its_end_and_any_line_is_reached(page: Page, own_sync: OwnSync) -> None:
    page.add_init_script(LONG_TASKS)
    own_sync.write(30_000)
    own_sync.end()

    def read() -> float:
        page.goto("about:blank")
        page.goto(own_sync.path)
        expect(page.locator("#L30001")).to_be_in_viewport()
        expect(page.locator("#connection")).to_have_text("Complete: 30,001 lines")
        assert came(page)[0][0] > 28_000
        for n in (1, 12_345, 29_000, 777, 30_001):
            page.evaluate("(n) => { location.hash = `#L${n}` }", n)
            expect(page.locator(f"#L{n}")).to_be_in_viewport()
            expect(page.locator(f"#L{n}")).to_contain_text("Completed" if n > 30_000 else f"This is line {n}")
            assert page.locator(ROWS).count() <= 300
        last = page.locator("#L30001")
        assert (last.get_attribute("aria-posinset"), last.get_attribute("aria-setsize")) == ("30001", "30001")
        return longest(page)

    in_time(FREEZES_S, read)


def test_scrolling_up_brings_older_lines_without_a_hole(page: Page, own_sync: OwnSync) -> None:
    own_sync.write(6_000)
    page.goto(own_sync.path)
    expect(page.locator("#L6000")).to_be_in_viewport()
    the_log(page).focus()
    for _ in range(60):
        page.keyboard.press("PageUp")
    top = settled(page)["n"]
    assert 4_000 < top < 5_500
    page.locator(f"#L{top}").wait_for()
    expect(page.locator(".missing")).to_have_count(0)
    adjoin(page)
    assert came(page)[0][0] <= top


def test_the_scrollbar_reaches_everything_of_a_log_taller_than_an_element_may_be(page: Page, own_sync: OwnSync) -> None:
    # As if a row had 4,000 pixels: the log has 80 million, the scrollbar 8.
    page.add_init_script("""
        const sheet = new CSSStyleSheet();
        sheet.replaceSync(".rows > * { min-height: 4000px }");
        document.adoptedStyleSheets = [sheet];
    """)
    own_sync.write(20_000)
    page.goto(own_sync.path)
    expect(page.locator("#L20000")).to_be_in_viewport()
    height, most = page.locator("#log-scroll").evaluate(
        "(one) => [one.scrollHeight, one.scrollHeight - one.clientHeight]"
    )
    assert height <= 8_000_000

    def near(n: int) -> bool:
        return abs(cast("int", page.evaluate(FIRST_VISIBLE)["n"]) - n) < n / 5 + 2

    for bar, n in ((most / 2, 10_000), (0, 1), (most / 4, 3_500)):
        page.locator("#log-scroll").evaluate("(one, to) => { one.scrollTop = to }", bar)
        until(lambda: near(n), f"line {n} is in view")  # noqa: B023 - asked at once
    before = settled(page)
    the_log(page).hover()
    page.mouse.wheel(0, 300)
    until(lambda: page.evaluate(FIRST_VISIBLE)["y"] == before["y"] - 300, "a wheel moves rows as far as anywhere")


def test_what_is_gone_from_the_middle_of_a_log_is_one_row(page: Page, own_sync: OwnSync, client: redis.Redis) -> None:
    own_sync.write(5_000)
    chunks = cast("Any", client.xrange(keys.log(own_sync.id), count=2))
    before, last = (int(entry.partition(b"-")[0]) for entry, _ in chunks)
    client.xdel(keys.log(own_sync.id), chunks[1][0])
    gone_from = before + 1
    page.goto(own_sync.path)
    expect(page.locator("#L5000")).to_be_in_viewport()
    page.evaluate("(n) => { location.hash = `#L${n}` }", gone_from)
    gap = page.locator(".gap")
    expect(gap).to_be_in_viewport()
    expect(gap).to_contain_text(f"Lines {gone_from:,}–{last:,} no longer exist")  # noqa: RUF001
    expect(page.locator(f"#L{last + 1}")).to_be_visible()
    expect(page.locator(f"#L{gone_from - 1}")).to_be_visible()


def test_lines_that_cannot_be_fetched_are_said_and_come_later(visits: Visits, page: Page, own_sync: OwnSync) -> None:
    visits.forgive("Failed to load resource")
    away = True

    def refuse(route: Route) -> None:
        if away:
            route.fulfill(status=503)
        else:
            route.continue_()

    page.route("**/log?first=*", refuse)
    own_sync.write(5_000)
    page.goto(f"{own_sync.path}#L100")
    expect(page.locator("#notice")).to_have_text("These lines cannot be fetched now. Trying again…")
    expect(page.locator(".missing").first).to_be_attached()
    away = False
    expect(page.locator("#L100")).to_be_in_viewport()
    expect(page.locator("#notice")).to_be_hidden()


def test_a_reader_who_is_signed_out_while_reading_an_ended_log_is_told(
    visits: Visits, own_sync: OwnSync, client: redis.Redis
) -> None:
    visits.forgive("status of 401")
    key = keys.token(token_hash("st_of-a-guest"))
    client.hset(key, mapping={"name": "guest", "role": "viewer"})
    page = visits.signed_in("st_of-a-guest")
    own_sync.write(5_000)
    own_sync.end()
    page.goto(own_sync.path)
    expect(page.locator("#connection")).to_have_text("Complete: 5,001 lines")
    client.delete(key)
    the_log(page).press("Home")
    expect(page.locator("#connection")).to_have_text("Signed out")
    expect(page.get_by_role("link", name="Sign in")).to_be_visible()


# --- what moves, and what does not --------------------------------------------------------------------------------


def test_a_hidden_tab_draws_nothing_and_catches_up_without_freezing(page: Page, own_sync: OwnSync) -> None:
    page.add_init_script(NO_FRAMES)
    page.add_init_script(LONG_TASKS)
    own_sync.write(100)
    page.goto(own_sync.path)

    def hide() -> float:
        before = own_sync.lines
        expect(page.locator(f"#L{before}")).to_be_in_viewport()
        page.evaluate("() => { window.away = true; window.longest = 0 }")
        own_sync.write(20_000)
        all_came = "(last) => document.getElementById('log').parts.store.last === last"
        page.wait_for_function(all_came, arg=own_sync.lines, polling=50)
        assert numbers(page)[-1] == before
        page.evaluate("() => window.comeBack()")
        expect(page.locator(f"#L{own_sync.lines}")).to_be_in_viewport()
        assert came(page) == [[1, own_sync.lines]]
        return longest(page)

    in_time(FREEZES_S, hide)


@pytest.mark.parametrize("how", ["the scrollbar", "a selection", "a link"])
def test_follow_lets_go_and_takes_hold_again_only_when_told(page: Page, own_sync: OwnSync, how: str) -> None:
    own_sync.write(1_000)
    page.goto(own_sync.path)
    expect(page.locator("#L1000")).to_be_in_viewport()
    if how == "the scrollbar":
        page.locator("#log-scroll").evaluate("(one) => { one.scrollTop -= 2000 }")
    elif how == "a selection":
        page.locator("#L995 .text").dblclick()
    else:
        page.evaluate("() => { location.hash = '#L990' }")
    expect(page.locator("#pill")).to_be_visible()
    before = settled(page)
    own_sync.write(500)
    expect(page.locator("#pill")).to_have_text("↓ 500 new")
    assert settled(page) == before
    page.locator("#log-scroll").evaluate("(one) => { one.scrollTop = one.scrollHeight }")
    expect(page.locator("#L1500")).to_be_in_viewport()
    own_sync.write(100)
    expect(page.locator("#pill")).to_have_text("↓ 600 new")
    expect(page.locator("#L1500")).to_be_in_viewport()
    page.locator("#pill").click()
    expect(page.locator("#L1600")).to_be_in_viewport()


def test_a_pause_outlives_a_reconnection(page: Page, own_sync: OwnSync) -> None:
    page.add_init_script("""
        window.sockets = [];
        window.WebSocket = class extends WebSocket {
          constructor(...given) { super(...given); window.sockets.push(this); }
        };
    """)
    own_sync.write(100)
    page.goto(own_sync.path)
    expect(page.locator("#L100")).to_be_in_viewport()
    page.get_by_role("button", name="Auto-refresh is on").click()
    page.evaluate("() => window.sockets.at(-1).close()")
    own_sync.write(200)
    expect(page.locator("#held")).to_have_text("200 new")
    expect(page.locator("#connection")).to_have_text("Live")
    expect(page.locator("#auto-refresh")).to_have_text("Auto-refresh is off")
    assert numbers(page)[-1] == 100


@pytest.mark.parametrize("scale", [1.25, 1.5])
def test_a_zoomed_page_follows_to_the_very_end_and_holds_still(visits: Visits, own_sync: OwnSync, scale: float) -> None:
    page = visits.signed_in(viewport={"width": 1024, "height": 577}, device_scale_factor=scale)
    own_sync.write(300)
    page.goto(own_sync.path)
    for _ in range(3):
        own_sync.write(101)
        expect(page.locator(f"#L{own_sync.lines}")).to_be_in_viewport(ratio=1)
    newest = settled(page)
    the_log(page).hover()
    page.mouse.wheel(0, -333)
    before = settled(page, but=newest)
    own_sync.write(1_000)
    expect(page.locator("#pill")).to_have_text("↓ 1,000 new")
    assert settled(page) == before


def test_lines_above_that_turn_out_higher_move_nothing(page: Page, own_sync: OwnSync) -> None:
    for n in range(300):
        own_sync.say("long " * (120 if n % 3 else 1))
    own_sync.write(200)
    page.goto(own_sync.path)
    expect(page.locator("#L500")).to_be_in_viewport()
    newest = settled(page)
    the_log(page).hover()
    page.mouse.wheel(0, -4_500)
    last = settled(page, but=newest)
    for _ in range(8):
        page.mouse.wheel(0, -100)
        now = settled(page, but=last)
        row = page.locator(f"#L{last['n']}").bounding_box()
        assert row is not None
        assert abs(row["y"] - last["y"] - 100) < 1, "the row that was at the top is 100 pixels lower"
        last = now


def test_wrap_on_and_off_keeps_the_top_line(page: Page, own_sync: OwnSync) -> None:
    for n in range(200):
        own_sync.say("wide " * (150 if n % 2 else 1))
    page.goto(f"{own_sync.path}#L100")
    expect(page.locator("#L100")).to_be_in_viewport()
    the_log(page).focus()
    page.evaluate("() => document.getElementById('log').parts.view.by(7)")
    before = settled(page)
    page.keyboard.press("w")
    expect(page.locator("#wrap")).to_have_attribute("aria-pressed", "false")
    unwrapped = settled(page)
    assert unwrapped["n"] == before["n"]
    row = page.locator(f"#L{before['n'] + 3}").bounding_box()
    assert row is not None
    assert row["height"] < 30
    expect(page).to_have_url(re.compile(r"\?wrap=off#L100$"))
    page.keyboard.press("w")
    assert settled(page)["n"] == before["n"]
    page.get_by_role("button", name="Wrap").click()
    page.goto(own_sync.path)
    expect(page.locator("#wrap")).to_have_attribute("aria-pressed", "false")


def test_the_top_line_stays_when_the_window_changes(page: Page, own_sync: OwnSync) -> None:
    for _ in range(300):
        own_sync.say("a sentence of some words " * 9)
    page.goto(f"{own_sync.path}#L150")
    expect(page.locator("#L150")).to_be_in_viewport()
    before = settled(page)
    for width in (700, 500, 1280):
        page.set_viewport_size({"width": width, "height": 720})
        assert settled(page)["n"] == before["n"]


# --- links --------------------------------------------------------------------------------------------------------


def test_a_link_to_several_lines_marks_them_and_shift_extends_it(page: Page, own_sync: OwnSync) -> None:
    own_sync.write(5_000)
    page.goto(f"{own_sync.path}#L120-L124")
    expect(page.locator("#L120")).to_be_in_viewport()
    expect(page.locator(".is-target")).to_have_count(5)
    page.locator("#L117 .n").click()
    expect(page).to_have_url(re.compile("#L117$"))
    page.locator("#L119 .n").click(modifiers=["Shift"])
    expect(page).to_have_url(re.compile("#L117-L119$"))
    expect(page.locator(".is-target")).to_have_count(3)


def test_a_link_to_a_line_that_is_not_there_says_so(page: Page, own_sync: OwnSync) -> None:
    own_sync.write(50)
    page.goto(f"{own_sync.path}#L60")
    notice = page.locator("#notice")
    expect(notice).to_have_text("Line 60 has not arrived yet; the log has 50 lines so far.")
    own_sync.write(10)
    expect(page.locator("#L60")).to_be_in_viewport()
    expect(notice).to_be_hidden()
    page.evaluate("() => { location.hash = '#L999' }")
    own_sync.end()
    expect(notice).to_have_text("There is no line 999; this log has 61 lines.")


# --- copying ------------------------------------------------------------------------------------------------------


def test_everything_is_copied_as_shown_mounted_or_not_held_or_not(reader: Page, own_sync: OwnSync) -> None:
    own_sync.write(5_000)
    reader.goto(own_sync.path)
    expect(reader.locator("#L5000")).to_be_in_viewport()
    shown = reader.locator("#L5000").evaluate(
        "(row) => [...row.querySelectorAll('time, .level, .phase, .text')].map((one) => one.textContent).join(' ')"
    )
    the_log(reader).focus()
    reader.keyboard.press("Control+a")
    reader.keyboard.press("Control+c")
    expect(reader.locator("#notice")).to_have_text("Copied 5,000 lines.")
    copied = cast("str", reader.evaluate("() => navigator.clipboard.readText()")).split("\n")
    assert len(copied) == 5_000
    assert copied[-1] == shown
    assert [text.rpartition(" ")[2] for text in copied] == [str(n) for n in range(1, 5_001)]


def test_a_selection_goes_on_where_its_rows_have_left_the_page(reader: Page, own_sync: OwnSync) -> None:
    own_sync.write(3_000)
    reader.goto(f"{own_sync.path}#L500")
    expect(reader.locator("#L500")).to_be_in_viewport()
    start = reader.locator("#L500 .text").bounding_box()
    assert start is not None
    reader.mouse.move(start["x"] + 1, start["y"] + 5)
    reader.mouse.down()
    reader.mouse.move(start["x"] + 200, start["y"] + 50)
    for _ in range(20):
        reader.mouse.wheel(0, 600)
    until(lambda: reader.evaluate(FIRST_VISIBLE)["n"] > 900, "it has scrolled far")
    top = settled(reader)["n"]
    end = reader.locator(f"#L{top + 5} .text").bounding_box()
    assert end is not None
    reader.mouse.move(end["x"] + end["width"] - 2, end["y"] + 5)
    reader.mouse.up()
    assert reader.locator("#L500").count() == 0
    reader.keyboard.press("Control+c")
    expect(reader.locator("#notice")).to_have_text(re.compile("^Copied .* lines.$"))
    copied = cast("str", reader.evaluate("() => navigator.clipboard.readText()")).split("\n")
    assert copied[0] == "This is line 500"
    assert [int(text.rpartition(" ")[2]) for text in copied] == list(range(500, top + 6))


def test_a_selection_that_grows_while_rows_are_drawn_keeps_what_it_grew_by(reader: Page, own_sync: OwnSync) -> None:
    own_sync.write(30)
    reader.goto(own_sync.path)
    expect(reader.locator("#L30")).to_be_in_viewport()
    reader.evaluate("""async () => {
      const { selection, view } = document.getElementById("log").parts;
      const text = (n) => document.querySelector(`#L${n} .text`).firstChild;
      document.getSelection().setBaseAndExtent(text(10), 0, text(12), 5);
      while (!selection.rows) await new Promise(requestAnimationFrame);
      document.getSelection().extend(text(20), 5);
      view.setWrap(!view.wrap); // draws at once, before the browser tells that the selection changed
    }""")
    reader.keyboard.press("Control+c")
    expect(reader.locator("#notice")).to_have_text("Copied 11 lines.")


def test_a_click_and_one_with_shift_far_away_select_all_between(reader: Page, own_sync: OwnSync) -> None:
    own_sync.write(3_000)
    reader.goto(f"{own_sync.path}#L100")
    expect(reader.locator("#L100")).to_be_in_viewport()
    reader.locator("#L100 .text").click(position={"x": 1, "y": 5})
    reader.keyboard.press("End")
    expect(reader.locator("#L3000")).to_be_in_viewport()
    assert reader.locator("#L100").count() == 0
    box = reader.locator("#L3000 .text").bounding_box()
    assert box is not None
    reader.locator("#L3000 .text").click(position={"x": box["width"] - 1, "y": 5}, modifiers=["Shift"])
    reader.keyboard.press("Control+c")
    expect(reader.locator("#notice")).to_have_text("Copied 2,901 lines.")
    copied = cast("str", reader.evaluate("() => navigator.clipboard.readText()")).split("\n")
    assert [int(text.rpartition(" ")[2]) for text in copied] == list(range(100, 3_001))


# --- keys and the head --------------------------------------------------------------------------------------------


def test_everything_is_done_by_keys_alone(page: Page, own_sync: OwnSync) -> None:
    own_sync.write(3_000)
    page.goto(own_sync.path)
    expect(page.locator("#L3000")).to_be_in_viewport()
    page.keyboard.type("gg")
    expect(page.locator("#L1")).to_be_in_viewport()
    expect(page.locator("#pill")).to_be_visible()
    page.keyboard.press("PageDown")
    expect(page.locator("#L1")).not_to_be_in_viewport()
    page.keyboard.press("G")
    expect(page.locator("#L3000")).to_be_in_viewport()
    expect(page.locator("#pill")).to_be_hidden()
    page.keyboard.press("f")
    expect(page.locator("#pill")).to_be_visible()
    page.keyboard.press("f")
    expect(page.locator("#pill")).to_be_hidden()
    page.keyboard.press("Space")
    expect(page.locator("#auto-refresh")).to_have_text("Auto-refresh is off")
    page.locator("#auto-refresh").press("Space")
    expect(page.locator("#auto-refresh")).to_have_text("Auto-refresh is on")

    page.keyboard.press("?")
    dialog = page.get_by_role("dialog", name="Keys")
    expect(dialog).to_contain_text("Wrap long lines on or off")
    dialog.get_by_label("Single keys work").press("Space")
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    page.reload()
    expect(page.locator("#L3000")).to_be_in_viewport()
    page.keyboard.press("w")
    page.keyboard.press("PageUp")
    expect(page.locator("#pill")).to_be_visible()
    expect(page.locator("#wrap")).to_have_attribute("aria-pressed", "true")
    page.get_by_role("button", name="Keys").click()
    expect(dialog).to_be_visible()


def test_the_focus_stays_on_its_row_when_rows_are_built_anew(page: Page, own_sync: OwnSync) -> None:
    own_sync.write(50)
    page.goto(own_sync.path)
    number = page.locator("#L45 .n")
    number.focus()
    page.keyboard.press("t")
    page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    expect(number).to_be_focused()


def test_a_failed_sync_shows_its_reason_and_its_first_error(page: Page, own_sync: OwnSync) -> None:
    own_sync.write(300)
    own_sync.say("\x1b[31mThe shop\x1b[0m answered 500", level="error")
    own_sync.write(300)
    own_sync.say("Again", level="error")
    page.goto(own_sync.path)
    expect(page.locator("#L602")).to_be_in_viewport()
    top = the_log(page).bounding_box()
    own_sync.end(Status.FAILED, "Failed", Reason.ERROR)
    head = page.locator("#sync-head")
    expect(head.locator("[data-reason]")).to_have_text("with an error")
    link = head.get_by_role("link", name="Line 301: The shop answered 500")
    expect(link).to_be_visible()
    assert the_log(page).bounding_box() == top, "it came into room that was kept for it"
    link.click()
    expect(page.locator("#L301")).to_be_in_viewport()
    expect(page.locator("#L301")).to_have_class(re.compile("is-target"))
    the_log(page).press("Home")
    expect(page.locator("#L301")).not_to_be_in_viewport()
    link.click()
    expect(page.locator("#L301")).to_be_in_viewport()


def test_the_id_of_a_sync_is_copied(reader: Page, own_sync: OwnSync) -> None:
    reader.goto(own_sync.path)
    button = reader.locator("#copy-id")
    expect(button).to_have_accessible_name("Copy the sync id")
    button.click()
    expect(button).to_have_text("Copied")
    expect(button).to_have_accessible_name("Copied")
    assert reader.evaluate("() => navigator.clipboard.readText()") == own_sync.id
    expect(button).to_have_text("Copy")


def test_how_old_the_last_line_is_goes_by_the_servers_clock(page: Page, own_sync: OwnSync) -> None:
    page.clock.install(time=0)  # a machine whose clock is wrong by decades
    own_sync.write(3)
    page.goto(own_sync.path)
    said = page.locator("#last-line")
    expect(said).to_have_text(re.compile("last line (just now|[1-9] s ago)"))
    page.clock.run_for(12_000)
    expect(said).to_have_text(re.compile(r"last line [1-3]\d s ago"))
    own_sync.end()
    expect(said).to_have_text("")


@pytest.mark.parametrize("width", [1280, 360])
def test_the_toolbar_leaves_its_room_to_the_log(visits: Visits, own_sync: OwnSync, width: int) -> None:
    page = visits.signed_in(viewport={"width": width, "height": 740})
    own_sync.write(3)
    page.goto(own_sync.path)
    expect(page.locator("#L3")).to_be_visible()
    toolbar = page.locator(".toolbar").bounding_box()
    assert toolbar is not None
    assert toolbar["height"] <= 48
    if width == 360:
        page.get_by_role("button", name="More").click()
    page.get_by_role("button", name="Wrap").click()
    expect(page.locator("#log-scroll")).to_have_class(re.compile("nowrap"))
    assert page.evaluate("() => document.documentElement.scrollWidth") <= width
