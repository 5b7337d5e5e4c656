"""Readers are cut off, subscriptions are killed, web processes die: everybody has every line once all the same."""

from __future__ import annotations

import random
import signal
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any, cast

import httpx2
import pytest
import redis

from tests.kit.chaos import Journeys, Producer, Traveller, judge
from tests.kit.following import Logs
from tests.kit.support import Process, free_port, until

CUTS = 50
KILLED = 60


@pytest.fixture
def door(web: httpx2.Client, web_process: Process) -> Iterator[str]:
    before = len(web_process.output)  # what other tests made it say
    yield str(web.base_url)
    assert "Traceback" not in web_process.output[before:]
    assert "ERROR" not in web_process.output[before:]


def test_readers_who_are_cut_off_fifty_times_have_every_line_once(door: str, logs: Logs, journeys: Journeys) -> None:
    dice = random.Random(3)
    with Producer(logs, rate=2500) as producer:
        for _ in range(4):
            journeys.send(producer.sync_id, [door], lambda one: one.wander(dice, CUTS))
        journeys.send(producer.sync_id, [door], lambda one: one.download_on(dice, CUTS))
        journeys.reach(lambda one: one.cuts >= CUTS, "all were cut off often enough", seconds=120)
        truth = producer.finish()
        journeys.arrive(truth)


def test_a_subscription_killed_sixty_times_while_viewers_come_and_go_costs_no_line(
    client: redis.Redis, door: str, logs: Logs, journeys: Journeys
) -> None:
    dice = random.Random(5)
    killed: set[int] = set()

    def kill() -> bool:
        journeys.look()
        listed = cast("list[dict[str, Any]]", client.client_list(_type="pubsub"))
        new = {int(one["id"]) for one in listed} - killed
        for one in new:
            client.client_kill_filter(_id=str(one))
        killed.update(new)
        return bool(new)

    with ExitStack() as talking:
        producers = [talking.enter_context(Producer(logs, rate=400, name=f"orders-{n}")) for n in range(3)]
        for producer in producers:
            journeys.send(producer.sync_id, [door])
        comers = [
            journeys.send(producer.sync_id, [door], lambda one: one.wander(dice, 10_000))
            for producer in producers
            for _ in range(2)
        ]
        while len(killed) < KILLED:
            until(kill, "the server has subscribed again")
        assert sum(one.cuts for one in comers) > KILLED
        truths = [producer.finish() for producer in producers]
    journeys.reach(lambda one: one.ended, "all are told of the end")
    for truth in truths:
        judge(truth, [one for one in journeys.travellers if one.sync_id == truth.sync_id])


def test_readers_hop_between_two_web_processes_with_one_cursor(
    environ: dict[str, str], door: str, logs: Logs, journeys: Journeys, web: httpx2.Client
) -> None:
    dice = random.Random(7)
    other = {**environ, "PORT": str(free_port())}
    with Process("server", other, ready="Synctail listens"), Producer(logs, rate=2500) as producer:
        doors = [door, f"http://127.0.0.1:{other['PORT']}"]
        for n in range(4):
            # An odd number of doors, so that a traveller meets each of them by websocket and by poll.
            journeys.send(producer.sync_id, [*doors, doors[n % 2]], lambda one: one.wander(dice, 25))
        journeys.send(producer.sync_id, doors, lambda one: one.download_on(dice, 25))
        journeys.reach(lambda one: one.cuts >= 25, "all have hopped often enough", seconds=120)
        truth = producer.finish()
        journeys.arrive(truth)

        for late in doors:
            journeys.send(producer.sync_id, [late])
        journeys.arrive(truth)
        one, two = (traveller.tape.heard for traveller in journeys.travellers[-2:])
        assert one == two, "an ended sync is told in the very same frames"
        for after in range(0, truth.last + 1, 997):
            here, there = (web.get(f"{one}/api/syncs/{truth.sync_id}/log?after={after}") for one in doors)
            assert here.content == there.content
            assert here.headers["etag"] == there.headers["etag"]


def test_a_web_process_that_dies_or_is_stopped_in_mid_tail_costs_no_line(
    environ: dict[str, str], client: redis.Redis, logs: Logs, journeys: Journeys
) -> None:
    del client
    dice = random.Random(9)
    own = {**environ, "PORT": str(free_port())}
    doors = [f"http://127.0.0.1:{own['PORT']}"]
    with Producer(logs, rate=1000) as producer:
        watching: list[Traveller] = []
        for number in (signal.SIGKILL, signal.SIGTERM, signal.SIGKILL, None):
            with Process("server", own, ready="Synctail listens") as process:
                if not watching:
                    watching = [journeys.send(producer.sync_id, doors) for _ in range(3)]
                    journeys.send(producer.sync_id, doors, Traveller.poll_on)
                    journeys.send(producer.sync_id, doors, lambda one: one.wander(dice, 10_000))
                    journeys.send(producer.sync_id, doors, lambda one: one.download_on(dice))
                said = producer.talk_on(200)
                journeys.reach(lambda one: one.cursor > said, "all are at the tail")  # noqa: B023 - used at once
                before = [len(one.codes) for one in watching]
                if number is None:
                    journeys.arrive(producer.finish())
                    break
                process.stop(number)
                code = 1012 if number == signal.SIGTERM else 1006
                until(lambda: all(len(one.codes) > n for one, n in zip(watching, before, strict=True)), "all noticed")  # noqa: B023
                assert [one.codes[n] for one, n in zip(watching, before, strict=True)] == [code] * 3


def test_a_web_process_that_is_stopped_lets_a_following_download_go_without_a_complaint(
    environ: dict[str, str], client: redis.Redis, logs: Logs, journeys: Journeys
) -> None:
    del client
    own = {**environ, "PORT": str(free_port())}
    with Producer(logs, rate=500) as producer, Process("server", own, ready="Synctail listens") as process:
        reader = journeys.send(
            producer.sync_id, [f"http://127.0.0.1:{own['PORT']}"], lambda one: one.download_on(random.Random(11))
        )
        until(lambda: reader.cursor > 100, "it follows")
        process.stop()
        until(lambda: reader.troubles, "it has noticed that this was not the end")
        assert not reader.ended
        assert "Traceback" not in process.output
        assert "ERROR" not in process.output
