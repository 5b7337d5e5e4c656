"""The stored definitions of services: read, created, replaced, removed. One hash, a field for each.

Whoever stores one has checked it before (`jobs.definitions`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import msgspec

from jobs import keys
from jobs.records import Service, decode_service

if TYPE_CHECKING:
    from collections.abc import Sequence

    import redis


class ServiceNotFound(Exception):
    """No service has this id."""


class ServiceExists(Exception):
    """Another service has this id."""


# Only where there is one: who replaces a service that was removed meanwhile must not bring it back.
_REPLACE = """
if redis.call('HEXISTS', KEYS[1], ARGV[1]) == 0 then return 0 end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
return 1
"""


class Services:
    """Every method raises `RedisError` when Redis is away."""

    def __init__(self, client: redis.Redis) -> None:
        self._client = client
        self._replace = client.register_script(_REPLACE)

    def read(self, service_id: str) -> Service:
        """Raises `ServiceNotFound` or `Unreadable`."""
        stored = cast("bytes | None", self._client.hget(keys.SERVICES, service_id))
        if stored is None:
            raise ServiceNotFound(service_id)
        return decode_service(service_id, stored)

    def create(self, service: Service) -> None:
        """Raises `ServiceExists`."""
        if not self._client.hsetnx(keys.SERVICES, service.id, msgspec.json.encode(service)):
            raise ServiceExists(service.id)

    def replace(self, service: Service) -> None:
        """A sync that runs goes on as it began. Raises `ServiceNotFound`."""
        if not self._replace(keys=[keys.SERVICES], args=[service.id, msgspec.json.encode(service)]):
            raise ServiceNotFound(service.id)

    def put(self, services: Sequence[Service]) -> None:
        """Create or replace all of them in one command: a Redis that goes away has all of them, or none."""
        if services:
            self._client.hset(keys.SERVICES, mapping={one.id: msgspec.json.encode(one) for one in services})

    def remove(self, service_id: str) -> None:
        """And what it remembers of records. Its syncs stay until their time is over. Raises `ServiceNotFound`."""
        if not self._client.hdel(keys.SERVICES, service_id):
            raise ServiceNotFound(service_id)
        kept = (
            keys.service_seen,
            keys.service_seen_times,
            keys.service_turns,
            keys.service_waiting,
            keys.service_missed,
        )
        self._client.delete(*(key(service_id) for key in kept))
