"""What the tests of scripts share: a log that keeps its lines, one way to run a script, and a look at what it left."""

from __future__ import annotations

import os
import sys
import tempfile
import textwrap
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple, cast

import pytest

from jobs.transform.model import ScriptText
from jobs.transform.script import Limits, Outcome, Script
from synctail.log.writer import LogWriter
from tests.kit.support import PATIENCE_S

RECORDS: list[dict[str, Any]] = [{"id": number, "name": f"Record {number}"} for number in range(1, 6)]
SMALL = Limits(memory_bytes=256 << 20, output_bytes=1 << 20, lines=50)
on_linux = pytest.mark.skipif(sys.platform != "linux", reason="these walls are Linux's")


class Said(NamedTuple):
    level: str
    text: str
    phase: str | None
    record: str | None
    fields: Mapping[str, Any] | None


class Log:
    def __init__(self) -> None:
        self.lines: list[Said] = []

    def log(
        self,
        level: str,
        text: object,
        phase: str | None = None,
        record: str | None = None,
        fields: Mapping[str, Any] | None = None,
    ) -> None:
        self.lines.append(Said(level, str(text), phase, record, fields))

    def debug(self, *what: Any, **more: Any) -> None:
        self.log("debug", *what, **more)

    def info(self, *what: Any, **more: Any) -> None:
        self.log("info", *what, **more)

    def warning(self, *what: Any, **more: Any) -> None:
        self.log("warning", *what, **more)

    def error(self, *what: Any, **more: Any) -> None:
        self.log("error", *what, **more)

    def texts(self, level: str = "info") -> list[str]:
        return [line.text for line in self.lines if line.level == level]


def script(code: str, log: Log, *, timeout_s: float = 20, **more: Any) -> Script:
    return Script(
        ScriptText(textwrap.dedent(code), timeout_s=timeout_s), cast("LogWriter", log), **{"limits": SMALL, **more}
    )


def run(code: str, records: list[dict[str, Any]] | None = None, **more: Any) -> tuple[Outcome, Log]:
    """One batch of a sync's own script."""
    log = Log()
    with script(code, log, **more) as one:
        return one.run(RECORDS if records is None else records), log


def handle(body: str) -> str:
    return "import os, sys\ndef handle(records, log):\n" + textwrap.indent(textwrap.dedent(body), "    ")


def run_too_long(body: str) -> tuple[Outcome, Log]:
    """A script has a second to say where it is, which a busy machine may not give it: one of three says so."""
    for _ in range(3):
        outcome, log = run(handle(body), timeout_s=0.4)
        if "it was at" in (outcome.fault or ""):
            break
    return outcome, log


def running(of: int) -> list[int]:
    """The processes that a process started for scripts, and those that these started."""
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            number, rest = status.read_text().split(" ", 1)
            parent = int(rest.rsplit(")", 1)[1].split()[1])
            if parent == of and b"sandbox" in (status.parent / "cmdline").read_bytes():
                found += [int(number), *running(int(number))]
            elif parent == of and rest.rsplit(")", 1)[1].split()[0] == "Z":
                found.append(int(number))
    return found


def descriptors() -> int:
    return len(os.listdir("/dev/fd"))  # noqa: PTH208


def wait_for(what: Any, seconds: float = PATIENCE_S) -> None:
    until = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < until, "it did not come to that"
        time.sleep(0.02)


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where scripts have their folders. Ends each test as failed that leaves one, or a process, or a descriptor."""
    place = tmp_path / "folders"
    place.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(place))
    open_before = descriptors()
    yield place
    assert list(place.iterdir()) == []
    wait_for(lambda: not any(thread.name == "synctail-script" for thread in threading.enumerate()))
    assert descriptors() <= open_before
    if sys.platform == "linux":
        assert running(os.getpid()) == []


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False
