"""JSON over HTTP, as a program meets it: what each route answers, and how each error is said."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any, cast

import httpx2
import msgspec
import pytest
import redis
from ulid import ULID

from jobs.clock import Clock
from jobs.queue.requests import Requests
from jobs.queue.stored import stored_run
from jobs.services.model import Options, Schedule
from server.access.auth import token_hash
from synctail.model import keys
from synctail.model.ids import rfc3339, utc_now
from synctail.model.sync import Status, Summary, Trigger
from synctail.settings import Settings
from tests.kit.following import Logs, Reader
from tests.kit.support import OWN_PAGE, service, store

UNKNOWN = "7ZZZZZZZZZZZZZZZZZZZZZZZZZ"
EXPIRED = "01ARZ3NDEKTSV4RRFFQ69G5FAV"
VIEWER = {"Authorization": "Bearer st_only-a-viewer"}
OPERATOR = {"Authorization": "Bearer st_an-operator"}


@pytest.fixture(autouse=True)
def _roles(client: redis.Redis) -> None:
    for role, headers in (("viewer", VIEWER), ("operator", OPERATOR)):
        token = headers["Authorization"].removeprefix("Bearer ")
        client.hset(keys.token(token_hash(token)), mapping={"name": f"a {role}", "role": role})


def problem(answer: httpx2.Response, status: int) -> dict[str, Any]:
    """The answer is a problem document of that status, and says something."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    document: dict[str, Any] = answer.json()
    assert document["status"] == status
    assert document["type"] == "about:blank"
    assert document["title"]
    assert document["detail"]
    return document


def past_sync(client: redis.Redis, age: timedelta, status: Status = Status.COMPLETED, of: str = "orders") -> str:
    """A sync that was asked for, and started, so long ago."""
    at = utc_now() - age
    summary = Summary(
        id=str(ULID.from_datetime(at)), service=of, status=status, queued_at=rfc3339(at), started_at=rfc3339(at)
    )
    stored = {name: str(value) for name, value in msgspec.to_builtins(summary).items() if value is not None}
    client.hset(keys.summary(summary.id), mapping=stored)
    client.pexpire(keys.summary(summary.id), 60_000)
    for index in (keys.SYNCS, keys.service_syncs(of)):
        client.zadd(index, {summary.id: int(at.timestamp() * 1000)})
        client.pexpire(index, 60_000)
    return summary.id


def ids(answer: httpx2.Response) -> list[str]:
    assert answer.status_code == 200, answer.text
    return [one["id"] for one in answer.json()]


# --- services -------------------------------------------------------------------------------------------------------


def test_services_come_by_name_each_with_its_last_sync(client: redis.Redis, web: httpx2.Client, logs: Logs) -> None:
    assert web.get("/api/services").json() == []
    store(client, service("b", name="zebra"), service("a", name="Yak"), service("c", name="ant"))
    logs.written(3, of=service("a"))
    newest = logs.written(5, of=service("a"))
    services = web.get("/api/services").json()
    assert [one["id"] for one in services] == ["c", "a", "b"]
    assert [one["last_sync"] and one["last_sync"]["id"] for one in services] == [None, newest, None]
    one = web.get("/api/services/a").json()
    assert one == {**services[1], "missed": []}
    assert one["last_sync"]["lines"] == 5
    assert one["source"]["kind"] == "http"


def test_an_unknown_service_is_404_in_every_way(web: httpx2.Client) -> None:
    for path in ("/api/services/nobody", "/api/services/nobody/syncs", "/api/services/%00"):
        problem(web.get(path), 404)
    problem(web.post("/api/services/nobody/syncs"), 404)


# --- starting and stopping ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("body", ["", "  ", "{}", " {} "])
def test_a_sync_is_started_and_where_it_is_is_said(
    client: redis.Redis, web: httpx2.Client, logs: Logs, body: str
) -> None:
    del logs
    store(client, service())
    answer = web.post("/api/services/orders/syncs", content=body, headers=OPERATOR)
    assert answer.status_code == 202
    summary = answer.json()
    assert (summary["service"], summary["status"], summary["trigger"]) == ("orders", "queued", "manual")
    assert answer.headers["location"] == f"/api/syncs/{summary['id']}"
    assert web.get(answer.headers["location"]).json() == summary
    assert client.llen("rq:queue:syncs") == 1


@pytest.mark.parametrize("body", [b"{", b"\xff", b'"\xff"', b"[" * 9000, b"\0"])
@pytest.mark.parametrize("what", ["services/orders/syncs", f"syncs/{UNKNOWN}/retry"])
def test_a_body_that_is_no_json_starts_nothing(client: redis.Redis, web: httpx2.Client, what: str, body: bytes) -> None:
    store(client, service())
    problem(web.post(f"/api/{what}", content=body), 400)
    assert web.get("/api/syncs").json() == []


def test_a_sync_is_started_with_filters_pages_and_files_of_its_own(
    client: redis.Redis, web: httpx2.Client, config: Settings
) -> None:
    store(client, service())
    run = {
        "filters": [{"field": "status", "op": "=", "value": "paid"}],
        "page_size": 500,
        "store": {"pull": True, "script": False, "push": True},
    }
    as_curl = {**OPERATOR, "Content-Type": "application/x-www-form-urlencoded"}
    answer = web.post("/api/services/orders/syncs", content=msgspec.json.encode(run), headers=as_curl)
    assert answer.status_code == 202, answer.text
    key = keys.run(answer.json()["id"])
    assert msgspec.to_builtins(stored_run(client, answer.json()["id"])) == run
    assert 0 < client.pttl(key) <= config.retention_ms


@pytest.mark.parametrize(
    ("body", "paths"),
    [
        ([], [""]),
        (None, [""]),
        ({"filter": []}, ["filter"]),
        (
            {"filters": [{"field": "a[", "op": "="}, {"field": "a", "op": "~"}], "page_size": 0},
            ["filters[1].op", "page_size", "filters[0].field"],
        ),
        (
            {"filters": [{"field": "a[", "op": "="}, {"field": "a", "op": "in", "value": 1}]},
            ["filters[0].field", "filters[1].value"],
        ),
        ({"filters": {}, "store": {"pull": 1, "all": True}}, ["filters", "store.all", "store.pull"]),
    ],
)
def test_options_that_are_wrong_are_refused_with_every_fault(
    client: redis.Redis, web: httpx2.Client, body: Any, paths: list[str]
) -> None:
    store(client, service())
    document = problem(web.post("/api/services/orders/syncs", content=msgspec.json.encode(body)), 422)
    assert [one["path"] for one in document["errors"]] == paths
    assert all(one["says"] for one in document["errors"])
    assert web.get("/api/syncs").json() == []


def test_a_service_that_allows_overlap_names_those_that_run_when_it_is_full(
    client: redis.Redis, web: httpx2.Client
) -> None:
    store(client, service(options=Options(overlap=True, concurrency=2)))
    started = {web.post("/api/services/orders/syncs").json()["id"] for _ in range(2)}
    document = problem(web.post("/api/services/orders/syncs"), 409)
    assert set(document["syncs"]) == started
    assert all(sync_id in document["detail"] for sync_id in started)


def test_starts_that_were_left_out_are_told_with_the_service(
    client: redis.Redis, web: httpx2.Client, config: Settings, logs: Logs
) -> None:
    orders = service(trigger=Schedule("* * * * *"))
    store(client, orders)
    assert web.get("/api/services/orders").json()["missed"] == []
    sync_id = logs.start(orders)
    now = utc_now().replace(second=0, microsecond=0)
    for minute in range(12):
        Clock(config, client).start_due([orders], now + timedelta(minutes=minute))
    missed = web.get("/api/services/orders").json()["missed"]
    assert len(missed) == 10
    assert missed[0] == {
        "due_at": rfc3339(now + timedelta(minutes=11)),
        "because": f"Its sync {sync_id} still ran, and the service allows no overlap.",
    }
    assert 0 < client.ttl(keys.service_missed("orders")) <= keys.MISSED_TTL.total_seconds()


def test_a_viewer_starts_and_stops_nothing(client: redis.Redis, web: httpx2.Client, logs: Logs) -> None:
    store(client, service())
    sync_id = logs.start()
    asked = ("stop", "retry")
    for path in (
        "/api/services/orders/syncs",
        "/api/services/nobody/syncs",
        *(f"/api/syncs/{sync_id}/{one}" for one in asked),
    ):
        document = problem(web.post(path, headers=VIEWER), 403)
        assert "operator" in document["detail"]
    assert ids(web.get("/api/syncs", headers=VIEWER)) == [sync_id]
    assert web.get(f"/api/syncs/{sync_id}").json()["status"] == "queued"


def test_an_inactive_service_is_not_started(client: redis.Redis, web: httpx2.Client) -> None:
    store(client, service(active=False))
    document = problem(web.post("/api/services/orders/syncs"), 409)
    assert "inactive" in document["detail"]


def test_a_second_sync_is_refused_with_the_id_of_the_first(client: redis.Redis, web: httpx2.Client, logs: Logs) -> None:
    store(client, service())
    sync_id = logs.start()
    document = problem(web.post("/api/services/orders/syncs"), 409)
    assert document["sync"] == sync_id
    assert ids(web.get("/api/syncs")) == [sync_id]
    store(client, service(options=Options(overlap=True, concurrency=1000)))
    assert web.post("/api/services/orders/syncs").status_code == 202


def test_a_queued_sync_stops_at_once_and_a_running_one_when_it_hears(web: httpx2.Client, logs: Logs) -> None:
    queued = logs.start()
    answer = web.post(f"/api/syncs/{queued}/stop")
    assert (answer.status_code, answer.json()["status"], answer.json()["reason"]) == (202, "stopped", "stopped_by_user")
    problem(web.post(f"/api/syncs/{queued}/stop"), 409)
    running = logs.start()
    with logs.writing(running) as story:
        story.flush()
        answer = web.post(f"/api/syncs/{running}/stop")
        assert (answer.status_code, answer.json()["status"]) == (202, "running")
    document = problem(web.post(f"/api/syncs/{running}/stop"), 409)
    assert "completed" in document["detail"]
    problem(web.post(f"/api/syncs/{UNKNOWN}/stop"), 404)
    problem(web.post(f"/api/syncs/{EXPIRED}/stop"), 410)


# --- errors that are the same everywhere ----------------------------------------------------------------------------


def test_without_a_token_it_is_401_and_the_answer_says_how(web: httpx2.Client) -> None:
    for headers in ({"Authorization": ""}, {"Authorization": "Bearer st_nobodys-token"}):
        answer = web.get("/api/syncs", headers=headers)
        problem(answer, 401)
        assert answer.headers["www-authenticate"].startswith("Bearer")


@pytest.mark.parametrize("path", ["/api/syncs/{}", "/api/syncs/{}/log"])
def test_an_unknown_sync_is_404_and_an_expired_one_410(web: httpx2.Client, path: str) -> None:
    problem(web.get(path.format(UNKNOWN)), 404)
    problem(web.get(path.format("no-id")), 404)
    problem(web.get(path.format("x" * 500)), 404)
    problem(web.get(path.format(EXPIRED)), 410)


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/api/syncs?limit=0", "limit"),
        ("/api/syncs?limit=501", "limit"),
        ("/api/syncs?limit=-1", "limit"),
        ("/api/syncs?limit=ten", "limit"),
        ("/api/syncs?limit=%D9%A1", "limit"),  # a digit, but not ours
        ("/api/syncs?status=done", "status"),
        ("/api/syncs/ID/log?after=-1", "after"),
        ("/api/syncs/ID/log?after=1e3", "after"),
        ("/api/syncs/ID/log?after=" + "9" * 400, "after"),
        ("/api/syncs/ID/log?limit=0", "limit"),
        ("/api/syncs/ID/log?limit=5001", "limit"),
    ],
)
def test_a_bad_parameter_is_400_and_named(web: httpx2.Client, logs: Logs, path: str, name: str) -> None:
    assert name in problem(web.get(path.replace("ID", logs.start())), 400)["detail"]


def test_a_wrong_method_is_405_and_the_right_ones_are_told(web: httpx2.Client) -> None:
    answer = web.delete("/api/syncs")
    problem(answer, 405)
    assert "GET" in answer.headers["allow"]
    problem(web.get(f"/api/syncs/{UNKNOWN}/stop"), 405)
    problem(web.get("/api/nothing/here"), 404)


# --- lists ----------------------------------------------------------------------------------------------------------


def test_paging_through_many_syncs_shows_each_once_and_the_newest_first(
    client: redis.Redis, web: httpx2.Client, requests: Requests, logs: Logs
) -> None:
    del logs
    orders, other = (
        service(options=Options(overlap=True, concurrency=1000)),
        service("other", options=Options(overlap=True)),
    )
    store(client, orders, other)
    started = [requests.start(orders, Trigger.MANUAL).id for _ in range(120)]
    elsewhere = requests.start(other, Trigger.MANUAL).id
    seen: list[str] = []
    while page := ids(web.get("/api/services/orders/syncs", params={"limit": 50, "before": seen[-1] if seen else ""})):
        assert len(page) <= 50
        seen += page
        requests.start(orders, Trigger.MANUAL)  # what is new meanwhile moves nothing
    assert sorted(seen) == sorted(started)
    times = [ULID.from_str(one).timestamp for one in seen]
    assert times == sorted(times, reverse=True)
    everything = ids(web.get("/api/syncs?limit=500"))
    assert set(everything) > {*started, elsewhere}
    assert len(everything) == len(set(everything))
    assert len(ids(web.get("/api/syncs"))) == 50
    assert ids(web.get("/api/syncs", params={"before": UNKNOWN})) == []


def test_lists_are_narrowed_by_status_and_by_a_part_of_the_id(
    client: redis.Redis, web: httpx2.Client, logs: Logs
) -> None:
    overlapping = service(options=Options(overlap=True, concurrency=1000))
    store(client, overlapping)
    ended, queued = logs.written(1, of=overlapping), logs.start(overlapping)
    assert ids(web.get("/api/syncs?status=queued")) == [queued]
    assert ids(web.get("/api/services/orders/syncs?status=completed")) == [ended]
    assert ids(web.get("/api/syncs?status=failed")) == []
    assert ids(web.get("/api/syncs", params={"q": ended[-9:].lower()})) == [ended]
    assert ids(web.get("/api/syncs", params={"q": "*"})) == []
    assert ids(web.get("/api/syncs", params={"q": ended, "status": "queued"})) == []


def test_old_syncs_leave_the_list_but_never_while_they_run(client: redis.Redis, web: httpx2.Client) -> None:
    past_sync(client, timedelta(hours=25))
    running = past_sync(client, timedelta(hours=30), Status.RUNNING)
    recent = past_sync(client, timedelta(hours=23))
    assert ids(web.get("/api/syncs")) == [recent, running]
    assert web.get(f"/api/syncs/{running}").json()["status"] == "running"


@pytest.mark.slow
def test_a_list_reaches_beyond_many_that_do_not_match(client: redis.Redis, web: httpx2.Client) -> None:
    wanted = [past_sync(client, timedelta(hours=20, seconds=n), Status.FAILED) for n in range(2)]
    for n in range(450):
        past_sync(client, timedelta(hours=1, seconds=n))
    assert ids(web.get("/api/syncs?status=failed")) == wanted


def test_a_summary_has_every_field_of_the_contract(web: httpx2.Client, logs: Logs) -> None:
    sync_id = logs.start()
    with logs.writing(sync_id) as story:
        story.set(pulled=10, pushed=7, skipped=1, filtered=1, failed=1, progress=0.5, phase="push")
        story.warning("careful")
        story.error("bad")
    summary = web.get(f"/api/syncs/{sync_id}").json()
    assert list(summary) == list(Summary.__struct_fields__)
    assert (summary["lines"], summary["warnings"], summary["errors"]) == (3, 1, 1)
    assert (summary["pulled"], summary["pushed"], summary["phase"], summary["progress"]) == (10, 7, None, 1.0)
    for name in ("queued_at", "started_at", "ended_at", "expires_at"):
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", summary[name])


# --- the poll -------------------------------------------------------------------------------------------------------


def poll(web: httpx2.Client, sync_id: str, etag: str = "", **query: int) -> httpx2.Response:
    headers = {"If-None-Match": etag} if etag else {}
    return web.get(f"/api/syncs/{sync_id}/log", params=query, headers=headers)


def test_a_poll_carries_the_frames_of_the_websocket(web: httpx2.Client, logs: Logs) -> None:
    sync_id = logs.written(700)
    watched, polled = Reader(sync_id, 33), Reader(sync_id, 33)
    watched.watch(web)
    polled.poll(web)
    assert polled.numbers == watched.numbers == list(range(34, 701))
    assert polled.texts == watched.texts
    assert (polled.end, polled.summaries) == (watched.end, watched.summaries)
    answer = poll(web, sync_id, after=33).json()
    assert (answer["last"], answer["status"]) == (700, "completed")
    assert [frame["type"] for frame in answer["frames"]] == ["summary", "lines", "end"]


@pytest.mark.parametrize(("after", "limit"), [(0, 1), (0, 499), (0, 500), (0, 501), (499, 2), (990, 10), (1233, 5)])
def test_the_limit_cuts_exactly(web: httpx2.Client, logs: Logs, after: int, limit: int) -> None:
    sync_id = logs.written(1234)
    frames = poll(web, sync_id, after=after, limit=limit).json()["frames"]
    assert [(frame["first"], frame["last"]) for frame in frames if frame["type"] == "lines"] == [
        (after + 1, min(after + limit, 1234))
    ]
    assert (frames[-1]["type"] == "end") == (after + limit >= 1234)


def test_many_small_chunks_fill_one_poll(web: httpx2.Client, logs: Logs) -> None:
    sync_id = logs.start()
    with logs.writing(sync_id) as story:
        for n in range(150):
            story.info(str(n))
            story.flush()
    [lines] = [f for f in poll(web, sync_id, limit=140).json()["frames"] if f["type"] == "lines"]
    assert lines["last"] == 140


def test_nothing_new_is_304_and_something_new_is_not(web: httpx2.Client, logs: Logs) -> None:
    sync_id = logs.start()
    with logs.writing(sync_id) as story:
        story.info("one")
        story.flush()
        first = poll(web, sync_id, after=1)
        etag = first.headers["etag"]
        same = poll(web, sync_id, etag, after=1)
        assert (same.status_code, same.content, same.headers["etag"]) == (304, b"", etag)
        assert poll(web, sync_id, f'"x", W/{etag}', after=1).status_code == 304
        assert poll(web, sync_id, etag, after=0).status_code == 200
        story.set(pulled=1)
        story.flush()
        changed = poll(web, sync_id, etag, after=1)
        assert changed.status_code == 200
        story.info("two")
        story.flush()
        newer = poll(web, sync_id, changed.headers["etag"], after=1)
        assert [frame["type"] for frame in newer.json()["frames"]] == ["summary", "lines"]
    assert poll(web, sync_id, newer.headers["etag"], after=1).json()["frames"][-1]["type"] == "end"


def test_a_lost_stream_is_a_gap_and_never_silence(client: redis.Redis, web: httpx2.Client, logs: Logs) -> None:
    sync_id = logs.written(50)
    client.delete(keys.log(sync_id))
    reader = Reader(sync_id, 20)
    reader.poll(web, limit=10)
    assert reader.gaps == [(21, 50)]
    assert reader.end


def test_a_reader_ahead_of_the_log_is_told_nothing_and_waits(web: httpx2.Client, logs: Logs) -> None:
    sync_id = logs.start()
    with logs.writing(sync_id) as story:
        story.info("one")
        story.flush()
        assert [frame["type"] for frame in poll(web, sync_id, after=10).json()["frames"]] == ["summary"]


# --- a range --------------------------------------------------------------------------------------------------------


def shape(answer: httpx2.Response) -> list[tuple[str, int, int]]:
    """What the frames of a range are, and from which line to which."""
    assert answer.status_code == 200, answer.text
    return [(frame["type"], frame["first"], frame["last"]) for frame in answer.json()["frames"]]


@pytest.mark.parametrize(
    ("first", "last", "told"),
    [
        (1, 1, (1, 1)),
        (400, 600, (400, 600)),
        (500, 501, (500, 501)),
        (6000, 9000, (6000, 6234)),
        (1, 6234, (1, 5000)),
        (6234, 6234, (6234, 6234)),
    ],
)
def test_a_range_has_its_lines_and_no_other(
    web: httpx2.Client, logs: Logs, first: int, last: int, told: tuple[int, int]
) -> None:
    sync_id = logs.written(6234)
    answer = poll(web, sync_id, first=first, last=last)
    assert shape(answer) == [("lines", *told)]
    [frame] = answer.json()["frames"]
    assert [line["n"] for line in frame["lines"]] == list(range(told[0], told[1] + 1))
    assert (answer.json()["last"], answer.json()["status"]) == (6234, "completed")


def test_ranges_and_polls_tell_the_same_lines(web: httpx2.Client, logs: Logs) -> None:
    sync_id = logs.written(300, size=9000)  # more than one answer holds
    polled, ranged = Reader(sync_id), Reader(sync_id)
    while not polled.end:
        polled.poll(web)
    while ranged.cursor < 300:
        for frame in poll(web, sync_id, first=ranged.cursor + 1, last=300).json()["frames"]:
            ranged.take(frame)
    assert ranged.texts == polled.texts
    assert ranged.numbers == polled.numbers == list(range(1, 301))


def test_a_range_beyond_the_end_is_empty_and_says_where_the_log_ends(web: httpx2.Client, logs: Logs) -> None:
    answer = poll(web, logs.written(5), first=6, last=10).json()
    assert answer == {"frames": [], "last": 5, "status": "completed"}


def test_what_is_missing_in_a_range_is_a_gap(client: redis.Redis, web: httpx2.Client, logs: Logs) -> None:
    sync_id = logs.start()
    with logs.writing(sync_id) as story:
        for burst in range(3):
            for n in range(10):
                story.info(f"{burst} {n}")
            assert story.flush()
    ids: list[bytes] = [entry for entry, _ in cast("Any", client.xrange(keys.log(sync_id)))]
    of = {n: entry for entry in ids for n in range(*span(entry))}
    client.xdel(keys.log(sync_id), *{of[n] for n in range(11, 21)})
    assert shape(poll(web, sync_id, first=5, last=25)) == [("lines", 5, 10), ("gap", 11, 20), ("lines", 21, 25)]
    assert shape(poll(web, sync_id, first=12, last=15)) == [("gap", 12, 15)]
    client.delete(keys.log(sync_id))
    assert shape(poll(web, sync_id, first=5, last=31)) == [("gap", 5, 31)]


def span(entry: bytes) -> tuple[int, int]:
    """The lines of an entry, as `range` takes them."""
    last, _, count = entry.partition(b"-")
    return int(last) - int(count) + 1, int(last) + 1


def test_a_range_that_is_unchanged_is_304(web: httpx2.Client, logs: Logs) -> None:
    sync_id = logs.written(10)
    etag = poll(web, sync_id, first=2, last=5).headers["etag"]
    assert poll(web, sync_id, etag, first=2, last=5).status_code == 304
    assert poll(web, sync_id, etag, first=2, last=6).status_code == 200
    assert poll(web, sync_id, etag, after=1, limit=4).status_code == 200


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ("first=1", "last"),
        ("last=1", "first"),
        ("first=0&last=1", "first"),
        ("first=5&last=4", "last"),
        ("first=x&last=4", "first"),
        ("first=1&last=-4", "last"),
        ("first=1&last=4&after=0", "after"),
        ("first=1&last=4&limit=2", "limit"),
    ],
)
def test_a_range_that_is_none_is_400_and_says_why(web: httpx2.Client, logs: Logs, query: str, name: str) -> None:
    assert name in problem(web.get(f"/api/syncs/{logs.start()}/log?{query}"), 400)["detail"]


# --- a reader who is ahead ------------------------------------------------------------------------------------------


def test_a_reader_ahead_of_an_ended_log_is_taken_back(web: httpx2.Client, logs: Logs) -> None:
    sync_id = logs.written(10)
    reader = Reader(sync_id, 12)
    reader.poll(web)
    assert (reader.rewinds, reader.numbers, reader.texts) == ([9], [10], ["The end"])
    assert reader.end


def test_a_service_without_a_schedule_and_one_with_are_told_alike(client: redis.Redis, web: httpx2.Client) -> None:
    store(client, service("a"), service("b", trigger=Schedule("*/5 * * * *", "Europe/London")))
    triggers = [one["trigger"] for one in web.get("/api/services").json()]
    assert triggers == [
        {"schedule": "", "timezone": "UTC"},
        {"schedule": "*/5 * * * *", "timezone": "Europe/London"},
    ]


def test_a_page_may_start_and_stop_a_sync_with_its_session(client: redis.Redis, web: httpx2.Client, logs: Logs) -> None:
    del logs
    store(client, service())
    token = OPERATOR["Authorization"].removeprefix("Bearer ")
    del web.headers["Authorization"]
    assert web.post("/sign-in", data={"token": token}).status_code == 303
    started = web.post("/api/services/orders/syncs", headers=OWN_PAGE)
    assert started.status_code == 202
    assert web.post(f"/api/syncs/{started.json()['id']}/stop", headers=OWN_PAGE).status_code == 202


@pytest.mark.parametrize(
    "path", ["/api/services", "/api/services/orders/syncs", "/api/tokens", "/api/marks", "/api/try"]
)
@pytest.mark.parametrize("body", [b"{", b"[" * 60_000, b'"\xff"'], ids=["cut", "nested without end", "no UTF-8"])
def test_a_body_that_is_no_json_is_told_what_to_send(web: httpx2.Client, path: str, body: bytes) -> None:
    detail = problem(web.post(path, content=body), 400)["detail"]
    assert re.fullmatch(r"(The body is not JSON|Invalid body): .+\. Send .+\.", detail)
