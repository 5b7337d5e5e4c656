"""Scripts of services in a process of their own, and a log that keeps what they say."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from typing import Any, NamedTuple, cast

from jobs.transform.script import Limits, Script
from synctail.log.writer import LogWriter

SMALL = Limits(memory_bytes=256 << 20, output_bytes=1 << 20, lines=50)


class Said(NamedTuple):
    level: str
    text: str
    phase: str | None
    record: str | None
    fields: Mapping[str, Any] | None


class Log:
    def __init__(self) -> None:
        self.lines: list[Said] = []

    def _put(
        self,
        level: str,
        text: object,
        phase: str | None = None,
        record: str | None = None,
        fields: Mapping[str, Any] | None = None,
    ) -> None:
        self.lines.append(Said(level, str(text), phase, record, fields))

    def debug(self, *what: Any, **more: Any) -> None:
        self._put("debug", *what, **more)

    def info(self, *what: Any, **more: Any) -> None:
        self._put("info", *what, **more)

    def warning(self, *what: Any, **more: Any) -> None:
        self._put("warning", *what, **more)

    def error(self, *what: Any, **more: Any) -> None:
        self._put("error", *what, **more)

    def texts(self, level: str = "info") -> list[str]:
        return [line.text for line in self.lines if line.level == level]


class Code(NamedTuple):
    code: str
    timeout_s: float = 20


def script(code: str, log: Log, *, timeout_s: float = 20, **more: Any) -> Script:
    return Script(Code(textwrap.dedent(code), timeout_s), cast("LogWriter", log), **{"limits": SMALL, **more})


def handle(body: str) -> str:
    return "import os, sys\ndef handle(records, log):\n" + textwrap.indent(textwrap.dedent(body), "    ")
