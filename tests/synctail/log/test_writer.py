"""The writer of a log: numbered without holes, at once while quiet, in chunks while busy, whatever Redis does."""

from __future__ import annotations

import logging
import random
import shutil
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import msgspec
import pytest
import redis
from redis.exceptions import ConnectionError as RedisConnectionError

from demo import valkey
from server.log import wire
from synctail.connect import connect
from synctail.log import delivery, flusher, lines, spool, writer
from synctail.log.appender import Answer, Appender
from synctail.log.cap import LogLimit
from synctail.log.capture import captured
from synctail.log.endings import end_sync
from synctail.log.writer import LogWriter
from synctail.model import keys
from synctail.model.ids import new_sync_id
from synctail.model.sync import Reason, Status
from synctail.settings import Settings
from tests.kit.support import PATIENCE_S, immortal_keys, in_time, until

TTL_MS = 600_000
ENDED = {"status": "completed"}
WHOLE: dict[str, Any] = {
    "service": "orders",
    "queued_at": "2026-01-31T09:30:00.000Z",
    "status": "running",
    "attempt": 0,
    "last": 0,
}


class Story:
    """One sync, its writer, and what Redis holds of it."""

    def __init__(self, client: redis.Redis, appender: Appender | None = None, **options: Any) -> None:
        self.client = client
        self.id = new_sync_id()
        client.hset(keys.summary(self.id), mapping=cast("Any", {**WHOLE, "id": self.id}))
        client.pexpire(keys.summary(self.id), TTL_MS)
        appender = appender or Appender(client, live_ttl_ms=TTL_MS)
        self.causes: list[str] = []
        self.writer = LogWriter(appender, self.id, appender.claim(self.id), interrupt=self.causes.append, **options)

    def entries(self) -> list[wire.Chunk]:
        stored = cast("list[Any]", self.client.xrange(keys.log(self.id)))
        return [wire.chunk_from_entry(*entry) for entry in stored]

    def lines(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        for chunk in self.entries():
            inside = msgspec.json.decode(b"[" + chunk.body + b"]")
            assert [line["n"] for line in inside] == list(range(chunk.first, chunk.last + 1))
            found.extend(inside)
        return found

    def texts(self) -> list[str]:
        """Checked to be numbered 1, 2, 3 …"""
        found = self.lines()
        assert [line["n"] for line in found] == list(range(1, len(found) + 1))
        return [line["text"] for line in found]

    def field(self, name: str) -> str:
        return (cast("bytes | None", self.client.hget(keys.summary(self.id), name)) or b"").decode()


@pytest.fixture
def brisk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Writers that wait for nothing long: what they do is the same, and a test sees it sooner. What they keep, they
    keep for longer than a slow machine takes for a test."""
    monkeypatch.setattr(flusher, "HEARTBEAT_S", 0.1)
    monkeypatch.setattr(flusher, "BACKOFF_S", (0.005, 0.05))
    monkeypatch.setattr(delivery, "KEPT_S", 120.0)


@pytest.fixture
def make(client: redis.Redis) -> Iterator[Callable[..., Story]]:
    stories: list[Story] = []

    def make(**options: Any) -> Story:
        stories.append(Story(client, **options))
        return stories[-1]

    yield make
    for story in stories:
        story.writer.close("info", "The test is over", **ENDED)
        assert not story.writer._thread.is_alive()


@pytest.fixture
def story(make: Callable[..., Story]) -> Story:
    return make()


# --- numbers and order ------------------------------------------------------------------------------------------


def test_lines_from_many_threads_are_numbered_densely_and_keep_each_threads_order(story: Story) -> None:
    def talk(name: int) -> None:
        for i in range(500):
            story.writer.info(f"{name} {i}")

    threads = [threading.Thread(target=talk, args=(name,)) for name in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert story.writer.flush()
    texts = story.texts()
    assert len(texts) == 4000
    for name in range(8):
        assert [text for text in texts if text.startswith(f"{name} ")] == [f"{name} {i}" for i in range(500)]
    assert story.field("last") == "4000"


def test_many_writers_in_one_process_do_not_disturb_each_other(make: Callable[..., Story]) -> None:
    stories = [make() for _ in range(6)]
    noise = "".join(random.choices("abcdefghij", k=200))

    def talk(story: Story) -> None:
        for i in range(1500):
            story.writer.info(f"{story.id} {i} {noise}")

    threads = [threading.Thread(target=talk, args=(story,)) for story in stories]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for story in stories:
        assert story.writer.flush()
        assert story.texts() == [f"{story.id} {i} {noise}" for i in range(1500)]


def test_a_writer_goes_on_where_an_earlier_attempt_ended(client: redis.Redis, story: Story) -> None:
    story.writer.info("one")
    assert story.writer.flush()
    appender = Appender(client, live_ttl_ms=TTL_MS)
    second = LogWriter(appender, story.id, appender.claim(story.id))
    second.info("two")
    assert second.close("info", "three", **ENDED)
    assert story.texts() == ["one", "two", "three"]


# --- when it writes -----------------------------------------------------------------------------------------------


def test_a_quiet_line_is_written_at_once(story: Story) -> None:
    def write() -> float:
        time.sleep(3 * flusher.WINDOW_S)  # so that the log is quiet
        had = len(story.lines())
        began = time.monotonic()
        story.writer.info("here")
        until(lambda: len(story.lines()) > had, "the line is in Redis")
        return time.monotonic() - began

    in_time(flusher.HEARTBEAT_S / 2, write)


def test_a_busy_log_is_written_in_chunks(story: Story) -> None:
    for i in range(5000):
        story.writer.info(f"line {i}")
    assert story.writer.flush()
    entries = story.entries()
    assert entries[-1].last == 5000
    assert len(entries) < 200
    assert max(entry.last - entry.first + 1 for entry in entries) <= spool.CHUNK_LINES


def test_a_log_that_talks_without_a_pause_is_written_fifty_times_a_second(make: Callable[..., Story], spy: Spy) -> None:
    """However fast Redis answers, and however often there is a line more."""
    story = make(appender=spy)
    until(lambda: story.field("beat"), "it has written once")
    began, before = time.monotonic(), len(spy.calls)
    while time.monotonic() < began + 0.6:
        story.writer.info("one more")
        time.sleep(0.001)
    windows = (time.monotonic() - began) / flusher.WINDOW_S
    assert len(spy.calls) - before <= windows + 2


@pytest.mark.parametrize("level", ["warning", "error"])
def test_an_urgent_line_takes_all_before_it_along_at_once(
    make: Callable[..., Story], monkeypatch: pytest.MonkeyPatch, level: str
) -> None:
    monkeypatch.setattr(flusher, "WINDOW_S", 4 * PATIENCE_S)
    story = make()
    until(lambda: story.field("beat"), "it has written once")
    story.writer.info("first")
    getattr(story.writer, level)("look")
    until(lambda: story.texts() == ["first", "look"], "both lines are in Redis")


@pytest.mark.slow
def test_a_silent_writer_sends_heartbeats(story: Story) -> None:
    first = until(lambda: story.field("beat"), "a first beat")
    until(lambda: story.field("beat") > first, "a second one")
    assert story.lines() == []


# --- the summary --------------------------------------------------------------------------------------------------


def test_warnings_and_errors_are_counted_in_the_summary(story: Story) -> None:
    for level, times in (("debug", 1), ("info", 2), ("warning", 3), ("error", 4)):
        for _ in range(times):
            getattr(story.writer, level)("x")
    assert story.writer.flush()
    assert (story.field("warnings"), story.field("errors")) == ("3", "4")
    levels = [line["level"] for line in story.lines()]
    assert levels == ["debug"] + ["info"] * 2 + ["warning"] * 3 + ["error"] * 4


def test_what_is_set_is_in_the_summary_and_none_empties_it(story: Story) -> None:
    story.writer.set(pulled=12, phase="pull", progress=0.5)
    assert story.writer.flush()
    assert (story.field("pulled"), story.field("phase"), story.field("progress")) == ("12", "pull", "0.5")
    story.writer.set(progress=None)
    story.writer.set(pulled=13)
    assert story.writer.flush()
    assert (story.field("pulled"), story.field("phase"), story.field("progress")) == ("13", "pull", "")


def test_what_is_set_is_written_without_a_line_too(story: Story) -> None:
    story.writer.set(pulled=1)
    until(lambda: story.field("pulled") == "1", "the summary says so")


def test_a_line_says_where_it_comes_from(story: Story) -> None:
    story.writer.info("x", phase="push", record="A-1", fields={"sku": "S", "n": 2})
    assert story.writer.flush()
    [line] = story.lines()
    assert (line["phase"], line["record"], line["fields"]) == ("push", "A-1", {"sku": "S", "n": 2})


# --- the ending ---------------------------------------------------------------------------------------------------


class Spy:
    """Stands between writer and appender: remembers the calls, and does what a network can do to them."""

    def __init__(self, client: redis.Redis) -> None:
        self._appender = Appender(client, live_ttl_ms=TTL_MS)
        self.claim = self._appender.claim
        self.calls: list[dict[str, Any]] = []
        self.away = False
        self.in_vain = 0
        self.lose_replies = 0
        self.delay_s = 0.0
        self.before: Callable[[dict[str, Any]], None] = lambda _: None

    def append(self, sync_id: str, **call: Any) -> Answer:
        self.calls.append(call)
        if self.away:
            self.in_vain += 1
            time.sleep(self.delay_s)
            raise RedisConnectionError("away")
        self.before(call)
        answer = self._appender.append(sync_id, **call)
        if self.lose_replies and call["count"]:
            self.lose_replies -= 1
            raise RedisConnectionError("the reply was lost")
        return answer


@pytest.fixture
def spy(client: redis.Redis) -> Spy:
    return Spy(client)


def test_the_last_line_and_the_ending_are_one_step(make: Callable[..., Story], spy: Spy) -> None:
    story = make(appender=spy)
    story.writer.info("one")
    story.writer.set(pulled=3, pushed=3)
    assert story.writer.close("error", "the end", status="failed", reason=None, expires_at="later")
    endings = [call for call in spy.calls if "status" in (call["fields"] or {})]
    assert [(call["first"], call["count"]) for call in endings] == [(2, 1)]
    assert story.texts() == ["one", "the end"]
    assert (story.field("status"), story.field("expires_at"), story.field("reason")) == ("failed", "later", "")
    assert (story.field("pushed"), story.field("last"), story.field("errors")) == ("3", "2", "1")


def test_everything_logged_before_the_ending_is_before_it(story: Story) -> None:
    for i in range(3000):
        story.writer.info(str(i))
    assert story.writer.close("info", "the end", **ENDED)
    assert story.texts() == [*map(str, range(3000)), "the end"]


def test_a_line_after_the_ending_is_not_written_and_does_no_harm(story: Story) -> None:
    assert story.writer.close("info", "the end", **ENDED)
    story.writer.info("too late")
    assert not story.writer.flush(0.05)
    assert story.texts() == ["the end"]


def test_flush_says_when_it_took_too_long(make: Callable[..., Story], spy: Spy) -> None:
    story = make(appender=spy)
    spy.away = True
    story.writer.info("x")
    assert not story.writer.flush(0.2)
    spy.away = False
    assert story.writer.flush()
    assert story.texts() == ["x"]


# --- interruptions ------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("brisk")
def test_a_stop_request_interrupts_once(client: redis.Redis, story: Story) -> None:
    client.hset(keys.summary(story.id), "stop", "ana")
    until(lambda: story.causes, "the request is heard")
    for i in range(5):
        story.writer.info(str(i))
        assert story.writer.flush()
    assert story.causes == ["stop"]


def end(client: redis.Redis, sync_id: str, retention: timedelta) -> None:
    assert end_sync(
        Appender(client, live_ttl_ms=TTL_MS),
        sync_id,
        status=Status.FAILED,
        reason=Reason.LOST,
        text="ended from outside",
        retention=retention,
    )


def test_the_line_of_an_ending_from_outside_is_counted_as_any_other(
    client: redis.Redis, config: Settings, story: Story
) -> None:
    story.writer.error("one")
    assert story.writer.flush()
    end(client, story.id, config.retention)
    assert (story.field("errors"), story.field("warnings")) == ("2", "")


def test_a_writer_that_was_fenced_is_interrupted_once_and_writes_no_more(
    client: redis.Redis, config: Settings, story: Story
) -> None:
    story.writer.info("one")
    assert story.writer.flush()
    end(client, story.id, config.retention)
    story.writer.info("two")
    until(lambda: story.causes, "it hears of the ending")
    story.writer.error("three")
    story.writer.set(pushed=99)
    assert not story.writer.flush(1)
    assert not story.writer.close("info", "another ending", **ENDED)
    assert story.causes == ["fenced"]
    assert story.texts() == ["one", "ended from outside"]
    assert (story.field("status"), story.field("pushed")) == ("failed", "")


def test_of_two_endings_at_once_exactly_one_is_written(
    client: redis.Redis, config: Settings, make: Callable[..., Story]
) -> None:
    for _ in range(20):
        story = make()
        story.writer.info("one")
        outside: list[bool] = []

        def end_it(story: Story = story, outside: list[bool] = outside) -> None:
            appender = Appender(client, live_ttl_ms=TTL_MS)
            outside.append(
                end_sync(
                    appender,
                    story.id,
                    status=Status.FAILED,
                    reason=Reason.LOST,
                    text="from outside",
                    retention=config.retention,
                )
            )

        thread = threading.Thread(target=end_it)
        thread.start()
        own = story.writer.close("info", "from inside", **ENDED)
        thread.join()
        assert [own, *outside].count(True) == 1
        endings = [text for text in story.texts() if text.startswith("from")]
        assert endings == (["from inside"] if own else ["from outside"])


@pytest.mark.usefixtures("brisk")
def test_a_sync_that_is_gone_interrupts_its_writer(client: redis.Redis, story: Story) -> None:
    story.writer.info("one")
    assert story.writer.flush()
    client.delete(keys.summary(story.id), keys.log(story.id))
    until(lambda: story.causes == ["fenced"], "it hears of it")
    assert client.exists(keys.summary(story.id), keys.log(story.id)) == 0


def test_a_flusher_that_breaks_says_so_and_interrupts(
    make: Callable[..., Story], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    story = make()

    def break_down(*_: Any) -> bytes:
        raise ZeroDivisionError

    monkeypatch.setattr(lines, "encode_lines", break_down)
    story.writer.info("x")
    until(lambda: story.causes == ["fenced"], "the job is interrupted")
    assert "can no longer be written" in caplog.text
    assert not story.writer.close("info", "the end", **ENDED)


# --- a network that fails -----------------------------------------------------------------------------------------


@pytest.mark.usefixtures("brisk")
def test_an_ending_whose_reply_was_lost_is_an_ending(make: Callable[..., Story], spy: Spy) -> None:
    story = make(appender=spy)
    story.writer.info("one")
    assert story.writer.flush()
    spy.lose_replies = 2
    assert story.writer.close("info", "the end", **ENDED)
    assert story.texts() == ["one", "the end"]
    assert story.causes == []


def test_logging_never_waits_for_redis(make: Callable[..., Story], spy: Spy) -> None:
    story = make(appender=spy)
    spy.away, spy.delay_s = True, 1.0
    longest = 0.0
    for i in range(5000):
        began = time.monotonic()
        story.writer.info(f"line {i}")
        longest = max(longest, time.monotonic() - began)
    assert longest < 0.8
    spy.away = False
    assert story.writer.flush()
    assert story.texts() == [f"line {i}" for i in range(5000)]


@pytest.mark.usefixtures("brisk")
def test_what_the_queue_cannot_hold_is_told(
    make: Callable[..., Story], spy: Spy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "QUEUE_ITEMS", 100)
    story = make(appender=spy)
    spy.away, spy.delay_s = True, 0.3
    until(lambda: spy.in_vain, "the writer knows that Redis is away")
    for i in range(500):
        story.writer.info(f"line {i}")
    spy.away = False
    assert story.writer.flush()

    def accounted() -> int:
        texts = story.texts()
        told = [text for text in texts if " lost: " in text]
        return len(texts) - len(told) + sum(int(text.split(" line")[0]) for text in told)

    until(lambda: accounted() >= 500, "the loss is told")
    assert accounted() == 500
    assert "lines lost" in " ".join(story.texts())


def test_an_ending_gives_up_on_a_redis_that_stays_away(
    make: Callable[..., Story], spy: Spy, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(flusher, "CLOSE_S", 0.2)
    story = make(appender=spy)
    spy.away = True
    story.writer.info("x")
    began = time.monotonic()
    assert not story.writer.close("info", "the end", **ENDED)
    assert time.monotonic() - began < 10
    assert "the clock will end it" in caplog.text


class SlowHours(Spy):
    """Redis is away for eight tries, between each of which half a minute passes: it is the time as a module, too."""

    time = staticmethod(time.time)

    def monotonic(self) -> float:
        return time.monotonic() + 30 * self.in_vain

    def append(self, sync_id: str, **call: Any) -> Answer:
        self.away = self.away and self.in_vain < 8
        return super().append(sync_id, **call)


@pytest.mark.usefixtures("brisk")
def test_an_ending_waits_minutes_for_a_redis_that_is_away(
    client: redis.Redis, make: Callable[..., Story], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sync has done its work: nobody else knows that, or has its last lines."""
    spy = SlowHours(client)
    monkeypatch.setattr(flusher, "time", spy)
    story = make(appender=spy)
    until(lambda: story.field("beat"), "it has written once")
    spy.away = True
    story.writer.info("said while Redis was away")
    assert story.writer.close("info", "the end", **ENDED)
    assert spy.in_vain == 8
    assert story.texts() == ["said while Redis was away", "the end"]
    assert story.field("status") == ENDED["status"]


# --- a Redis that fails -------------------------------------------------------------------------------------------


class Private:
    """A server of the test's own, on whose disk is all that it acknowledged."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._server: valkey.Server
        self.start()
        self.client = connect(self._server.url)

    def start(self) -> None:
        self._server = valkey.start(self._folder, extra=["--appendfsync", "always"])

    def kill(self) -> None:
        self._server.kill()

    def copy(self) -> Path:
        """What is on its disk now."""
        return shutil.copytree(self._folder / "valkey" / "appendonlydir", self._folder / f"copy-{time.monotonic_ns()}")

    def restart_from(self, copy: Path) -> None:
        self.kill()
        shutil.rmtree(self._folder / "valkey" / "appendonlydir")
        shutil.copytree(copy, self._folder / "valkey" / "appendonlydir")
        self.start()

    def stop(self) -> None:
        self.client.close()
        self._server.stop()


@pytest.fixture
def private(tmp_path: Path) -> Iterator[Private]:
    private = Private(tmp_path)
    yield private
    assert immortal_keys(private.client) == []
    private.stop()


@contextmanager
def talking(writer: LogWriter) -> Iterator[Callable[[int], int]]:
    """A job that logs a numbered line each millisecond or so; gives what waits for more and counts them."""
    done = threading.Event()
    said = 0

    def talk() -> None:
        nonlocal said
        while not done.wait(0.001):
            writer.info(f"line {said}")
            said += 1

    def talk_on(more: int) -> int:
        enough = said + more
        until(lambda: said >= enough, "it talks on")
        return said

    thread = threading.Thread(target=talk)
    thread.start()
    try:
        yield talk_on
    finally:
        done.set()
        thread.join()


@pytest.mark.slow
def test_a_redis_that_was_killed_and_comes_back_has_every_line_once(private: Private) -> None:
    story = Story(private.client)
    with talking(story.writer) as talk_on:
        for _ in range(3):
            talk_on(50)
            private.kill()
            talk_on(100)
            private.start()
            assert story.writer.flush()
    said = talk_on(0)
    assert story.writer.close("info", "the end", **ENDED)
    assert story.texts() == [*(f"line {i}" for i in range(said)), "the end"]
    assert story.causes == []


@pytest.mark.usefixtures("brisk")
def test_a_redis_that_went_back_in_time_is_given_what_was_kept(private: Private) -> None:
    story = Story(private.client)
    story.writer.set(status="running", pulled=5, pushed=5)
    story.writer.warning("one")
    assert story.writer.flush()
    older = private.copy()
    story.writer.set(pulled=77, pushed=77)
    for i in range(20):
        story.writer.warning(f"line {i}")
        assert story.writer.flush()
    private.restart_from(older)
    until(lambda: story.field("pulled") == "77", "the kept lines are there again, and then the counts")
    assert len(story.lines()) == 21
    assert story.field("warnings") == "21"
    assert story.writer.close("info", "the end", **ENDED)
    assert story.texts() == ["one", *(f"line {i}" for i in range(20)), "the end"]


@pytest.mark.usefixtures("brisk")
def test_a_log_that_went_back_twice_while_its_job_talks_has_every_line_once(private: Private) -> None:
    story = Story(private.client)
    with talking(story.writer) as talk_on:
        for _ in range(2):
            talk_on(50)
            assert story.writer.flush()
            older = private.copy()
            talk_on(100)
            assert story.writer.flush()
            private.restart_from(older)
            assert story.writer.flush()
    said = talk_on(0)
    assert story.writer.close("info", "the end", **ENDED)
    assert story.texts() == [*(f"line {i}" for i in range(said)), "the end"]


@pytest.mark.usefixtures("brisk")
def test_what_went_back_too_far_to_be_sent_again_is_reported(private: Private, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery, "KEPT_S", -1.0)
    story = Story(private.client)
    story.writer.info("one")
    assert story.writer.flush()
    older = private.copy()
    for i in range(2, 11):
        story.writer.info(f"line {i}")
        assert story.writer.flush()
    private.restart_from(older)
    until(lambda: len(story.lines()) > 1, "the loss is reported")
    assert story.writer.close("info", "the end", **ENDED)
    assert [(line["n"], line["text"]) for line in story.lines()] == [
        (1, "one"),
        (11, "Redis went back in time and lost lines 2 to 10"),
        (12, "the end"),
    ]


# --- whatever a job logs ------------------------------------------------------------------------------------------


class Mute:
    def __str__(self) -> str:
        raise RuntimeError("no")

    __repr__ = __str__


def test_hostile_values_do_not_end_the_log(story: Story) -> None:
    circle: dict[str, Any] = {"a": 1}
    circle["circle"] = circle
    many: list[Any] = []
    for _ in range(30):
        many = [many] * 10
    odd: list[Any] = [circle, {"many": many}, {"mute": Mute(), (1, 2): b"\xff"}, {"half": "\ud800"}, {"n": 10**400}]
    for fields in odd:
        story.writer.info("x", fields=fields)
    story.writer.info(Mute())
    story.writer.info(b"\xff\xfe")
    story.writer.info("y", record="z" * 1_000_000)
    story.writer.info("still here")
    assert story.writer.flush()
    assert story.texts()[-1] == "still here"
    assert len(story.texts()) == 9
    assert max(len(entry.body) for entry in story.entries()) < 1_000_000


def test_fields_are_those_of_the_moment_of_logging(make: Callable[..., Story], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flusher, "WINDOW_S", 0.2)
    story = make()
    until(lambda: story.field("beat"), "it has written once")
    about: dict[str, Any] = {"order": {"lines": [1, 2]}}
    story.writer.info("x", fields=about)
    about["order"]["lines"].append(3)
    about["order"]["more"] = True
    assert story.writer.flush()
    [line] = story.lines()
    assert line["fields"] == {"order": {"lines": [1, 2]}}


def test_secrets_are_masked_in_texts_fields_and_references(make: Callable[..., Story]) -> None:
    story = make(secrets=["hunter2!"])
    story.writer.info("it is hunter2!", record="hunter2!", fields={"a": ["hunter2!"], "hunter2!": 1})
    assert story.writer.flush()
    [entry] = story.entries()
    assert b"hunter2" not in entry.body
    assert story.lines()[0]["text"] == "it is ••••••"


# --- the cap ------------------------------------------------------------------------------------------------------


def test_a_log_that_is_full_says_so_and_counts_go_on(make: Callable[..., Story]) -> None:
    story = make(limit=LogLimit(lines=100, bytes=1 << 30))
    for n in range(1, 151):
        story.writer.info(f"line {n}")
        story.writer.set(pulled=n, pushed=n)
    story.writer.warning("odd")
    story.writer.error("wrong")
    assert story.writer.close("info", "The end", **ENDED)
    texts = story.texts()
    assert texts[:100] == [f"line {n}" for n in range(1, 101)]
    assert texts[100].startswith("The log is full: it reached 100 lines or 1,073,741,824 bytes")
    assert texts[101:] == ["wrong", "51 more lines logged, but not kept", "The end"]
    assert [story.field(name) for name in ("pushed", "errors", "last")] == ["150", "1", "104"]


def test_the_cap_is_the_syncs_and_not_the_attempts(make: Callable[..., Story]) -> None:
    story = make()
    story.writer.info("one")
    assert story.writer.flush()
    appender = Appender(story.client, live_ttl_ms=TTL_MS)
    again = LogWriter(appender, story.id, appender.claim(story.id), limit=LogLimit(2, 1 << 30))
    again.info("two")
    again.info("three")
    assert again.close("info", "The end", **ENDED)
    assert [text[:9] for text in story.texts()] == ["one", "two", "The log i", "1 more li", "The end"]


# --- what is printed ----------------------------------------------------------------------------------------------


def test_what_is_printed_is_in_the_log_line_by_line(story: Story) -> None:
    with captured(story.writer):
        print("one", 2, "three")
        print("careful", file=sys.stderr)
        print("a\nb\r\n", end="")
        sys.stdout.buffer.write(b"not \xff utf-8\n")
        print("\ud800")
        print("without a break", end="")
    print("not this, it is outside")
    assert story.writer.flush()
    found = [(line["level"], line["text"], line["fields"]["stream"]) for line in story.lines()]
    assert found == [
        ("info", "one 2 three", "stdout"),
        ("warning", "careful", "stderr"),
        ("info", "a", "stdout"),
        ("info", "b", "stdout"),
        ("info", "not \\xff utf-8", "stdout"),
        ("info", "\\ud800", "stdout"),
        ("info", "without a break", "stdout"),
    ]


def test_a_print_without_an_end_is_in_the_log_in_pieces(story: Story) -> None:
    with captured(story.writer):
        print("x" * 100_000)
    assert story.writer.flush()
    assert "".join(story.texts()) == "x" * 100_000


def test_a_secret_that_is_printed_is_masked(make: Callable[..., Story]) -> None:
    story = make(secrets=["the-token-of-the-shop"])
    with captured(story.writer):
        print("Authorization: the-token-of-the-shop")
    assert story.writer.flush()
    assert story.texts() == ["Authorization: ••••••"]


# --- Python's logging ---------------------------------------------------------------------------------------------


def test_what_a_library_warns_of_is_in_the_log(story: Story) -> None:
    with captured(story.writer):
        logging.getLogger("some.library").warning("careful: %s", "hot")
        logging.getLogger("some.library").info("by the way")
        logging.getLogger("some.library").debug("not this")
    logging.getLogger("some.library").warning("nor this, it is outside")
    assert story.writer.flush()
    found = [(line["level"], line["text"], line["fields"]) for line in story.lines()]
    assert found == [
        ("warning", "careful: hot", {"logger": "some.library"}),
        ("info", "by the way", {"logger": "some.library"}),
    ]


def test_an_exception_is_in_the_log_with_its_traceback(story: Story) -> None:
    with captured(story.writer):
        try:
            raise ValueError("a bad value")  # noqa: TRY301 - it is what is tested
        except ValueError:
            logging.getLogger("some.library").exception("It broke")
    assert story.writer.flush()
    [line] = story.lines()
    assert line["level"] == "error"
    assert line["text"].startswith("It broke\nTraceback (most recent call last):")
    assert line["text"].endswith("ValueError: a bad value")


def test_a_broken_log_call_is_shown_and_breaks_nothing(story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logging.getLogger(), "handlers", [])  # pytest's own make a failure of it
    with captured(story.writer):
        logging.getLogger("some.library").warning("%d items", "many")
        logging.getLogger("some.library").warning(Mute())
        logging.getLogger("some.library").warning("%s", Mute())
    assert story.writer.flush()
    assert "%d items" in story.texts()[0]
    assert "many" in story.texts()[0]
    assert len(story.texts()) == 3


def test_what_speaks_of_writing_the_log_stays_out_of_it(
    make: Callable[..., Story], spy: Spy, caplog: pytest.LogCaptureFixture
) -> None:
    story = make(appender=spy)
    with captured(story.writer):
        for name in ("synctail.flusher", "redis.connection", "rq.worker"):
            logging.getLogger(name).error("the log cannot be written")
        for name in ("httpx2", "httpcore2.connection"):
            logging.getLogger(name).info("GET /orders")
        logging.getLogger("httpx2").warning("odd")
    assert story.writer.flush()
    assert story.texts() == ["odd"]
    assert caplog.text.count("cannot be written") == 3


def test_the_loggers_are_afterwards_as_they_were(story: Story) -> None:
    root = logging.getLogger()
    before = root.level, list(root.handlers)
    with pytest.raises(ZeroDivisionError), captured(story.writer):
        raise ZeroDivisionError
    assert (root.level, list(root.handlers)) == before


def test_warnings_of_python_arrive_where_logging_captures_them(story: Story) -> None:
    with captured(story.writer), warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(True)
        try:
            warnings.warn("this goes away", DeprecationWarning, stacklevel=1)
        finally:
            logging.captureWarnings(False)
    assert story.writer.flush()
    assert "this goes away" in story.texts()[0]
