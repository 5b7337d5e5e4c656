"""The browser of the page tests: the system's Chromium, driven by Playwright, and what people do and see in it. The
headless shell is preferred: it shows the same pages in half the processor time.

Every page is watched: an error in its console, a broken script or a violated policy fails the test.
"""

from __future__ import annotations

import contextlib
import re
import shutil
import threading
from typing import Any, cast

import redis
from playwright.sync_api import Browser, BrowserContext, Page, Playwright, expect
from playwright.sync_api import Error as BrowserError
from rq import Queue

from jobs.queue.requests import Requests
from jobs.services.model import Service
from synctail.log.appender import Appender
from synctail.log.endings import ending_fields
from synctail.log.writer import LogWriter
from synctail.model.ids import rfc3339, utc_now
from synctail.model.sync import Reason, Status, Trigger
from synctail.settings import Settings
from tests.kit.support import ADMIN_TOKEN, PATIENCE_S, ROOT

NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
QUIET = (
    "--no-sandbox",  # which containers do not allow
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)
PATIENCE_MS = PATIENCE_S * 1000

expect.set_options(timeout=PATIENCE_MS)


def launch(playwright: Playwright) -> Browser:
    """Start the system's browser, or else Playwright's, which `tests/install-browser.sh` installs."""
    path = next(filter(None, map(shutil.which, NAMES)), None)
    return playwright.chromium.launch(executable_path=path, args=list(QUIET), timeout=6 * PATIENCE_MS)


class Visits:
    """Visitors of one site, each with their own browser profile."""

    def __init__(self, browser: Browser, site: str) -> None:
        self._browser = browser
        self._site = site
        self._contexts: list[BrowserContext] = []
        self._complaints: list[str] = []
        self._forgiven: list[str] = []

    def stranger(self, **options: Any) -> Page:
        """A blank page of a visitor who is not signed in. `options` are those of a browser context."""
        # Animations would be drawn sixty times a second, without a graphics card.
        context = self._browser.new_context(**{"base_url": self._site, "reduced_motion": "reduce", **options})
        self._contexts.append(context)
        context.set_default_timeout(PATIENCE_MS)
        context.on("console", lambda said: self._complain(said.text) if said.type == "error" else None)
        context.on("weberror", lambda broken: self._complain(str(broken.error)))
        return context.new_page()

    def signed_in(self, token: str = ADMIN_TOKEN, **options: Any) -> Page:
        page = self.stranger(**options)
        answer = page.context.request.post("/sign-in", form={"token": token}, max_redirects=0)
        assert answer.status == 303, answer.text()
        return page

    def forgive(self, *complaints: str) -> None:
        """Allow complaints that contain one of these texts, where a test cuts the network or is refused on purpose."""
        self._forgiven.extend(complaints)

    def leave(self) -> None:
        for context in self._contexts:
            context.close()
        unexpected = [one for one in self._complaints if not any(part in one for part in self._forgiven)]
        assert unexpected == [], "the browser complained"

    def _complain(self, text: str) -> None:
        self._complaints.append(text)


class OwnSync:
    """A sync whose log the test writes itself, as a job would. Workers do not see it."""

    def __init__(self, config: Settings, client: redis.Redis, appender: Appender, service: Service) -> None:
        self._retention = config.retention
        requests = Requests(config, client)
        requests._queue = Queue("of-no-worker", connection=client, serializer="json")
        self.id = requests.start(service, Trigger.MANUAL).id
        self.path = f"/syncs/{self.id}"
        self.writer = LogWriter(appender, self.id, appender.claim(self.id))
        self.writer.set(status=Status.RUNNING.value, started_at=rfc3339(utc_now()))
        self.lines = 0
        self._ended = False
        self._enough = threading.Event()
        self._busy: threading.Thread | None = None

    def say(self, *texts: str, level: str = "info", **about: Any) -> None:
        for text in texts:
            getattr(self.writer, level)(text, **about)
        self.lines += len(texts)
        self.writer.flush()

    def write(self, count: int) -> None:
        """Write that many lines at once; each contains its number."""
        self.say(*(f"This is line {n}" for n in range(self.lines + 1, self.lines + count + 1)), phase="push")

    def keep_writing(self, *, per_second: int) -> None:
        """Write lines in the background until `end`."""
        batch = 50

        def run() -> None:
            while not self._enough.wait(batch / per_second):
                self.write(batch)

        self._busy = threading.Thread(target=run, daemon=True)
        self._busy.start()

    def end(self, status: Status = Status.COMPLETED, text: str = "Completed", reason: Reason | None = None) -> int:
        """Write the last line, and return its number."""
        if not self._ended:
            self._enough.set()
            if self._busy:
                self._busy.join(PATIENCE_S)
            self._ended = True
            self.lines += 1
            assert self.writer.close("info", text, **ending_fields(status, reason, self._retention))
        return self.lines


_NUMBERS = "Array.from(document.querySelectorAll('#log-scroll .line:not(.missing)'), (row) => +row.dataset.n)"


def numbers(page: Page) -> list[int]:
    """The numbers of the rows that a sync's page shows now, in order, without those that wait for their line."""
    return cast("list[int]", page.evaluate(_NUMBERS))


def shows(page: Page, *wanted: int) -> None:
    """Wait until a sync's page shows exactly these lines. (A row is there before its line.)"""
    with contextlib.suppress(BrowserError):
        page.wait_for_function(f"(wanted) => {_NUMBERS}.join() === wanted.join()", arg=list(wanted))
    assert numbers(page) == list(wanted)


def adjoin(page: Page) -> None:
    """Wait until a sync's page shows rows without a gap between them."""
    page.wait_for_function(
        f"() => {{ const all = {_NUMBERS}; return all.length && all.every((n, i) => n === all[0] + i) }}"
    )


_CAME = """() => {
  const { store } = document.getElementById("log").parts;
  const missing = [...store.missing(1, store.last), [store.last + 1]];
  const spans = missing.map(([first], i) => [i ? missing[i - 1][1] + 1 : 1, first - 1]);
  return spans.filter(([first, last]) => first <= last);
}"""


def came(page: Page) -> list[list[int]]:
    """The numbers of all lines that a sync's page holds, whether they have a row or not, as spans."""
    return cast("list[list[int]]", page.evaluate(_CAME))


def says(page: Page, words: str, *, seconds: float = PATIENCE_MS / 1000) -> None:
    """Wait until the connection's text matches a pattern. (`expect` polls less often.)"""
    found = page.locator("#connection .words").filter(has_text=re.compile(f"^{words}$"))
    found.wait_for(timeout=seconds * 1000)


def shows_line(page: Page, n: int) -> None:
    page.locator(f"#L{n}").wait_for(state="attached")


def has_line(page: Page, n: int) -> None:
    """Wait until the page has received a line, with or without a row."""
    page.wait_for_function("(n) => document.getElementById('log').parts.store.last >= n", arg=n)


def shows_all(page: Page, last: int, word: str = "Complete", *, first: int = 1) -> None:
    """Wait until the page says that it is complete, and check that it has each line, and its rows no gap."""
    says(page, f"{word}: {last:,} lines")
    assert came(page) == [[first, last]]
    assert page.evaluate("() => document.getElementById('log').parts.view.viewport.rows.length") == last
    adjoin(page)


# --- access -------------------------------------------------------------------------------------------------------

AXE = ROOT / "node_modules" / "axe-core" / "axe.min.js"

LOOKS: dict[str, dict[str, Any]] = {
    "light": {"color_scheme": "light", "forced_colors": "none"},
    "dark": {"color_scheme": "dark", "forced_colors": "none"},
    "forced colours": {"color_scheme": "light", "forced_colors": "active"},
}

_RUN_AXE = """async (only) => (await axe.run(document, { ...only, resultTypes: ["violations"] })).violations
  .flatMap(({ id, help, nodes }) => nodes.map(({ html, failureSummary }) =>
    `${id}: ${help}: ${html.slice(0, 160)}: ${failureSummary.replace(/\\s+/g, " ")}`))"""


def axe(page: Page, *looks: str) -> list[str]:
    """What axe finds wrong with a page in each of the looks (by default all of `LOOKS`), one line per fault.

    It is loaded through the debugger, past the page's own policy, and leaves the page's look as it was. Rules that do
    not concern colours are checked once.
    """
    if not page.evaluate("() => 'axe' in window"):
        page.evaluate(AXE.read_text())
    faults: list[str] = []
    for number, look in enumerate(looks or LOOKS):
        page.emulate_media(**LOOKS[look])
        only = {"runOnly": ["color-contrast", "link-in-text-block"]} if number else {}
        faults += [f"{look}: {fault}" for fault in page.evaluate(_RUN_AXE, only)]
    page.emulate_media(color_scheme="null", forced_colors="null")
    return faults
