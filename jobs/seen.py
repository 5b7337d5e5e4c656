"""Which records an earlier sync of the service already pushed: fingerprints of key and content, for 30 days."""

from __future__ import annotations

import hashlib
import json
import time
from typing import TYPE_CHECKING, Any, cast

import msgspec
from redis.exceptions import RedisError
from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_exponential_jitter

from jobs import keys

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import redis

_encode = msgspec.json.Encoder(order="deterministic", enc_hook=str).encode


def fingerprint(record: dict[str, Any]) -> bytes:
    """The same for the same content, whatever the order of its members; the key is part of the content."""
    try:
        content = _encode(record)
    except UnicodeEncodeError:  # half a surrogate pair, which JSON can name and UTF-8 cannot
        content = json.dumps(record, sort_keys=True, default=str).encode()
    return hashlib.blake2b(content, digest_size=12).digest()


class Seen:
    """Asks and remembers, page by page. A Redis that is away for less than 30 s only slows it down."""

    def __init__(self, client: redis.Redis, service_id: str) -> None:
        self._client = client
        self._key = keys.service_seen(service_id)

    def known(self, records: Sequence[dict[str, Any]]) -> list[bool]:
        """For each record, in order, whether it was pushed before."""
        prints = [fingerprint(record) for record in records]
        if not prints:
            return []
        for attempt in _patiently():
            with attempt:
                scores = self._client.zmscore(self._key, cast("list[str]", prints))
        return [score is not None for score in scores]

    def add(self, records: Iterable[dict[str, Any]]) -> None:
        now_ms = int(time.time() * 1000)
        members = {fingerprint(record): now_ms for record in records}
        if not members:
            return
        too_old = now_ms - int(keys.SEEN_TTL.total_seconds() * 1000)
        for attempt in _patiently():
            with attempt, self._client.pipeline() as pipe:
                pipe.zadd(self._key, members)
                pipe.zremrangebyscore(self._key, "-inf", too_old)
                pipe.zremrangebyrank(self._key, 0, -keys.SEEN_CAP - 1)
                pipe.pexpire(self._key, keys.SEEN_TTL)
                pipe.execute()


def _patiently() -> Retrying:
    return Retrying(
        retry=retry_if_exception_type(RedisError),
        stop=stop_after_delay(30),
        wait=wait_exponential_jitter(initial=0.1, max=3),
        reraise=True,
    )
