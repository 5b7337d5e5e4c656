"""Records that are posted: what is taken, what is refused, that nothing is lost while a sync runs, and the order."""

from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, cast

import httpx2
import pytest
import redis

from jobs.clock import SILENT, Clock
from jobs.queue.job_queue import QUEUE
from jobs.queue.requests import WAITING_CAP, Requests, ServiceInactive, TooManyWait
from jobs.queue.stored import unpacked
from jobs.services.model import FileDestination, InboundSource, Options, Service
from server.access.auth import token_hash
from server.services.inbound import found
from server.web import errors
from synctail.log.appender import Appender
from synctail.log.endings import end_sync
from synctail.log.registry import stored_summary
from synctail.model import keys
from synctail.model.ids import utc_now
from synctail.model.sync import Reason, Status, Summary, Trigger
from synctail.settings import Settings
from tests.kit.support import PATIENCE_S, Process, service, store, until
from tests.kit.syncs import ended, lines_of

VIEWER = {"Authorization": "Bearer st_only-a-viewer"}


def takes(records: str = "", **more: Any) -> Service:
    """A service that takes posted records, and appends them to a file."""
    return Service(
        id="events",
        name="Events",
        source=InboundSource(records=records),
        destination=FileDestination(path="events.ndjson", mode="append"),
        **more,
    )


def queued(client: redis.Redis) -> list[str]:
    return [one.decode() for one in cast("list[bytes]", client.lrange(f"rq:queue:{QUEUE}", 0, -1))]


def given(client: redis.Redis, sync_id: str) -> list[dict[str, Any]]:
    batches = cast("list[bytes]", client.lrange(keys.given(sync_id), 0, -1))
    return [record for batch in batches for record in unpacked(batch)[1]]


def end(appender: Appender, config: Settings, sync_id: str) -> None:
    end_sync(
        appender, sync_id, status=Status.STOPPED, reason=Reason.STOPPED_BY_USER, text="Over", retention=config.retention
    )


# --- what a body holds --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "lines", "at", "records"),
    [
        (b' [ {"a": 1}, {"b": [{}]} ] ', False, "", [{"a": 1}, {"b": [{}]}]),
        (b'\xef\xbb\xbf{"a": 1}', False, "", [{"a": 1}]),
        (b"[]", False, "", []),
        (b'{"a": 1}\r\n\n {"b": 2}\n', True, "", [{"a": 1}, {"b": 2}]),
        (b'{"data": {"orders": [{"a": 1}]}}', False, "data.orders", [{"a": 1}]),
        (b'{"data": {"a": 1}}', False, "data", [{"a": 1}]),
        (b'[{"on": true, "a": 1}, {"on": false}]', False, "[?on]", [{"on": True, "a": 1}]),
        (b'[{"a": "\\ud800"}]', False, "", [{"a": "\ud800"}]),
        (b'{"a": "\\ud800"}', True, "", [{"a": "\ud800"}]),
        (b'{"d": [{"a": "\\ud800"}]}', False, "d", [{"a": "\ud800"}]),
    ],
)
def test_records_are_found_in_a_body(body: bytes, lines: bool, at: str, records: list[Any]) -> None:  # noqa: FBT001
    assert [json.loads(one) for one in found(body, lines=lines, at=at)] == records


@pytest.mark.parametrize(
    ("body", "lines", "at", "says"),
    [
        (b"", False, "", "not JSON"),
        (b"7", False, "", "got '7'; each record must be an object"),
        (b'[{"a": 1}, 3]', False, "", r"\[1\]: got '3'"),
        (b'[{"a": 1}', False, "", "not JSON"),
        (b'[{"a": "\xff"}]', False, "", "not JSON"),
        (b'[{"a": NaN}]', False, "", "NaN"),
        (b"[" * 100_000, False, "", "not JSON"),
        (b'{"a":' * 100_000, False, "x", "not JSON"),
        (b'{"a": 1}\n[]\n', True, "", r"line 2: got '\[\]'"),
        (b'{"a": 1}{"b": 2}', True, "", "not JSON"),
        (b'{"a": 1}\n{"a": 2', True, "", "Line 2 is not JSON: .* at character 8"),
        (b'{"data": [1]}', False, "data", "'data' finds no list of objects"),
        (b"{}", False, "data", "'data' finds no list of objects"),
        (b'{"data": 1}', False, "sum(data)", "finds no records"),
    ],
)
def test_what_holds_no_records_is_refused_with_what_was_got(
    body: bytes,
    lines: bool,  # noqa: FBT001
    at: str,
    says: str,
) -> None:
    with pytest.raises(errors.RecordsRefused, match=says):
        found(body, lines=lines, at=at)


# --- the route ----------------------------------------------------------------------------------------------------


def test_posted_records_arrive(client: redis.Redis, web: httpx2.Client, worker: Process, files: Path) -> None:
    del worker
    store(client, takes("orders"))
    (files / "events.ndjson").unlink(missing_ok=True)
    records = [{"id": n, "text": "x" * n} for n in range(1, 1301)]
    answer = web.post("/api/inbound/events", json={"orders": records})
    assert answer.status_code == 202, answer.text
    sync_id = answer.json()["id"]
    assert answer.headers["location"] == f"/api/syncs/{sync_id}"
    summary = ended(client, sync_id)
    assert (summary.status, summary.trigger) == (Status.COMPLETED, Trigger.INBOUND)
    assert (summary.pulled, summary.pushed, summary.progress) == (1300, 1300, 1.0)
    assert [json.loads(line) for line in (files / "events.ndjson").read_text().splitlines()] == records
    said = [line["text"] for line in lines_of(client, sync_id)]
    assert said[0] == "Sync of 'Events' started by records that were posted"
    assert said[1] == "From 1,300 records that were posted to file events.ndjson (append)"
    again = web.post(
        "/api/inbound/events", content=b'{"id": 1, "text": "x"}', headers={"Content-Type": "application/x-ndjson"}
    )
    repeated = ended(client, again.json()["id"])
    assert (repeated.pulled, repeated.pushed, repeated.skipped) == (1, 0, 1)
    until(lambda: not client.exists(keys.given(sync_id), keys.given(repeated.id)), "what has arrived is given up")
    refused = web.post(f"/api/syncs/{sync_id}/retry")
    assert (refused.status_code, "no longer kept" in refused.json()["detail"]) == (409, True)


def test_posted_records_are_there_before_the_sync_is_queued_and_live_as_long_as_it(
    client: redis.Redis, web: httpx2.Client, config: Settings
) -> None:
    store(client, takes())
    sync_id = web.post("/api/inbound/events", json=[{"id": 1}]).json()["id"]
    assert given(client, sync_id) == [{"id": 1}]
    assert 0 < client.pttl(keys.given(sync_id)) <= config.retention_ms
    assert queued(client) == [sync_id]


def test_a_post_that_is_refused_says_why(client: redis.Redis, web: httpx2.Client) -> None:
    client.hset(keys.token(token_hash("st_only-a-viewer")), mapping={"name": "looks", "role": "viewer"})
    store(client, takes(), service())
    assert web.post("/api/inbound/events", json=[], headers=VIEWER).status_code == 403
    assert web.post("/api/inbound/events", json=[], headers={"Authorization": "Bearer st_nobody"}).status_code == 401
    assert web.post("/api/inbound/nobody", json=[]).status_code == 404
    other = web.post("/api/inbound/orders", json=[])
    assert (other.status_code, "pulls its own" in other.json()["detail"]) == (409, True)
    by_hand = web.post("/api/services/events/syncs")
    assert (by_hand.status_code, "posted to /api/inbound/events" in by_hand.json()["detail"]) == (409, True)
    wrong = web.post("/api/inbound/events", content=b"[1]")
    assert (wrong.status_code, wrong.json()["title"]) == (422, "No valid records")
    packed = web.post("/api/inbound/events", content=b"[]", headers={"Content-Encoding": "gzip"})
    assert (packed.status_code, "gzip" in packed.json()["detail"]) == (422, True)
    store(client, takes(active=False))
    assert web.post("/api/inbound/events", json=[]).status_code == 409
    assert queued(client) == []
    assert client.zcard(keys.SYNCS) == 0


@pytest.mark.parametrize("chunked", [False, True])
def test_eight_mebibytes_are_taken_and_no_more(
    client: redis.Redis,
    web: httpx2.Client,
    chunked: bool,  # noqa: FBT001
) -> None:
    store(client, takes())

    def body(size: int) -> Any:
        text = b'[{"id": 1, "text": "' + b"x" * (size - 23) + b'"}]'
        return (text[at : at + 65536] for at in range(0, size, 65536)) if chunked else text

    most = 8 * 1024 * 1024
    assert web.post("/api/inbound/events", content=body(most)).status_code == 202
    too_much = web.post("/api/inbound/events", content=body(most + 1))
    assert too_much.status_code == 413
    assert (
        too_much.json()["detail"]
        == "The body is too large: the limit here is 8,192 KiB. Post the records in several parts."
    )
    assert client.zcard(keys.SYNCS) == 1


# --- while another one runs ---------------------------------------------------------------------------------------


def test_what_is_posted_while_one_runs_waits_for_it_in_its_order(
    client: redis.Redis, requests: Requests, appender: Appender, config: Settings
) -> None:
    one = takes()
    store(client, one)
    first, second, third = (requests.post(one, [b'{"id":%d}' % n]).id for n in range(3))
    assert queued(client) == [first]
    assert cast("Summary", stored_summary(client, third)).status is Status.QUEUED
    clock = Clock(config, client)
    clock.start_waiting(clock.services())
    clock.reap(utc_now() + SILENT)
    assert queued(client) == [first], "it waits, and is not lost"
    assert cast("Summary", stored_summary(client, second)).status is Status.QUEUED
    end(appender, config, first)
    clock.start_waiting(clock.services())
    assert queued(client) == [first, second]
    requests.stop(third, "ana")
    fourth = requests.post(one, [b"{}"]).id
    end(appender, config, second)
    clock.start_waiting(clock.services())
    assert queued(client) == [first, second, fourth], "what was stopped while it waited is passed over"
    assert [given(client, sync_id) for sync_id in (second, fourth)] == [[{"id": 1}], [{}]]


def test_the_next_one_begins_when_the_one_before_has_ended(
    client: redis.Redis, requests: Requests, worker: Process, files: Path
) -> None:
    del worker
    one = takes()
    store(client, one)
    (files / "events.ndjson").unlink(missing_ok=True)
    ids = [requests.post(one, [b'{"id":%d}' % n]).id for n in range(5)]
    assert all(ended(client, sync_id).pushed == 1 for sync_id in ids)
    assert [json.loads(line)["id"] for line in (files / "events.ndjson").read_text().splitlines()] == list(range(5))


def test_of_many_that_post_and_start_what_waits_each_is_queued_once(client: redis.Redis, config: Settings) -> None:
    one = takes(options=Options(overlap=True, concurrency=100))
    store(client, one)
    once = threading.Barrier(8)

    def post(_: int) -> list[str]:
        own = Requests(config, client)
        once.wait(PATIENCE_S)
        made = [own.post(one, [b"{}"]).id for _ in range(5)]
        own.start_waiting(one)
        return made

    with ThreadPoolExecutor(8) as threads:
        made = [sync_id for some in threads.map(post, range(8)) for sync_id in some]
    assert sorted(queued(client)) == sorted(made)


def test_so_many_wait_and_no_more(client: redis.Redis, requests: Requests) -> None:
    one = takes()
    store(client, one)
    for _ in range(WAITING_CAP + 1):
        requests.post(one, [])
    with pytest.raises(TooManyWait):
        requests.post(one, [])
    assert client.zcard(keys.SYNCS) == WAITING_CAP + 1
    with pytest.raises(ServiceInactive):
        requests.post(takes(active=False), [])


def test_a_posted_sync_that_did_not_arrive_whole_is_run_again_from_what_was_posted(
    client: redis.Redis, requests: Requests, appender: Appender, config: Settings
) -> None:
    one = takes()
    store(client, one)
    first = requests.post(one, [b'{"id":1}', b'{"id":2}']).id
    end(appender, config, first)
    again = requests.retry(one, cast("Summary", stored_summary(client, first)))
    assert (again.trigger, given(client, again.id)) == (Trigger.RETRY, [{"id": 1}, {"id": 2}])
    assert client.hget(keys.summary(again.id), "given") == b"2"
