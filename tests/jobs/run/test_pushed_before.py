"""What an earlier sync pushed is skipped; what changed since, in whichever direction, is not."""

from __future__ import annotations

import pytest
import redis

from jobs.run.pushed_before import PushedBefore
from jobs.services.model import FileDestination, Options, SqlDestination
from synctail.model import keys
from tests.kit.support import service

WAREHOUSE = SqlDestination(url="sqlite:///w.db", table="orders")


def test_a_record_is_known_as_it_was_last_pushed_and_not_as_it_was_before(client: redis.Redis) -> None:
    seen = PushedBefore(client, service(destination=WAREHOUSE))
    ten, twelve = {"id": 1, "price": 10}, {"id": 1, "price": 12}
    assert seen.known([ten, twelve]) == [False, False]
    seen.add([ten])
    assert seen.known([{"price": 10, "id": 1}, twelve]) == [True, False]
    seen.add([twelve])
    assert seen.known([ten, twelve]) == [False, True], "it changed back, and must be pushed again"


def test_what_is_not_there_yet_is_not_known_elsewhere(client: redis.Redis) -> None:
    to = FileDestination(path="{time}.csv")
    seen, later = PushedBefore(client, service(destination=to)), PushedBefore(client, service(destination=to))
    seen.hold([{"id": 1, "price": 10}])
    assert seen.known([{"id": 1, "price": 10}, {"id": 1, "price": 12}, {"id": 2}]) == [True, False, False]
    assert later.known([{"id": 1, "price": 10}]) == [False]
    seen.add_held()
    assert later.known([{"id": 1, "price": 10}]) == [True]


def test_another_destination_begins_anew(client: redis.Redis) -> None:
    PushedBefore(client, service(destination=WAREHOUSE)).add([{"id": 1}])
    other = SqlDestination(url="sqlite:///w.db", table="orders_2")
    assert PushedBefore(client, service(destination=other)).known([{"id": 1}]) == [False]
    assert PushedBefore(client, service(destination=WAREHOUSE)).known([{"id": 1}]) == [True]


def test_records_without_a_key_are_told_apart_by_what_they_hold(client: redis.Redis) -> None:
    seen = PushedBefore(client, service(destination=WAREHOUSE))
    seen.add([{"name": "a"}, {"name": "b"}])
    assert seen.known([{"name": "a"}, {"name": "b"}, {"name": "c"}]) == [True, True, False]


def test_the_oldest_are_forgotten_beyond_the_cap(client: redis.Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys, "SEEN_CAP", 3)
    seen = PushedBefore(client, service(destination=WAREHOUSE))
    for number in range(5):
        seen.add([{"id": number}])
    assert sum(seen.known([{"id": number} for number in range(5)])) == 3
    assert client.hlen(keys.service_seen("orders")) == client.zcard(keys.service_seen_times("orders")) == 3


def test_a_file_that_is_replaced_gets_everything_each_time() -> None:
    assert not service(destination=FileDestination(path="a")).skips_seen
    assert service(destination=FileDestination(path="a", mode="append")).skips_seen
    assert service(destination=WAREHOUSE).skips_seen
    assert not service(destination=WAREHOUSE, options=Options(unseen_only=False)).skips_seen
