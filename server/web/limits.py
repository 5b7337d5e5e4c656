"""How much a client may send: a few hundred bytes, but for a service's definition, which may hold tables, and for
records that are posted."""

from __future__ import annotations

import re

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from server.web import errors

BODY_BYTES = 64 * 1024
DEFINITION_BYTES = 1024 * 1024
RECORDS_BYTES = 8 * 1024 * 1024
_LARGER = (
    (re.compile(r"/api/services(\.toml|/[^/]+)?|/api/try|/services/(new|import|[^/]+/edit)"), DEFINITION_BYTES),
    (re.compile(r"/api/inbound/[^/]+"), RECORDS_BYTES),
)


class BodyLimit:
    """Answers 413 before a byte is read where the length is known, and as soon as it is too much where it is not."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        length = Headers(scope=scope).get("content-length", "0")
        most = next((size for path, size in _LARGER if path.fullmatch(scope["path"])), BODY_BYTES)
        if not length.isdigit() or int(length) > most:
            await _too_large(most, scope, receive, send)
            return
        received = 0
        answered = False

        async def counted() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > most:
                # To the application this is a client that left; to the client it is a 413.
                return {"type": "http.disconnect"}
            return message

        async def answer(message: Message) -> None:
            nonlocal answered
            if received <= most:
                await send(message)
            elif not answered:
                answered = True
                await _too_large(most, scope, receive, send)

        await self._app(scope, counted, answer)


async def _too_large(most: int, scope: Scope, receive: Receive, send: Send) -> None:
    large = errors.TooLarge
    parts = " Post the records in several parts." if most == RECORDS_BYTES else ""
    says = f"A body may have {most // 1024:,} KiB here.{parts}"
    await errors.problem(large.status, large.title, says)(scope, receive, send)
