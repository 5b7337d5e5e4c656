"""The writer: every line once and in order, whatever happens to Redis, and never a job that waits for it."""

from __future__ import annotations

import logging
import shutil
import threading
import time
from typing import TYPE_CHECKING, Any, cast

import msgspec
import pytest
from redis.exceptions import ConnectionError as RedisConnectionError

from demo import valkey
from jobs import keys, logwriter
from jobs.appender import Appender
from jobs.connect import connect
from jobs.endings import end_sync, ending_fields
from jobs.enqueue import Requests, stored_summary
from jobs.loghandler import LogHandler, captured
from jobs.logwriter import LogWriter
from jobs.records import Reason, Status, Trigger
from tests.support import service, until
from tests.test_run import lines_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import redis

    from jobs.appender import Answer
    from jobs.settings import Settings


@pytest.fixture
def sync_id(requests: Requests) -> str:
    return requests.start(service(), Trigger.MANUAL).id


@pytest.fixture
def writer(appender: Appender, sync_id: str) -> Iterator[LogWriter]:
    writer = LogWriter(appender, sync_id, appender.claim(sync_id))
    yield writer
    writer.close("info", "closed by the test", status="completed")


def texts(client: redis.Redis, sync_id: str) -> list[str]:
    return [line["text"] for line in lines_of(client, sync_id)]


def test_lines_of_many_threads_are_numbered_densely_and_each_threads_order_is_kept(
    client: redis.Redis, sync_id: str, writer: LogWriter
) -> None:
    def log(name: int) -> None:
        for i in range(500):
            writer.info(f"{name}:{i}")

    threads = [threading.Thread(target=log, args=(name,)) for name in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert writer.flush()
    found = texts(client, sync_id)
    assert len(found) == 4000
    for name in range(8):
        assert [text for text in found if text.startswith(f"{name}:")] == [f"{name}:{i}" for i in range(500)]


def test_a_quiet_line_is_written_at_once_and_a_busy_log_in_chunks(
    client: redis.Redis, sync_id: str, writer: LogWriter
) -> None:
    writer.info("quiet")
    until(lambda: client.xlen(keys.log(sync_id)) == 1, "the line is there", seconds=1)
    for i in range(10_000):
        writer.info(f"busy {i}")
    assert writer.flush()
    assert len(texts(client, sync_id)) == 10_001
    assert client.xlen(keys.log(sync_id)) < 500


def test_counts_and_values_stand_in_the_summary(client: redis.Redis, sync_id: str, writer: LogWriter) -> None:
    writer.set(status="running", pulled=7, progress=0.5)
    writer.warning("careful")
    writer.error("broken", record="A-1", phase="push", fields={"why": "because"})
    writer.set(progress=None)
    assert writer.flush()
    summary = stored_summary(client, sync_id)
    assert summary
    assert (summary.status, summary.pulled, summary.warnings, summary.errors) == (Status.RUNNING, 7, 1, 1)
    assert (summary.lines, summary.progress) == (2, None)
    last = lines_of(client, sync_id)[-1]
    assert (last["record"], last["phase"], last["fields"]) == ("A-1", "push", {"why": "because"})


def test_the_ending_comes_after_every_line_and_with_the_status(
    client: redis.Redis, appender: Appender, sync_id: str, config: Settings
) -> None:
    writer = LogWriter(appender, sync_id, appender.claim(sync_id))
    for i in range(3000):
        writer.info(f"line {i}")
    assert writer.close("info", "the end", **ending_fields(Status.COMPLETED, None, config.retention))
    summary = stored_summary(client, sync_id)
    assert summary
    assert (summary.status, summary.lines) == (Status.COMPLETED, 3001)
    assert texts(client, sync_id)[-1] == "the end"
    remaining = client.pttl(keys.log(sync_id))
    assert config.retention_ms - 10_000 < remaining <= config.retention_ms


def test_a_wish_to_stop_is_heard_once_within_two_seconds_by_a_silent_log(
    appender: Appender, requests: Requests, sync_id: str
) -> None:
    heard: list[str] = []
    writer = LogWriter(appender, sync_id, appender.claim(sync_id), interrupt=heard.append)
    writer.set(status="running")
    assert writer.flush()
    requests.stop(sync_id, "ana")
    until(lambda: heard, "the wish is heard", seconds=2)
    writer.info("one more")
    assert writer.flush()
    assert heard == ["stop"]
    writer.close("info", "over", status="stopped")


def test_a_writer_from_the_dead_cannot_write_after_the_ending(
    client: redis.Redis, appender: Appender, sync_id: str, config: Settings
) -> None:
    heard: list[str] = []
    writer = LogWriter(appender, sync_id, appender.claim(sync_id), interrupt=heard.append)
    writer.info("alive")
    assert writer.flush()
    ended = end_sync(
        appender,
        sync_id,
        status=Status.FAILED,
        reason=Reason.LOST,
        text="Failed: lost",
        retention=config.retention,
    )
    assert ended
    writer.info("I am back")
    until(lambda: heard, "it is told")
    assert writer.close("info", "completed", status="completed") is False
    assert heard == ["fenced"]
    assert texts(client, sync_id) == ["alive", "Failed: lost"]
    summary = stored_summary(client, sync_id)
    assert summary
    assert summary.status is Status.FAILED


class LosesReplies(Appender):
    """Redis does what it was asked, and every third answer gets lost on its way."""

    calls = 0

    def append(self, sync_id: str, **chunk: Any) -> Answer:
        answer = super().append(sync_id, **chunk)
        self.calls += 1
        if self.calls % 3 == 0:
            raise RedisConnectionError("the reply was lost")
        return answer


def test_a_lost_reply_loses_and_doubles_nothing(client: redis.Redis, sync_id: str, config: Settings) -> None:
    appender = LosesReplies(client, live_ttl_ms=config.retention_ms)
    writer = LogWriter(appender, sync_id, appender.claim(sync_id))
    for i in range(5000):
        writer.info(f"line {i}")
    appender.calls = 2 if appender.calls % 3 else appender.calls  # let the reply to the ending get lost as well
    assert writer.close("info", "end", **ending_fields(Status.COMPLETED, None, config.retention))
    assert texts(client, sync_id) == [*(f"line {i}" for i in range(5000)), "end"]


# --- Redis away -------------------------------------------------------------------------------------------------


class Restartable:
    """A server of the test's own, which can go away and come back, also as it was some time ago."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self.server = self.start()
        self.client = connect(self.server.url)

    def start(self) -> valkey.Server:
        return valkey.start(self.data, extra=("--appendfsync", "always"))

    def back(self) -> None:
        self.server = self.start()


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Restartable]:
    own = Restartable(tmp_path)
    yield own
    own.client.close()
    own.server.stop()


@pytest.fixture
def own_sync(own: Restartable, config: Settings) -> tuple[Appender, str]:
    sync_id = Requests(config, own.client).start(service(), Trigger.MANUAL).id
    return Appender(own.client, live_ttl_ms=config.retention_ms), sync_id


def test_redis_away_in_mid_log_loses_nothing_and_holds_up_nobody(
    own: Restartable, own_sync: tuple[Appender, str]
) -> None:
    appender, sync_id = own_sync
    writer = LogWriter(appender, sync_id, appender.claim(sync_id))
    for i in range(1000):
        writer.info(f"line {i}")
    own.server.kill()
    began = time.monotonic()
    for i in range(1000, 3000):
        writer.info(f"line {i}")
    assert time.monotonic() - began < 1, "the job waited for a Redis that was away"
    own.back()
    for i in range(3000, 4000):
        writer.info(f"line {i}")
    assert writer.close("info", "end", status="completed")
    assert texts(own.client, sync_id) == [*(f"line {i}" for i in range(4000)), "end"]


def test_a_redis_that_went_back_in_time_gets_again_what_was_kept(
    own: Restartable, own_sync: tuple[Appender, str], tmp_path: Path
) -> None:
    appender, sync_id = own_sync
    writer = LogWriter(appender, sync_id, appender.claim(sync_id))
    writer.set(status="running", pulled=1)
    for i in range(500):
        writer.info(f"line {i}")
    assert writer.flush()
    shutil.copytree(own.data / "valkey", tmp_path / "older")
    writer.set(pulled=2)
    for i in range(500, 1000):
        writer.info(f"line {i}")
    assert writer.flush()
    own.server.kill()
    shutil.rmtree(own.data / "valkey")
    shutil.move(tmp_path / "older", own.data / "valkey")
    own.back()
    writer.info("after")
    assert writer.close("info", "end", status="completed")
    assert texts(own.client, sync_id) == [*(f"line {i}" for i in range(1000)), "after", "end"]
    summary = stored_summary(own.client, sync_id)
    assert summary
    assert summary.pulled == 2, "the summary went back in time as well, and was brought forward"


def test_lines_that_went_back_in_time_and_were_not_kept_are_told(
    own: Restartable, own_sync: tuple[Appender, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logwriter, "KEPT_S", -1.0)
    appender, sync_id = own_sync
    writer = LogWriter(appender, sync_id, appender.claim(sync_id))
    writer.info("one")
    assert writer.flush()
    shutil.copytree(own.data / "valkey", tmp_path / "older")
    for text in ("two", "three"):
        writer.info(text)
        assert writer.flush()
    own.server.kill()
    shutil.rmtree(own.data / "valkey")
    shutil.move(tmp_path / "older", own.data / "valkey")
    own.back()
    writer.info("four")
    assert writer.close("info", "end", status="completed")
    stored = cast("list[Any]", own.client.xrange(keys.log(sync_id)))
    assert [entry_id for entry_id, _ in stored][:2] == [b"1-1", b"4-1"]
    told = [msgspec.json.decode(fields[b"json"])["text"] for _, fields in stored]
    assert "Redis went back in time and lost lines 2 to 3" in told


def test_what_does_not_fit_while_redis_is_away_is_told(
    own: Restartable, own_sync: tuple[Appender, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logwriter, "SPOOL_BYTES", 10_000)
    appender, sync_id = own_sync
    writer = LogWriter(appender, sync_id, appender.claim(sync_id))
    writer.info("before")
    assert writer.flush()
    own.server.kill()
    for i in range(2000):
        writer.info(f"line {i}")
    until(writer._queue.empty, "the flusher takes what was logged")
    own.back()
    writer.info("after")
    assert writer.close("info", "end", status="completed")
    found = lines_of(own.client, sync_id)
    [told] = [line for line in found if "lines lost" in line["text"]]
    written = [line for line in found if line["text"].startswith("line ")]
    assert told["level"] == "warning"
    assert int(told["text"].split()[0].replace(",", "")) + len(written) == 2000


# --- logging ----------------------------------------------------------------------------------------------------


def test_what_libraries_log_stands_in_the_syncs_log(client: redis.Redis, sync_id: str, writer: LogWriter) -> None:
    library = logging.getLogger("some.library")
    with captured(writer):
        library.warning("slow: %d s", 7)
        try:
            int("what it was")
        except ValueError:
            library.exception("it broke")
        library.debug("not asked for")
        logging.getLogger("redis").warning("about the very connection")
        broken = library.makeRecord("some.library", logging.WARNING, "", 0, "a broken %d message", ("format",), None)
        LogHandler(writer).emit(broken)
    library.warning("after")
    assert writer.flush()
    found = lines_of(client, sync_id)
    assert [line["level"] for line in found] == ["warning", "error", "warning"]
    assert found[0]["text"] == "slow: 7 s"
    assert found[0]["fields"] == {"logger": "some.library"}
    assert "ValueError: invalid literal" in found[1]["text"]
    assert "a broken" in found[2]["text"]
