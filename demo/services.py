"""The five services that the first start creates. Later starts keep changes and removals, and only update the shop's
address if its port has changed."""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path
from typing import cast

import msgspec
import redis

from demo.settings import SHOP_TOKEN
from jobs.services.model import (
    BearerAuth,
    FileDestination,
    HttpSource,
    InboundSource,
    Options,
    Schedule,
    Secret,
    Service,
    SqlDestination,
)
from jobs.transform.model import Filter, MappedField, ScriptText
from synctail.model import keys

INVOICES = """\
def handle(records, log):
    for record in records:
        record["pieces"] = sum(item["quantity"] for item in record["items"])
        record["net"] = record["total"] / 1.2
    large = [record for record in records if record["net"] >= 50]
    log(f"{len(large)} of {len(records)} are worth an invoice")
    return large
"""

_ANY_PORT = re.compile(r"^http://127\.0\.0\.1:[0-9]+/")


def demo_services(*, shop_url: str, warehouse: Path) -> tuple[Service, ...]:
    """`shop_url` without a trailing slash; `warehouse` is the SQLite file."""
    # Absolute, because the worker may run in any folder.
    database = f"sqlite:///{warehouse.resolve()}"

    def shop(what: str) -> HttpSource:
        return HttpSource(url=f"{shop_url}/{what}", records=what, auth=BearerAuth(Secret(SHOP_TOKEN)))

    return (
        Service(
            id="orders-to-warehouse",
            name="Orders to warehouse",
            notes="Pushes new orders every minute. The warehouse refuses faulty ones.",
            source=shop("orders"),
            destination=SqlDestination(url=database, table="orders"),
            trigger=Schedule("* * * * *"),
        ),
        Service(
            id="customers-to-file",
            name="Customers to a file",
            notes="Writes all customers to one file, every hour.",
            source=shop("customers"),
            destination=FileDestination("customers.ndjson"),
            trigger=Schedule("7 * * * *"),
            # Each sync replaces the file, so it needs the records pushed before, too.
            options=Options(unseen_only=False),
        ),
        Service(
            id="products-to-warehouse",
            name="Products to warehouse",
            notes="Pushes all 20,000 products, by hand. A good one to watch.",
            source=shop("products"),
            destination=SqlDestination(url=database, table="products"),
            options=Options(unseen_only=False),
        ),
        Service(
            id="invoices-to-file",
            name="Invoices to a file",
            notes="By hand, with filters, a script and a mapping. Orders without an email address get no invoice.",
            source=shop("orders"),
            filters=[Filter("status", "in", ["paid", "packed", "shipped"]), Filter("created_at", ">=", "-7d")],
            script=ScriptText(INVOICES),
            mapping=[
                MappedField("invoice", "number", [["replace", "SO-", "INV-"]]),
                MappedField("to", "customer.name", [["title"]]),
                MappedField("email", "customer.email", [["required"], ["lower"]]),
                MappedField("date", "created_at", [["date"]]),
                MappedField("pieces", "pieces"),
                MappedField("net", "net", [["round", 2]]),
                MappedField("currency", "currency", [["lookup", "currencies", "other"]]),
            ],
            lookups={"currencies": {"EUR": "Euro", "GBP": "Pound sterling", "USD": "US dollar"}},
            destination=FileDestination("invoices.ndjson", mode="append"),
        ),
        Service(
            id="events-to-file",
            name="Posted events to a file",
            notes="Takes the records posted to /api/inbound/events-to-file.",
            source=InboundSource(),
            destination=FileDestination("events.ndjson", mode="append"),
        ),
    )


def store_if_none(client: redis.Redis, services: tuple[Service, ...]) -> bool:
    """Stores the services unless there are any; returns whether it did."""
    if client.exists(keys.SERVICES):
        return False
    client.hset(keys.SERVICES, mapping={each.id: msgspec.json.encode(each) for each in services})
    return True


def readdress(client: redis.Redis, services: tuple[Service, ...], *, shop_url: str) -> None:
    """Points the stored services to the shop, whose port may have changed since the last start."""
    for each in services:
        stored = cast("bytes | None", client.hget(keys.SERVICES, each.id))
        if stored is None:
            continue
        with suppress(msgspec.DecodeError):  # a definition that a user broke is theirs to fix
            service = msgspec.json.decode(stored, type=Service)
            if not isinstance(service.source, HttpSource):
                continue
            url = _ANY_PORT.sub(f"{shop_url}/", service.source.url)
            if url != service.source.url:
                source = msgspec.structs.replace(service.source, url=url)
                client.hset(
                    keys.SERVICES, each.id, msgspec.json.encode(msgspec.structs.replace(service, source=source))
                )
