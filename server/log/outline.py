"""The outline of a log: the count of lines of each level and phase, and its sections. And the line of a moment.

Outlines are kept in memory and continued from where they ended; the least recently used are dropped.
"""

from __future__ import annotations

import asyncio
from collections import Counter, OrderedDict
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from server.log import wire
from server.log.log_reader import LogReader, breathing
from server.log.summaries import Summaries
from server.web import bodies, errors
from server.web.routing import HttpRoute, Role
from synctail.model.ids import parse_rfc3339
from synctail.model.sync import Summary

KEPT = 64
MOST_SECTIONS = 2000
MOST_PHASES = 100
"""Further phases are counted together, as `…`: their names are the job's, and unbounded."""
OTHER_PHASES = "…"
BRIDGE_LINES = 20
"""This many lines without a phase between two lines of one phase belong to it. Lost lines have no phase either."""
PROBED = 500
"""Lines per read, when searching for a moment."""
AT_ONCE = 2


class Section(msgspec.Struct):
    """A run of one phase: lines `first` to `last`, with the times of both."""

    first: int
    last: int
    phase: str
    errors: int
    warnings: int
    began: str
    ended: str

    def join(self, other: Section) -> None:
        """Add the section that follows it."""
        self.last, self.ended = other.last, other.ended
        self.errors += other.errors
        self.warnings += other.warnings


class _Line(msgspec.Struct, gc=False):
    n: int
    time: str
    level: str
    phase: str = ""


_decode = msgspec.json.Decoder(list[_Line]).decode


class Outline:
    """The outline of lines 1 to `upto`. Pure: chunks are added in order."""

    def __init__(self) -> None:
        self.upto = 0
        self.levels: Counter[str] = Counter()
        self.phases: Counter[str] = Counter()
        self.sections: list[Section] = []
        self.cut: int | None = None
        """From this line on there are no sections: there were too many before."""
        self._loose: Section | None = None
        """Lines without a phase; if the same phase goes on after them, they belong to it."""

    def add(self, parts: Iterable[wire.Chunk | wire.Gap]) -> None:
        for part in parts:
            if isinstance(part, wire.Chunk):
                for line in _decode(b"[" + part.body + b"]"):
                    self._line(line)
            self.upto = part.last

    def _line(self, line: _Line) -> None:
        level, phase = line.level, line.phase
        self.levels[level] += 1
        known = not phase or phase in self.phases or len(self.phases) < MOST_PHASES
        self.phases[phase if known else OTHER_PHASES] += 1
        if self.cut:
            return
        last, loose = self.sections[-1] if self.sections else None, self._loose
        section = Section(line.n, line.n, phase, int(level == "error"), int(level == "warning"), line.time, line.time)
        if not phase:
            if loose:
                loose.join(section)
            else:
                self._loose = section
        elif last and last.phase == phase and line.n - last.last <= BRIDGE_LINES + 1:
            if loose:
                last.join(loose)
            last.join(section)
            self._loose = None
        elif len(self.sections) < MOST_SECTIONS:
            self.sections.append(section)
            self._loose = None
        else:
            self.cut = line.n

    def told(self) -> dict[str, Any]:
        return {
            "upto": self.upto,
            "levels": self.levels,
            "phases": [{"phase": phase, "lines": lines} for phase, lines in self.phases.items()],
            "sections": self.sections,
            "loose": self._loose,
            "cut": self.cut,
        }


class _Kept:
    def __init__(self) -> None:
        self.outline = Outline()
        self.lock = asyncio.Lock()
        self.ended = False
        """The sync had ended at the last update."""


class Outlines:
    def __init__(self, summaries: Summaries, log: LogReader) -> None:
        self._summaries = summaries
        self._log = log
        self._kept: OrderedDict[str, _Kept] = OrderedDict()
        self._turns = asyncio.Semaphore(AT_ONCE)

    def routes(self) -> list[BaseRoute]:
        return [HttpRoute("GET /api/syncs/{sync}/log/outline", self.outline, role=Role.VIEWER)]

    async def outline(self, request: Request) -> Response:
        at = request.query_params.get("at", "")
        when = _moment(at) if at else None
        summary = await self._summaries.get(request.path_params["sync"])
        told = await self._at(summary, when) if when else (await self._upto_date(summary)).told()
        return bodies.answer(told, headers={"Cache-Control": "private, no-cache"})

    async def _upto_date(self, summary: Summary) -> Outline:
        kept = self._kept.setdefault(summary.id, _Kept())
        self._kept.move_to_end(summary.id)
        if len(self._kept) > KEPT:
            self._kept.popitem(last=False)
        async with kept.lock:
            ended = summary.status.ended
            # Redis may have gone back in time, and the sync may have been ended without its writer. If the log is
            # shorter now, or has ended without getting longer, the outline may count lines that are not in it.
            if kept.outline.upto > summary.lines or (ended and not kept.ended and kept.outline.upto == summary.lines):
                kept.outline = Outline()
            while parts := await self._log.read_counted(summary.id, kept.outline.upto, summary.lines):
                async with self._turns:
                    await asyncio.to_thread(kept.outline.add, breathing(parts))
            kept.ended = ended
            return kept.outline

    async def _at(self, summary: Summary, when: datetime) -> dict[str, Any]:
        """The first line at or after a moment, by binary search; the last line if all are earlier."""
        low, high = 1, summary.lines + 1
        earlier = later = None
        while low < high:
            middle = (low + high) // 2
            lines = await self._chunk_from(summary.id, middle, high - 1)
            first = next((line for line in lines if parse_rfc3339(line.time) >= when), None)
            if lines and not first:
                earlier = lines[-1]
                low = earlier.n + 1
                continue
            high, later = middle, first or later
            if first and first is not lines[0]:
                break
        found = later or earlier
        return {"n": found and found.n, "time": found and found.time}

    async def _chunk_from(self, sync_id: str, n: int, until: int) -> list[_Line]:
        """Lines of the chunk that holds line `n`, or of the next chunk if `n` is in a gap; empty if there is none."""
        while n <= until:
            parts = await self._log.read(sync_id, n - 1, until, lines=PROBED)
            for part in parts:
                if isinstance(part, wire.Chunk):
                    return _decode(b"[" + part.body + b"]")
            if not parts:
                break
            n = parts[-1].last + 1
        return []


def _moment(text: str) -> datetime:
    try:
        found = parse_rfc3339(text)
    except ValueError:
        raise errors.BadRequest(f"at: got {text[:40]!r}; takes a time such as 2026-01-31T09:30:00Z") from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
