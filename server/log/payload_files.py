"""Payload files: what a sync pulled, what its script returned, what it pushed. Lists, previews and serves them.

They are served piece by piece: the server holds one piece per reader, however slow. Their contents are untrusted, so a
browser may only save them, and never run them as a page, a script or a style of this site.
"""

from __future__ import annotations

import asyncio
import codecs
import re
from collections.abc import AsyncIterator, Mapping
from typing import Any, cast

import msgspec
from redis.asyncio import Redis
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from server.log import wire
from server.log.summaries import Summaries
from server.web import bodies, errors, params
from server.web.cut_off import Stream
from server.web.routing import HttpRoute, Role
from synctail.model import keys
from synctail.model.ids import parse_rfc3339, utc_now
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


class Payloads:
    """`turns` bounds how many pieces are read at once, together with logs."""

    def __init__(self, client: Redis, summaries: Summaries, turns: asyncio.Semaphore) -> None:
        self._client = client
        self._summaries = summaries
        self._turns = turns

    def routes(self) -> list[BaseRoute]:
        return [
            HttpRoute("GET /api/syncs/{sync}/payloads", self.listed, role=Role.VIEWER),
            HttpRoute("GET /api/syncs/{sync}/payloads/{n}", self.file, role=Role.VIEWER),
        ]

    async def listed(self, request: Request) -> Response:
        after = params.whole_number(request.query_params, "after", default=0, most=2**31)
        limit = params.whole_number(request.query_params, "limit", default=LISTED, least=1, most=LISTED_AT_MOST)
        summary = await self._summary(request)
        numbers = [str(n) for n in range(after + 1, after + limit + 1)]
        stored = await cast("Any", self._client.hmget(keys.payloads(summary.id), numbers))
        return bodies.answer([_payload(one, summary) for one in stored if one is not None])

    async def file(self, request: Request) -> Response:
        preview = params.whole_number(request.query_params, "preview", default=0, most=1)
        payload, summary = await self._described(request)
        if preview:
            return await self._preview(payload, summary)
        tag = f'"{payload.sha256[:32]}"'
        headers = {**_SAFE, "ETag": tag, "Accept-Ranges": "bytes", "Cache-Control": "private, no-cache"}
        if params.not_modified(request.headers, tag):
            return Response(status_code=304, headers=headers)
        # Ranges apply to GET only (RFC 9110, 14.2).
        part = wanted(request.headers, tag, payload.bytes) if request.method == "GET" else None
        if part is not None and not part:
            raise errors.RangeNotSatisfiable(request.headers["range"], payload.bytes)
        sent = part or range(payload.bytes)
        headers["Content-Type"], ending = media_type(payload.type)
        name = f"{summary.service}-{summary.id}-{payload.kind}-{payload.n}.{ending}"
        headers["Content-Disposition"] = f'attachment; filename="{name}"'
        headers["Content-Length"] = str(len(sent))
        headers["X-Accel-Buffering"] = "yes"  # a proxy may take all of a file, and serve a slow reader itself
        if part:
            headers["Content-Range"] = f"bytes {part.start}-{part.stop - 1}/{payload.bytes}"
        return Stream(self._bytes(payload, summary, sent), headers, status=206 if part else 200)

    async def _described(self, request: Request) -> tuple[Payload, Summary]:
        number = request.path_params["n"]
        if not re.fullmatch(r"[1-9][0-9]{0,8}", number):
            raise errors.PayloadNotFound(f"{number[:40]!r} is not the number of a payload: those are 1, 2, 3 …")
        summary = await self._summary(request)
        stored = await cast("Any", self._client.hget(keys.payloads(summary.id), number))
        if stored is None:
            raise errors.PayloadNotFound(
                f"Sync {summary.id} has no payload {number}. GET /api/syncs/{summary.id}/payloads lists those it has."
            )
        return _payload(stored, summary), summary

    async def _bytes(self, payload: Payload, summary: Summary, sent: range) -> AsyncIterator[bytes]:
        while sent:
            index, within = divmod(sent.start, keys.PIECE_BYTES)
            piece = await self._piece(summary.id, payload.n, index)
            part = piece[within : within + len(sent)]
            if not part:
                raise errors.SyncExpired(
                    f"Payload {payload.n} of sync {summary.id} is shorter than its description says."
                )
            sent = sent[len(part) :]
            yield part

    async def _preview(self, payload: Payload, summary: Summary) -> Response:
        """The beginning of the file as text. Bytes that are not UTF-8 appear escaped."""
        raw = (await self._piece(summary.id, payload.n, 0))[:PREVIEW_BYTES] if payload.bytes else b""
        whole = len(raw) == payload.bytes
        # A character cut in the middle is left out.
        text = codecs.getincrementaldecoder("utf-8")("backslashreplace").decode(raw, final=whole)
        headers = {**_SAFE, "Cache-Control": "no-store", "Content-Disposition": "inline"}
        return Response(text.encode(), headers=headers, media_type="text/plain; charset=utf-8")

    async def _piece(self, sync_id: str, number: int, index: int) -> bytes:
        async with self._turns:
            stored = await cast("Any", self._client.hget(keys.pieces(sync_id), f"{number}:{index}"))
        if stored is None:
            raise errors.SyncExpired(f"Payload {number} of sync {sync_id} is no longer kept.")
        return wire.unpack(b"zstd", stored)

    async def _summary(self, request: Request) -> Summary:
        summary = await self._summaries.get(request.path_params["sync"])
        if summary.expires_at and parse_rfc3339(summary.expires_at) <= utc_now():
            raise errors.SyncExpired(f"The payloads of sync {summary.id} expired at {summary.expires_at}.")
        return summary


def _payload(stored: bytes, summary: Summary) -> Payload:
    return msgspec.structs.replace(msgspec.json.decode(stored, type=Payload), expires_at=summary.expires_at)


def media_type(stored: str) -> tuple[str, str]:
    """The `Content-Type`, and the extension of the file's name."""
    match = _TYPE.fullmatch(stored)
    media = match[1].lower() if match else ""
    if match is None or media not in ENDINGS:
        return "application/octet-stream", "bin"
    charset = match[2] or ("utf-8" if media.startswith("text/") else "")
    return (f"{media}; charset={charset.lower()}" if charset else media), ENDINGS[media]


_RANGE = re.compile(r"bytes=\s*([0-9]{0,18})-([0-9]{0,18})\s*", re.IGNORECASE)


def wanted(headers: Mapping[str, str], tag: str, size: int) -> range | None:
    """The requested bytes, none when they are outside the file.

    None also for several ranges, another unit, or an older version of the file: a server may ignore such a header.
    """
    match = _RANGE.fullmatch(headers.get("range", "").strip())
    if not match or match[1] == match[2] == "":
        return None
    if headers.get("if-range", tag).strip() != tag:  # also a date, which these files do not have
        return None
    if not match[1]:
        first, end = max(0, size - int(match[2])), size
    elif match[2] and int(match[2]) < int(match[1]):
        return None  # not a valid range (RFC 9110, 14.1.1)
    else:
        first, end = int(match[1]), min(int(match[2]) + 1, size) if match[2] else size
    return range(first, end)
