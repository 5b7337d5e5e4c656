"""The websocket of one sync, as a viewer meets it: every line once and in order, whatever happens meanwhile."""

from __future__ import annotations

import asyncio
import json
import random
import signal
import socket as sockets
import statistics
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, cast

import httpx2
import pytest
import redis
import uvicorn
from websockets.asyncio.client import connect as connect_async

from demo import valkey
from jobs.queue.requests import Requests
from server import settings as server_settings
from server.__main__ import configure
from server.access.auth import token_hash
from server.log import broadcast, keeper, subscriber, wire
from server.log.keeper import Keeper
from server.log.summaries import Summaries
from server.web import errors
from server.web.tasks import within
from synctail import settings
from synctail.connect import connect as connect_redis
from synctail.log.appender import Appender
from synctail.log.writer import LogWriter
from synctail.model import keys
from synctail.model.sync import Reason, Status, Summary
from tests.kit.following import (
    BEARER,
    Logs,
    Reader,
    Story,
    closed,
    live_url,
    noise,
    open_socket,
    shake_hands,
    subscriptions,
)
from tests.kit.hubs import first_frames, running_hub
from tests.kit.serving import serving
from tests.kit.support import ADMIN_TOKEN, PATIENCE_S, Process, free_port, until

UNKNOWN = "7ZZZZZZZZZZZZZZZZZZZZZZZZZ"
EXPIRED = "01ARZ3NDEKTSV4RRFFQ69G5FAV"
"""An id from 2016."""


@pytest.fixture(autouse=True)
def _the_server_complains_of_nothing(web_process: Process) -> Iterator[None]:
    """A client that leaves, however it leaves, is no error."""
    before = len(web_process.output)  # what other tests made it say
    yield
    assert "Traceback" not in web_process.output[before:]
    assert "ERROR" not in web_process.output[before:]


def write_slowly(story: LogWriter, lines: int, *, seconds: float) -> None:
    """About 50 bursts a second."""
    bursts = max(1, int(seconds * 50))
    began = time.monotonic()
    for burst in range(bursts):
        for n in range(lines * burst // bursts, lines * (burst + 1) // bursts):
            story.info(f"line {n + 1}")
        time.sleep(max(0.0, began + seconds * (burst + 1) / bursts - time.monotonic()))


@contextmanager
def talking(story: LogWriter) -> Iterator[None]:
    """The log is busy all the time, however long that is."""
    enough = threading.Event()

    def talk() -> None:
        while not enough.wait(0.02):
            for n in range(130):
                story.info(f"line {n}")

    with in_background(talk):
        try:
            yield
        finally:
            enough.set()


@contextmanager
def in_background(work: Any, *args: Any, **options: Any) -> Iterator[threading.Thread]:
    thread = threading.Thread(target=work, args=args, kwargs=options)
    thread.start()
    try:
        yield thread
    finally:
        thread.join(30)
        assert not thread.is_alive()


# --- every line once ------------------------------------------------------------------------------------------------


def test_a_late_viewer_sees_every_line_once(web: httpx2.Client, logs: Logs) -> None:
    sync_id = logs.start()
    reader = Reader(sync_id)
    with logs.writing(sync_id) as story:
        for n in range(1, 3001):
            story.info(f"line {n}")
        assert story.flush()
        with open_socket(web, sync_id) as socket:
            while reader.cursor < 3000:
                reader.hear(socket.recv(timeout=PATIENCE_S))
            for n in range(3001, 3501):
                story.info(f"line {n}")
            logs.end(story)
            assert reader.listen(socket) == 1000
    assert reader.numbers == list(range(1, 3502))
    assert reader.texts[:3500] == [f"line {n}" for n in range(1, 3501)]
    assert reader.end
    assert reader.end["last"] == 3501


@pytest.mark.parametrize("after", [0, 1, 499, 500, 501, 1233, 1234])
def test_a_viewer_goes_on_right_after_its_cursor(web: httpx2.Client, logs: Logs, after: int) -> None:
    sync_id = logs.written(1234)
    reader = Reader(sync_id, after)
    assert reader.watch(web) == 1000
    assert reader.numbers == list(range(after + 1, 1235))
    assert reader.end
    assert reader.end["last"] == 1234


def test_a_viewer_who_is_ahead_waits_for_the_line_after_its_cursor(web: httpx2.Client, logs: Logs) -> None:
    sync_id = logs.start()
    reader = Reader(sync_id, 150)
    with logs.writing(sync_id) as story, open_socket(web, sync_id, 150) as socket:
        for burst in range(5):
            for n in range(40):
                story.info(f"{burst} {n}")
            assert story.flush()
        logs.end(story)
        assert reader.listen(socket) == 1000
    assert reader.numbers == list(range(151, 202))


@pytest.mark.slow
def test_twenty_viewers_join_a_busy_log_at_random_and_each_gets_all_of_it_in_order(
    web: httpx2.Client, logs: Logs
) -> None:
    sync_id = logs.start()
    dice = random.Random(7)

    async def view(delay_s: float, after: int) -> Reader:
        reader = Reader(sync_id, after)
        await asyncio.sleep(delay_s)
        url = live_url(web, sync_id, after)
        async with connect_async(
            url, additional_headers=BEARER, max_size=None, proxy=None, open_timeout=PATIENCE_S
        ) as socket:
            async for text in socket:
                reader.hear(text)
            assert socket.close_code == 1000
        return reader

    async def all_of_them(story: LogWriter) -> list[Reader]:
        async with asyncio.timeout(60), asyncio.TaskGroup() as group:
            viewers = [
                group.create_task(view(dice.uniform(0, 2), 0 if n % 2 else dice.randrange(20_000))) for n in range(20)
            ]
            await asyncio.to_thread(write_slowly, story, 20_000, seconds=1.5)
            await asyncio.to_thread(logs.end, story)
        return [viewer.result() for viewer in viewers]

    with logs.writing(sync_id) as story:
        readers = asyncio.run(all_of_them(story))
    for reader in readers:
        first = 20_002 - len(reader.numbers)
        assert reader.numbers == list(range(first, 20_002))
        assert not reader.gaps
    assert sum(len(reader.numbers) == 20_001 for reader in readers) >= 10


def test_websocket_poll_and_stream_tell_the_same_lines(client: redis.Redis, web: httpx2.Client, logs: Logs) -> None:
    sync_id = logs.start()
    with logs.writing(sync_id) as story:
        for n in range(7000):
            story.info(f"ünïcödé {n} \x00 \u2028", record=str(n), fields={"n": n, "deep": [{"a": ",\n"}]})
            if n % 1000 == 0:
                story.flush()
    watched, polled = Reader(sync_id), Reader(sync_id)
    watched.watch(web)
    for _ in range(20):
        if not polled.end:
            polled.poll(web, limit=999)
    entries = cast("list[Any]", client.xrange(keys.log(sync_id)))
    bodies = [wire.chunk_from_entry(*entry).body for entry in entries]
    stored = json.loads(b"[" + keys.SEPARATOR.join(bodies) + b"]")
    assert watched.numbers == polled.numbers == [line["n"] for line in stored] == list(range(1, 7002))
    assert watched.texts == polled.texts == [line["text"] for line in stored]
    assert watched.summaries[-1] == polled.summaries[-1]
    assert watched.end == polled.end


@pytest.mark.slow
def test_a_reader_may_change_between_websocket_and_poll_in_mid_log(web: httpx2.Client, logs: Logs) -> None:
    sync_id = logs.start()
    reader = Reader(sync_id)
    dice = random.Random(11)
    with logs.writing(sync_id) as story, in_background(write_slowly, story, 8000, seconds=2):
        for turn in range(20):
            if turn % 2:
                reader.poll(web, limit=dice.randrange(1, 700))
                continue
            with open_socket(web, sync_id, reader.cursor) as socket:
                until_s = time.monotonic() + 0.2
                for _ in range(dice.randrange(1, 6)):
                    with suppress(TimeoutError):  # on a slow machine all is written by now, and this reader has it
                        reader.hear(socket.recv(timeout=1))
                    if time.monotonic() > until_s:
                        break
    assert reader.watch(web) == 1000
    assert reader.numbers == list(range(1, 8002))
    assert not reader.gaps


def test_large_lines_arrive_in_frames_of_any_size(web: httpx2.Client, logs: Logs) -> None:
    sync_id = logs.start()
    reader = Reader(sync_id)
    largest = 0
    with logs.writing(sync_id) as story, open_socket(web, sync_id) as socket:
        for n in range(60):
            story.info(f"{n} {random.Random(n).randbytes(7_000).hex()}")
        logs.end(story)
        while not reader.end:
            text = socket.recv(timeout=PATIENCE_S)
            largest = max(largest, len(text))
            reader.hear(text)
    assert largest > 16 * 1024
    assert reader.numbers == list(range(1, 62))


def test_a_chunk_too_large_to_publish_arrives_as_fast(client: redis.Redis, web: httpx2.Client, logs: Logs) -> None:
    sync_id = logs.start()
    appender = Appender(client, live_ttl_ms=60_000)
    claim = appender.claim(sync_id)
    reader = Reader(sync_id)
    with open_socket(web, sync_id) as socket:
        reader.hear(socket.recv(timeout=PATIENCE_S))
        until(lambda: subscriptions(client, sync_id), "the server is subscribed")
        time_s = time.monotonic()
        body = b",\n".join(
            json.dumps({"n": n, "time": "", "level": "info", "text": "x" * 1000}).encode() for n in range(1, 101)
        )
        appender.append(sync_id, attempt=claim.attempt, first=1, count=100, body=body, fields={"status": "running"})
        while reader.cursor < 100:
            reader.hear(socket.recv(timeout=PATIENCE_S))
        assert time.monotonic() - time_s < keeper.CHECK_EVERY_S - 1, "it was not found by looking every now and then"


def test_lines_that_the_stream_has_lost_are_told_as_a_gap(client: redis.Redis, web: httpx2.Client, logs: Logs) -> None:
    sync_id = logs.start()
    with logs.writing(sync_id) as story:
        for part in range(3):
            for n in range(100):
                story.info(f"{part} {n}")
            story.flush()
            if part == 1:
                client.delete(keys.log(sync_id))
    watched, polled = Reader(sync_id), Reader(sync_id)
    assert watched.watch(web) == 1000
    for _ in range(20):
        if not polled.end:
            polled.poll(web, limit=50)
    assert watched.gaps == polled.gaps == [(1, 200)]
    assert watched.numbers == polled.numbers == list(range(201, 302))
    assert watched.end == polled.end
    client.delete(keys.log(sync_id))
    lost = Reader(sync_id, 250)
    assert lost.watch(web) == 1000
    assert lost.gaps == [(251, 301)]


def test_lines_that_vanish_unread_do_not_keep_the_end_away(client: redis.Redis, web: httpx2.Client, logs: Logs) -> None:
    sync_id = logs.start()
    reader = Reader(sync_id)
    with open_socket(web, sync_id) as socket:
        reader.hear(socket.recv(timeout=PATIENCE_S))
        client.hset(keys.summary(sync_id), mapping={"status": "completed", "last": 20})
        client.publish(keys.live(sync_id), "20-20 wake")
        until(lambda: bool(reader.hear(socket.recv(timeout=PATIENCE_S))) and reader.end, "the end is told")
    assert reader.gaps == [(1, 20)]


# --- the end --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [Status.COMPLETED, Status.FAILED])
def test_the_end_of_a_sync_that_is_watched_comes_once_and_last(web: httpx2.Client, logs: Logs, status: Status) -> None:
    sync_id = logs.start()
    reader = Reader(sync_id)
    reason = Reason.ERROR if status is Status.FAILED else None
    with logs.writing(sync_id) as story, open_socket(web, sync_id) as socket:
        story.info("the only line")
        reader.hear(socket.recv(timeout=PATIENCE_S))
        began = time.monotonic()
        logs.end(story, status, reason)
        assert reader.listen(socket) == 1000
        assert time.monotonic() - began < keeper.CHECK_EVERY_S - 1, "nobody had to look for it"
    assert reader.end
    assert (reader.end["last"], reader.end["summary"]["status"]) == (2, status)
    assert reader.summaries[-1] == reader.end["summary"]


def test_a_sync_that_ended_long_ago_is_told_whole_and_ended(web: httpx2.Client, logs: Logs) -> None:
    sync_id = logs.written(10)
    reader = Reader(sync_id)
    assert reader.watch(web) == 1000
    assert reader.numbers == list(range(1, 11))
    assert reader.end
    assert reader.end["last"] == 10
    assert len(reader.summaries) == 1


def test_a_sync_stopped_before_it_began_ends_too(web: httpx2.Client, requests: Requests, logs: Logs) -> None:
    sync_id = logs.start()
    reader = Reader(sync_id)
    with open_socket(web, sync_id) as socket:
        assert reader.hear(socket.recv(timeout=PATIENCE_S))["summary"]["status"] == "queued"
        requests.stop(sync_id, "ana")
        assert reader.listen(socket) == 1000
    assert reader.texts == ["Stopped by ana before it started."]
    assert reader.end


# --- summaries, speed, silence --------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("with_lines", [True, False])
def test_a_summary_comes_at_the_start_and_at_most_twice_a_second_while_it_changes(
    web: httpx2.Client, logs: Logs, *, with_lines: bool
) -> None:
    sync_id = logs.start()
    reader = Reader(sync_id)
    began = time.monotonic()
    with logs.writing(sync_id) as story, open_socket(web, sync_id) as socket:
        assert reader.hear(socket.recv(timeout=PATIENCE_S))["type"] == "summary"
        pulled = 0
        while len(reader.summaries) < 5:
            assert time.monotonic() < began + PATIENCE_S, "they come while it changes"
            pulled += 1
            story.set(pulled=pulled)
            if with_lines:
                story.info("one more")
            with suppress(TimeoutError):
                reader.hear(socket.recv(timeout=0.02))
        assert time.monotonic() - began > 1.4
        logs.end(story)
        assert reader.listen(socket) == 1000
    assert reader.summaries[-1]["pulled"] == pulled


@pytest.mark.slow
def test_a_line_of_a_quiet_log_arrives_at_once(web: httpx2.Client, logs: Logs) -> None:
    sync_id = logs.start()
    took: list[float] = []
    with logs.writing(sync_id) as story, open_socket(web, sync_id) as socket:
        socket.recv(timeout=PATIENCE_S)
        for n in range(15):
            time.sleep(0.06)  # the silence that makes the log a quiet one
            began = time.monotonic()
            story.info(f"line {n}")
            while json.loads(socket.recv(timeout=PATIENCE_S))["type"] != "lines":
                pass
            took.append(time.monotonic() - began)
    assert statistics.quantiles(took)[0] < 0.1, "unless the machine is busy with something else"


# --- Redis breaks ---------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_websocket_outlives_a_restart_of_redis(environ: dict[str, str], tmp_path: Path) -> None:
    server = valkey.start(tmp_path)
    own = {**environ, "REDIS_URL": server.url, "PORT": str(free_port())}
    config = settings.load(own)
    try:
        with (
            Process("server", own, ready="Synctail listens"),
            connect_redis(server.url) as client,
            httpx2.Client(base_url=f"http://127.0.0.1:{own['PORT']}", headers=BEARER, timeout=PATIENCE_S) as web,
        ):
            until(lambda: client.exists(keys.token(token_hash(ADMIN_TOKEN))), "the token is stored")
            logs = Logs(Requests(config, client), Appender(client, live_ttl_ms=60_000), config.retention)
            sync_id = logs.start()
            reader = Reader(sync_id)
            with logs.writing(sync_id) as story, open_socket(web, sync_id) as socket:
                reader.hear(socket.recv(timeout=PATIENCE_S))
                with in_background(write_slowly, story, 3000, seconds=1.5):
                    until(lambda: int(client.hget(keys.summary(sync_id), "last") or 0) > 300, "it is in the middle")
                    server.stop()
                    server = valkey.start(tmp_path)
                logs.end(story)
                assert reader.listen(socket) == 1000
        assert reader.numbers == list(range(1, 3002))
        assert not reader.gaps
    finally:
        server.stop()


# --- Redis goes back in time ----------------------------------------------------------------------------------------


@contextmanager
def watched(client: redis.Redis, web: httpx2.Client, logs: Logs, lines: int) -> Iterator[tuple[Story, Reader, Any]]:
    """A viewer who saw so many lines live."""
    sync_id = logs.start()
    story, reader = Story(client, sync_id), Reader(sync_id)
    with open_socket(web, sync_id) as socket:
        reader.hear(socket.recv(timeout=PATIENCE_S))
        until(lambda: subscriptions(client, sync_id), "the server is subscribed")
        story.write(lines)
        while reader.cursor < lines:
            reader.hear(socket.recv(timeout=PATIENCE_S))
        yield story, reader, socket


def hear_until_lines_are(reader: Reader, socket: Any, lines: int) -> None:
    """That is, until the summary counts so many."""
    while reader.summaries[-1]["lines"] != lines:
        reader.hear(socket.recv(timeout=PATIENCE_S))


@pytest.mark.slow
def test_a_writer_that_sends_again_what_redis_forgot_shows_nothing_twice(
    client: redis.Redis, web: httpx2.Client, logs: Logs
) -> None:
    with watched(client, web, logs, 100) as (story, reader, socket):
        story.go_back(80)
        hear_until_lines_are(reader, socket, 80)
        late = Reader(story.id)
        late.poll(web)
        assert late.numbers == list(range(1, 81))
        story.write(100, first=81)
        story.write(120, first=101)
        story.lose()
        assert reader.listen(socket) == 1000
    assert reader.texts == [*(f"line {n}" for n in range(1, 121)), "Lost"]
    assert not reader.rewinds
    assert not reader.gaps


@pytest.mark.slow
@pytest.mark.parametrize("kept", [80, 90])
def test_viewers_who_saw_more_than_an_ended_log_holds_are_taken_back(
    client: redis.Redis, web: httpx2.Client, logs: Logs, kept: int
) -> None:
    with watched(client, web, logs, 100) as (story, reader, socket):
        story.go_back(kept)
        hear_until_lines_are(reader, socket, kept)
        story.lose()
        assert reader.listen(socket) == 1000
    assert reader.rewinds == [kept]
    assert reader.texts == [*(f"line {n}" for n in range(1, kept + 1)), "Lost"]
    assert reader.end
    late = Reader(story.id, 100)
    assert late.watch(web) == 1000
    assert (late.rewinds, late.texts) == ([kept], ["Lost"])


@pytest.mark.slow
def test_a_line_of_another_story_under_the_number_of_the_last_one_seen_is_told(
    client: redis.Redis, web: httpx2.Client, logs: Logs
) -> None:
    with watched(client, web, logs, 81) as (story, reader, socket):
        story.go_back(80)
        hear_until_lines_are(reader, socket, 80)
        story.lose()
        assert reader.listen(socket) == 1000
    assert reader.rewinds == [80]
    assert reader.texts[80:] == ["Lost"]


def test_a_made_up_cursor_beyond_an_ended_log_is_taken_back(web: httpx2.Client, logs: Logs) -> None:
    sync_id = logs.written(1234)
    reader = Reader(sync_id, 2000)
    assert reader.watch(web) == 1000
    assert (reader.rewinds, reader.numbers) == ([1233], [1234])


# --- who may, and how it is said ------------------------------------------------------------------------------------


def refused(web: httpx2.Client, sync_id: str, *, after: Any = 0, **options: Any) -> int | None:
    with open_socket(web, sync_id, after, **options) as socket:
        return closed(socket)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Bearer st_somebody-elses-token"},
        {"Authorization": f"Basic {ADMIN_TOKEN}"},
        {"Authorization": "Bearer"},
        {"Cookie": "synctail_session=forged"},
    ],
)
def test_a_websocket_without_a_valid_token_closes_with_4401(
    web: httpx2.Client, logs: Logs, headers: dict[str, str]
) -> None:
    assert refused(web, logs.written(1), additional_headers=headers) == 4401


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://127.0.0.1:1", "http://[", "file://"])
def test_a_websocket_from_a_foreign_page_closes_with_4403(web: httpx2.Client, logs: Logs, origin: str) -> None:
    assert refused(web, logs.written(1), origin=origin) == 4403


def test_our_own_pages_may_open_a_websocket(web: httpx2.Client, logs: Logs) -> None:
    own = f"http://{web.base_url.host}:{web.base_url.port}"
    assert refused(web, logs.written(1), origin=own) == 1000


def test_an_unknown_sync_closes_with_4404_and_an_expired_one_with_4410(web: httpx2.Client, client: redis.Redis) -> None:
    assert refused(web, UNKNOWN) == 4404
    assert refused(web, "no-id") == 4404
    assert refused(web, EXPIRED) == 4410
    assert refused(web, "%7D%0A*") == 4404
    until(lambda: not client.pubsub_channels(), "nothing stays subscribed")


@pytest.mark.parametrize("after", ["-1", "x", "1.5", "%20", "99999999999999999999", "1&after=x"])
def test_a_bad_cursor_closes_with_4400(web: httpx2.Client, logs: Logs, after: str) -> None:
    assert refused(web, logs.written(1), after=after) == 4400


@pytest.mark.parametrize("message", ["{}", b"\x00", ""])
def test_a_client_that_sends_a_message_is_told_that_this_websocket_only_sends(
    client: redis.Redis, web: httpx2.Client, logs: Logs, message: str | bytes
) -> None:
    sync_id = logs.start()
    with open_socket(web, sync_id) as socket:
        socket.recv(timeout=PATIENCE_S)
        socket.send(message)
        assert closed(socket) == 4400
        assert "after=N" in (socket.close_reason or "")
    until(lambda: not subscriptions(client, sync_id), "the subscription is released")


def test_a_client_that_sends_too_much_is_cut_off(client: redis.Redis, web: httpx2.Client, logs: Logs) -> None:
    sync_id = logs.start()
    with open_socket(web, sync_id) as socket:
        socket.recv(timeout=PATIENCE_S)
        socket.send("x" * 17_000)
        assert closed(socket) == 1009
    until(lambda: not subscriptions(client, sync_id), "the subscription is released")


def test_a_client_that_talks_while_the_log_is_busy_is_cut_off_at_once(web: httpx2.Client, logs: Logs) -> None:
    sync_id = logs.start()
    with logs.writing(sync_id) as story, talking(story):
        for _ in range(10):
            with open_socket(web, sync_id, 10**6) as socket:
                socket.recv(timeout=PATIENCE_S)
                socket.send("hello")
                assert closed(socket) == 4400


def test_the_subprotocol_is_ours_and_nothing_is_compressed(web: httpx2.Client, logs: Logs) -> None:
    sync_id = logs.written(1)
    with open_socket(web, sync_id, subprotocols=["other", "synctail.v1"]) as socket:
        assert socket.subprotocol == "synctail.v1"
        assert socket.response
        assert "Sec-WebSocket-Extensions" not in socket.response.headers
    with open_socket(web, sync_id, subprotocols=["other"]) as socket:
        assert socket.subprotocol is None
        assert closed(socket) == 1000


# --- coming and going -----------------------------------------------------------------------------------------------


def test_the_last_viewer_to_leave_releases_the_subscription(
    client: redis.Redis, web: httpx2.Client, logs: Logs
) -> None:
    sync_id = logs.start()
    with open_socket(web, sync_id) as one:
        one.recv(timeout=PATIENCE_S)
        with open_socket(web, sync_id) as other:
            other.recv(timeout=PATIENCE_S)
            until(lambda: subscriptions(client, sync_id) == 1, "the server is subscribed")
        assert subscriptions(client, sync_id) == 1
    until(lambda: not subscriptions(client, sync_id), "the subscription is released")


@pytest.mark.slow
def test_viewers_that_break_off_in_any_moment_leave_nothing_behind(
    client: redis.Redis, web: httpx2.Client, logs: Logs
) -> None:
    sync_id = logs.start()
    dice = random.Random(5)
    with logs.writing(sync_id) as story, in_background(write_slowly, story, 10_000, seconds=1) as writer:
        while writer.is_alive():
            leaving = shake_hands(web, sync_id)
            if dice.random() < 0.5:
                leaving.recv(1000)
            if dice.random() < 0.5:
                leaving.setsockopt(sockets.SOL_SOCKET, sockets.SO_LINGER, struct.pack("ii", 1, 0))  # by a reset
            leaving.close()
    until(lambda: not subscriptions(client, sync_id), "the subscription is released")


def test_a_viewer_that_stalls_does_not_disturb_another_one(client: redis.Redis, web: httpx2.Client, logs: Logs) -> None:
    sync_id = logs.start()
    reader = Reader(sync_id)
    with logs.writing(sync_id) as story, shake_hands(web, sync_id), open_socket(web, sync_id) as socket:
        noise(story, 2500)
        logs.end(story)
        assert reader.listen(socket) == 1000
        assert reader.numbers == list(range(1, 2502))
        assert subscriptions(client, sync_id) == 1
    until(lambda: not subscriptions(client, sync_id), "the subscription is released")


@pytest.mark.slow
def test_a_viewer_that_stalls_for_good_is_disconnected(
    client: redis.Redis, environ: dict[str, str], web: httpx2.Client, logs: Logs
) -> None:
    config = configure(server_settings.load({**environ, "PORT": str(free_port())}))
    config.ws_ping_interval = config.ws_ping_timeout = 0.3
    bound = sockets.create_server(("127.0.0.1", 0))
    web.base_url = httpx2.URL(f"http://127.0.0.1:{bound.getsockname()[1]}")
    server = uvicorn.Server(config)
    sync_id = logs.start()
    with in_background(server.run, sockets=[bound]):
        try:
            with logs.writing(sync_id) as story, shake_hands(web, sync_id):
                noise(story, 3000)
                story.flush()
                until(lambda: not server.server_state.connections, "the stalled viewer is disconnected")
                until(lambda: not subscriptions(client, sync_id), "the subscription is released")
        finally:
            server.should_exit = True


@pytest.mark.slow
def test_a_web_process_that_is_stopped_sends_its_viewers_away_with_1012(environ: dict[str, str], logs: Logs) -> None:
    own = {**environ, "PORT": str(free_port())}
    sync_id = logs.start()
    with (
        Process("server", own, ready="Synctail listens") as process,
        httpx2.Client(base_url=f"http://127.0.0.1:{own['PORT']}", headers=BEARER, timeout=PATIENCE_S) as web,
        logs.writing(sync_id) as story,
        shake_hands(web, sync_id),
        open_socket(web, sync_id) as one,
        open_socket(web, sync_id) as other,
    ):
        noise(story, 2500)
        story.flush()
        one.recv(timeout=PATIENCE_S)
        process.process.send_signal(signal.SIGTERM)
        assert closed(one) == 1012
        assert closed(other) == 1012
        process.ends(seconds=PATIENCE_S)  # it does not wait for the one that stalls
        assert "Traceback" not in process.output


def test_an_origin_that_the_settings_allow_may_open_a_websocket(environ: dict[str, str], logs: Logs) -> None:
    sync_id = logs.written(1)
    with serving({**environ, "SYNCTAIL_ALLOWED_ORIGINS": "https://ops.example.com"}) as (web, _):
        assert refused(web, sync_id, origin="https://ops.example.com") == 1000
        assert refused(web, sync_id, origin="https://ops.example.com.evil.example") == 4403
        assert refused(web, sync_id, origin="http://ops.example.com") == 4403


# --- those who wait -------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_waiting_viewer_costs_no_task_but_the_one_that_receives(
    environ: dict[str, str], web: httpx2.Client, logs: Logs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And no timer: one beat for all is written by the tail. What its handshake said is forgotten."""
    del web
    monkeypatch.setattr(broadcast, "BEAT_EVERY_S", 0.3)
    sync_id = logs.start()
    with logs.writing(sync_id) as story, serving(environ) as one, ExitStack() as stack:
        story.info("x" * 1000)
        assert story.flush()
        viewers = [stack.enter_context(open_socket(one.web, sync_id)) for _ in range(10)]
        for viewer in viewers:
            while json.loads(viewer.recv(timeout=PATIENCE_S))["type"] != "beat":
                pass
        loop = one.connections()[0].loop
        names = [task.get_name() for task in asyncio.all_tasks(loop)]
        assert "live-send" not in names
        assert len(one.server.server_state.tasks) == 10
        for protocol in one.connections():
            assert not hasattr(protocol, "request")
            assert protocol.scope["headers"] == []
        for viewer in viewers:
            assert json.loads(viewer.recv(timeout=PATIENCE_S))["type"] == "beat"


@pytest.mark.slow
def test_without_a_lane_beats_come_as_well(
    environ: dict[str, str], web: httpx2.Client, logs: Logs, monkeypatch: pytest.MonkeyPatch
) -> None:
    del web
    monkeypatch.setattr(broadcast, "BEAT_EVERY_S", 0.2)
    sync_id = logs.start()
    with serving(environ, "websockets-sansio") as one, open_socket(one.web, sync_id) as viewer:
        while json.loads(viewer.recv(timeout=PATIENCE_S))["type"] != "summary":
            pass  # where the first look takes long, beats come before it
        assert [json.loads(viewer.recv(timeout=PATIENCE_S))["type"] for _ in range(3)] == ["beat"] * 3


# --- the hub, in this process ---------------------------------------------------------------------------------------


def test_a_reader_that_comes_back_at_once_need_not_wait(
    config: settings.Settings, logs: Logs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeper, "CONFIRM_S", 8.0)
    sync_id = logs.start()

    async def come_back() -> float:
        async with running_hub(config) as one:
            await first_frames(one, sync_id, 1)
            began = time.monotonic()
            for _ in range(3):
                await first_frames(one, sync_id, 1)
            return time.monotonic() - began

    assert asyncio.run(come_back()) < keeper.CONFIRM_S / 2


def test_an_ending_in_the_moment_of_the_first_look_is_told_at_once(
    config: settings.Settings, logs: Logs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It comes by pub/sub while the answer that does not know of it is still on its way."""
    heard, asked = asyncio.Event(), asyncio.Event()
    received = Keeper.received

    def hear(one: Keeper, message: bytes) -> None:
        received(one, message)
        heard.set()

    monkeypatch.setattr(Keeper, "received", hear)
    monkeypatch.setattr(keeper, "CONFIRM_S", 4 * PATIENCE_S)
    monkeypatch.setattr(keeper, "CHECK_EVERY_S", 4 * PATIENCE_S)
    sync_id = logs.start()
    with logs.writing(sync_id) as story:
        assert story.flush()  # what it says of its start is not to be taken for the ending

        class EndsMeanwhile(Summaries):
            async def get(self, sync_id: str) -> Summary:
                found = await super().get(sync_id)
                if not asked.is_set():
                    asked.set()
                    heard.clear()  # of a line that came before the question
                    await asyncio.to_thread(logs.end, story)
                    await heard.wait()
                return found

        async def listen() -> list[dict[str, Any]]:
            async with running_hub(config, EndsMeanwhile) as one:
                return await first_frames(one, sync_id, 4)

        assert [frame["type"] for frame in asyncio.run(listen())] == ["summary", "lines", "summary", "end"]


def test_silence_is_broken_by_a_beat(config: settings.Settings, logs: Logs, monkeypatch: pytest.MonkeyPatch) -> None:
    assert broadcast.BEAT_EVERY_S == 10
    monkeypatch.setattr(broadcast, "BEAT_EVERY_S", 0.1)
    sync_id = logs.start()

    async def listen() -> list[dict[str, Any]]:
        async with running_hub(config) as one:
            return await first_frames(one, sync_id, 4)

    assert [frame["type"] for frame in asyncio.run(listen())] == ["summary", "beat", "beat", "beat"]


def test_waiting_for_an_event_can_always_be_cancelled() -> None:
    """A cancellation that is swallowed at the moment of the event would leave a keeper running for ever."""

    async def cancel_in_that_moment(passes: int) -> bool:
        event = asyncio.Event()
        task = asyncio.create_task(within(event, 5))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        event.set()
        for _ in range(passes):
            await asyncio.sleep(0)
        if task.done():
            return True
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return task.cancelled()

    assert all(asyncio.run(cancel_in_that_moment(passes)) for passes in range(5))


@pytest.mark.slow
def test_readers_that_come_and_go_leave_no_task_behind(config: settings.Settings, logs: Logs) -> None:
    sync_id = logs.start()

    async def come_and_go(story: LogWriter) -> list[str]:
        async with running_hub(config) as one:
            writing = asyncio.create_task(asyncio.to_thread(write_slowly, story, 5000, seconds=1))
            while not writing.done():
                await first_frames(one, sync_id, 2)
            await writing
            await asyncio.to_thread(until, lambda: not one._keepers, "no keeper is left")
            return [name for task in asyncio.all_tasks() if (name := task.get_name()).startswith("keeper-")]

    with logs.writing(sync_id) as story:
        assert asyncio.run(come_and_go(story)) == []


class Deaf:
    """A pool of connections that take everything and answer nothing, as if the network had broken in the middle."""

    def __init__(self) -> None:
        self.made = 0
        self.sent: list[str] = []

    def make_connection(self) -> Deaf:
        self.made += 1
        return self

    async def connect(self) -> None: ...

    async def disconnect(self, *, nowait: bool) -> None: ...

    async def send_command(self, *command: str, check_health: bool) -> None:
        del check_health
        self.sent.append(command[0])

    async def read_response(self, **_: Any) -> None:
        await asyncio.Event().wait()


def test_a_dead_subscription_is_noticed_although_viewers_come_and_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subscriber, "SILENT_S", 0.3)
    monkeypatch.setattr(subscriber, "PING_EVERY_S", 0.2)
    deaf = Deaf()

    async def come_and_go() -> None:
        one = subscriber.Subscriber(cast("Any", deaf))
        task = asyncio.create_task(one.run())
        async with asyncio.timeout(PATIENCE_S):
            while deaf.made < 2:
                one.want("a", cast("Any", None))
                await asyncio.sleep(0.05)
                one.drop("a")
        task.cancel()
        await asyncio.wait({task}, timeout=PATIENCE_S)
        assert task.cancelled()

    asyncio.run(come_and_go())
    assert "PING" in deaf.sent


def test_a_sync_that_is_removed_while_it_is_watched_says_so(
    client: redis.Redis, web: httpx2.Client, logs: Logs
) -> None:
    sync_id = logs.start()
    with open_socket(web, sync_id) as socket:
        socket.recv(timeout=PATIENCE_S)
        client.delete(keys.summary(sync_id))
        client.publish(keys.live(sync_id), "1-0 wake")
        assert closed(socket) == errors.SyncNotFound.close_code
