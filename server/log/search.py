"""Search in a log: reads it piece by piece, newest or oldest first, and answers with one JSON document or a stream of
frames. It holds one piece at a time, never a whole log, and never ends early without saying where.

| frame of a search | |
| --- | --- |
| `{"type": "matches", "numbers": [...]}` | numbers of matching lines, in the order of the search |
| `{"type": "gap", "first", "last", "why"}` | lines that no longer exist |
| `{"type": "progress", "first", "last", "time"}` | the range that was searched; the time of the line reached last |
| `{"type": "done", "total", "first", "last", "more", "status"}` | the end; `more`: the cursor to go on from, or null |
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import aclosing
from typing import NamedTuple

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from server.log import query, wire
from server.log.log_reader import LogReader, breathing
from server.log.query import Query
from server.log.summaries import Summaries
from server.web import bodies, errors, params
from server.web.cut_off import Stream, described
from server.web.routing import HttpRoute, Role
from synctail.model import keys
from synctail.model.sync import Summary

SEARCHES_AT_ONCE = 16
PIECES_AT_ONCE = 2
"""For all searches together. Each piece is searched in a thread; searches take turns."""
SLICE_S = 0.05
"""A thread gives its turn to the next search after this time, even in the middle of a piece."""
SEARCH_S = 30.0
"""Time limit of one streamed search; its last frame says where to continue."""
DOCUMENT_S = 10.0
TELL_EVERY_S = 0.1

FOUND = 500
FOUND_AT_MOST = 5000
DOCUMENT_BYTES = 1024 * 1024
BLOCK_BYTES = 512 * 1024
"""About the size of one piece when the newest lines come first."""
LARGEST_BLOCK = 20_000
TEXTS_AT_MOST = 500

NDJSON = "application/x-ndjson"

_encode = msgspec.json.encode
_TIME = re.compile(rb'"time":"([^"\\]{10,40})"')


class Marking(msgspec.Struct, forbid_unknown_fields=True):
    """The body of `POST /api/marks`."""

    q: str
    texts: list[str]
    case: bool = False


class Way(NamedTuple):
    """The lines `after + 1` to `before - 1`, all within the log."""

    after: int
    before: int
    newest_first: bool = False


class Step(NamedTuple):
    """Lines `first` to `last` were searched. `hits` are in the order of the search, `lines` their JSON if requested;
    `time` is that of the line reached last, or None if there were only gaps."""

    first: int
    last: int
    time: str | None
    hits: list[int]
    lines: list[bytes]
    gaps: list[wire.Gap]


class Search:
    def __init__(self, summaries: Summaries, log: LogReader) -> None:
        self._summaries = summaries
        self._log = log
        self._turns = asyncio.Semaphore(PIECES_AT_ONCE)
        self._running = 0

    def routes(self) -> list[BaseRoute]:
        """Without the search itself: it is a form of `GET /api/syncs/{sync}/log`."""
        return [HttpRoute("POST /api/marks", self.marks, role=Role.VIEWER)]

    async def answer(self, request: Request, wanted: Query) -> Response:
        """Answer `GET /api/syncs/{sync}/log` with a query: as a stream if the client accepts NDJSON, else as JSON."""
        asked = request.query_params
        order = asked.get("order", "asc")
        if order not in ("asc", "desc"):
            raise errors.BadRequest(f"order: got {order[:40]!r}; takes asc (oldest first) or desc")
        after = params.whole_number(asked, "after", default=0)
        before = params.whole_number(asked, "before", default=2**53)
        streamed = NDJSON in request.headers.get("accept", "")
        default, most = (2**53, 2**53) if streamed else (FOUND, FOUND_AT_MOST)
        limit = params.whole_number(asked, "limit", default=default, least=1, most=most)
        for name in ("first", "last"):
            if name in asked:
                raise errors.BadRequest(f"{name}: a search takes after and before instead; both are exclusive")
        self.check_room()
        summary = await self._summaries.get(request.path_params["sync"])
        way = Way(after, min(before, summary.lines + 1), order == "desc")
        if streamed:
            return Stream(self._frames(summary, wanted, way, limit), {"Content-Type": NDJSON}, last_words=_last_words)
        return await self._document(request, summary, wanted, way, limit)

    async def _document(self, request: Request, summary: Summary, wanted: Query, way: Way, limit: int) -> Response:
        found: list[bytes] = []
        gaps: list[wire.Gap] = []
        seen = _Seen(way, limit, DOCUMENT_S)
        async with aclosing(self.walk(summary.id, wanted, way, lines=True)) as steps:
            async for step in steps:
                if await request.is_disconnected():
                    return Response(status_code=400)  # the client has disconnected
                taken = seen.take(step)
                found += taken.lines
                gaps += taken.gaps
                if seen.over:
                    break
        told = _encode({
            "searched": seen.range, "gaps": [gap._asdict() for gap in gaps], "more": seen.more,
            "last": summary.lines, "status": summary.status,
        })  # fmt: skip
        body = b'{"matches":[%s],%s' % (keys.SEPARATOR.join(found), told[1:])
        return Response(body, media_type="application/json", headers={"Cache-Control": "no-store"})

    async def _frames(self, summary: Summary, wanted: Query, way: Way, limit: int) -> AsyncGenerator[bytes]:
        seen = _Seen(way, limit, SEARCH_S)
        told_at = time.monotonic()
        async with aclosing(self.walk(summary.id, wanted, way)) as steps:
            async for step in steps:
                first_find = seen.total == 0 and step.hits
                for gap in seen.take(step).gaps:
                    yield _frame(type="gap", **gap._asdict())
                if seen.over:
                    break
                if first_find or time.monotonic() > told_at + TELL_EVERY_S:
                    told_at = time.monotonic()
                    for frame in seen.news():
                        yield frame
        for frame in seen.news():
            yield frame
        first, last = seen.range or (None, None)
        yield _frame(type="done", total=seen.total, first=first, last=last, more=seen.more, status=summary.status)

    async def marks(self, request: Request) -> Response:
        """Where texts match a pattern. The page cannot match it: a browser's patterns differ, and their time has no
        bound."""
        asked = await bodies.read(request, Marking, 'Send {"q": "…", "texts": ["…"]}.')
        if not 0 < len(asked.q) <= query.LONGEST:
            raise errors.BadRequest(f"q: got {len(asked.q):,} characters; takes from 1 to {query.LONGEST:,}")
        if len(asked.texts) > TEXTS_AT_MOST:
            raise errors.BadRequest(f"texts: got {len(asked.texts):,}; takes {TEXTS_AT_MOST} at most")
        find = query.compiled(asked.q, case=asked.case)
        async with self._turns:
            found = await asyncio.to_thread(lambda: [query.spans(find, text) for text in asked.texts])
        return bodies.answer({"marks": found}, headers={"Cache-Control": "no-store"})

    async def lines_of(self, body: bytes, wanted: Query) -> list[bytes]:
        """The matching lines of a chunk, as JSON."""
        step = await self._look([wire.Chunk(0, 0, body)], wanted, lines=True)
        return step.lines

    def check_room(self) -> None:
        """Raises `Busy`."""
        if self._running >= SEARCHES_AT_ONCE:
            raise errors.Busy("This server runs as many searches as it can. Try again in a moment.")

    async def walk(self, sync_id: str, wanted: Query, way: Way, *, lines: bool = False) -> AsyncGenerator[Step]:
        """The steps of a search. Close the generator to end it early. Raises `Busy`."""
        self.check_room()
        self._running += 1
        try:
            async with aclosing(
                (self._back if way.newest_first else self._on)(sync_id, wanted, way, lines=lines)
            ) as steps:
                async for step in steps:
                    yield step
        finally:
            self._running -= 1

    async def _on(self, sync_id: str, wanted: Query, way: Way, *, lines: bool) -> AsyncGenerator[Step]:
        until = way.before - 1
        parts = await self._log.read_counted(sync_id, way.after, until)
        while parts:
            # Fetch the next piece while this one is searched.
            ahead = self._log.read_counted(sync_id, parts[-1].last, until)
            step, parts = await asyncio.gather(self._look(parts, wanted, lines=lines), ahead)
            yield step

    async def _back(self, sync_id: str, wanted: Query, way: Way, *, lines: bool) -> AsyncGenerator[Step]:
        size, until = 200, way.before - 1
        while until > way.after:
            first = max(way.after + 1, until - size + 1)
            parts = await self._log.read_counted(sync_id, first - 1, until)
            if parts[-1].last < until:
                # More than one read returns: it read the far end of the range, and the near end comes first.
                size = max(1, min(size // 2, parts[-1].last - first + 1))
                continue
            step = await self._look(parts, wanted, lines=lines)
            yield step._replace(hits=step.hits[::-1], lines=step.lines[::-1], time=_time_of(parts, newest=False))
            read = sum(len(part.body) for part in parts if isinstance(part, wire.Chunk))
            if read < BLOCK_BYTES // 2:
                size = min(size * 2, LARGEST_BLOCK)
            until = first - 1

    async def _look(self, parts: Sequence[wire.Chunk | wire.Gap], wanted: Query, *, lines: bool) -> Step:
        step = Step(parts[0].first, parts[-1].last, _time_of(parts, newest=True), [], [], [])
        left, done = breathing(parts), False
        while not done:
            async with self._turns:
                done = await asyncio.to_thread(_look, left, wanted, step, lines)
        return step


def _look(parts: Iterator[wire.Chunk | wire.Gap], wanted: Query, step: Step, lines: bool) -> bool:  # noqa: FBT001
    """Search for one slice of time. False: not all parts are done."""
    ends = time.perf_counter() + SLICE_S
    for part in parts:
        if isinstance(part, wire.Gap):
            step.gaps.append(part)
        elif places := wanted.places(part.body):
            step.hits.extend([part.first + place for place in places])
            if lines:
                each = part.body.split(keys.SEPARATOR)
                step.lines.extend([each[place] for place in places])
        if time.perf_counter() > ends:
            return False
    return True


class _Seen:
    """How far a search has come within its limits, and where the next request would continue."""

    def __init__(self, way: Way, limit: int, seconds: float) -> None:
        self.first = self.last = self.total = 0
        self.more: int | None = None
        self.over = False
        self._way = way
        self._limit = limit
        self._ends = time.monotonic() + seconds
        self._bytes = 0
        self._time: str | None = None
        self._numbers: list[int] = []

    @property
    def range(self) -> tuple[int, int] | None:
        return (self.first, self.last) if self.first else None

    def take(self, step: Step) -> Step:
        """Count a step as searched, up to the hit that reaches a limit, and return that part of it."""
        taken = min(len(step.hits), self._limit - self.total)
        for n, line in enumerate(step.lines[:taken], 1):
            self._bytes += len(line)
            if self._bytes >= DOCUMENT_BYTES:
                taken = n
                break
        self.total += taken
        full = self.total >= self._limit or self._bytes >= DOCUMENT_BYTES
        self.over = full or time.monotonic() > self._ends
        first, last, (after, before, newest_first) = step.first, step.last, self._way
        if full:
            first, last = (step.hits[taken - 1], last) if newest_first else (first, step.hits[taken - 1])
        self.first, self.last = min(self.first or first, first), max(self.last, last)
        self.more = self.first if newest_first else self.last
        if self.more == (after + 1 if newest_first else before - 1):
            self.more = None
        self._time = step.time or self._time
        self._numbers += step.hits[:taken]
        gaps = [gap for gap in step.gaps if self.first <= gap.first and gap.last <= self.last]
        return step._replace(hits=step.hits[:taken], lines=step.lines[:taken], gaps=gaps)

    def news(self) -> Iterator[bytes]:
        """The matches since the last call, and how far the search has come."""
        if self._numbers:
            yield _frame(type="matches", numbers=self._numbers)
            self._numbers = []
        if self.first:
            yield _frame(type="progress", first=self.first, last=self.last, time=self._time)


def _time_of(parts: Sequence[wire.Chunk | wire.Gap], *, newest: bool) -> str | None:
    for part in reversed(parts) if newest else parts:
        if isinstance(part, wire.Chunk):
            line = part.body[part.body.rfind(keys.SEPARATOR) + 1 :] if newest else part.body
            found = _TIME.search(line, 0, 80)
            return found[1].decode() if found else None
    return None


def _frame(**frame: object) -> bytes:
    return _encode(frame) + b"\n"


def _last_words(error: errors.ApiError) -> bytes:
    return _frame(type="error", **described(error))
