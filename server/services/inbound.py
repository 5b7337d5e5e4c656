"""The Inbound API: posted records start a sync. It only finds the records in a body and hands them on as they came, in
JSON; what they mean is the sync's business."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import jmespath
import msgspec
from jmespath.exceptions import JMESPathError
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from jobs.services.model import InboundSource
from server.services.actions import Actions
from server.services.reader import ServiceReader
from server.web import bodies, errors
from server.web.routing import RECORDS_BYTES, HttpRoute, Role
from synctail.model.json_text import as_text

LINES = frozenset({"application/x-ndjson", "application/ndjson", "application/jsonl", "application/x-jsonlines"})
"""Content types with one record per line."""
AT_ONCE = 4
"""Bodies decoded at the same time: what one of 8 MiB becomes may be ten times as large."""


class Inbound:
    def __init__(self, services: ServiceReader, actions: Actions) -> None:
        self._services = services
        self._actions = actions
        self._turn = asyncio.Semaphore(AT_ONCE)

    def routes(self) -> list[HttpRoute]:
        return [HttpRoute("POST /api/inbound/{service}", self.post, role=Role.OPERATOR, body_bytes=RECORDS_BYTES)]

    async def post(self, request: Request) -> Response:
        service = await self._services.get(request.path_params["service"])
        if not isinstance(service.source, InboundSource):
            raise errors.Conflict(f"The service {service.id!r} does not accept posted records: it pulls its own.")
        encoding = request.headers.get("content-encoding", "identity")
        if encoding != "identity":
            raise errors.RecordsRefused(f"Content-Encoding {encoding[:40]!r} is not supported. Send the body without.")
        body = await request.body()
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        async with self._turn:
            records = await run_in_threadpool(found, body, lines=kind in LINES, at=service.source.records)
            summary = await self._actions.inbound(service, records)
        return bodies.answer(summary, 202, {"Location": f"/api/syncs/{summary.id}"})


def found(body: bytes, *, lines: bool, at: str) -> list[bytes]:
    """The records of a body, each as JSON. The body is a list of objects, one object, or one object per line. `at`:
    JMESPath to the records. Raises `errors.RecordsRefused`."""
    body = body.removeprefix(b"\xef\xbb\xbf").strip()
    try:
        body.decode()  # msgspec does not validate text that it skips
        if lines:
            return [_line(line, n) for n, line in enumerate(body.split(b"\n"), 1) if line.strip()]
        return _below(body, at) if at else _at_the_top(body)
    except (ValueError, RecursionError) as error:
        raise errors.RecordsRefused(
            f"The body is not JSON: {error}. Send a list of objects, one object, or one per line as "
            "application/x-ndjson."
        ) from None


def _line(text: bytes, number: int) -> bytes:
    try:
        return _object(_raw(text), f"line {number}")
    except (ValueError, RecursionError) as error:
        why = f"{error.msg} at character {error.pos + 1}" if isinstance(error, json.JSONDecodeError) else error
        raise errors.RecordsRefused(f"Line {number} is not JSON: {why}. Send one object per line.") from None


def _at_the_top(body: bytes) -> list[bytes]:
    if body[:1] != b"[":
        return [_object(_raw(body), "the body")]
    try:
        # The contents of an object are validated as JSON but not decoded.
        records = [bytes(one) for one in msgspec.json.decode(body, type=list[msgspec.Raw])]
    except msgspec.DecodeError:
        records = [as_text(one) for one in _loads(body)]
    return [_object(one, f"[{n}]") for n, one in enumerate(records)]


def _below(body: bytes, at: str) -> list[bytes]:
    try:
        whole: Any = msgspec.json.decode(body)
    except msgspec.DecodeError:
        whole = _loads(body)
    try:
        records = jmespath.search(at, whole)
    except JMESPathError as error:
        raise errors.RecordsRefused(f"In the body, {at!r} finds no records: {error}.") from None
    if isinstance(records, dict):
        records = [records]
    if not isinstance(records, list) or not all(isinstance(one, dict) for one in records):
        raise errors.RecordsRefused(f"In the body, {at!r} finds no list of objects.")
    return [as_text(one) for one in records]


def _raw(text: bytes) -> bytes:
    try:
        return bytes(msgspec.json.decode(text, type=msgspec.Raw))
    except msgspec.DecodeError:
        return as_text(_loads(text))


def _loads(text: bytes) -> Any:
    """Accepts half a surrogate pair, which JSON can express and UTF-8 cannot. Raises `ValueError`."""
    return json.loads(text, parse_constant=_no_number)


def _no_number(name: str) -> None:
    raise ValueError(f"{name} is not a JSON number")


def _object(text: bytes, where: str) -> bytes:
    text = text.strip()
    if text[:1] != b"{":
        shown = text[:40].decode(errors="replace")
        raise errors.RecordsRefused(f"{where}: got {shown!r}; each record must be an object.")
    return text
