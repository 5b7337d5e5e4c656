"""A whole log as a file, text or NDJSON, streamed piece by piece: the server never holds more than one read of it.

With `?follow=1` the answer goes on until the sync ends, with the very frames a websocket would carry. Of a log that is
searched only the lines that match.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import aclosing
from functools import lru_cache
from typing import Any, Protocol

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

PIECE_BYTES = 256 * 1024
"""So much is formed at once; then the others have their turn."""

_encode = msgspec.json.encode
_decode = msgspec.json.decode


class Form(Protocol):
    """How a log is written down."""

    ending: str
    media: str

    def lines(self, bodies: list[bytes]) -> bytes:
        """The lines of chunks that follow each other."""

    def note(self, kind: str, about: dict[str, Any], words: str) -> bytes:
        """What is said between the lines: `kind` and `about` for a program, `words` for a person."""


class Downloads:
    def __init__(self, summaries: Summaries, log: LogReader, hub: Hub, who: auth.Auth, search: Search) -> None:
        self._summaries = summaries
        self._log = log
        self._hub = hub
        self._auth = who
        self._search = search

    def routes(self) -> list[BaseRoute]:
        return [
            HttpRoute("GET /api/syncs/{sync}/log.txt", self.text, role=Role.VIEWER),
            HttpRoute("GET /api/syncs/{sync}/log.ndjson", self.ndjson, role=Role.VIEWER),
        ]

    async def text(self, request: Request) -> Response:
        return await self._answer(request, Text())

    async def ndjson(self, request: Request) -> Response:
        return await self._answer(request, Ndjson())

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
        return Stream(body, headers, last_words=lambda error: _last_words(form, error))

    async def _stored(self, summary: Summary, after: int, form: Form) -> AsyncIterator[bytes]:
        """The lines that were there when it was asked for."""
        cursor = wire.valid_cursor(after, summary)
        if cursor < after:
            yield _rewind(form, cursor)
        while cursor < summary.lines:
            parts = await self._log.read(summary.id, cursor, summary.lines)
            if not parts:
                raise errors.RedisAway("Redis went back in time while the log was read. Ask again.")
            for piece in _pieces(parts, form):
                yield piece
                await asyncio.sleep(0)
            cursor = parts[-1].last

    async def _found(self, summary: Summary, after: int, form: Form, wanted: Query) -> AsyncIterator[bytes]:
        way = Way(after, summary.lines + 1)
        async with aclosing(self._search.walk(summary.id, wanted, way, lines=True)) as steps:
            async for step in steps:
                for piece in _found_pieces(step, form):
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
                    # Lines begin within the first bytes; only what is no lines is worth decoding.
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


def _last_words(form: Form, error: errors.ApiError) -> bytes:
    return form.note("error", described(error), f"cut off here: {error.title}. {error.detail}")


def _found_pieces(step: Step, form: Form) -> Iterator[bytes]:
    """About `PIECE_BYTES` each; a gap in its place."""
    lines: list[bytes] = []
    gaps = iter(step.gaps)
    gap = next(gaps, None)
    size = 0
    for n, line in zip(step.hits, step.lines, strict=True):
        while gap and gap.last < n:
            if lines:
                yield form.lines(lines)
                lines, size = [], 0
            yield _gap(form, gap)
            gap = next(gaps, None)
        lines.append(line)
        size += len(line)
        if size >= PIECE_BYTES:
            yield form.lines(lines)
            lines, size = [], 0
    if lines:
        yield form.lines(lines)
    if gap:
        yield _gap(form, gap)
    for rest in gaps:
        yield _gap(form, rest)


def _pieces(parts: Iterable[wire.Chunk | wire.Gap], form: Form) -> Iterator[bytes]:
    """About `PIECE_BYTES` each, formed as they are asked for."""
    bodies: list[bytes] = []
    size = 0
    for part in parts:
        if isinstance(part, wire.Chunk):
            bodies.append(part.body)
            size += len(part.body)
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
    words = f"what you have after line {last} is not in this log, which goes on here: Redis went back in time"
    return form.note("rewind", {"last": last}, words)


class Ndjson:
    ending = "ndjson"
    media = "application/x-ndjson"

    def lines(self, bodies: list[bytes]) -> bytes:
        return keys.SEPARATOR.join(bodies).replace(keys.SEPARATOR, b"\n") + b"\n"

    def note(self, kind: str, about: dict[str, Any], words: str) -> bytes:
        del words
        return _encode({"type": kind, **about}) + b"\n"


class _Shown(msgspec.Struct, gc=False):
    """What the text shows of a line."""

    time: str
    level: str
    text: str
    phase: str = "-"


_decode_shown = msgspec.json.Decoder(list[_Shown]).decode

# What a terminal would obey, or what turns a line around, is shown instead: C0 and C1 controls, and bidi controls.
_CONTROLS = [*range(0x09), *range(0x0B, 0x20), *range(0x7F, 0xA0)]
_BIDI = [0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A)]
_VISIBLE = {**{code: f"\\x{code:02x}" for code in _CONTROLS}, **{code: f"\\u{code:04x}" for code in _BIDI}}
# A line of the log stays one line of the file: what follows a line break in it is indented.
_VISIBLE[0x0A] = "\n    "


class Text:
    ending = "txt"
    media = "text/plain; charset=utf-8"

    def lines(self, bodies: list[bytes]) -> bytes:
        shown = _decode_shown(b"[" + keys.SEPARATOR.join(bodies) + b"]")
        return "".join([_text_line(line) for line in shown]).encode()

    def note(self, kind: str, about: dict[str, Any], words: str) -> bytes:
        del kind, about
        return f"… {words}\n".encode()


def _text_line(line: _Shown) -> str:
    # Nothing of what has to be shown otherwise is printable, and most lines are: that is quick to see.
    text = line.text if line.text.isprintable() else line.text.translate(_VISIBLE)
    return f"{line.time} {_kind(line.level, line.phase)} {text}\n"


@lru_cache
def _kind(level: str, phase: str) -> str:
    return f"{level.upper():7} {phase:6}"
