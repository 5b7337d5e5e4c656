"""Redis is stopped, killed, put back in time: every record arrives, and every reader has every line once."""

from __future__ import annotations

import random
import re
import sqlite3
import time
from contextlib import ExitStack, closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx2
import msgspec

from jobs.services.model import Options, SqlDestination
from synctail.log.registry import stored_summary
from synctail.model.ids import rfc3339, utc_now
from synctail.model.sync import Status
from tests.kit.chaos import Journeys, Producer, Stack, Traveller, judge
from tests.kit.checker import Truth, stored_texts
from tests.kit.following import BEARER
from tests.kit.support import PATIENCE_S, in_time, service, store, until

LIVE_AGAIN_S = 2.0
OUTAGE_S = 1.0
"""Long enough for every part to notice."""
AWAY_S = 6.5
"""Less than the ten seconds after which viewers are sent away."""
SHOP_AGE = timedelta(hours=3)
"""By then a shop has some 3,840 orders."""


def start_sync_of_orders(stack: Stack, shop: str, door: str, auth: Any) -> tuple[str, Path]:
    database = stack.folder / "warehouse.db"
    with closing(sqlite3.connect(database)) as db:
        db.execute("CREATE TABLE orders (id TEXT PRIMARY KEY, status TEXT NOT NULL, total NUMERIC CHECK (total >= 0))")
    orders = service(
        url=f"{shop}/orders",
        auth=auth,
        destination=SqlDestination(url=f"sqlite:///{database}", table="orders"),
        options=Options(page_size=100),
    )
    store(stack.client, orders)
    answer = httpx2.post(f"{door}/api/services/orders/syncs", headers=BEARER, timeout=PATIENCE_S)
    assert answer.status_code == httpx2.codes.ACCEPTED, answer.text
    return str(answer.json()["id"]), database


def test_a_redis_that_is_stopped_and_killed_in_mid_sync_costs_no_record_and_no_line(
    stack: Stack, journeys: Journeys, shop_auth: Any
) -> None:
    stack.data.mkdir()
    (stack.data / "shop.json").write_bytes(msgspec.json.encode({"born_at": rfc3339(utc_now() - SHOP_AGE)}))
    dice = random.Random(13)
    door, shop = stack.web(), stack.shop(latency_ms=60)
    stack.workers()
    sync_id, database = start_sync_of_orders(stack, shop, door, shop_auth)
    watching = journeys.send(sync_id, [door])
    journeys.send(sync_id, [door])
    journeys.send(sync_id, [door], Traveller.poll_on)
    journeys.send(sync_id, [door], lambda one: one.wander(dice, 10_000))
    journeys.send(sync_id, [door], lambda one: one.download_on(dice))
    for begin, kill in ((500, False), (1800, True)):
        until(lambda: watching.cursor > begin, "the sync is in the middle", seconds=60)  # noqa: B023 - used at once
        assert not watching.ended
        stack.away(kill=kill)
        journeys.send(sync_id, [door])
        time.sleep(OUTAGE_S)
        stack.back()
    journeys.reach(lambda one: one.ended, "the sync ends, and all are told", seconds=120)

    truth = Truth(sync_id, stored_texts(stack.client, sync_id))
    journeys.arrive(truth)
    summary = stored_summary(stack.client, sync_id)
    assert summary
    assert summary.status is Status.COMPLETED_WITH_ERRORS
    assert summary.pulled == summary.pushed + summary.skipped + summary.filtered + summary.failed
    named = [found for text in truth.texts if (found := re.match(r"(Not pushed|Pushed) (O-\d+)", text))]
    assert [found[2] for found in named] == [f"O-{n:06d}" for n in range(1, summary.pulled + 1)]
    with closing(sqlite3.connect(database)) as db:
        rows = {str(row[0]) for row in db.execute("SELECT id FROM orders")}
    assert rows == {found[2] for found in named if found[1] == "Pushed"}
    assert (summary.pushed, summary.failed) == (len(rows), len(named) - len(rows))
    assert summary.pulled > 3800 > summary.failed > 0


def test_viewers_are_live_again_within_two_seconds_however_long_redis_was_away(
    stack: Stack, journeys: Journeys
) -> None:
    door = stack.web()
    with ExitStack() as talking:
        producers = [talking.enter_context(Producer(stack.logs, rate=200, name=f"orders-{n}")) for n in range(3)]
        for producer in producers:
            journeys.send(producer.sync_id, [door])
        journeys.reach(lambda one: one.cursor > 100, "all are at the tail")

        def come_back() -> float:
            stack.away(kill=True)
            time.sleep(AWAY_S)  # by then, backoff makes reconnections rare
            answered, said = stack.back(), max(producer.said for producer in producers)
            journeys.reach(lambda one: one.cursor > said, "new lines arrive")
            return time.monotonic() - answered

        in_time(LIVE_AGAIN_S, come_back)
        truths = [producer.finish() for producer in producers]
    journeys.reach(lambda one: one.ended, "all are told of the end")
    for truth, traveller in zip(truths, journeys.travellers, strict=True):
        judge(truth, [traveller])


def last_line_in(copy: Path) -> int:
    """The number of the newest line in an append-only file, in which ids of entries stand as they are."""
    written = b"".join(path.read_bytes() for path in copy.iterdir())
    return max(int(n) for n in re.findall(rb"\$\d+\r\n(\d+)-\d+\r\n", written))


def test_a_redis_that_goes_back_in_time_in_mid_log_shows_no_line_twice_and_none_under_another_number(
    stack: Stack, journeys: Journeys
) -> None:
    dice = random.Random(17)
    door = stack.web()
    with Producer(stack.logs, rate=1000) as producer:
        sync_id = producer.sync_id
        journeys.send(sync_id, [door])
        journeys.send(sync_id, [door], Traveller.poll_on)
        journeys.send(sync_id, [door], lambda one: one.wander(dice, 10_000))
        journeys.send(sync_id, [door], lambda one: one.download_on(dice))
        for _ in range(2):
            said = producer.talk_on(500)
            journeys.reach(lambda one: one.cursor > said, "all are at the tail")  # noqa: B023 - used at once
            older = stack.copy()
            said = producer.talk_on(1500)
            journeys.reach(lambda one: one.cursor > said, "all have what Redis is about to forget")  # noqa: B023
            assert last_line_in(older) < said - 1000
            stack.away(kill=False)
            journeys.send(sync_id, [door])
            journeys.send(sync_id, [door], after=said)
            stack.restore(older)
            stack.back()
            journeys.send(sync_id, [door])
            journeys.send(sync_id, [door], after=said)
        said = producer.talk_on(500)
        journeys.reach(lambda one: one.cursor > said, "all go on")
        journeys.arrive(producer.finish())
