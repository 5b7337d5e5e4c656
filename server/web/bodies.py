"""JSON in and out: a request's body decoded, an answer encoded."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from server.web.errors import BadRequest

T = TypeVar("T")


async def read(request: Request, kind: type[T], send: str, *, empty: bytes = b"") -> T:
    """`send` tells the client what to send; `empty` is read in place of an empty body. Raises `BadRequest`."""
    body = await request.body()
    try:
        return msgspec.json.decode(body if body.strip() else empty, type=kind)
    except msgspec.ValidationError as error:
        raise BadRequest(f"Invalid body: {error}. {send}") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadRequest(f"The body is not JSON: {error}. {send}") from None


def answer(value: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    return Response(msgspec.json.encode(value), status, headers, media_type="application/json")
