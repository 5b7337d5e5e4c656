"""The demo shop's records. Each is generated from its number, so none is stored.

The number of orders follows from the time since the shop was created. A few records are wrong on purpose, so that the
destination refuses them. Knows nothing about HTTP.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from synctail.model.ids import rfc3339

ORDERS_AT_BIRTH = 240
ORDERS_LISTED = 5_000
SECONDS_PER_ORDER = 3
CUSTOMERS = 500
PRODUCTS = 20_000

Record = dict[str, object]

_FIRST_NAMES = (
    "Ada", "Amir", "Bea", "Carlos", "Chloe", "Dana", "Emeka", "Finn", "Grace", "Hana", "Imran", "Jonas",
    "Kofi", "Lena", "Maya", "Nils", "Olga", "Priya", "Rosa", "Sami", "Tessa", "Umar", "Vera", "Wen", "Yara",
    "Zoe",
)  # fmt: skip
_LAST_NAMES = (
    "Adler", "Baker", "Costa", "Diaz", "Evans", "Fischer", "Garcia", "Hughes", "Ito", "Jansen",
    "Kumar", "Larsen", "Moreau", "Novak", "Okafor", "Patel", "Quinn", "Rossi", "Silva", "Tanaka",
    "Usman", "Vogel", "Walsh", "Young",
)  # fmt: skip
_COUNTRIES = ("DE", "ES", "FR", "GB", "IE", "IT", "NL", "PL", "SE", "US")
_CURRENCIES = ("EUR", "EUR", "EUR", "GBP", "USD")
_STATUSES = ("new", "paid", "packed", "shipped")
_CATEGORIES = ("kitchen", "garden", "office", "outdoor", "lighting", "bath", "toys")
_ADJECTIVES = ("Small", "Large", "Folding", "Wooden", "Steel", "Linen", "Recycled", "Classic", "Compact", "Quiet")
_THINGS = ("lamp", "kettle", "chair", "notebook", "tent", "basket", "mug", "shelf", "blanket", "clock", "planter")


@dataclass(frozen=True)
class Goods:
    """One list of the shop: records `first(now)` to `last(now)`, oldest first."""

    name: str
    first: Callable[[datetime], int]
    last: Callable[[datetime], int]
    make: Callable[[int], Record]


def all_goods(born_at: datetime) -> tuple[Goods, ...]:
    """The lists of a shop created at `born_at`."""
    return (
        Goods(
            "orders",
            # Older orders leave the list; otherwise a demo would page through 100,000s after some days.
            first=lambda now: max(1, orders_so_far(born_at, now) - ORDERS_LISTED + 1),
            last=lambda now: orders_so_far(born_at, now),
            make=lambda number: order(number, born_at),
        ),
        Goods("customers", lambda _: 1, lambda _: CUSTOMERS, lambda number: customer(number, born_at)),
        Goods("products", lambda _: 1, lambda _: PRODUCTS, lambda number: product(number, born_at)),
    )


def orders_so_far(born_at: datetime, now: datetime) -> int:
    return ORDERS_AT_BIRTH + max(0, int((now - born_at).total_seconds() // SECONDS_PER_ORDER))


def order(number: int, born_at: datetime) -> Record:
    rng = random.Random(number)
    items = [
        (_sku(rng.randint(1, PRODUCTS)), rng.randint(1, 3), rng.randrange(199, 24_999))
        for _ in range(rng.randint(1, 4))
    ]
    total_cents = sum(quantity * cents for _, quantity, cents in items)
    later = number - ORDERS_AT_BIRTH
    step = timedelta(seconds=SECONDS_PER_ORDER) if later > 0 else timedelta(minutes=6)
    created_at = rfc3339(born_at + later * step)
    buyer = _person(rng)
    record: Record = {
        "id": f"O-{number:06d}",
        "number": f"SO-{10_000 + number}",
        "created_at": created_at,
        "updated_at": created_at,
        "customer": buyer,
        "currency": rng.choice(_CURRENCIES),
        "total": total_cents / 100,
        "items": [{"sku": sku, "quantity": quantity, "price": cents / 100} for sku, quantity, cents in items],
        "status": rng.choice(_STATUSES),
    }
    if rng.randrange(60) == 0:
        fault = rng.choice(("total", "email", "status"))
        if fault == "total":
            record["total"] = -total_cents / 100  # a refund that was booked as an order
        elif fault == "email":
            del buyer["email"]
        else:
            del record["status"]
    return record


def customer(number: int, born_at: datetime) -> Record:
    rng = random.Random(number)
    return {
        "id": f"C-{number:04d}",
        **_person(rng),
        "country": rng.choice(_COUNTRIES),
        "created_at": rfc3339(born_at - timedelta(minutes=rng.randrange(60, 2 * 365 * 24 * 60))),
        "marketing": rng.random() < 0.4,
    }


def product(number: int, born_at: datetime) -> Record:
    rng = random.Random(number)
    category = rng.choice(_CATEGORIES)
    price = rng.randrange(199, 24_999) / 100
    return {
        "id": f"P-{number:05d}",
        "sku": _sku(number),
        "name": f"{rng.choice(_ADJECTIVES)} {rng.choice(_THINGS)}",
        "price": -price if rng.randrange(400) == 0 else price,
        "stock": rng.randrange(500),
        "category": category,
        "updated_at": rfc3339(born_at - timedelta(minutes=rng.randrange(1, 90 * 24 * 60))),
    }


def _person(rng: random.Random) -> dict[str, str]:
    first, last = rng.choice(_FIRST_NAMES), rng.choice(_LAST_NAMES)
    address = f"{first}.{last}{rng.randrange(100)}@example.com".lower()
    return {"name": f"{first} {last}", "email": address}


def _sku(number: int) -> str:
    return f"SKU-{number:05d}"
