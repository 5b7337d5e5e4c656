"""Reads what people defined: services, and the starts that they missed. Every method raises `RedisError`."""

from __future__ import annotations

import logging
from typing import Any, cast

import msgspec
from redis.asyncio import Redis

from jobs.services.model import Missed, Service, Unreadable, decode_service
from server.web import errors
from synctail.model import keys

_log = logging.getLogger("synctail.services")


class ServiceReader:
    def __init__(self, client: Redis) -> None:
        self._client = client
        self._reported: set[str] = set()

    async def all(self) -> list[Service]:
        """All services, by name."""
        stored = await cast("Any", self._client.hgetall(keys.SERVICES))
        services = []
        for service_id, definition in stored.items():
            try:
                services.append(decode_service(service_id.decode(), definition))
            except Unreadable as error:  # it must not hide the others
                if str(error) not in self._reported:
                    self._reported.add(str(error))
                    _log.error("A service cannot be read and is not listed. %s", error)
        return sorted(services, key=lambda service: (service.name.lower(), service.id))

    async def get(self, service_id: str) -> Service:
        """Raises `ServiceUnknown` or `ServiceUnreadable`."""
        stored = await cast("Any", self._client.hget(keys.SERVICES, service_id))
        if stored is None:
            raise no_service(service_id)
        try:
            return decode_service(service_id, stored)
        except Unreadable as error:
            raise errors.ServiceUnreadable(f"{error}. Correct it, or remove it from the hash `services`.") from None

    async def missed(self, service_id: str) -> list[Missed]:
        """The last scheduled starts that were missed, newest first."""
        stored = await cast("Any", self._client.lrange(keys.service_missed(service_id), 0, -1))
        return [msgspec.json.decode(one, type=Missed) for one in stored]


def no_service(service_id: str) -> errors.ServiceUnknown:
    return errors.ServiceUnknown(f"There is no service {service_id!r}. GET /api/services lists them.")
