"""The fingerprint of each record as it was last pushed by a service, kept for 30 days.

Only the newest is kept, so a record that changes and changes back is pushed again. It covers the destination too, so a
service that writes to another table or file starts afresh.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Sequence
from typing import Any, NamedTuple, cast

import msgspec
import redis

from jobs.services.model import Service
from synctail.connect import patiently
from synctail.model import keys

_encode = msgspec.json.Encoder(order="deterministic", enc_hook=str).encode

ADDED_AT_ONCE = 1000


class _Print(NamedTuple):
    key: bytes
    content: bytes


def _digest(value: Any, salt: bytes) -> bytes:
    """The same for the same content, in whatever order its members are."""
    try:
        content = _encode(value)
    except UnicodeEncodeError:  # half a surrogate pair, which JSON can name and UTF-8 cannot
        content = json.dumps(value, sort_keys=True, default=str).encode()
    return hashlib.blake2b(content, digest_size=12, key=salt).digest()


_WHERETO = ("url", "schema", "table", "host", "port", "path", "key")
"""Members that make a destination a different one; how fast it is written to does not."""


class PushedBefore:
    """Looks fingerprints up and adds them, page by page. Waits for a Redis that is away, for up to two minutes."""

    def __init__(self, client: redis.Redis, service: Service) -> None:
        self._client = client
        self._prints_key = keys.service_seen(service.id)
        self._times_key = keys.service_seen_times(service.id)
        self._key = service.source.key
        end = service.destination
        whereto = [end.__struct_config__.tag, *(getattr(end, name, None) for name in _WHERETO)]
        self._salt = hashlib.blake2b(_encode(whereto), digest_size=16).digest()
        self._page: dict[int, tuple[dict[str, Any], _Print]] = {}
        self._held: dict[bytes, bytes] = {}

    def known(self, records: Sequence[dict[str, Any]]) -> list[bool]:
        """For each record, in order, whether it has not changed since it was last pushed."""
        self._page = {}
        if not records:
            return []
        prints = self._prints(records)
        # Most of them are pushed and added next: kept by identity, so that none is fingerprinted twice.
        self._page = {id(record): (record, one) for record, one in zip(records, prints, strict=True)}
        stored = patiently()(self._client.hmget, self._prints_key, [one.key for one in prints])
        return [one.content == self._held.get(one.key, content) for one, content in zip(prints, stored, strict=True)]

    def overtaken(self, records: Sequence[dict[str, Any]], pulled_at_ms: int, until_ms: int) -> list[bool]:
        """For each record, whether one with its key was pushed after `pulled_at_ms` and before `until_ms`."""
        if not records:
            return []
        names = [one.key for one in self._prints(records)]
        times = patiently()(self._client.zmscore, self._times_key, names)
        return [at is not None and pulled_at_ms < at < until_ms for at in times]

    def hold(self, records: Sequence[dict[str, Any]]) -> None:
        """Hold back records that are written to a file which is not complete yet, until `add_held`."""
        self._held.update(self._prints(records))
        while len(self._held) > keys.SEEN_CAP:
            del self._held[next(iter(self._held))]

    def add_held(self) -> None:
        prints = [_Print(*one) for one in self._held.items()]
        for start in range(0, len(prints), ADDED_AT_ONCE):
            self._add(prints[start : start + ADDED_AT_ONCE])

    def add(self, records: Sequence[dict[str, Any]]) -> None:
        """Add pushed records, and remove fingerprints that are too old or too many."""
        self._add(self._prints(records))

    def _add(self, prints: Sequence[_Print]) -> None:
        if not prints:
            return
        now_ms = int(time.time() * 1000)
        too_old = now_ms - int(keys.SEEN_TTL.total_seconds() * 1000)
        for attempt in patiently():
            with attempt, self._client.pipeline() as pipe:
                pipe.hset(self._prints_key, mapping=cast("Any", dict(prints)))
                pipe.zadd(self._times_key, {cast("str", one.key): now_ms for one in prints})
                pipe.pexpire(self._prints_key, keys.SEEN_TTL)
                pipe.pexpire(self._times_key, keys.SEEN_TTL)
                pipe.zrangebyscore(self._times_key, "-inf", too_old)
                pipe.zrange(self._times_key, 0, -keys.SEEN_CAP - 1)
                *_, old, beyond = pipe.execute()
                if forgotten := {*old, *beyond}:
                    pipe.hdel(self._prints_key, *forgotten)
                    pipe.zrem(self._times_key, *forgotten)
                    pipe.execute()

    def _prints(self, records: Sequence[dict[str, Any]]) -> list[_Print]:
        found = []
        for record in records:
            known, one = self._page.get(id(record), (None, None))
            if one and known is record:
                found.append(one)
                continue
            content = _digest(record, self._salt)
            key = record.get(self._key)
            found.append(_Print(content if key is None else _digest(key, b""), content))
        return found
