"""The contract of the two scripts that write a log: one set of tests, over a real Valkey and over fakeredis."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, cast

import fakeredis
import pytest
import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis.exceptions import ConnectionError as RedisConnectionError

from server.log import wire
from synctail.log import lines
from synctail.log.appender import Answer, Appender, Claim, SyncEnded
from synctail.model import keys
from synctail.model.ids import new_sync_id
from tests.kit.support import immortal_keys, until

LIVE_TTL_MS = 60_000


@pytest.fixture(params=["valkey", "fakeredis"])
def backend(request: pytest.FixtureRequest) -> Iterator[redis.Redis]:
    if request.param == "valkey":
        yield request.getfixturevalue("client")
        return
    with fakeredis.FakeRedis(server=fakeredis.FakeServer()) as fake:
        yield fake
        assert immortal_keys(fake) == []


class Log:
    """One sync in one backend, written chunk by chunk."""

    def __init__(self, client: redis.Redis, status: str = "running") -> None:
        self.client = client
        self.appender = Appender(client, live_ttl_ms=LIVE_TTL_MS)
        self.id = new_sync_id()
        self.summary, self.stream = keys.summary(self.id), keys.log(self.id)
        client.hset(self.summary, mapping={"status": status, "attempt": 0, "last": 0})
        client.pexpire(self.summary, LIVE_TTL_MS)

    def claim(self) -> Claim:
        return self.appender.claim(self.id)

    def append(self, first: int, count: int = 1, *, attempt: int = 1, text: str = "x", **more: Any) -> Answer:
        entries = [lines.Entry(0, "info", text)] * count
        encoding, body = lines.pack(lines.encode_lines(first, entries)) if count else ("json", b"")
        return self.appender.append(
            self.id, attempt=attempt, first=first, count=count, encoding=encoding, body=body, **more
        )

    def chunks(self) -> list[wire.Chunk]:
        return [wire.chunk_from_entry(*entry) for entry in cast("list[Any]", self.client.xrange(self.stream))]

    def numbers(self) -> list[int]:
        return [n for chunk in self.chunks() for n in range(chunk.first, chunk.last + 1)]

    def field(self, name: str) -> str:
        return (cast("bytes | None", self.client.hget(self.summary, name)) or b"").decode()


@pytest.fixture
def log(backend: redis.Redis) -> Log:
    return Log(backend)


# --- the claim --------------------------------------------------------------------------------------------------


def test_each_claim_is_a_new_attempt(log: Log) -> None:
    assert log.claim() == Claim(attempt=1, last=0, stop="")
    log.append(1, 3)
    assert log.claim() == Claim(attempt=2, last=3, stop="")


def test_a_claim_tells_of_a_stop_request(log: Log) -> None:
    log.client.hset(log.summary, "stop", "ana")
    assert log.claim().stop == "ana"


def test_a_claim_counts_as_a_sign_of_life(log: Log) -> None:
    log.claim()
    assert int(log.field("beat")) > 1_700_000_000_000


@pytest.mark.parametrize("status", ["completed", "completed_with_errors", "failed", "stopped"])
def test_an_ended_sync_cannot_be_claimed(backend: redis.Redis, status: str) -> None:
    log = Log(backend, status)
    with pytest.raises(SyncEnded):
        log.claim()
    assert log.field("attempt") == "0"


def test_claiming_a_sync_that_is_gone_does_not_bring_it_back(log: Log) -> None:
    log.client.delete(log.summary)
    with pytest.raises(SyncEnded):
        log.claim()
    assert log.client.exists(log.summary) == 0


# --- the ending from outside --------------------------------------------------------------------------------------


def test_an_ending_from_outside_is_the_last_line_and_fences_the_writer(log: Log) -> None:
    attempt = log.claim().attempt
    log.append(1, 3)
    line = lines.encode_line(0, lines.Entry(0, "error", "it is over"))
    assert log.appender.end(log.id, line, {"status": "failed"}) == Answer("ok", 4)
    assert log.numbers() == [1, 2, 3, 4]
    assert json.loads(log.chunks()[-1].body)["n"] == 4
    assert (log.field("status"), log.field("last")) == ("failed", "4")
    assert log.append(4, attempt=attempt).verdict == "fenced"
    assert log.appender.end(log.id, line, {"status": "stopped"}).verdict == "fenced"
    assert log.numbers() == [1, 2, 3, 4]


def test_a_sync_that_never_began_can_be_ended(backend: redis.Redis) -> None:
    log = Log(backend, "queued")
    line = lines.encode_line(0, lines.Entry(0, "warning", "before it started"))
    assert log.appender.end(log.id, line, {"status": "stopped"}) == Answer("ok", 1)
    assert log.numbers() == [1]
    with pytest.raises(SyncEnded):
        log.claim()


def test_ending_a_sync_that_is_gone_does_not_bring_it_back(log: Log) -> None:
    log.client.delete(log.summary)
    assert log.appender.end(log.id, b'{"n":0}', {"status": "failed"}).verdict == "gone"
    assert log.client.exists(log.summary, log.stream) == 0


# --- the append -------------------------------------------------------------------------------------------------


def test_a_chunk_is_stored_under_its_last_line_and_length(log: Log) -> None:
    log.claim()
    assert log.append(1, 3) == Answer("ok", 3)
    assert log.append(4, 2) == Answer("ok", 5)
    entries = cast("list[Any]", log.client.xrange(log.stream))
    assert [entry_id for entry_id, _ in entries] == [b"3-3", b"5-2"]
    assert log.numbers() == [1, 2, 3, 4, 5]
    assert log.field("last") == "5"


def test_the_summary_changes_in_the_same_step(log: Log) -> None:
    log.claim()
    log.append(1, fields={"status": "completed", "pushed": "12", "phase": ""})
    assert (log.field("status"), log.field("pushed"), log.field("phase")) == ("completed", "12", "")


def test_a_resend_changes_nothing(log: Log) -> None:
    log.claim()
    log.append(1, 3, fields={"pushed": "1"})
    before = log.client.hgetall(log.summary), log.client.xrange(log.stream)
    assert log.append(1, 3, fields={"pushed": "2"}) == Answer("have", 3)
    assert (log.client.hgetall(log.summary), log.client.xrange(log.stream)) == before


def test_a_hole_is_refused_and_says_where_to_go_on(log: Log) -> None:
    log.claim()
    log.append(1, 3)
    assert log.append(7, 2) == Answer("gap", 3)
    assert log.numbers() == [1, 2, 3]


def test_a_chunk_that_overlaps_is_refused(log: Log) -> None:
    log.claim()
    log.append(1, 3)
    assert log.append(2, 4) == Answer("gap", 3)
    assert log.numbers() == [1, 2, 3]


def test_lines_that_are_lost_for_good_are_stepped_over(log: Log) -> None:
    log.claim()
    log.append(1, 3)
    assert log.append(7, 2, lost_before=True) == Answer("ok", 8)
    assert log.numbers() == [1, 2, 3, 7, 8]
    assert log.append(7, 2, lost_before=True) == Answer("have", 8)
    assert log.numbers() == [1, 2, 3, 7, 8]


def test_an_earlier_attempt_is_fenced(log: Log) -> None:
    log.claim()
    log.append(1, 2)
    log.claim()
    assert log.append(3, attempt=1) == Answer("fenced", 2, status="running", attempt=2)
    assert log.append(3, attempt=2) == Answer("ok", 3)


def test_nothing_is_written_after_the_ending(log: Log) -> None:
    log.claim()
    log.append(1, fields={"status": "failed"})
    assert log.append(2) == Answer("fenced", 1, status="failed", attempt=1)
    assert log.append(2, 0) == Answer("fenced", 1, status="failed", attempt=1)
    assert log.numbers() == [1]


def test_a_sync_that_is_gone_is_not_brought_back(log: Log) -> None:
    log.claim()
    log.client.delete(log.summary)
    assert log.append(1) == Answer("gone")
    assert log.client.exists(log.summary, log.stream) == 0


def test_an_append_without_lines_is_a_sign_of_life(log: Log) -> None:
    log.claim()
    log.client.hset(log.summary, "beat", 1)
    assert log.append(1, 0, fields={"pulled": "3"}) == Answer("ok", 0)
    assert int(log.field("beat")) > 1_700_000_000_000
    assert log.field("pulled") == "3"
    assert log.client.exists(log.stream) == 0


@pytest.mark.parametrize("count", [0, 1])
def test_every_append_tells_of_a_stop_request(log: Log, count: int) -> None:
    log.claim()
    log.client.hset(log.summary, "stop", "Ána")
    assert log.append(1, count).stop == "Ána"
    assert log.append(1, count).stop == "Ána"


def test_every_append_renews_how_long_the_sync_lives(log: Log) -> None:
    log.claim()
    log.append(1)
    for count in (0, 1):
        for key in (log.summary, log.stream):
            log.client.pexpire(key, 5_000)
        log.append(2, count)
        assert LIVE_TTL_MS - 5_000 < log.client.pttl(log.summary) <= LIVE_TTL_MS
        assert LIVE_TTL_MS - 5_000 < log.client.pttl(log.stream) <= LIVE_TTL_MS


def test_numbers_stay_whole_in_a_very_long_log(log: Log) -> None:
    log.claim()
    log.client.hset(log.summary, "last", 2**50)
    assert log.append(2**50 + 1, 2) == Answer("ok", 2**50 + 2)
    assert log.numbers() == [2**50 + 1, 2**50 + 2]
    assert log.field("last") == str(2**50 + 2)


# --- what is published --------------------------------------------------------------------------------------------


class Listener:
    def __init__(self, log: Log) -> None:
        self._pubsub = log.client.pubsub(ignore_subscribe_messages=False)
        self._pubsub.subscribe(keys.live(log.id))
        until(lambda: self._pubsub.get_message(timeout=1), "the subscription is confirmed")

    def next(self) -> bytes:
        message = until(lambda: self._pubsub.get_message(timeout=1), "a message comes")
        return cast("bytes", message["data"])

    def silent(self) -> bool:
        return self._pubsub.get_message(timeout=0.05) is None

    def close(self) -> None:
        self._pubsub.close()


@pytest.fixture
def listener(log: Log) -> Iterator[Listener]:
    listener = Listener(log)
    yield listener
    listener.close()


def test_a_chunk_travels_in_the_message(log: Log, listener: Listener) -> None:
    log.claim()
    log.append(1, 2)
    message = listener.next()
    assert message.startswith(b"1-2 json\n")
    assert wire.read_message(message)[1] == log.chunks()[0]


def test_a_compressed_chunk_travels_as_it_is_stored(log: Log, listener: Listener) -> None:
    log.claim()
    log.append(1, 100)
    message = listener.next()
    assert message.startswith(b"1-100 zstd\n")
    assert wire.read_message(message)[1] == log.chunks()[0]


def test_a_large_chunk_only_wakes(log: Log, listener: Listener) -> None:
    log.claim()
    body = b"x" * (keys.INLINE_LIMIT_BYTES + 1)
    log.appender.append(log.id, attempt=1, first=1, count=1, body=body)
    message = listener.next()
    assert message == b"1-1 wake"
    assert wire.read_message(message)[1] is None


def test_a_change_without_lines_wakes_and_a_mere_sign_of_life_does_not(log: Log, listener: Listener) -> None:
    log.claim()
    log.append(1, 0)
    assert listener.silent()
    log.append(1, 0, fields={"pulled": "1"})
    assert listener.next().endswith(b" wake")


def test_what_was_refused_is_not_published(log: Log, listener: Listener) -> None:
    log.claim()
    log.append(1)
    listener.next()
    log.append(1)
    log.append(5)
    log.append(2, attempt=7)
    assert listener.silent()


# --- the model ----------------------------------------------------------------------------------------------------


class LossyReplies:
    """An appender whose answers are sometimes lost after the append was done."""

    def __init__(self, appender: Appender) -> None:
        self._appender = appender
        self.lose_next = False

    def append(self, *args: Any, **more: Any) -> Answer:
        answer = self._appender.append(*args, **more)
        if self.lose_next:
            self.lose_next = False
            raise RedisConnectionError("the reply was lost")
        return answer


def roll_back(log: Log, last: int) -> None:
    """What a failover to a replica that lags behind does."""
    for chunk in log.chunks():
        if chunk.last > last:
            log.client.xdel(log.stream, f"{chunk.last}-{chunk.last - chunk.first + 1}")
    kept = log.chunks()
    # XDEL leaves the stream's own last id as it was; a server that went back does not.
    log.client.delete(log.stream)
    for chunk in kept:
        log.client.xadd(log.stream, {"json": chunk.body}, id=f"{chunk.last}-{chunk.last - chunk.first + 1}")
    log.client.pexpire(log.stream, LIVE_TTL_MS)
    log.client.hset(log.summary, "last", kept[-1].last if kept else 0)


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("append"), st.integers(1, 4)),
        st.tuples(st.just("lost reply"), st.integers(1, 4)),
        st.tuples(st.just("resend"), st.integers(0, 5)),
        st.tuples(st.just("beat"), st.just(0)),
        st.tuples(st.just("roll back"), st.integers(0, 5)),
        st.tuples(st.just("stranger"), st.integers(1, 4)),
    ),
    max_size=25,
)


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["fakeredis"], indirect=True)
@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
def test_whatever_happens_the_log_has_no_hole_and_each_line_once(
    backend: redis.Redis, steps: list[tuple[str, int]]
) -> None:
    check_against_the_model(Log(backend), steps)


@pytest.mark.parametrize("backend", ["valkey"], indirect=True)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
def test_so_it_is_on_the_real_server(backend: redis.Redis, steps: list[tuple[str, int]]) -> None:
    check_against_the_model(Log(backend), steps)


class Model:
    """All chunks that were ever sent, in order. The stream must always be their beginning."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._lossy = LossyReplies(log.appender)
        self._sent: list[tuple[int, int]] = []

    def take(self, step: str, number: int) -> None:
        earlier = self._sent[-1 - min(number, len(self._sent) - 1)] if self._sent else None
        match step, earlier:
            case "append" | "lost reply", _:
                self._lossy.lose_next = step == "lost reply"
                self.send_next(number)
            case "beat", _:
                self._log.append(1, 0)
            case "stranger", _:
                assert self._log.append(number, attempt=99).verdict == "fenced"
            case "resend", (first, count):
                self._send(first, count)
            case "roll back", (first, _):
                roll_back(self._log, first - 1)

    def send_next(self, count: int) -> None:
        first = self._sent[-1][0] + self._sent[-1][1] if self._sent else 1
        assert self._send(first, count).last == first + count - 1
        self._sent.append((first, count))

    def _send(self, first: int, count: int) -> Answer:
        """As the writer does: what was not answered is sent again, and from where a gap says."""
        body = b",\n".join(b"%d" % n for n in range(first, first + count))
        while True:
            try:
                answer = self._lossy.append(self._log.id, attempt=1, first=first, count=count, body=body)
            except RedisConnectionError:
                continue
            if answer.verdict != "gap":
                return answer
            for early in [one for one in self._sent if answer.last < one[0] < first]:
                self._send(*early)


def check_against_the_model(log: Log, steps: list[tuple[str, int]]) -> None:
    log.claim()
    model = Model(log)
    for step, number in steps:
        model.take(step, number)
        there = log.numbers()
        assert there == list(range(1, len(there) + 1))
        assert log.field("last") == str(len(there))
        bodies = b",\n".join(chunk.body for chunk in log.chunks())
        assert bodies == b",\n".join(b"%d" % n for n in there)
    model.send_next(1)
    everything = sum(number for step, number in steps if step in ("append", "lost reply")) + 1
    assert log.numbers() == list(range(1, everything + 1))
