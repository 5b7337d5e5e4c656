"""A sync's page in a real browser: a run from its start to its end, what may move meanwhile, and what Redis lost."""

from __future__ import annotations

import re
from typing import Any, cast

import pytest
import redis
from playwright.sync_api import Page, expect

from jobs.services.model import Options
from synctail.log.registry import stored_summary
from synctail.model import keys
from synctail.model.sync import Status
from tests.kit.browser import OwnSync, came, has_line, numbers, says, shows_all, shows_line
from tests.kit.following import Logs, Story
from tests.kit.support import Process, service, store, until

# Once nothing scrolls any more and there are rows: the number and the place of the row at the top.
FIRST_VISIBLE = """
async () => {
  const scroller = document.getElementById("log-scroll");
  let row;
  for (let frames = 0, last = -1; frames < 6 || !row; ) {
    await new Promise(requestAnimationFrame);
    frames = scroller.scrollTop === last ? frames + 1 : 0;
    last = scroller.scrollTop;
    const { left, top } = scroller.getBoundingClientRect();
    row = document.elementFromPoint(left + 100, top + 8)?.closest(".line");
  }
  const { x, y, width, height } = row.getBoundingClientRect();
  return { n: +row.dataset.n, x, y, width, height };
}
"""

WIDTHS = (1280, 1110, 1000, 720, 360)

FROM_THE_END = """
() => {
  const { scrollTop, clientHeight, scrollHeight } = document.getElementById("log-scroll");
  return Math.round(scrollHeight - clientHeight - scrollTop);
}
"""


# --- a whole run --------------------------------------------------------------------------------------------------


def test_a_user_runs_a_service_and_watches_it_to_its_end(
    page: Page, client: redis.Redis, worker: Process, shop: str, shop_auth: Any
) -> None:
    del worker
    # Small pages: the shop answers every 23rd request with "in a second", so there is something to watch.
    customers = service(
        "customers", url=f"{shop}/customers", records="customers", auth=shop_auth, options=Options(page_size=10)
    )
    store(client, customers)
    page.goto("/services")
    page.get_by_label("Menu of Customers").click()
    page.get_by_role("link", name="View logs").click()
    page.get_by_role("button", name="Run").click()

    page.wait_for_url("**/syncs/*")
    says(page, "Live")
    expect(page.locator("#sync-head .status")).to_have_text("Running")
    expect(page.get_by_role("progressbar")).to_be_visible()

    says(page, "Complete: .*", seconds=30)
    summary = stored_summary(client, page.url.rsplit("/", 1)[-1])
    assert summary is not None
    assert (summary.pulled, summary.pushed) == (500, 500)
    shows_all(page, summary.lines)
    expect(page.locator("#sync-head .status")).to_have_text("Completed")
    for name in ("pulled", "pushed", "skipped", "filtered", "failed"):
        expect(page.locator(f"[data-count={name}]")).to_have_text(str(getattr(summary, name)))
    expect(page.get_by_role("button", name="Run again")).to_be_visible()
    expect(page.get_by_role("button", name="Stop")).to_be_hidden()

    page.keyboard.press("Home")
    expect(page.get_by_text("Sync of 'Customers' started by hand")).to_be_visible()

    for listed, name in (("/services/customers", "syncs"), ("/services", "services")):
        page.goto(listed)
        row = page.locator(f"[data-live={name}] tbody tr")
        expect(row.locator("[data-label=Pulled]")).to_have_text("500")
        expect(row.locator("[data-label=Pushed]")).to_have_text("500")
        expect(row.locator(".status")).to_have_text("Completed")


def test_a_user_stops_a_sync(page: Page, own_sync: OwnSync, client: redis.Redis) -> None:
    own_sync.write(3)
    page.goto(own_sync.path)
    shows_line(page, 3)
    page.get_by_role("button", name="Stop").click()
    until(lambda: client.hget(keys.summary(own_sync.id), "stop") == b"tests", "the sync's job is told who asked")
    own_sync.end(Status.STOPPED, "Stopped by tests")
    shows_all(page, 4, "Ended")
    expect(page.locator("#sync-head .status")).to_have_text("Stopped")
    expect(page.get_by_role("button", name="Run again")).to_be_visible()


# --- what moves, and what does not --------------------------------------------------------------------------------


def test_auto_refresh_off_freezes_the_view_and_counts_what_arrives(page: Page, own_sync: OwnSync) -> None:
    own_sync.write(2_000)
    page.goto(own_sync.path)
    shows_line(page, 2_000)
    button = page.get_by_role("button", name="Auto-refresh is on")
    expect(button).to_have_attribute("aria-pressed", "true")
    button.click()
    button = page.get_by_role("button", name="Auto-refresh is off")
    expect(button).to_have_attribute("aria-pressed", "false")
    before = page.evaluate(FIRST_VISIBLE)

    own_sync.write(9_997)
    own_sync.say("Refused", "Refused", "Refused", level="error")
    expect(page.locator("#held")).to_have_text("10,000 new, 3 errors")
    assert page.evaluate(FIRST_VISIBLE) == before
    assert numbers(page)[-1] == 2_000

    button.click()
    expect(page.locator("#held")).to_have_text("")
    expect(page.locator("#L12000")).to_be_in_viewport()
    shows_all(page, own_sync.end())


@pytest.mark.parametrize("status", [Status.COMPLETED, Status.COMPLETED_WITH_ERRORS, Status.FAILED])
def test_when_the_sync_ends_nothing_is_held_back_and_nothing_moves(
    page: Page, own_sync: OwnSync, status: Status
) -> None:
    own_sync.write(400)
    page.goto(own_sync.path)
    expect(page.locator("#L400")).to_be_in_viewport()
    page.get_by_role("button", name="Auto-refresh is on").click()
    read = page.evaluate(FIRST_VISIBLE)
    own_sync.write(100)
    expect(page.locator("#held")).to_have_text("100 new")
    shows_all(page, own_sync.end(status), "Ended" if status is Status.FAILED else "Complete")
    expect(page.locator("#held")).to_have_text("")
    expect(page.locator("#auto-refresh")).to_be_hidden()
    expect(page.locator("#pill")).to_have_text("↓ 101 new")
    assert page.evaluate(FIRST_VISIBLE) == read


def test_the_log_stays_where_it_is_while_the_counts_change(page: Page, own_sync: OwnSync) -> None:
    own_sync.write(1)
    page.goto(own_sync.path)
    shows_line(page, 1)
    tops: dict[int, set[float]] = {width: set() for width in WIDTHS}
    for pulled, pushed in ((0, 0), (100, 0), (100, 100), (23_456, 23_056), (23_456, 23_456), (123_456, 123_056)):
        own_sync.writer.set(pulled=pulled, pushed=pushed)
        own_sync.writer.flush()
        expect(page.locator("[data-count=pushed]")).to_have_text(f"{pushed:,}")
        expect(page.locator("[data-count=pending]")).to_have_text(f"{pulled - pushed:,}")
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": 800})
            expect(page.locator("[data-count=pending]")).to_be_visible()
            tops[width].add(page.evaluate("() => document.getElementById('log').getBoundingClientRect().top + scrollY"))
    assert {width: len(tops[width]) for width in WIDTHS} == dict.fromkeys(WIDTHS, 1), tops
    expect(page.locator("[data-count=filtered]")).to_be_hidden()


def test_a_row_fills_the_panel_from_edge_to_edge(page: Page, own_sync: OwnSync) -> None:
    own_sync.say("Refused", level="error")
    page.goto(own_sync.path)
    shows_line(page, 1)
    inside = page.locator("#log-scroll").evaluate("(one) => one.getBoundingClientRect().left + one.clientWidth")
    assert page.locator("#L1").evaluate("(one) => one.getBoundingClientRect().right") == inside


@pytest.mark.parametrize("let_go", ["wheel", "ArrowUp", "PageUp", "Home"])
def test_a_reader_who_scrolls_up_is_left_alone_until_the_end_key(page: Page, own_sync: OwnSync, let_go: str) -> None:
    own_sync.write(400)
    page.goto(own_sync.path)
    expect(page.locator("#L400")).to_be_in_viewport()
    newest = page.evaluate(FIRST_VISIBLE)
    scroller = page.get_by_role("region", name="Log lines")
    if let_go == "wheel":
        scroller.hover()
        page.mouse.wheel(0, -600)
    else:
        scroller.press(let_go)
    pill = page.locator("#pill")
    expect(pill).to_be_visible()
    until(lambda: page.evaluate(FIRST_VISIBLE) != newest, "it has scrolled")
    read = page.evaluate(FIRST_VISIBLE)

    own_sync.write(400)
    expect(pill).to_have_text("↓ 400 new")
    assert page.evaluate(FIRST_VISIBLE) == read

    scroller.press("End")
    expect(pill).to_be_hidden()
    expect(page.locator("#L800")).to_be_in_viewport()
    own_sync.write(100)
    expect(page.locator("#L900")).to_be_in_viewport()


def test_the_pill_takes_hold_of_the_newest_line_again(page: Page, own_sync: OwnSync) -> None:
    own_sync.write(400)
    page.goto(own_sync.path)
    expect(page.locator("#L400")).to_be_in_viewport()
    page.get_by_role("region", name="Log lines").press("Home")
    expect(page.locator("#L1")).to_be_in_viewport()
    own_sync.write(42)
    page.get_by_role("button", name="42 new").click()
    expect(page.locator("#L442")).to_be_in_viewport()
    own_sync.write(100)
    expect(page.locator("#L542")).to_be_in_viewport()
    until(lambda: cast("int", page.evaluate(FROM_THE_END)) <= 1, "it is at the very end")


def test_an_address_with_a_line_opens_at_that_line(page: Page, own_sync: OwnSync) -> None:
    own_sync.write(2_000)
    page.goto(f"{own_sync.path}#L1200")
    expect(page.locator("#L1200")).to_be_in_viewport()
    expect(page.locator("#L1200")).to_have_class(re.compile("is-target"))
    own_sync.write(500)
    has_line(page, 2_500)
    expect(page.locator("#L1200")).to_be_in_viewport()


# --- what Redis lost ----------------------------------------------------------------------------------------------


GONE = "Redis went back to an earlier state. Lines 81–100 are gone; showing what it has now."  # noqa: RUF001

# As behind a proxy that knows no websockets.
NO_SOCKETS = """
window.WebSocket = function () {
  const refused = { close() {} };
  queueMicrotask(() => refused.onclose?.({ code: 1006 }));
  return refused;
};
"""


@pytest.fixture
def story(client: redis.Redis, logs: Logs) -> Story:
    """A sync that has logged 100 lines."""
    story = Story(client, logs.start())
    story.write(100)
    return story


def lose(story: Story) -> None:
    """Redis goes back to line 80, and the sync is ended without its writer."""
    story.go_back(80)
    story.lose()


def shows_what_is_left(page: Page) -> None:
    expect(page.locator("#notice")).to_have_text(GONE)
    expect(page.locator("#connection")).to_contain_text("81 lines")
    expect(page.locator("#L81 .text")).to_have_text("Lost")
    until(lambda: numbers(page)[-10:] == [*range(72, 82)], "each line has one row")
    assert came(page) == [[1, 81]]


def tell(page: Page, kind: str, **detail: Any) -> None:
    """The page's follower reports this."""
    page.evaluate(
        """([kind, detail]) => {
          document.getElementById("log").parts.follower.dispatchEvent(new CustomEvent(kind, { detail }));
        }""",
        [kind, detail],
    )


@pytest.mark.parametrize("polled", [False, True])
def test_lines_that_redis_lost_are_dropped_and_said(page: Page, story: Story, polled: bool) -> None:  # noqa: FBT001
    if polled:
        page.add_init_script(NO_SOCKETS)
        page.clock.install()
    page.goto(f"/syncs/{story.id}#L90")
    if polled:
        page.clock.fast_forward(2_000)
        says(page, "Polling every 5 s")
    expect(page.locator("#L90")).to_have_class(re.compile("is-target"))
    lose(story)
    if polled:
        page.clock.fast_forward(6_000)
    shows_what_is_left(page)


@pytest.mark.parametrize("shown", [80, 100])
def test_a_paused_view_shows_none_of_the_lines_that_redis_lost(
    page: Page, logs: Logs, client: redis.Redis, shown: int
) -> None:
    story = Story(client, logs.start())
    story.write(shown)
    page.goto(f"/syncs/{story.id}")
    expect(page.locator(f"#L{shown}")).to_be_visible()
    page.get_by_role("button", name="Auto-refresh is on").click()
    story.write(shown + 20, first=shown + 1)
    expect(page.locator("#held")).to_have_text("20 new")
    lose(story)
    expect(page.locator("#notice")).to_contain_text(f"Lines 81–{shown + 20} are gone")  # noqa: RUF001
    expect(page.locator("#L81 .text")).to_have_text("Lost")
    until(lambda: numbers(page)[-10:] == [*range(72, 82)], "each line has one row")


def test_what_was_held_back_is_counted_anew_when_redis_lost_some_of_it(page: Page, own_sync: OwnSync) -> None:
    own_sync.write(50)
    page.goto(own_sync.path)
    shows_line(page, 50)
    page.get_by_role("button", name="Auto-refresh is on").click()
    own_sync.write(10)
    own_sync.say("Refused", "Refused", level="error")
    expect(page.locator("#held")).to_have_text("12 new, 2 errors")
    tell(page, "rewind", last=61, why="")
    expect(page.locator("#held")).to_have_text("11 new, 1 error")
    tell(page, "rewind", last=40, why="")
    expect(page.locator("#held")).to_have_text("0 new")
    until(lambda: numbers(page)[-1] == 40, "no line after 40 is shown")


def test_a_filtered_log_is_searched_again_when_redis_lost_lines(page: Page, story: Story) -> None:
    page.goto(f"/syncs/{story.id}?q=line&only=1&level=info")
    expect(page.locator("#filtered-count")).to_have_text("100 of 100 lines")
    expect(page.locator(".chip[data-level=info]")).to_have_text("info 100")
    lose(story)
    expect(page.locator("#notice")).to_have_text(GONE)
    expect(page.locator("#filtered-count")).to_have_text("80 of 81 lines")
    expect(page.locator("#find-count")).to_have_text("80 matches")
    expect(page.locator(".chip[data-level=info]")).to_have_text("info 80")
    expect(page.locator(".chip[data-level=error]")).to_have_text("error 1")
    until(lambda: numbers(page)[-10:] == [*range(71, 81)], "the matches before are shown")
    page.get_by_role("button", name="Clear").click()
    shows_line(page, 81)


def test_nothing_stays_open_or_selected_on_lines_that_redis_lost(page: Page, story: Story) -> None:
    page.goto(f"/syncs/{story.id}#L90")
    expect(page.locator("#L90")).to_be_in_viewport()
    page.evaluate("""() => {
      const { all, view } = document.getElementById("log").parts;
      all.fold(70, 85, { label: "push" });
      for (const n of [80, 81]) view.pool.options.expanded.set(n, { json: true });
    }""")
    expect(page.locator(".fold")).to_be_visible()
    page.keyboard.press("Enter")
    expect(page.get_by_role("complementary", name="Line 90")).to_be_visible()
    page.get_by_role("region", name="Log lines").press("Control+a")
    assert page.evaluate("() => document.getElementById('log').parts.selection.rows") == [0, 84]
    lose(story)
    shows_what_is_left(page)
    expect(page.locator("#fields")).to_be_hidden()
    expect(page.locator("#log-scroll")).to_be_focused()
    expect(page.locator(".fold")).to_have_count(0)
    assert page.evaluate("() => document.getElementById('log').parts.selection.rows") is None
    assert page.evaluate("() => document.getSelection().isCollapsed")
    assert page.evaluate("() => [...document.getElementById('log').parts.view.pool.options.expanded.keys()]") == [80]


def test_a_selection_before_the_lines_that_redis_lost_stays(page: Page, story: Story) -> None:
    page.goto(f"/syncs/{story.id}#L75")
    expect(page.locator("#L75")).to_be_in_viewport()
    page.evaluate("""() => {
      const text = (n) => document.querySelector(`#L${n} .text`).firstChild;
      document.getSelection().setBaseAndExtent(text(72), 0, text(75), 4);
    }""")
    lose(story)
    shows_what_is_left(page)
    assert page.evaluate("() => document.getElementById('log').parts.selection.rows") == [71, 74]


def test_a_log_that_goes_back_again_and_again_says_all_that_is_gone(page: Page, own_sync: OwnSync) -> None:
    own_sync.write(100)
    page.goto(own_sync.path)
    shows_line(page, 100)
    notice = page.locator("#notice")
    tell(page, "gap", first=101, last=110, why="lost")
    expect(page.locator(".gap")).to_contain_text("Lines 101–110 no longer exist")  # noqa: RUF001
    tell(page, "rewind", last=105, why="")
    expect(notice).to_contain_text("Lines 106–110 are gone")  # noqa: RUF001
    expect(page.locator(".gap")).to_contain_text("Lines 101–105 no longer exist")  # noqa: RUF001
    tell(page, "rewind", last=90, why="")
    expect(notice).to_contain_text("Lines 91–110 are gone")  # noqa: RUF001
    until(lambda: numbers(page)[-1] == 90, "no line after 90 is shown")
    tell(page, "rewind", last=0, why="")
    expect(notice).to_contain_text("Lines 1–110 are gone")  # noqa: RUF001
    expect(page.get_by_text("Waiting for lines…")).to_be_visible()
    lines = [{"n": n, "time": "", "level": "info", "text": f"again {n}"} for n in (1, 2)]
    tell(page, "lines", first=1, last=2, lines=lines)
    expect(page.locator("#L2 .text")).to_have_text("again 2")
    assert numbers(page) == [1, 2]
