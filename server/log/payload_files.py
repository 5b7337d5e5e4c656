"""Payload files: what a sync pulled, what its script returned, what it pushed. Lists, previews and serves them.

They are served piece by piece: the server holds one piece per reader, however slow. Their contents are untrusted, so a
browser may only save them, and never run them as a page, a script or a style of this site.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import AsyncIterator, Mapping
from typing import NamedTuple

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from server.log.payload_reader import PayloadReader
from server.web import bodies, errors, params
from server.web.cut_off import Stream
from server.web.routing import HttpRoute, Role
from synctail.model import keys
from synctail.model.sync import Payload, Summary

LISTED = 1000
LISTED_AT_MOST = 10_000
PREVIEW_BYTES = 4096

ENDINGS = {
    "application/json": "json",
    "application/x-ndjson": "ndjson",
    "application/xml": "xml",
    "text/csv": "csv",
    "text/plain": "txt",
    "text/xml": "xml",
}
"""Types that are served as themselves, as no page would run them. All others are served as bytes."""

_TYPE = re.compile(r"([a-z]+/[a-z0-9.+-]+)(?:\s*;\s*charset=\"?([a-z0-9_.:-]{1,40})\"?)?\s*", re.IGNORECASE)
_SAFE = {
    "Content-Security-Policy": "sandbox; default-src 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "same-origin",
}


class Span(NamedTuple):
    """The bytes from `first` up to but not including `end`."""

    first: int
    end: int


WHOLE = Span(0, 2**63)
NOTHING = Span(0, 0)


class Payloads:
    def __init__(self, reader: PayloadReader) -> None:
        self._reader = reader

    def routes(self) -> list[BaseRoute]:
        return [
            HttpRoute("GET /api/syncs/{sync}/payloads", self.listed, role=Role.VIEWER),
            HttpRoute("GET /api/syncs/{sync}/payloads/{n}", self.file, role=Role.VIEWER),
        ]

    async def listed(self, request: Request) -> Response:
        after = params.whole_number(request.query_params, "after", default=0, most=2**31)
        limit = params.whole_number(request.query_params, "limit", default=LISTED, least=1, most=LISTED_AT_MOST)
        found = await self._reader.page(request.path_params["sync"], after, limit)
        return bodies.answer(found)

    async def file(self, request: Request) -> Response:
        preview = params.whole_number(request.query_params, "preview", default=0, most=1)
        payload, summary = await self._reader.get(request.path_params["sync"], _number(request.path_params["n"]))
        if preview:
            return await self._preview(payload, summary)
        tag = f'"{payload.sha256[:32]}"'
        headers = {**_SAFE, "ETag": tag, "Accept-Ranges": "bytes", "Cache-Control": "private, no-cache"}
        if params.not_modified(request.headers, tag):
            return Response(status_code=304, headers=headers)
        # Ranges apply to GET only (RFC 9110, 14.2).
        asked = wanted(request.headers, tag, payload.bytes) if request.method == "GET" else WHOLE
        if asked is NOTHING:
            raise errors.RangeNotSatisfiable(request.headers["range"], payload.bytes)
        headers["Content-Type"], ending = media_type(payload.type)
        name = f"{summary.service}-{summary.id}-{payload.kind}-{payload.n}.{ending}"
        headers["Content-Disposition"] = f'attachment; filename="{name}"'
        status, (first, end) = 200, (0, payload.bytes)
        if asked is not WHOLE:
            status, (first, end) = 206, asked
            headers["Content-Range"] = f"bytes {first}-{end - 1}/{payload.bytes}"
        headers["Content-Length"] = str(end - first)
        return Stream(self._bytes(payload, summary, first, end), headers, status=status)

    async def _bytes(self, payload: Payload, summary: Summary, first: int, end: int) -> AsyncIterator[bytes]:
        while first < end:
            index, within = divmod(first, keys.PIECE_BYTES)
            piece = await self._reader.piece(summary.id, payload.n, index)
            part = piece[within : within + end - first]
            if not part:
                raise errors.SyncExpired(
                    f"Payload {payload.n} of sync {summary.id} is shorter than its description says."
                )
            first += len(part)
            yield part

    async def _preview(self, payload: Payload, summary: Summary) -> Response:
        """The beginning of the file as text. Bytes that are not UTF-8 appear escaped."""
        raw = b""
        if payload.bytes:
            raw = (await self._reader.piece(summary.id, payload.n, 0))[:PREVIEW_BYTES]
        whole = len(raw) == payload.bytes
        # A character cut in the middle is left out.
        text = codecs.getincrementaldecoder("utf-8")("backslashreplace").decode(raw, final=whole)
        headers = {**_SAFE, "Cache-Control": "no-store", "Content-Disposition": "inline"}
        return Response(text.encode(), headers=headers, media_type="text/plain; charset=utf-8")


def media_type(stored: str) -> tuple[str, str]:
    """The `Content-Type`, and the extension of the file's name."""
    match = _TYPE.fullmatch(stored)
    media = match[1].lower() if match else ""
    if match is None or media not in ENDINGS:
        return "application/octet-stream", "bin"
    charset = match[2] or ("utf-8" if media.startswith("text/") else "")
    return (f"{media}; charset={charset.lower()}" if charset else media), ENDINGS[media]


_RANGE = re.compile(r"bytes=\s*([0-9]{0,18})-([0-9]{0,18})\s*", re.IGNORECASE)


def wanted(headers: Mapping[str, str], tag: str, size: int) -> Span:
    """The requested part, or `NOTHING` when it is outside the file.

    `WHOLE` also for several ranges, another unit, or an older version of the file: a server may ignore such a header.
    """
    match = _RANGE.fullmatch(headers.get("range", "").strip())
    if not match or match[1] == match[2] == "":
        return WHOLE
    if headers.get("if-range", tag).strip() != tag:  # also a date, which these files do not have
        return WHOLE
    if not match[1]:
        first, end = max(0, size - int(match[2])), size
    elif match[2] and int(match[2]) < int(match[1]):
        return WHOLE  # not a valid range (RFC 9110, 14.1.1)
    else:
        first, end = int(match[1]), min(int(match[2]) + 1, size) if match[2] else size
    return Span(first, end) if first < end else NOTHING


def _number(text: str) -> int:
    """Raises `PayloadNotFound`: without a number it cannot be one of the payloads."""
    if not re.fullmatch(r"[1-9][0-9]{0,8}", text):
        raise errors.PayloadNotFound(f"{text[:40]!r} is not the number of a payload: those are 1, 2, 3 …")
    return int(text)
