"""Lines like those of a sync of shop orders: varied, and the same in each run. Phases, phrases and the form of
references repeat, as in real logs. Numbers, names, amounts and durations differ from line to line.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any, NamedTuple

from synctail.log.writer import LogWriter


def _words(text: str) -> list[str]:
    return text.split()


FIRST = _words(
    "Ada Ben Chloé Dmitri Elif Farid Grace Hannah Ivo Jana Kofi Lena Marek Nadia Olu Priya Quinn Rosa Sven Tomás"
)
LAST = _words("Adeyemi Bauer Costa Dubois Eriksen Fischer García Horvat Ito Jansen Kowalski Lund Mbeki Novak Okafor")
TOWNS = _words("Aarhus Bilbao Cork Dresden Eindhoven Faro Ghent Hull Izmir Jena Krakow Lille Malmö Nantes Oulu")
CURRENCIES = ("EUR", "EUR", "EUR", "GBP", "USD", "SEK", "PLN")
SKUS = ("TEE", "MUG", "CAP", "BAG", "PEN", "BOOK", "LAMP", "DESK")
REFUSALS = (
    "422 Unprocessable: field 'vat_id' does not match the country",
    "409 Conflict: a newer version of this record exists",
    "400 Bad Request: unknown currency",
    "422 Unprocessable: the delivery date lies in the past",
)
WAITS = ("429 Too Many Requests", "503 Service Unavailable", "connection reset by peer", "timed out after 10 s")
PAGE = 50
"""Records per page, after which a few lines are about the page itself."""


class Line(NamedTuple):
    level: str
    text: str
    phase: str
    record: str | None = None
    fields: dict[str, Any] | None = None


def lines(count: int, seed: int = 1) -> Iterator[Line]:
    """The same lines for the same seed."""
    pick = random.Random(seed)  # noqa: S311 - not for security
    made = 0
    page = 0
    while True:
        page += 1
        for line in _page(pick, page):
            yield line
            made += 1
            if made == count:
                return


def log(writer: LogWriter, line: Line) -> None:
    {"info": writer.info, "warning": writer.warning, "error": writer.error}[line.level](
        line.text, phase=line.phase, record=line.record, fields=line.fields
    )


def _page(pick: random.Random, page: int) -> Iterator[Line]:
    took, size = pick.uniform(80, 900), pick.randrange(20_000, 90_000)
    yield Line("info", f"Page {page}: {PAGE} orders in {took:.0f} ms, {size:,} bytes", "pull")
    for _ in range(PAGE):
        yield from _record(pick)
    done, left = page * PAGE, pick.randrange(1000, 90_000)
    yield Line(
        "info", f"{done:,} of about {done + left:,} records done, {pick.uniform(20, 400):.1f} per second", "push"
    )


def _record(pick: random.Random) -> Iterator[Line]:
    reference = f"SO-{pick.randrange(100_000, 999_999)}"
    name = f"{pick.choice(FIRST)} {pick.choice(LAST)}"
    amount = f"{pick.lognormvariate(4, 1):.2f} {pick.choice(CURRENCIES)}"
    chance = pick.random()
    if chance < 0.12:
        yield Line("info", f"Skipped {reference}: unchanged since {_moment(pick)}", "push", reference)
    elif chance < 0.16:
        wait = pick.choice(WAITS)
        yield Line("warning", f"{reference}: {wait}; trying again in {pick.uniform(0.2, 8):.1f} s", "push", reference)
    elif chance < 0.18:
        answer = {"status": pick.choice((400, 409, 422)), "request": f"{pick.getrandbits(64):016x}"}
        yield Line("error", f"{reference} was refused: {pick.choice(REFUSALS)}", "push", reference, answer)
    elif chance < 0.4:
        goods = ", ".join(f"{pick.randrange(1, 9)}x {pick.choice(SKUS)}-{pick.randrange(10, 99)}" for _ in range(2))
        yield Line("info", f"Mapped {reference} of {name}, {pick.choice(TOWNS)}: {goods}", "map", reference)
    else:
        took = pick.lognormvariate(3.5, 0.6)
        text = f"Pushed {reference}, {name}, {amount} in {took:.0f} ms"
        detail = {"id": pick.randrange(1, 2**31), "ms": round(took, 1)} if pick.random() < 0.3 else None
        yield Line("info", text, "push", reference, detail)


def _moment(pick: random.Random) -> str:
    return f"2026-{pick.randrange(1, 13):02}-{pick.randrange(1, 29):02} {pick.randrange(24):02}:{pick.randrange(60):02}"
