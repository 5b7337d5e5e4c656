"""The five services that a first start finds. What people change or remove stays as they left it; only the shop's
address follows the shop's port."""

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
    """`shop_url` without a slash at its end; `warehouse` is the SQLite file."""
    # Absolute: the worker may run anywhere.
    database = f"sqlite:///{warehouse.resolve()}"

    def shop(what: str) -> HttpSource:
        return HttpSource(url=f"{shop_url}/{what}", records=what, auth=BearerAuth(Secret(SHOP_TOKEN)))

    return (
        Service(
            id="orders-to-warehouse",
            name="Orders to warehouse",
            notes="Every minute, the orders that are new. The warehouse refuses the wrong ones.",
            source=shop("orders"),
            destination=SqlDestination(url=database, table="orders"),
            trigger=Schedule("* * * * *"),
        ),
        Service(
            id="customers-to-file",
            name="Customers to a file",
            notes="Every hour, all customers as one file.",
            source=shop("customers"),
            destination=FileDestination("customers.ndjson"),
            trigger=Schedule("7 * * * *"),
            # The file is replaced by each sync: what was pushed before belongs in it again.
            options=Options(unseen_only=False),
        ),
        Service(
            id="products-to-warehouse",
            name="Products to warehouse",
            notes="By hand, all 20,000: the one to watch.",
            source=shop("products"),
            destination=SqlDestination(url=database, table="products"),
            options=Options(unseen_only=False),
        ),
        Service(
            id="invoices-to-file",
            name="Invoices to a file",
            notes="By hand: filters, a script and a mapping. An order without an email address gets no invoice.",
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
            notes="What is posted to /api/inbound/events-to-file.",
            source=InboundSource(),
            destination=FileDestination("events.ndjson", mode="append"),
        ),
    )


def store_if_none(client: redis.Redis, services: tuple[Service, ...]) -> bool:
    """Stores the services where none has ever been stored; False where there are some."""
    if client.exists(keys.SERVICES):
        return False
    client.hset(keys.SERVICES, mapping={each.id: msgspec.json.encode(each) for each in services})
    return True


def readdress(client: redis.Redis, services: tuple[Service, ...], *, shop_url: str) -> None:
    """The shop's port may be another one than at the last start: sends those of the services that are stored there."""
    for each in services:
        stored = cast("bytes | None", client.hget(keys.SERVICES, each.id))
        if stored is None:
            continue
        with suppress(msgspec.DecodeError):  # one that people broke is theirs to mend
            service = msgspec.json.decode(stored, type=Service)
            if not isinstance(service.source, HttpSource):
                continue
            url = _ANY_PORT.sub(f"{shop_url}/", service.source.url)
            if url != service.source.url:
                source = msgspec.structs.replace(service.source, url=url)
                client.hset(
                    keys.SERVICES, each.id, msgspec.json.encode(msgspec.structs.replace(service, source=source))
                )
