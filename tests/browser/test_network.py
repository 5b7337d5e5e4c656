"""A sync's page in a real browser whose network fails: every line once and in order, whatever becomes of its way."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from typing import Self

import pytest
import redis
from playwright.sync_api import Browser, Page, expect

from tests.kit.browser import OwnSync, Visits, came, has_line, numbers, says, shows_all, shows_line
from tests.kit.support import Process, free_port, until

# All sockets there were; while `window.blocked`, a new one is closed before it opened.
KEEP_SOCKETS = """
window.sockets = [];
const Real = window.WebSocket;
window.WebSocket = function (...given) {
  const socket = window.blocked ? { close() {} } : new Real(...given);
  if (window.blocked) queueMicrotask(() => socket.onclose?.({ code: 1006 }));
  else window.sockets.push(socket);
  return socket;
};
"""

CUT = """
(blocked) => new Promise((done) => {
  window.blocked = blocked;
  const socket = window.sockets.at(-1);
  socket.addEventListener("close", () => done());
  socket.close();
})
"""

# As a proxy does that knows no websockets: each is closed before it opened, until `window.blocked` is false.
BLOCK_SOCKETS = """
window.blocked = true;
const Native = window.WebSocket;
window.WebSocket = function (...given) {
  if (!window.blocked) return new Native(...given);
  const refused = { close() {} };
  queueMicrotask(() => refused.onclose?.({ code: 1006 }));
  return refused;
};
"""

# Neither are there answers, until `window.away` is false; with the first one, websockets work again.
FAIL_FETCHES = """
window.away = true;
const fetched = window.fetch;
window.fetch = (...given) => {
  if (window.away) return Promise.reject(new TypeError("away"));
  window.blocked = false;
  return fetched(...given);
};
"""


def test_a_page_opened_in_mid_run_shows_every_line_once(page: Page, own_sync: OwnSync) -> None:
    own_sync.keep_writing(per_second=10_000)
    until(lambda: own_sync.lines > 5_000, "the log is under way")
    page.goto(own_sync.path)
    has_line(page, own_sync.lines + 1)
    last = own_sync.end()
    says(page, f"Complete: {last:,} lines")
    expect(page.locator(f"#L{last}")).to_be_in_viewport()
    [[first, _]] = came(page)
    assert first > 3_000, "it began at the tail"
    page.get_by_role("region", name="Log lines").press("Home")
    expect(page.locator("#L1")).to_be_in_viewport()
    expect(page.locator("#log-rows .missing")).to_have_count(0)
    assert numbers(page)[:20] == list(range(1, 21))


def test_a_short_log_says_line_and_an_empty_one_waits(page: Page, own_sync: OwnSync) -> None:
    page.goto(own_sync.path)
    expect(page.get_by_text("Waiting for lines…")).to_be_visible()
    own_sync.end()
    says(page, "Complete: 1 line")


def test_a_log_whose_way_is_cut_fifty_times_shows_every_line_once(page: Page, own_sync: OwnSync) -> None:
    page.add_init_script(KEEP_SOCKETS)
    page.add_init_script("window.blocked = false")
    page.clock.install()
    page.goto(own_sync.path)
    for cut in range(50):
        own_sync.write(1_000)
        has_line(page, own_sync.lines - 900)
        own_sync.write(1_000)
        polling = cut % 4 == 3
        page.evaluate(CUT, polling)
        if polling:
            for _ in range(2):  # both tries: of a timer that a timer has set, the clock knows only then
                page.clock.fast_forward(2_000)
            says(page, "Polling every 5 s")
            page.evaluate("() => { window.blocked = false }")
            page.clock.fast_forward(31_000)
        else:
            page.clock.fast_forward(1_500)
        says(page, "Live")
    assert page.evaluate("() => window.sockets.length") >= 51
    shows_all(page, own_sync.end())
    assert own_sync.lines == 100_001
    expect(page.locator("#L100001")).to_be_in_viewport()
    assert page.locator("#log-rows > *").count() <= 300


def test_a_machine_that_loses_its_network_goes_on_where_it_was(visits: Visits, page: Page, own_sync: OwnSync) -> None:
    visits.forgive("ERR_INTERNET_DISCONNECTED")
    page.goto(own_sync.path)
    for _ in range(3):
        own_sync.write(500)
        shows_line(page, own_sync.lines)
        page.context.set_offline(offline=True)
        says(page, "Offline")
        own_sync.write(500)
        assert came(page) == [[1, own_sync.lines - 500]]
        page.context.set_offline(offline=False)
        says(page, "Live")
    shows_all(page, own_sync.end())


def test_where_websockets_are_blocked_the_page_polls_to_the_end(page: Page, own_sync: OwnSync) -> None:
    page.add_init_script(BLOCK_SOCKETS)
    page.clock.install()
    page.goto(own_sync.path)
    own_sync.write(5_100)  # more than one poll brings
    page.clock.fast_forward(1_500)  # between its two tries
    says(page, "Polling every 5 s")
    shows_line(page, 5_100)
    for _ in range(3):
        own_sync.write(500)
        page.clock.fast_forward(5_000)
        shows_line(page, own_sync.lines)
        says(page, "Polling every 5 s")
    last = own_sync.end()
    page.clock.fast_forward(5_000)
    shows_all(page, last)


def test_a_page_that_polls_is_live_again_when_websockets_work_again(page: Page, own_sync: OwnSync) -> None:
    page.add_init_script(BLOCK_SOCKETS)
    page.clock.install()
    own_sync.write(100)
    page.goto(own_sync.path)
    page.clock.fast_forward(1_500)
    says(page, "Polling every 5 s")
    page.evaluate("() => { window.blocked = false }")
    own_sync.write(100)
    page.clock.fast_forward(31_000)
    says(page, "Live")
    own_sync.write(100)
    shows_all(page, own_sync.end())


def test_after_an_outage_of_both_ways_websockets_are_tried_at_once(page: Page, own_sync: OwnSync) -> None:
    page.add_init_script(BLOCK_SOCKETS)
    page.add_init_script(FAIL_FETCHES)
    page.clock.install()
    page.goto(own_sync.path)
    page.clock.fast_forward(1_500)
    says(page, "Reconnecting in .*")
    page.evaluate("() => { window.away = false }")
    page.clock.fast_forward(15_000)  # the longest it would have waited
    says(page, "Live", seconds=10)  # polling tries them again after 30 s


class Restartable:
    """A web process of the test's own."""

    def __init__(self, environ: dict[str, str]) -> None:
        self._environ = environ
        self.site = f"http://127.0.0.1:{environ['PORT']}"
        self.start()

    def start(self) -> None:
        self.process = Process("server", self._environ, ready="Synctail listens")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.stop()


@pytest.fixture
def restartable(environ: dict[str, str], client: redis.Redis) -> Iterator[Restartable]:
    del client
    with Restartable({**environ, "PORT": str(free_port())}) as web:
        yield web


def test_a_restart_of_the_web_process_is_said_and_nothing_is_missing(
    chromium: Browser, restartable: Restartable, own_sync: OwnSync
) -> None:
    visits = Visits(chromium, restartable.site)
    visits.forgive("ERR_CONNECTION_REFUSED", "ERR_CONNECTION_RESET", "WebSocket connection to")
    page = visits.signed_in()
    page.clock.install()
    page.goto(own_sync.path)
    for how in (signal.SIGTERM, signal.SIGKILL):
        own_sync.write(700)
        shows_line(page, own_sync.lines)
        says(page, "Live|Polling every 5 s")
        restartable.process.stop(how)
        says(page, "Reconnecting.*")
        own_sync.write(700)
        restartable.start()
        page.clock.fast_forward(15_000)  # the longest it would have waited
    shows_all(page, own_sync.end())
    visits.leave()
