"""Finding in a log, in a real browser: matches, filters, what hides everything, folds, and what an address holds."""

from __future__ import annotations

import json
import re

import pytest
import redis
from playwright.sync_api import Locator, Page, Route, expect

from tests.kit.browser import OwnSync, Visits, shows
from tests.kit.following import Logs
from tests.kit.support import ROOT, service, store, until

LINES = 4001


def written(logs: Logs, client: redis.Redis, lines: int) -> str:
    """The path of a completed sync: pages of a pull and 199 pushes, with an error in each 1,000th line."""
    store(client, service())
    sync_id = logs.start()
    with logs.writing(sync_id) as story:
        for n in range(1, lines):
            if n % 1000 == 0:
                story.error(f"Not pushed SO-{n}: the row is too long", phase="push", record=f"SO-{n}")
            elif n % 200 == 1:
                story.info(f"Page {n // 200 + 1}: 199 records pulled", phase="pull")
            else:
                story.info(f"Pushed SO-{n}", phase="push", record=f"SO-{n}")
    return f"/syncs/{sync_id}"


@pytest.fixture
def sync(logs: Logs, client: redis.Redis) -> str:
    return written(logs, client, LINES)


@pytest.fixture
def log(page: Page, sync: str) -> Page:
    page.goto(sync)
    ready(page)
    return page


def ready(page: Page) -> None:
    page.wait_for_function("() => document.getElementById('log').dataset.state === 'complete'")
    page.locator("#log-rows .line[id]").first.wait_for()


def find(page: Page, text: str) -> None:
    page.keyboard.press("/")
    expect(page.locator("#find-text")).to_be_focused()
    page.locator("#find-text").fill(text)
    page.keyboard.press("Enter")


def says(page: Page, words: str) -> None:
    expect(page.locator("#find-count")).to_have_text(re.compile(f"^{words}$"))


def in_view(page: Page, n: int) -> Locator:
    row = page.locator(f"#L{n}")
    expect(row).to_be_in_viewport()
    return row


def test_what_was_typed_stays_when_the_user_goes_on_at_once(log: Page) -> None:
    log.keyboard.press("/")
    log.keyboard.type("pushed so-10.0")
    log.keyboard.press("Tab")
    log.keyboard.press("Tab")
    log.keyboard.press("Enter")
    expect(log.locator("#find-pattern")).to_have_attribute("aria-pressed", "true")
    expect(log.locator("#find-text")).to_have_value("pushed so-10.0")
    expect(log.locator("#find-count")).to_have_text("10 matches")
    log.locator("#find-exclude").fill("not")
    log.keyboard.press("Tab")
    expect(log.locator("#filtered-chips")).to_contain_text("without “not”")
    log.locator("#find-text").press("Escape")
    log.keyboard.press("/")
    expect(log.locator("#find-text")).to_have_value("")


def test_next_and_previous_go_through_a_log_of_20_000_lines(page: Page, logs: Logs, client: redis.Redis) -> None:
    page.goto(written(logs, client, 20_001))
    ready(page)
    log = page
    find(log, "so-1000")
    # The log was opened at its end, so the newest comes first; behind the last one comes the first.
    says(log, "10 of 10")
    row = in_view(log, 10_009)
    expect(row.locator("mark")).to_have_text("SO-1000")
    log.keyboard.press("Enter")
    says(log, "1 of 10")
    in_view(log, 1000)
    log.keyboard.press("Shift+Enter")
    says(log, "10 of 10")
    log.keyboard.press("Shift+Enter")
    says(log, "9 of 10")
    in_view(log, 10_008)
    log.locator("#find-case").click()
    says(log, "No match")
    log.keyboard.press("Escape")
    expect(log.locator("#finder")).to_be_hidden()
    expect(log.locator("#log-scroll")).to_be_focused()
    assert log.locator("mark").count() == 0


def test_a_search_that_is_not_through_says_how_far_back_it_came(log: Page) -> None:
    held: list[Route] = []
    frames = (
        {"type": "matches", "numbers": [4000]},
        {"type": "progress", "first": 3001, "last": 4001, "time": "2026-01-31T10:04:00.000Z"},
        {"type": "done", "total": 1, "first": 3001, "last": 4001, "more": 3001, "status": "completed"},
    )
    log.route(
        re.compile(r"/log\?.*q="),
        lambda route: (
            held.append(route)
            if "before=" in route.request.url
            else route.fulfill(content_type="application/x-ndjson", body="\n".join(map(json.dumps, frames)) + "\n")
        ),
    )
    find(log, "not pushed")
    says(log, "1 so far, searched back to \\d\\d:04:00")
    until(lambda: log.evaluate("() => true") and held, "the rest is asked for")
    held[0].continue_()
    says(log, "4 of 4|4 matches")


def test_ctrl_f_opens_the_search_and_a_second_one_is_the_browsers(log: Page) -> None:
    log.evaluate("() => addEventListener('keydown', (event) => (window.prevented = event.defaultPrevented))")
    log.keyboard.press("Control+f")
    expect(log.locator("#find-text")).to_be_focused()
    assert log.evaluate("() => window.prevented") is True
    log.keyboard.press("Control+f")
    assert log.evaluate("() => window.prevented") is False


def test_only_matches_are_shown_and_one_leads_to_its_context(log: Page) -> None:
    find(log, r"so-20\d0")
    log.locator("#find-pattern").click()
    log.locator("#find-only").click()
    expect(log.locator("#filtered-count")).to_have_text("10 of 4,001 lines")
    shows(log, *range(2000, 2100, 10))
    expect(log.locator("#L2010 mark")).to_have_text("SO-2010")
    row = in_view(log, 2050)
    row.hover()
    row.get_by_role("button", name="Show line 2050 in context").click()
    expect(log.locator("#filtered")).to_be_hidden()
    in_view(log, 2050)
    in_view(log, 2051)
    expect(log.locator("#L2050")).to_have_class(re.compile("is-target"))
    assert log.locator(".in-context").count() == 0


def test_rows_stand_until_they_are_drawn_anew(log: Page) -> None:
    rows = "document.querySelectorAll('#log-rows .line').length"
    anew = f"document.getElementById('log').parts.view.rerender() ?? {rows}"
    before, after = log.evaluate(f"() => [{rows}, {anew}]")
    assert after == before > 0


def test_chips_filter_by_level_and_say_how_many_there_are(log: Page) -> None:
    log.keyboard.press("/")
    chip = log.locator(".chip[data-level=error]")
    expect(chip).to_have_text("error 4")
    expect(log.locator(".chip[data-level=info]")).to_have_text("info 3,997")
    chip.click()
    expect(log.locator("#filtered-count")).to_have_text("4 of 4,001 lines")
    shows(log, 1000, 2000, 3000, 4000)
    log.locator("#find-exclude").fill("SO-2000")
    log.keyboard.press("Enter")
    expect(log.locator("#filtered-count")).to_have_text("3 of 4,001 lines")
    log.get_by_role("button", name="Remove the filter: error").click()
    expect(log.locator("#filtered-count")).to_have_text("4,000 of 4,001 lines")
    log.locator("#find-phase").select_option("pull")
    expect(log.locator("#filtered-count")).to_have_text("20 of 4,001 lines")
    log.get_by_role("button", name="Clear").click()
    expect(log.locator("#filtered")).to_be_hidden()


def test_filters_that_hide_everything_say_so_and_can_be_cleared(log: Page) -> None:
    log.keyboard.press("/")
    log.locator("#find-record").fill("SO-none")
    log.keyboard.press("Enter")
    expect(log.locator("#all-hidden")).to_contain_text("No line matches. The filters hide all 4,001 lines.")
    log.get_by_role("button", name="Show all lines").click()
    expect(log.locator("#all-hidden")).to_be_hidden()
    in_view(log, LINES)


@pytest.mark.parametrize(("pattern", "words"), [("(a+)+$", "No match"), ("(", r"missing \): \( \(character 1\)")])
def test_a_hostile_pattern_freezes_nothing(
    visits: Visits, page: Page, own_sync: OwnSync, pattern: str, words: str
) -> None:
    visits.forgive("status of 422")
    own_sync.say("a" * 5000 + "b")
    page.goto(own_sync.path)
    page.locator("#L1").wait_for()
    find(page, "b")
    says(page, "1 of 1")
    page.locator("#find-pattern").click()
    page.locator("#find-text").fill(pattern)
    says(page, words)
    own_sync.say("a" * 5000 + "b", "another line")
    page.locator("#L3").wait_for()
    says(page, words)


def test_lines_that_arrive_are_matched(page: Page, own_sync: OwnSync) -> None:
    own_sync.say("one fish", "two birds")
    page.goto(f"{own_sync.path}?q=fish&only=1")
    expect(page.locator("#filtered-count")).to_have_text("1 of 2 lines")
    own_sync.say("red fish", "blue bird", "blue FISH")
    expect(page.locator("#filtered-count")).to_have_text("3 of 5 lines")
    shows(page, 1, 3, 5)
    page.locator("#find-pattern").click()
    page.locator("#find-text").fill("^(one|new)")
    expect(page.locator("#filtered-count")).to_have_text("1 of 5 lines")
    own_sync.say("new fish", "old fish")
    shows(page, 1, 6)
    expect(page.locator("#L6 mark")).to_have_text("new")


def test_the_address_holds_what_is_looked_for(log: Page, sync: str) -> None:
    find(log, "so-20")
    log.locator("#find-case").click()
    log.locator(".chip[data-level=error]").click()
    expect(log).to_have_url(re.compile(r"\?q=so-20&case=1&level=error$"))
    log.goto(f"{sync}?q=SO-20&case=1&level=error&exclude=SO-10#L2000")
    ready(log)
    expect(log.locator("#find-text")).to_have_value("SO-20")
    expect(log.locator("#find-case")).to_have_attribute("aria-pressed", "true")
    expect(log.locator("#filtered-count")).to_have_text("3 of 4,001 lines")
    in_view(log, 2000)
    says(log, "1 match")
    assert log.url.endswith("#L2000")


def test_a_link_to_a_line_that_a_filter_hides_says_so(page: Page, sync: str) -> None:
    page.goto(f"{sync}?level=error#L9")
    ready(page)
    expect(page.locator("#notice")).to_have_text('Line 9 is hidden by the filters; press "c" to show it in context.')
    page.keyboard.press("c")
    expect(page.locator("#L9")).to_be_in_viewport()
    expect(page.locator("#L9")).to_have_class(re.compile("is-target"))


def test_jumps_lead_to_errors_lines_and_times(log: Page) -> None:
    log.locator("#log-scroll").focus()
    log.keyboard.press("Shift+E")
    in_view(log, 4000)
    log.keyboard.press("Shift+E")
    in_view(log, 3000)
    log.keyboard.press("e")
    in_view(log, 4000)
    log.keyboard.press("e")
    expect(log.locator("#notice")).to_have_text("There is no error after this.")
    log.keyboard.press("l")
    log.locator("#jump-to").fill("1,234")
    log.keyboard.press("Enter")
    in_view(log, 1234)
    log.keyboard.press("l")
    log.locator("#jump-to").fill("30000")
    log.keyboard.press("Enter")
    expect(log.locator("#jump-fault")).to_have_text("There is no line 30,000; there are 4,001.")
    log.locator("#jump-to").fill("2020-01-01 00:00")
    log.keyboard.press("Enter")
    in_view(log, 1)


def test_enter_opens_the_line_that_a_jump_led_to(log: Page) -> None:
    log.keyboard.press("Shift+E")
    expect(log.locator("#L4000")).to_have_class(re.compile("is-target"))  # it was in view before
    log.keyboard.press("Enter")
    expect(log.get_by_role("complementary", name="Line 4,000")).to_be_visible()
    log.keyboard.press("Escape")
    expect(log.locator("#log-scroll")).to_be_focused()
    find(log, "so-1999")
    in_view(log, 1999)
    log.keyboard.press("Escape")
    log.keyboard.press("Enter")
    expect(log.get_by_role("complementary", name="Line 1,999")).to_be_visible()


def test_phases_fold_into_one_row_and_a_jump_unfolds_them(log: Page) -> None:
    log.locator("#log-scroll").focus()
    log.keyboard.press("Shift+Z")
    # All but the last one, which may get longer.
    log.wait_for_function("() => document.getElementById('log').parts.view.viewport.rows.length === 19 * 2 + 201")
    log.keyboard.press("Home")
    expect(log.locator(".fold").first).to_have_text(re.compile(r"push · \d+(\.\d)? m?s · 199 lines"))
    log.keyboard.press("l")
    log.locator("#jump-to").fill("2000")
    log.keyboard.press("Enter")
    in_view(log, 2000)
    log.keyboard.press("z")
    expect(log.locator("#L2000")).to_have_count(0)
    expect(log.locator('.fold[data-first="1802"]', has_text="1 error")).to_be_in_viewport()
    find(log, "so-2000")
    in_view(log, 2000)
    log.locator("#find-fold").click()
    log.wait_for_function("() => document.getElementById('log').parts.view.viewport.rows.length === 4001")


def test_moving_before_folded_rows_are_drawn_moves_among_them(log: Page) -> None:
    log.evaluate("""() => {
        const { all, view } = document.getElementById("log").parts;
        all.fold(2, 3800, { label: "much" });
        view.by(-10);
        view.setWrap(!view.wrap);
        all.fold(3801, 4000, { label: "more" });
        view.toFirst();
    }""")
    log.wait_for_function("() => document.getElementById('log').parts.view.top === 1")
    expect(log.locator(".fold")).to_have_count(2)


def test_what_is_shown_can_be_downloaded(log: Page) -> None:
    log.keyboard.press("/")
    log.locator(".chip[data-level=error]").click()
    expect(log.locator("#filtered-count")).to_have_text("4 of 4,001 lines")
    log.locator(".menu.download summary").click()
    with log.expect_download() as download:
        log.get_by_role("link", name="Lines shown, as text").click()
    assert download.value.suggested_filename.endswith("-found.txt")
    assert len(download.value.path().read_text().splitlines()) == 4


def test_on_a_phone_the_search_takes_two_rows_and_filters_are_behind_a_button(visits: Visits, sync: str) -> None:
    page = visits.signed_in(viewport={"width": 360, "height": 740}, has_touch=True)
    page.goto(sync)
    ready(page)
    page.locator("#more").tap()
    page.locator("#find").tap()
    expect(page.locator("#find-text")).to_be_focused()
    # The log comes into view with it: the page's head is above.
    expect(page.locator("#log")).to_be_in_viewport(ratio=0.95)
    page.locator("#find-text").fill("so-20")
    says(page, "109 matches")

    def height() -> float:
        return float(page.evaluate("() => document.getElementById('finder').getBoundingClientRect().height"))

    assert height() <= 2 * 36 + 20
    for button in ("#find-previous", "#find-next", "#find-more", "#find-close"):
        box = page.locator(button).bounding_box()
        assert box is not None
        assert min(box["width"], box["height"]) >= 36
    error = page.locator("#find-levels .chip[data-level=error]")
    expect(error).to_be_hidden()
    page.locator("#find-more").tap()
    expect(page.locator("#find-more")).to_have_attribute("aria-expanded", "true")
    error.tap()
    expect(page.locator("#filtered-count")).to_have_text("4 of 4,001 lines")
    shows(page, 1000, 2000, 3000, 4000)
    page.locator("#find-more").tap()
    expect(error).to_be_hidden()
    assert height() <= 2 * 36 + 20
    page.locator("#L2000 .in-context").tap()
    expect(page.locator("#filtered")).to_be_hidden()
    in_view(page, 2000)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_finding_is_accessible_and_fits_a_phone(visits: Visits, sync: str, scheme: str) -> None:
    page = visits.signed_in(color_scheme=scheme, viewport={"width": 360, "height": 740})
    page.goto(f"{sync}?q=SO-20&level=error&exclude=SO-10&record=SO-2000")
    ready(page)
    expect(page.locator("#filtered-count")).to_have_text("1 of 4,001 lines")
    assert page.evaluate("() => document.documentElement.scrollWidth") <= 360
    page.evaluate((ROOT / "node_modules" / "axe-core" / "axe.min.js").read_text())
    found = page.evaluate("() => axe.run()")
    assert [(one["id"], [node["html"] for node in one["nodes"]]) for one in found["violations"]] == []
