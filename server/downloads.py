"""A whole log as a file, text or NDJSON, streamed piece by piece: the server never holds more than one read of it.

With `?follow=1` the answer goes on until the sync ends, with the very frames a websocket would carry.
"""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Protocol

import msgspec
from redis.exceptions import RedisError
from starlette.responses import StreamingResponse
from starlette.routing import Route

from jobs import keys
from server import auth, errors, params, wire
from server.hub import Rider
from server.socket import cutter

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Iterator

    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import BaseRoute
    from starlette.types import Receive, Scope, Send

    from jobs.records import Summary
    from server.hub import Hub
    from server.store import Store

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
    def __init__(self, store: Store, hub: Hub, who: auth.Auth) -> None:
        self._store = store
        self._hub = hub
        self._auth = who

    def routes(self) -> list[BaseRoute]:
        return [
            Route("/api/syncs/{sync}/log.txt", self.text),
            Route("/api/syncs/{sync}/log.ndjson", self.ndjson),
        ]

    async def text(self, request: Request) -> Response:
        return await self._answer(request, Text())

    async def ndjson(self, request: Request) -> Response:
        return await self._answer(request, Ndjson())

    async def _answer(self, request: Request, form: Form) -> Response:
        who = auth.require(request, auth.Role.VIEWER)
        after = params.whole_number(request.query_params, "after", default=0)
        follow = params.whole_number(request.query_params, "follow", default=0, most=1)
        # Before the first byte, so that an unknown or expired sync is an error and not an empty file.
        summary = await self._store.summary(request.path_params["sync"])
        if follow:
            body, disposition = self._followed(summary, who, after, form), "inline"
        else:
            body, disposition = self._stored(summary, after, form), "attachment"
        headers = {
            "Content-Disposition": f'{disposition}; filename="{summary.service}-{summary.id}.{form.ending}"',
            "Cache-Control": "no-store",
            "X-Accel-Buffering": "no",  # a proxy that gathers would make a live log lag
        }
        return _Stream(body, form, headers)

    async def _stored(self, summary: Summary, after: int, form: Form) -> AsyncIterator[bytes]:
        """The lines that were there when it was asked for."""
        cursor = wire.stands(after, summary)
        if cursor < after:
            yield _rewind(form, cursor)
        while cursor < summary.lines:
            parts = await self._store.read(summary.id, cursor, summary.lines)
            if not parts:
                raise errors.RedisAway("Redis went back in time while the log was read. Ask again.")
            for piece in _pieces(parts, form):
                yield piece
                await asyncio.sleep(0)
            cursor = parts[-1].last

    async def _followed(self, summary: Summary, who: auth.Principal, after: int, form: Form) -> AsyncIterator[bytes]:
        woken = asyncio.Event()
        rider = Rider(after, woken.set)
        with self._auth.held(who, rider.fail):
            async with aclosing(self._hub.follow(summary.id, rider, woken)) as frames:
                async for text in frames:
                    # Lines begin within the first bytes; only what is no lines is worth decoding.
                    if text.startswith('{"type":"lines"'):
                        yield form.lines([wire.body_of(text)])
                        continue
                    frame: dict[str, Any] = _decode(text)
                    if frame["type"] == "gap":
                        yield _gap(form, wire.Gap(frame["first"], frame["last"], frame["why"]))
                    elif frame["type"] == "rewind":
                        yield _rewind(form, frame["last"])


class _Stream(StreamingResponse):
    """One that cannot go on says so in its last line, and ends so that no client takes it for whole."""

    def __init__(self, body: AsyncIterator[bytes], form: Form, headers: dict[str, str]) -> None:
        super().__init__(body, media_type=form.media, headers=headers)
        self._form = form

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        except* (errors.ApiError, RedisError) as group:
            error = next(_leaves(group))
            known = error if isinstance(error, errors.ApiError) else errors.RedisAway()
            cut = cutter(scope)
            if cut is None:
                raise
            about = {"status": known.status, "title": known.title, "detail": known.detail}
            last = self._form.note("error", about, f"cut off here: {known.title}. {known.detail}")
            await send({"type": "http.response.body", "body": last, "more_body": True})
            cut()
            while (await receive())["type"] != "http.disconnect":
                pass


def _leaves(group: BaseExceptionGroup[Exception]) -> Iterator[Exception]:
    for one in group.exceptions:
        if isinstance(one, BaseExceptionGroup):
            yield from _leaves(one)
        else:
            yield one


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
