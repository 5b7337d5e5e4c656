"""A whole log as a file, text or NDJSON, streamed piece by piece: the server never holds more than one read of it.

With `?follow=1` the answer goes on until the sync ends, with the same frames as the websocket. With a query it holds
only the lines that match.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import aclosing
from functools import lru_cache, partial
from heapq import merge
from operator import itemgetter
from typing import Any, NamedTuple

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from server.access import auth
from server.log import query, wire
from server.log.hub import Hub
from server.log.log_reader import LogReader
from server.log.query import Query
from server.log.search import Search, Step, Way
from server.log.summaries import Summaries
from server.log.viewers import Viewer
from server.web import errors, params
from server.web.cut_off import Stream, described
from server.web.routing import HttpRoute, Role
from synctail.model import keys
from synctail.model.sync import Summary
from synctail.model.unsafe_text import log_text

PIECE_BYTES = 256 * 1024
"""About the size of one piece; after each, other requests have their turn."""

_encode = msgspec.json.encode
_decode = msgspec.json.decode


class Form(NamedTuple):
    """A file format for logs.

    `lines` makes the lines of consecutive chunks, `note` a notice between them: of its kind and fields for programs, of
    its words for people.
    """

    ending: str
    media: str
    lines: Callable[[list[bytes]], bytes]
    note: Callable[[str, dict[str, Any], str], bytes]


class Downloads:
    def __init__(self, summaries: Summaries, log: LogReader, hub: Hub, who: auth.Auth, search: Search) -> None:
        self._summaries = summaries
        self._log = log
        self._hub = hub
        self._auth = who
        self._search = search

    def routes(self) -> list[BaseRoute]:
        return [
            HttpRoute("GET /api/syncs/{sync}/log.txt", partial(self._answer, form=TEXT), role=Role.VIEWER),
            HttpRoute("GET /api/syncs/{sync}/log.ndjson", partial(self._answer, form=NDJSON), role=Role.VIEWER),
        ]

    async def _answer(self, request: Request, form: Form) -> Response:
        who = auth.principal(request)
        after = params.whole_number(request.query_params, "after", default=0)
        follow = params.whole_number(request.query_params, "follow", default=0, most=1)
        wanted = query.asked(request.query_params)
        if wanted:
            self._search.check_room()
        # Before the first byte, so that an unknown or expired sync is an error and not an empty file.
        summary = await self._summaries.get(request.path_params["sync"])
        if follow:
            body, disposition = self._followed(summary, who, after, form, wanted), "inline"
        elif wanted:
            body, disposition = self._found(summary, after, form, wanted), "attachment"
        else:
            body, disposition = self._stored(summary, after, form), "attachment"
        part = "-found" if wanted else ""
        name = f'{disposition}; filename="{summary.service}-{summary.id}{part}.{form.ending}"'
        headers = {"Content-Type": form.media, "Content-Disposition": name}

        def last_words(error: errors.ApiError) -> bytes:
            return form.note("error", described(error), f"cut off here: {error.title}. {error.detail}")

        return Stream(body, headers, last_words=last_words)

    async def _stored(self, summary: Summary, after: int, form: Form) -> AsyncIterator[bytes]:
        """The lines that the log had at the time of the request."""
        cursor = wire.valid_cursor(after, summary)
        if cursor < after:
            yield _rewind(form, cursor)
        while parts := await self._log.read_counted(summary.id, cursor, summary.lines):
            for piece in _pieces((one.body if isinstance(one, wire.Chunk) else one for one in parts), form):
                yield piece
                await asyncio.sleep(0)
            cursor = parts[-1].last

    async def _found(self, summary: Summary, after: int, form: Form, wanted: Query) -> AsyncIterator[bytes]:
        way = Way(after, summary.lines + 1)
        async with aclosing(self._search.walk(summary.id, wanted, way, lines=True)) as steps:
            async for step in steps:
                for piece in _pieces(_in_order(step), form):
                    yield piece
                    await asyncio.sleep(0)

    async def _followed(
        self, summary: Summary, who: auth.Principal, after: int, form: Form, wanted: Query | None
    ) -> AsyncIterator[bytes]:
        woken = asyncio.Event()
        viewer = Viewer(after, woken.set)
        with self._auth.held(who, viewer.fail):
            async with aclosing(self._hub.follow(summary.id, viewer, woken)) as frames:
                async for text in frames:
                    # `lines` frames are passed on as they are; only the others, which are few, are decoded.
                    if text.startswith('{"type":"lines"'):
                        bodies = [wire.body_of(text)]
                        if wanted:
                            bodies = await self._search.lines_of(bodies[0], wanted)
                        if bodies:
                            yield form.lines(bodies)
                        continue
                    frame: dict[str, Any] = _decode(text)
                    if frame["type"] == "gap":
                        yield _gap(form, wire.Gap(frame["first"], frame["last"], frame["why"]))
                    elif frame["type"] == "rewind":
                        yield _rewind(form, frame["last"])


def _in_order(step: Step) -> Iterator[bytes | wire.Gap]:
    """Matching lines and gaps, by their numbers."""
    lines: Iterable[tuple[int, bytes | wire.Gap]] = zip(step.hits, step.lines, strict=True)
    gaps = ((gap.last, gap) for gap in step.gaps)
    return (part for _, part in merge(lines, gaps, key=itemgetter(0)))


def _pieces(parts: Iterable[bytes | wire.Gap], form: Form) -> Iterator[bytes]:
    """Pieces of about `PIECE_BYTES`, made as they are read, with each gap in its place."""
    bodies: list[bytes] = []
    size = 0
    for part in parts:
        if isinstance(part, bytes):
            bodies.append(part)
            size += len(part)
        if bodies and (size >= PIECE_BYTES or isinstance(part, wire.Gap)):
            yield form.lines(bodies)
            bodies, size = [], 0
        if isinstance(part, wire.Gap):
            yield _gap(form, part)
    if bodies:
        yield form.lines(bodies)


def _gap(form: Form, gap: wire.Gap) -> bytes:
    return form.note("gap", gap._asdict(), f"lines {gap.first} to {gap.last} no longer exist: {gap.why}")


def _rewind(form: Form, last: int) -> bytes:
    words = f"the lines you have after line {last} are not in this log, which continues here: Redis went back in time"
    return form.note("rewind", {"last": last}, words)


def _ndjson(bodies: list[bytes]) -> bytes:
    return keys.SEPARATOR.join(bodies).replace(keys.SEPARATOR, b"\n") + b"\n"


class _Shown(msgspec.Struct, gc=False):
    """The members of a line that the text shows."""

    time: str
    level: str
    text: str
    phase: str = "-"


_decode_shown = msgspec.json.Decoder(list[_Shown]).decode


def _text(bodies: list[bytes]) -> bytes:
    lines = _decode_shown(b"[" + keys.SEPARATOR.join(bodies) + b"]")
    return "".join([f"{one.time} {_kind(one.level, one.phase)} {log_text(one.text)}\n" for one in lines]).encode()


@lru_cache
def _kind(level: str, phase: str) -> str:
    return f"{level.upper():7} {phase:6}"


NDJSON = Form(
    "ndjson", "application/x-ndjson", _ndjson, lambda kind, about, _: _encode({"type": kind, **about}) + b"\n"
)
TEXT = Form("txt", "text/plain; charset=utf-8", _text, lambda _, _about, words: f"… {words}\n".encode())
