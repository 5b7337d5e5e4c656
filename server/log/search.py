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
from contextlib import aclosing, contextmanager
from typing import NamedTuple

import msgspec
from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from server.log import query, wire
from server.log.log_reader import LogReader
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
BREATH_S = 0.002
"""A thread releases the interpreter after this time, so that viewers do not wait for a search."""
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

NDJSON = "application/x-ndjson"

_encode = msgspec.json.encode
_TIME = re.compile(rb'"time":"([^"\\]{10,40})"')


TEXTS_AT_MOST = 500


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

    # --- answers ------------------------------------------------------------------------------------------------

    async def answer(self, request: Request, wanted: Query) -> Response:
        """Answer `GET /api/syncs/{sync}/log` with a query: as a stream if the client accepts NDJSON, else as JSON."""
        given = request.query_params
        newest_first = _newest_first(given)
        after = params.whole_number(given, "after", default=0)
        before = params.whole_number(given, "before", default=2**53)
        streamed = NDJSON in request.headers.get("accept", "")
        limit = params.whole_number(
            given, "limit", default=2**53 if streamed else FOUND, least=1, most=2**53 if streamed else FOUND_AT_MOST
        )
        for name in ("first", "last"):
            if name in given:
                raise errors.BadRequest(f"{name}: a search takes after and before instead; both are exclusive")
        self.check_room()
        summary = await self._summaries.get(request.path_params["sync"])
        way = Way(after, min(before, summary.lines + 1), newest_first)
        if streamed:
            return Stream(self._frames(summary, wanted, way, limit), {"Content-Type": NDJSON}, last_words=_last_words)
        return await self._document(request, summary, wanted, way, limit)

    async def _document(self, request: Request, summary: Summary, wanted: Query, way: Way, limit: int) -> Response:
        found: list[bytes] = []
        gaps: list[wire.Gap] = []
        size, ends, more = 0, time.monotonic() + DOCUMENT_S, None
        seen = _Seen(way)
        async with aclosing(self.walk(summary.id, wanted, way, lines=True)) as steps:
            async for step in steps:
                if await request.is_disconnected():
                    return Response(status_code=400)  # the client has disconnected
                taken = 0
                while taken < len(step.hits) and len(found) < limit and size < DOCUMENT_BYTES:
                    found.append(step.lines[taken])
                    size += len(found[-1])
                    taken += 1
                full = len(found) >= limit or size >= DOCUMENT_BYTES
                more = seen.step(step, taken if full else None)
                gaps += seen.of(step.gaps)
                if full or time.monotonic() > ends:
                    break
            else:
                more = None
        told = _encode({
            "searched": seen.told, "gaps": [gap._asdict() for gap in gaps], "more": more,
            "last": summary.lines, "status": summary.status,
        })  # fmt: skip
        body = b'{"matches":[%s],%s' % (keys.SEPARATOR.join(found), told[1:])
        return Response(body, media_type="application/json", headers={"Cache-Control": "no-store"})

    async def _frames(self, summary: Summary, wanted: Query, way: Way, limit: int) -> AsyncGenerator[bytes]:
        seen = _Seen(way)
        total, more = 0, None
        numbers: list[int] = []
        now = told_at = time.monotonic()
        ends = now + SEARCH_S
        async with aclosing(self.walk(summary.id, wanted, way)) as steps:
            async for step in steps:
                now = time.monotonic()
                full = total + len(step.hits) >= limit
                taken = step.hits[: limit - total] if full else step.hits
                more = seen.step(step, len(taken) if full else None)
                for gap in seen.of(step.gaps):
                    yield _frame(type="gap", **gap._asdict())
                first_find = bool(taken) and total == 0
                numbers += taken
                total += len(taken)
                if full or now > ends:
                    break
                if first_find or now > told_at + TELL_EVERY_S:
                    told_at = now
                    if numbers:
                        yield _frame(type="matches", numbers=numbers)
                        numbers = []
                    yield _frame(type="progress", first=seen.first, last=seen.last, time=seen.time)
            else:
                more = None
        if numbers:
            yield _frame(type="matches", numbers=numbers)
        if seen.told:
            yield _frame(type="progress", first=seen.first, last=seen.last, time=seen.time)
        first, last = seen.told or (None, None)
        yield _frame(type="done", total=total, first=first, last=last, more=more, status=summary.status)

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

    # --- walking ------------------------------------------------------------------------------------------------

    def check_room(self) -> None:
        """Raises `Busy`."""
        if self._running >= SEARCHES_AT_ONCE:
            raise errors.Busy("This server runs as many searches as it can. Try again in a moment.")

    async def walk(self, sync_id: str, wanted: Query, way: Way, *, lines: bool = False) -> AsyncGenerator[Step]:
        """The steps of a search. Close the generator to end it early. Raises `Busy`."""
        with self._place():
            walk = self._back if way.newest_first else self._on
            async with aclosing(walk(sync_id, wanted, way, lines=lines)) as each:
                async for step in each:
                    yield step

    @contextmanager
    def _place(self) -> Iterator[None]:
        self.check_room()
        self._running += 1
        try:
            yield
        finally:
            self._running -= 1

    async def _on(self, sync_id: str, wanted: Query, way: Way, *, lines: bool) -> AsyncGenerator[Step]:
        until = way.before - 1
        parts = await self._read(sync_id, way.after, until) if way.after < until else []
        while parts:
            cursor = parts[-1].last
            # Fetch the next piece while this one is searched.
            ahead = self._read(sync_id, cursor, until) if cursor < until else _nothing()
            step, parts = await asyncio.gather(self._look(parts, wanted, lines=lines), ahead)
            yield step

    async def _back(self, sync_id: str, wanted: Query, way: Way, *, lines: bool) -> AsyncGenerator[Step]:
        size, until = 200, way.before - 1
        while until > way.after:
            first = max(way.after + 1, until - size + 1)
            parts = await self._read(sync_id, first - 1, until)
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

    async def _read(self, sync_id: str, after: int, until: int) -> list[wire.Chunk | wire.Gap]:
        parts = await self._log.read(sync_id, after, until)
        if not parts:
            raise errors.RedisAway("Redis went back in time while the log was searched. Ask again.")
        return parts

    async def _look(self, parts: Sequence[wire.Chunk | wire.Gap], wanted: Query, *, lines: bool) -> Step:
        step = Step(parts[0].first, parts[-1].last, _time_of(parts, newest=True), [], [], [])
        done = 0
        while done < len(parts):
            async with self._turns:
                done = await asyncio.to_thread(_look, parts, done, wanted, step, lines)
        return step


def _look(parts: Sequence[wire.Chunk | wire.Gap], done: int, wanted: Query, step: Step, lines: bool) -> int:  # noqa: FBT001
    """Search for one slice of time. Returns the number of parts that are done."""
    ends = time.perf_counter() + SLICE_S
    breathed = time.perf_counter()
    while done < len(parts) and (now := time.perf_counter()) < ends:
        if now > breathed + BREATH_S:
            time.sleep(0.00005)
            breathed = time.perf_counter()
        part = parts[done]
        done += 1
        if isinstance(part, wire.Gap):
            step.gaps.append(part)
            continue
        places = wanted.places(part.body)
        if places:
            step.hits.extend([part.first + place for place in places])
            if lines:
                each = part.body.split(keys.SEPARATOR)
                step.lines.extend([each[place] for place in places])
    return done


class _Seen:
    """How far a search has come, and where the next request would continue."""

    def __init__(self, way: Way) -> None:
        self._way = way
        self.first = 0
        self.last = 0
        self.time: str | None = None

    @property
    def told(self) -> tuple[int, int] | None:
        return (self.first, self.last) if self.first else None

    def step(self, step: Step, taken: int | None) -> int | None:
        """Count a step as searched, with `taken` only up to that many hits. Returns the cursor to continue from."""
        first, last = step.first, step.last
        if taken is not None and taken:
            first, last = (step.hits[taken - 1], last) if self._way.newest_first else (first, step.hits[taken - 1])
        self.first = min(self.first or first, first)
        self.last = max(self.last, last)
        self.time = step.time or self.time
        if self._way.newest_first:
            return self.first if self.first > self._way.after + 1 else None
        return self.last if self.last < self._way.before - 1 else None

    def of(self, gaps: list[wire.Gap]) -> list[wire.Gap]:
        """The gaps that lie within the searched range."""
        return [gap for gap in gaps if self.first <= gap.first and gap.last <= self.last]


async def _nothing() -> list[wire.Chunk | wire.Gap]:
    return []


def _time_of(parts: Sequence[wire.Chunk | wire.Gap], *, newest: bool) -> str | None:
    for part in reversed(parts) if newest else parts:
        if isinstance(part, wire.Chunk):
            line = part.body[part.body.rfind(keys.SEPARATOR) + 1 :] if newest else part.body
            found = _TIME.search(line, 0, 80)
            return found[1].decode() if found else None
    return None


def _newest_first(given: QueryParams) -> bool:
    order = given.get("order", "asc")
    if order not in ("asc", "desc"):
        raise errors.BadRequest(f"order: got {order[:40]!r}; takes asc (oldest first) or desc")
    return order == "desc"


def _frame(**frame: object) -> bytes:
    return _encode(frame) + b"\n"


def _last_words(error: errors.ApiError) -> bytes:
    return _frame(type="error", **described(error))
