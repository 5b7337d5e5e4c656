"""The services that a first start finds, from `services.toml`. What people change or remove stays as they left it; only
the shop's address follows the shop's port."""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path

import redis
from msgspec.structs import replace

from jobs.services.model import HttpSource, Service, SqlDestination, Unreadable
from jobs.services.store import ServiceNotFound, Services
from jobs.services.toml import read_definitions
from jobs.services.validate import read_service
from synctail.model import keys

DEFINITIONS = Path(__file__).with_suffix(".toml")


def demo_services(*, shop_url: str, warehouse: Path) -> list[Service]:
    """`shop_url` without a trailing slash; `warehouse` is the SQLite file."""
    found = []
    for definition in read_definitions(DEFINITIONS.read_text(encoding="utf-8")):
        service = _readdressed(read_service(definition.body), shop_url)
        if isinstance(service.destination, SqlDestination):  # absolute: the worker may run anywhere
            service = replace(service, destination=replace(service.destination, url=f"sqlite:///{warehouse.resolve()}"))
        found.append(service)
    return found


def store_if_none(client: redis.Redis, services: list[Service]) -> bool:
    """Store the services where none has ever been stored; False where there are some."""
    if client.exists(keys.SERVICES):
        return False
    Services(client).put(services, [])
    return True


def readdress(client: redis.Redis, services: list[Service], *, shop_url: str) -> None:
    """Send those of the services that are stored to the shop's port, which may differ from the last start's."""
    stored = Services(client)
    for each in services:
        with suppress(ServiceNotFound, Unreadable):  # removed, or broken: for people to correct
            before = stored.read(each.id)
            after = _readdressed(before, shop_url)
            if after != before:
                stored.replace(after)


def _readdressed(service: Service, shop_url: str) -> Service:
    if not isinstance(service.source, HttpSource):
        return service
    url = re.sub(r"^http://127\.0\.0\.1:[0-9]+/", f"{shop_url}/", service.source.url)
    return replace(service, source=replace(service.source, url=url))
