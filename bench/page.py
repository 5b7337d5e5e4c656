"""The log page in a real browser: a million lines, jumps to any line, thousands of new lines, and hard texts.

    .venv/bin/python -m bench.page --lines 1000000

Headless Chromium opens pages of a real server. A long task blocks the page for more than 50 ms, as reported by the
browser (`PerformanceObserver`); heap is measured after a garbage collection. Opening is timed from the click on a link
to the frame that has the last line, with an empty cache.
"""

from __future__ import annotations

import statistics
import tempfile
import threading
import time
from pathlib import Path
from typing import cast

import msgspec
from playwright.sync_api import Browser, Page, sync_playwright

from bench import realistic, report
from bench.peers.synctail import TOKEN, Synctail, bench_service
from bench.replay import write
from synctail.log.writer import LogWriter
from synctail.model import keys
from synctail.model.ids import rfc3339, utc_now
from synctail.model.sync import Trigger
from tests.kit.browser import launch

SEEKS = 20
TICK_S = 0.01
PATIENCE_MS = 120_000
MIB = 1024 * 1024

# In every document: records long tasks, counts frames, and notes when a line first appears.
WATCH = """
window.tasks = [];
new PerformanceObserver((list) => {
  for (const { duration } of list.getEntries()) window.tasks.push(duration);
}).observe({ type: "longtask", buffered: true });
window.frames_ = 0;
window.mostRows = 0;
const look = () => {
  window.frames_ += 1;
  window.mostRows = Math.max(window.mostRows, document.getElementById("log-rows")?.childElementCount ?? 0);
  const there = window.awaited && document.getElementById(`L${window.awaited}`);
  if (there) window.shownAt ??= performance.now();
  requestAnimationFrame(look);
};
requestAnimationFrame(look);
"""

SEEK = """
(n) => new Promise((done) => {
  const began = performance.now();
  location.hash = `#L${n}`;
  const look = () => {
    const row = document.getElementById(`L${n}`);
    const { top, bottom } = document.getElementById("log-scroll").getBoundingClientRect();
    const place = row?.getBoundingClientRect();
    if (place && place.top >= top && place.bottom <= bottom + 1) done(performance.now() - began);
    else requestAnimationFrame(look);
  };
  requestAnimationFrame(look);
})
"""


class Visit:
    """One page, in a browser with an empty cache."""

    def __init__(self, browser: Browser, synctail: Synctail) -> None:
        self._site = f"http://127.0.0.1:{synctail.port}"
        # Without a graphics card, the CPU would draw animations sixty times a second.
        context = browser.new_context(
            base_url=self._site, viewport={"width": 1400, "height": 900}, reduced_motion="reduce"
        )
        context.set_default_timeout(PATIENCE_MS)
        context.add_init_script(WATCH)
        self._context = context
        self.page: Page = context.new_page()
        answer = context.request.post("/sign-in", form={"token": TOKEN}, max_redirects=0)
        if answer.status != 303:
            raise ConnectionError(f"signing in answered {answer.status}")

    def open(self, sync_id: str, last: int) -> float:
        """Milliseconds from the click to the last line."""
        self.page.goto("/services")
        self._context.add_init_script(f"window.awaited = {last};")
        link = """(to) => {
            const link = Object.assign(document.createElement("a"), { href: to, textContent: "the log" });
            document.body.prepend(link);
        }"""
        self.page.evaluate(link, f"/syncs/{sync_id}")
        self.page.get_by_role("link", name="the log").click()
        self.page.wait_for_function("() => window.shownAt")
        return float(self.page.evaluate("() => window.shownAt"))

    def heap_mib(self) -> float:
        session = self._context.new_cdp_session(self.page)
        session.send("HeapProfiler.collectGarbage")
        return float(session.send("Runtime.getHeapUsage")["usedSize"]) / MIB

    def take_tasks(self) -> list[float]:
        """The long tasks since the last call."""
        return cast("list[float]", self.page.evaluate("() => window.tasks.splice(0)"))

    def most_rows(self) -> int:
        return int(self.page.evaluate("() => window.mostRows"))

    def close(self) -> None:
        self._context.close()


def tasks(found: list[float]) -> str:
    return f"{len(found)}, longest {max(found):.0f} ms" if found else "none"


def new_sync(synctail: Synctail) -> tuple[str, LogWriter]:
    sync_id = synctail.requests.start(bench_service(), Trigger.MANUAL).id
    return sync_id, LogWriter(synctail.appender, sync_id, synctail.appender.claim(sync_id))


def million(browser: Browser, synctail: Synctail, lines: int) -> list[list[str]]:
    visit = Visit(browser, synctail)
    opened = visit.open(synctail.ids[0], lines)
    opening = visit.take_tasks()
    after_opening = visit.heap_mib()
    # The same lines each time, spread over the whole log.
    wanted = [(i * 7919 * 104_729) % lines + 1 for i in range(1, SEEKS + 1)]
    visit.take_tasks()
    took = [float(visit.page.evaluate(SEEK, n)) for n in wanted]
    seeking = visit.take_tasks()
    rows = [
        [f"{lines:,} lines: from the click to the last screen", f"{opened:,.0f} ms (long tasks: {tasks(opening)})"],
        [f"any line, {SEEKS} of them", f"median {statistics.median(took):.0f} ms, longest {max(took):.0f} ms"],
        ["long tasks meanwhile", tasks(seeking)],
        ["row elements, at most", f"{visit.most_rows()}"],
        ["heap, opened; after all of that", f"{after_opening:.0f} MiB; {visit.heap_mib():.0f} MiB"],
    ]
    visit.close()
    return rows


def arriving(browser: Browser, synctail: Synctail, rate: int, seconds: float) -> list[list[str]]:
    sync_id, log = new_sync(synctail)
    log.info("The first one", phase="pull")
    log.flush()
    visit = Visit(browser, synctail)
    visit.open(sync_id, 1)
    visit.take_tasks()
    source = realistic.lines(int(rate * seconds), seed=2)

    def run() -> None:
        began, done = time.monotonic(), 0
        while done < rate * seconds:
            due = min(int(rate * seconds), int((time.monotonic() - began) * rate))
            for _ in range(due - done):
                realistic.log(log, next(source))
            done = due
            time.sleep(TICK_S)
        log.flush(60)

    visit.page.evaluate("() => { window.frames_ = 0 }")
    writer = threading.Thread(target=run)
    began = time.monotonic()
    writer.start()
    while writer.is_alive():
        visit.page.wait_for_timeout(200)
    took = time.monotonic() - began
    frames = int(visit.page.evaluate("() => window.frames_"))
    last = int(rate * seconds) + 1
    visit.page.wait_for_function("(n) => document.getElementById(`L${n}`)", arg=last)
    late = (time.monotonic() - began - took) * 1000
    rows = [
        [f"{rate:,} lines/s for {seconds:.0f} s: long tasks", tasks(visit.take_tasks())],
        ["frames a second", f"{frames / took:.0f}"],
        ["the last line is shown after it was acknowledged", f"within {late:.0f} ms"],
        ["row elements, at most", f"{visit.most_rows()}"],
        ["heap after that", f"{visit.heap_mib():.0f} MiB"],
    ]
    log.close("info", "over", status="completed")
    visit.close()
    return rows


def one_large_line(browser: Browser, synctail: Synctail) -> list[str]:
    """A line larger than our writer allows, as another program might append it."""
    sync_id = synctail.requests.start(bench_service(), Trigger.MANUAL).id
    attempt = synctail.appender.claim(sync_id).attempt
    line = {"n": 1, "time": rfc3339(utc_now()), "level": "info", "text": "word " * (8 * MIB // 5)}
    last = {"n": 2, "time": rfc3339(utc_now()), "level": "info", "text": "after it"}
    body = keys.SEPARATOR.join((msgspec.json.encode(line), msgspec.json.encode(last)))
    synctail.appender.append(sync_id, attempt=attempt, first=1, count=2, body=body, fields={"status": "running"})
    visit = Visit(browser, synctail)
    opened = visit.open(sync_id, 2)
    found = ["a line of 8 MiB", f"shown after {opened:,.0f} ms (long tasks: {tasks(visit.take_tasks())})"]
    visit.close()
    return found


def progress_bars(browser: Browser, synctail: Synctail, lines: int = 20_000) -> list[str]:
    sync_id, log = new_sync(synctail)
    bar = "\r".join(f"{percent:3}% [{'#' * (percent // 2):50}]" for percent in range(0, 101, 5))
    for n in range(lines):
        text = f"{bar} {n}"
        log.info(text, phase="push")
        if n % 5000 == 0:
            log.flush(60)
    log.flush(60)
    visit = Visit(browser, synctail)
    opened = visit.open(sync_id, lines)
    took = [float(visit.page.evaluate(SEEK, n)) for n in (1, lines // 2, lines // 3, lines)]
    found = [
        f"{lines:,} lines that are progress bars",
        f"shown after {opened:,.0f} ms, any line {max(took):.0f} ms (long tasks: {tasks(visit.take_tasks())})",
    ]
    log.close("info", "over", status="completed")
    visit.close()
    return found


def main() -> None:
    parser = report.parser(__doc__, rounds=1)
    parser.add_argument("--lines", type=int, default=1_000_000)
    parser.add_argument("--rate", type=int, default=5000)
    parser.add_argument("--seconds", type=float, default=20)
    options = parser.parse_args()
    found: list[list[str]] = []
    with tempfile.TemporaryDirectory() as folder:
        synctail = Synctail(Path(folder))
        try:
            report.say(f"writing {options.lines:,} lines …")
            write(synctail.logs[0], options.lines)
            with sync_playwright() as playwright, launch(playwright) as browser:
                for round_ in range(options.rounds):
                    report.say(f"round {round_ + 1} of {options.rounds}")
                    for rows in (
                        million(browser, synctail, options.lines),
                        arriving(browser, synctail, options.rate, options.seconds),
                        [one_large_line(browser, synctail)],
                        [progress_bars(browser, synctail)],
                    ):
                        found += rows
        finally:
            synctail.stop()
    report.headline("The log page")
    report.table(["measure", ""], found)


if __name__ == "__main__":
    main()
