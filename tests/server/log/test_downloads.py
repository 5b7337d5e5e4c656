"""Whole logs as files: complete, streamed, and following a sync that still runs."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import httpx2
import msgspec
import pytest
import redis

from jobs.queue.requests import Requests
from synctail.log.appender import Appender
from synctail.log.endings import ending_fields
from synctail.log.writer import LogWriter
from synctail.model import keys
from synctail.model.ids import new_sync_id
from synctail.model.sync import Status, Trigger
from synctail.settings import Settings
from tests.kit.support import PATIENCE_S, service, until


@pytest.fixture
def log(requests: Requests, appender: Appender, config: Settings) -> Iterator[tuple[str, LogWriter]]:
    sync_id = requests.start(service(), Trigger.MANUAL).id
    writer = LogWriter(appender, sync_id, appender.claim(sync_id))
    yield sync_id, writer
    writer.close("info", "over", **ending_fields(Status.COMPLETED, None, config.retention))


def numbers(ndjson: str) -> list[int]:
    return [msgspec.json.decode(line)["n"] for line in ndjson.splitlines()]


def test_a_downloaded_log_has_every_line_once(web: httpx2.Client, log: tuple[str, LogWriter]) -> None:
    sync_id, writer = log
    for i in range(20_000):
        writer.info(f"line {i}, with a comma,\nand a second row", phase="push", record=str(i))
    assert writer.flush()
    answer = web.get(f"/api/syncs/{sync_id}/log.ndjson")
    assert numbers(answer.text) == list(range(1, 20_001))
    assert answer.headers["content-disposition"] == f'attachment; filename="orders-{sync_id}.ndjson"'
    assert numbers(web.get(f"/api/syncs/{sync_id}/log.ndjson?after=19990").text) == list(range(19_991, 20_001))
    text = web.get(f"/api/syncs/{sync_id}/log.txt").text
    assert text.count("INFO    push   line ") == 20_000
    assert "line 7, with a comma,\n    and a second row\n" in text


def test_following_goes_on_until_the_sync_ends(
    web: httpx2.Client, log: tuple[str, LogWriter], config: Settings
) -> None:
    sync_id, writer = log
    writer.info("before")
    writer.flush()
    seen: list[str] = []

    def follow() -> None:
        with web.stream("GET", f"/api/syncs/{sync_id}/log.ndjson?follow=1") as answer:
            seen.extend(answer.iter_lines())

    follower = threading.Thread(target=follow)
    follower.start()
    for i in range(500):
        writer.info(f"line {i}")
    writer.flush()
    assert writer.close("info", "over", **ending_fields(Status.COMPLETED, None, config.retention))
    follower.join(PATIENCE_S)
    assert not follower.is_alive()
    assert numbers("\n".join(seen)) == list(range(1, 503))


def test_what_is_no_longer_kept_is_told(web: httpx2.Client, log: tuple[str, LogWriter], client: redis.Redis) -> None:
    sync_id, writer = log
    writer.info("one")
    assert writer.flush()
    client.delete(keys.log(sync_id))
    answer = web.get(f"/api/syncs/{sync_id}/log.txt").text
    assert answer == "… lines 1 to 1 no longer exist: they are no longer kept\n"


def test_a_download_of_no_sync_is_an_error_and_no_empty_file(web: httpx2.Client) -> None:
    assert web.get(f"/api/syncs/{new_sync_id()}/log.txt").status_code == 404
    assert web.get("/api/syncs/nonsense/log.ndjson").status_code == 404
    assert web.get("/api/syncs/01ARZ3NDEKTSV4RRFFQ69G5FAV/log.txt").status_code == 410


def test_a_terminal_that_shows_the_log_is_not_commanded_by_it(web: httpx2.Client, log: tuple[str, LogWriter]) -> None:
    sync_id, writer = log
    writer.info("\x1b[2Jcleared\r\x07 \x9b31m \u202eevil\u202c\ttab")
    assert writer.flush()
    text = web.get(f"/api/syncs/{sync_id}/log.txt").text
    assert r"\x1b[2Jcleared\x0d\x07 \x9b31m \u202eevil\u202c" in text
    assert "\ttab" in text


def test_a_reader_that_stops_following_costs_nothing(
    web: httpx2.Client, log: tuple[str, LogWriter], client: redis.Redis
) -> None:
    sync_id, writer = log
    writer.info("one")
    with web.stream("GET", f"/api/syncs/{sync_id}/log.txt?follow=1") as answer:
        assert "one" in next(answer.iter_text())
    channel = keys.live(sync_id)
    until(lambda: client.pubsub_numsub(channel)[0][1] == 0, "the subscription is given back")


@pytest.mark.parametrize("query", ["after=12", "after=12&follow=1"])
def test_a_reader_ahead_of_an_ended_log_is_told_and_taken_back(
    web: httpx2.Client, log: tuple[str, LogWriter], config: Settings, query: str
) -> None:
    sync_id, writer = log
    for i in range(9):
        writer.info(f"line {i}")
    assert writer.close("info", "over", **ending_fields(Status.COMPLETED, None, config.retention))
    notice, line = web.get(f"/api/syncs/{sync_id}/log.ndjson?{query}").text.splitlines()
    assert msgspec.json.decode(notice) == {"type": "rewind", "last": 9}
    assert msgspec.json.decode(line)["n"] == 10
    notice, line = web.get(f"/api/syncs/{sync_id}/log.txt?{query}").text.splitlines()
    assert notice.startswith("… the lines you have after line 9 are not in this log")
    assert line.endswith("over")


def test_a_gap_is_told_in_its_place(web: httpx2.Client, log: tuple[str, LogWriter], client: redis.Redis) -> None:
    sync_id, writer = log
    for i in range(3):
        writer.info(f"line {i}")
        assert writer.flush()
    client.xdel(keys.log(sync_id), "2-1")
    told = [msgspec.json.decode(one) for one in web.get(f"/api/syncs/{sync_id}/log.ndjson").text.splitlines()]
    assert [one.get("n") or (one["type"], one["first"], one["last"]) for one in told] == [1, ("gap", 2, 2), 3]
    lines = web.get(f"/api/syncs/{sync_id}/log.txt").text.splitlines()
    assert lines[1].startswith("… lines 2 to 2 no longer exist: ")


def test_a_large_log_goes_out_in_pieces_and_whole(web: httpx2.Client, log: tuple[str, LogWriter]) -> None:
    sync_id, writer = log
    for i in range(4000):
        writer.info(f"{i} é{chr(0xA0)}\t" + "x" * 500)
    assert writer.flush()
    with web.stream("GET", f"/api/syncs/{sync_id}/log.ndjson") as answer:
        whole = b"".join(answer.iter_raw()).decode()
    assert numbers(whole) == list(range(1, 4001))
    text = web.get(f"/api/syncs/{sync_id}/log.txt").text.splitlines()
    assert [int(line.split()[3]) for line in text] == list(range(4000))
