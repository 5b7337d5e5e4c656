"""Every error a client can get, in one table: status, close code, title.

Endpoints raise these; `problem` makes the response (RFC 9457), `close_code` closes a websocket. Close codes from 4400
on mean "do not reconnect unchanged".
"""

from __future__ import annotations

import http
from collections.abc import Iterable, Mapping
from typing import Self

from starlette.responses import JSONResponse, Response


class ApiError(Exception):
    """`detail` tells the reader what to do."""

    status, close_code, title = 500, 1011, "Something went wrong"
    detail = "This is an error in the server. Its log has the details."
    headers: Mapping[str, str] = {}

    def __init__(self, detail: str = "", **extra: object) -> None:
        self.detail = detail or self.detail
        self.extra = extra
        super().__init__(self.detail)


class BadRequest(ApiError):
    status, close_code, title = 400, 4400, "Bad request"


class SignInNeeded(ApiError):
    status, close_code, title = 401, 4401, "Sign in"


class Forbidden(ApiError):
    status, close_code, title = 403, 4403, "Not allowed"


class ServiceUnknown(ApiError):
    status, close_code, title = 404, 4404, "No such service"


class TokenUnknown(ApiError):
    status, close_code, title = 404, 4404, "No such token"


class SyncNotFound(ApiError):
    status, close_code, title = 404, 4404, "No such sync"


class PayloadNotFound(ApiError):
    status, close_code, title = 404, 4404, "No such payload"


class DefinitionRefused(ApiError):
    """`errors` lists every error: `{"path": "mapping[2].with[0]", "says": "…"}`."""

    status, close_code, title = 422, 4400, "Invalid definition"

    @classmethod
    def of(cls, faults: Iterable[tuple[str, str]]) -> Self:
        """Each with its path, empty where the whole is meant, and what it says."""
        listed = [{"path": path, "says": says} for path, says in faults]
        detail = "; ".join(f"{one['path']}: {one['says']}" if one["path"] else one["says"] for one in listed)
        return cls(detail, errors=listed)


class OptionsRefused(DefinitionRefused):
    title = "Invalid options"


class RecordsRefused(ApiError):
    status, close_code, title = 422, 4400, "No valid records"


class PatternRefused(ApiError):
    """`position`: the wrong character, counted from 1, or null; `says`: RE2's message."""

    status, close_code, title = 422, 4400, "Invalid pattern"


class Conflict(ApiError):
    status, close_code, title = 409, 4400, "Conflict"


class SyncExpired(ApiError):
    status, close_code, title = 410, 4410, "Expired"


class TooLarge(ApiError):
    status, close_code, title = 413, 4400, "Too large"


class RangeNotSatisfiable(ApiError):
    status, close_code, title = 416, 4400, "No such range"

    def __init__(self, asked: str, size: int) -> None:
        super().__init__(f"Got {asked[:60]!r}; this payload has {size:,} bytes.")
        self.headers = {"Content-Range": f"bytes */{size}"}


class ServiceUnreadable(ApiError):
    status, close_code, title = 409, 4400, "The definition cannot be read"


class Crowded(ApiError):
    status, close_code, title = 503, 4429, "Too many connections"


class Busy(ApiError):
    status, close_code, title = 503, 1012, "Too busy"


class RedisAway(ApiError):
    status, close_code, title = 503, 1012, "Redis is unreachable"
    detail = "Redis is not responding. Try again in a moment."


class RedisFull(ApiError):
    status, close_code, title = 503, 1012, "Redis is full"
    detail = "Redis has reached its maxmemory, so nothing new can be stored. Raise it, or wait until logs expire."


class Restarting(ApiError):
    status, close_code, title = 503, 1012, "The server is restarting"
    detail = "This server is stopping. Reconnect with the number of your last line."


def problem(error: ApiError) -> Response:
    headers = dict(error.headers)
    if error.status == http.HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = 'Bearer realm="synctail"'
    if error.status == http.HTTPStatus.SERVICE_UNAVAILABLE:
        headers["Retry-After"] = "2"
    says = {"type": "about:blank", "title": error.title, "status": error.status, "detail": error.detail}
    return JSONResponse({**says, **error.extra}, error.status, headers, media_type="application/problem+json")
