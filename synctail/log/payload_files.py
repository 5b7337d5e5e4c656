"""Keeps a sync's payload files: what was pulled, what the script returned, what was pushed.

A body goes to Redis in pieces, masked and compressed, and is never copied as a whole. A line of the log announces it
once it is complete. It never fails a sync: a line says what could not be kept, and why.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable, Iterator
from typing import NamedTuple, cast

import msgspec
import redis
import zstandard
from redis.exceptions import RedisError

from synctail import lua
from synctail.connect import patiently
from synctail.log.lines import NAME_LIMIT_BYTES, cut, readable
from synctail.log.masks import Masker, masker
from synctail.log.writer import LogWriter
from synctail.model import keys
from synctail.model.json_text import Record, as_json
from synctail.model.sync import Payload, PayloadKind, Stored

PATIENCE_S = 10.0
"""A shorter outage of Redis only slows a sync down."""
REST_S = 10.0
"""After a longer outage no payload is tried for this long: a sync must not wait at each of them."""
LEAST_BYTES = 1024
"""Each payload counts at least this much towards the total: an empty one costs memory as well."""

JSON = "application/json"


class PayloadLimit(NamedTuple):
    """Maximum bytes, as they are served, of one payload and of all payloads of a sync."""

    each: int
    total: int


class _NotKept(Exception):
    """Why, in the words of the log. `loud`: as a warning."""

    def __init__(self, why: str, size_bytes: int | None = None, *, loud: bool = True) -> None:
        super().__init__(why)
        self.size = "" if size_bytes is None else f", {size_bytes:,} bytes"
        self.loud = loud


class _Fenced(Exception):
    """The sync was ended from outside. Its writer learns that by itself."""


class Payloads:
    """The payload files of one attempt of one sync, for the thread of its job. Ignores kinds that are not wanted."""

    def __init__(
        self,
        client: redis.Redis,
        sync_id: str,
        attempt: int,
        log: LogWriter,
        wanted: Stored,
        *,
        limit: PayloadLimit,
        ttl_ms: int,
        secrets: Iterable[str] = (),
    ) -> None:
        self._client = client
        self._sync_id = sync_id
        self._attempt = attempt
        self._log = log
        self._wanted = wanted
        self._limit = limit
        self._ttl_ms = ttl_ms
        self._secrets = secrets
        self._fenced = self._full = False
        self._rest_until = 0.0
        self._shelf: _Shelf | None = None

    def wants(self, kind: PayloadKind) -> bool:
        """Whether this kind is kept. Ask first where making a body is expensive."""
        return bool(getattr(self._wanted, kind)) and not self._fenced

    def keep(
        self, kind: PayloadKind, name: str, media_type: str, body: Iterable[bytes] | bytes, *, phase: str | None = None
    ) -> None:
        """Keep a payload and log that, if its kind is wanted. The body may be made while it is read.

        Takes about `PATIENCE_S` longer when Redis is away. Raises nothing but what interrupts a sync.
        """
        if not self.wants(kind):
            return
        name = cut(readable(name), NAME_LIMIT_BYTES)
        try:
            kept = self._keep(kind, name, media_type, body)
        except _Fenced:
            self._fenced = True
        except _NotKept as not_kept:
            say = self._log.warning if not_kept.loud else self._log.info
            say(f"Payload not kept: {kind}, {name}{not_kept.size}: {not_kept}", phase)
        except Exception as error:  # noqa: BLE001 - a body that cannot be made must not stop the records
            self._log.warning(f"Payload not kept: {kind}, {name}: {type(error).__name__}: {error}", phase)
        else:
            about = {"n": kept.n, "kind": kind, "name": kept.name, "bytes": kept.bytes}
            self._log.log("info", f"Payload {kept.n}: {kind}, {kept.name}, {kept.bytes:,} bytes", phase, payload=about)

    def _keep(self, kind: PayloadKind, name: str, media_type: str, body: Iterable[bytes] | bytes) -> Payload:
        if time.monotonic() < self._rest_until:
            raise _NotKept("Redis is away")
        try:
            # Only with the first payload: a sync without any asks Redis nothing and compiles no pattern.
            self._shelf = self._shelf or _Shelf(self._client, self._sync_id, self._attempt, self._ttl_ms, self._secrets)
            allowed = min(self._limit.each, self._limit.total - self._shelf.bytes_kept)
            kept = self._shelf.put(kind, name, media_type, body, allowed)
        except RedisError as error:
            self._rest_until = time.monotonic() + REST_S
            raise _NotKept(f"Redis is away: {error}") from None
        if kept.n:
            return kept
        if kept.bytes > self._limit.each:
            raise _NotKept(f"the limit is {self._limit.each:,} bytes (SYNCTAIL_PAYLOAD_BYTES)", kept.bytes)
        why = f"the limit is {self._limit.total:,} bytes for all payloads of a sync (SYNCTAIL_PAYLOAD_TOTAL)"
        first, self._full = not self._full, True
        raise _NotKept(why, kept.bytes, loud=first)


class _Shelf:
    """Stores the pieces. Its methods raise `RedisError` when Redis is away for longer than `PATIENCE_S`, and `_Fenced`
    when the sync was ended from outside."""

    def __init__(self, client: redis.Redis, sync_id: str, attempt: int, ttl_ms: int, secrets: Iterable[str]) -> None:
        self._script = lua.script(client, __file__, "payload")
        self._keys = [keys.summary(sync_id), keys.payloads(sync_id), keys.pieces(sync_id)]
        self._attempt = attempt
        self._ttl_ms = ttl_ms
        self._mask: Masker = masker(secrets)
        self._compress = zstandard.ZstdCompressor(level=3).compress
        self._begun = 0
        """Stored pieces of a payload that has no description yet."""
        # What an earlier attempt stored stays, and counts.
        stored = cast("list[bytes]", patiently(PATIENCE_S)(client.hvals, keys.payloads(sync_id)))
        known = [msgspec.json.decode(one, type=Payload) for one in stored]
        self._count = len(known)
        self.bytes_kept = sum(max(one.bytes, LEAST_BYTES) for one in known)

    def put(
        self, kind: PayloadKind, name: str, media_type: str, body: Iterable[bytes] | bytes, allowed_bytes: int
    ) -> Payload:
        """What was kept. A payload that is larger than allowed has the number 0, and only its size is valid."""
        self._clear()
        number, size, digest = self._count + 1, 0, hashlib.sha256()
        last: list[bytes] = []
        for piece in in_pieces(self._mask.stream(in_pieces(body))):
            size += len(piece)
            if size > allowed_bytes:
                continue  # only its size is still needed
            digest.update(piece)
            self._send(number, b"", last)
            last = [self._compress(piece)]
        fits = max(size, LEAST_BYTES) <= allowed_bytes
        payload = Payload(
            n=number if fits else 0,
            kind=kind,
            name=self._mask(name),
            type=cut(readable(media_type), NAME_LIMIT_BYTES),
            bytes=size,
            sha256=digest.hexdigest(),
        )
        if not fits:
            self._clear()
            return payload
        # In one step: a payload with a description is complete.
        self._send(number, msgspec.json.encode(payload), last)
        self._begun, self._count = 0, number
        self.bytes_kept += max(size, LEAST_BYTES)
        return payload

    def _clear(self) -> None:
        """Drop the pieces of a payload that was not completed."""
        if self._begun:
            self._ask(self._count + 1, b"", [])
            self._begun = 0

    def _send(self, number: int, description: bytes, pieces: list[bytes]) -> None:
        if pieces or description:
            self._ask(number, description, pieces)
            self._begun += len(pieces)

    def _ask(self, number: int, description: bytes, pieces: list[bytes]) -> None:
        args = [self._attempt, self._ttl_ms, number, description, self._begun, *pieces]
        if patiently(PATIENCE_S)(self._script, keys=self._keys, args=args) != b"ok":
            raise _Fenced


def in_pieces(body: Iterable[bytes] | bytes) -> Iterator[bytes]:
    """The same bytes in pieces of `keys.PIECE_BYTES`."""
    if isinstance(body, bytes):
        for at in range(0, len(body), keys.PIECE_BYTES):
            yield body[at : at + keys.PIECE_BYTES]
        return
    held = bytearray()
    for part in body:
        held += part
        while len(held) >= keys.PIECE_BYTES:
            yield bytes(held[: keys.PIECE_BYTES])
            del held[: keys.PIECE_BYTES]
    if held:
        yield bytes(held)


def as_array(records: Iterable[Record]) -> Iterator[bytes]:
    """Records as a JSON array with one record per line, made record by record."""
    opening = b"["
    for record in records:
        yield opening
        yield as_json(record)
        opening = keys.SEPARATOR
    yield b"[]\n" if opening == b"[" else b"]\n"
