"""A streamed answer that is visibly cut off when it cannot be completed."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

from redis.exceptions import RedisError
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from server.web import errors
from server.web.protocols import CUT


class Stream(StreamingResponse):
    """One that cannot go on is broken off, so that no client takes it for whole.

    `last_words` makes the line that says why; without it there is none. A client that leaves ends `body`.
    """

    def __init__(
        self,
        body: AsyncIterator[bytes],
        headers: dict[str, str],
        *,
        status: int = 200,
        last_words: Callable[[errors.ApiError], bytes] | None = None,
    ) -> None:
        # A proxy that buffers would delay live lines.
        super().__init__(body, status, {"Cache-Control": "no-store", "X-Accel-Buffering": "no", **headers})
        self._last_words = last_words

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] == "HEAD":
            # A body would be discarded, and that of a followed log does not end.
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            await send({"type": "http.response.body"})
            return
        try:
            await super().__call__(scope, receive, send)
        except* (errors.ApiError, RedisError) as group:
            cut = scope.get("extensions", {}).get(CUT, {}).get("cut")
            if cut is None:  # under another server than ours
                raise
            if self._last_words:
                error: BaseException = group
                while isinstance(error, BaseExceptionGroup):
                    error = error.exceptions[0]
                known = error if isinstance(error, errors.ApiError) else errors.RedisAway()
                await send({"type": "http.response.body", "body": self._last_words(known), "more_body": True})
            cut()
            while (await receive())["type"] != "http.disconnect":
                pass


def described(error: errors.ApiError) -> dict[str, object]:
    """An error in the middle of a stream, for a program."""
    return {"status": error.status, "title": error.title, "detail": error.detail}
