"""A whole log as a file, text or NDJSON, streamed chunk by chunk: the server never holds more than one read of it.

With `?follow=1` the answer goes on until the sync ends, with the very frames a websocket would carry.
"""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING, Any

import msgspec
from starlette.responses import StreamingResponse
from starlette.routing import Route

from jobs import keys
from server import auth, params, wire

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import BaseRoute

    from jobs.records import Summary
    from server.hub import Hub
    from server.store import Store

_decode = msgspec.json.decode


class Downloads:
    def __init__(self, store: Store, hub: Hub) -> None:
        self._store = store
        self._hub = hub

    def routes(self) -> list[BaseRoute]:
        return [
            Route("/api/syncs/{sync}/log.txt", self.text),
            Route("/api/syncs/{sync}/log.ndjson", self.ndjson),
        ]

    async def text(self, request: Request) -> Response:
        return await self._answer(request, "txt", "text/plain; charset=utf-8", _as_text)

    async def ndjson(self, request: Request) -> Response:
        return await self._answer(request, "ndjson", "application/x-ndjson", _as_ndjson)

    async def _answer(self, request: Request, ending: str, media: str, form: Callable[[bytes], bytes]) -> Response:
        auth.require(request, auth.Role.VIEWER)
        after = params.whole_number(request.query_params, "after", default=0)
        follow = params.whole_number(request.query_params, "follow", default=0, most=1)
        # Before the first byte, so that an unknown or expired sync is an error and not an empty file.
        summary = await self._store.summary(request.path_params["sync"])
        if follow:
            body, disposition = self._followed(summary, after, form), "inline"
        else:
            body, disposition = self._stored(summary, after, form), "attachment"
        headers = {
            "Content-Disposition": f'{disposition}; filename="{summary.service}-{summary.id}.{ending}"',
            "Cache-Control": "no-store",
            "X-Accel-Buffering": "no",  # a proxy that gathers would make a live log lag
        }
        return StreamingResponse(body, media_type=media, headers=headers)

    async def _stored(self, summary: Summary, after: int, form: Callable[[bytes], bytes]) -> AsyncIterator[bytes]:
        """The lines that were there when it was asked for."""
        cursor, until = after, summary.lines
        while cursor < until:
            chunks = await self._store.read(summary.id, cursor)
            for chunk in [chunk.until(until) for chunk in chunks if chunk.first <= until]:
                if chunk.first > cursor + 1:
                    yield form(_gap(cursor + 1, chunk.first - 1))
                yield form(chunk.after(cursor).body)
                cursor = chunk.last
            if not chunks or chunks[0].first > until:
                yield form(_gap(cursor + 1, until))
                return

    async def _followed(self, summary: Summary, after: int, form: Callable[[bytes], bytes]) -> AsyncIterator[bytes]:
        async with aclosing(self._hub.follow(summary.id, after)) as frames:
            async for text in frames:
                frame: dict[str, Any] = _decode(text)
                if frame["type"] == "lines":
                    yield form(wire.body_of(text))
                elif frame["type"] == "gap":
                    yield form(_gap(frame["first"], frame["last"], frame["why"]))


# What a terminal would obey, or what turns a line around, is shown instead: C0 and C1 controls, and bidi controls.
_CONTROLS = [*range(0x09), *range(0x0B, 0x20), *range(0x7F, 0xA0)]
_BIDI = [0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A)]
_VISIBLE = {**{code: f"\\x{code:02x}" for code in _CONTROLS}, **{code: f"\\u{code:04x}" for code in _BIDI}}


def _gap(first: int, last: int, why: str = "they are no longer kept") -> bytes:
    return msgspec.json.encode({"type": "gap", "first": first, "last": last, "why": why})


def _as_ndjson(body: bytes) -> bytes:
    return body.replace(keys.SEPARATOR, b"\n") + b"\n"


def _as_text(body: bytes) -> bytes:
    return "".join(_text_line(line) for line in _decode(b"[" + body + b"]")).encode()


def _text_line(line: dict[str, Any]) -> str:
    if line.get("type") == "gap":
        return f"… lines {line['first']} to {line['last']} no longer exist: {line['why']}\n"
    # A line of the log stays one line of the file: what follows a line break in it is indented.
    text = line["text"].translate(_VISIBLE).replace("\n", "\n    ")
    return f"{line['time']} {line['level'].upper():7} {line.get('phase', '-'):6} {text}\n"
