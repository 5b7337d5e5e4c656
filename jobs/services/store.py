"""The stored definitions of services: read, created, replaced, removed. One hash, a field for each.

The caller has checked what it stores (`jobs.services.validate`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import msgspec
import redis

from jobs.services.model import Service, decode_service
from synctail import lua
from synctail.model import keys


class ServiceNotFound(Exception):
    """No service has this id."""


class ServiceExists(Exception):
    """Another service has this id."""


class Services:
    """Every method raises `RedisError` when Redis is away."""

    def __init__(self, client: redis.Redis) -> None:
        self._client = client
        self._replace = lua.script(client, __file__, "replace_service")
        self._put = lua.script(client, __file__, "put_services")

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

    def put(self, created: Sequence[Service], replaced: Sequence[Service]) -> None:
        """All of them in one step: a Redis that goes away has all, or none. Raises `ServiceExists` for one that is to
        be created and is there by now, `ServiceNotFound` for one that is to be replaced and has gone."""
        both = [(0, one) for one in created] + [(1, one) for one in replaced]
        if not both:
            return
        args = [arg for there, one in both for arg in (one.id, there, msgspec.json.encode(one))]
        other = cast("bytes | None", self._put(keys=[keys.SERVICES], args=args))
        if other is not None:
            found = other.decode()
            raise ServiceExists(found) if any(one.id == found for one in created) else ServiceNotFound(found)

    def remove(self, service_id: str) -> None:
        """And what it remembers of records. Its syncs stay until their time is over. Raises `ServiceNotFound`."""
        if not self._client.hdel(keys.SERVICES, service_id):
            raise ServiceNotFound(service_id)
        kept = (keys.service_seen, keys.service_seen_times, keys.service_turns, keys.service_waiting)
        self._client.delete(*(key(service_id) for key in (*kept, keys.service_missed)))
