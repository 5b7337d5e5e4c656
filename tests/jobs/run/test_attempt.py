"""A sync from asking to ending, through RQ's real worker: what arrives, what is counted, what the log says."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import threading
import time
from contextlib import closing
from pathlib import Path
from typing import Any, cast

import pytest
import redis
from rq import Queue
from rq.exceptions import StopRequested
from rq.worker import WorkerStatus

from demo import goods
from jobs.queue.job_queue import QUEUE
from jobs.queue.requests import Requests
from jobs.run.attempt import FEW
from jobs.services.model import FileDestination, Options, SqlDestination
from jobs.transform.model import Filter, MappedField, ScriptText
from jobs.worker import DRAIN, SyncWorker
from synctail.connect import connect
from synctail.log.registry import stored_summary
from synctail.model import keys
from synctail.model.ids import utc_now
from synctail.model.sync import Phase, Reason, Status, Summary, Trigger
from tests.kit.sources import paged
from tests.kit.support import Process, Workers, http_client, in_time, service, store, until
from tests.kit.syncs import ended, lines_of, running


def only_worker(client: redis.Redis) -> dict[str, str]:
    """What RQ keeps of the one worker there is; nothing while it registers."""
    names = cast("set[bytes]", client.smembers("rq:workers"))
    stored = cast("dict[bytes, bytes]", client.hgetall(names.pop())) if len(names) == 1 else {}
    return {name.decode(): value.decode(errors="replace") for name, value in stored.items()}


@pytest.fixture
def warehouse(tmp_path: Path) -> Path:
    path = tmp_path / "warehouse.db"
    with closing(sqlite3.connect(path)) as db:
        db.execute(
            "CREATE TABLE products (id TEXT PRIMARY KEY, name TEXT, price NUMERIC "
            "CONSTRAINT price_is_not_negative CHECK (price >= 0), stock INTEGER)"
        )
    return path


def test_every_customer_arrives_in_the_file_and_each_has_its_line(
    client: redis.Redis, requests: Requests, worker: Process, shop: str, shop_auth: Any, files: Path
) -> None:
    del worker
    customers = service("customers", url=f"{shop}/customers", records="customers", auth=shop_auth)
    store(client, customers)
    summary = ended(client, requests.start(customers, Trigger.MANUAL).id)
    assert (summary.status, summary.pulled, summary.pushed, summary.failed) == (Status.COMPLETED, 500, 500, 0)
    assert summary.progress == 1.0
    written = [json.loads(line) for line in (files / "customers.ndjson").read_text().splitlines()]
    assert len(written) == 500
    pushed = [line["record"] for line in lines_of(client, summary.id) if line["text"].startswith("Wrote")]
    assert pushed == [record["id"] for record in written]


def test_a_second_sync_skips_what_the_first_one_pushed(
    client: redis.Redis, requests: Requests, worker: Process, shop: str, shop_auth: Any, files: Path
) -> None:
    del worker
    customers = service(
        "customers",
        url=f"{shop}/customers",
        records="customers",
        auth=shop_auth,
        destination=FileDestination(path="appended.ndjson", mode="append"),
    )
    store(client, customers)
    first = ended(client, requests.start(customers, Trigger.MANUAL).id)
    again = ended(client, requests.start(customers, Trigger.MANUAL).id)
    assert (first.pushed, first.skipped) == (500, 0)
    assert (again.pulled, again.pushed, again.skipped) == (500, 0, 500)
    assert len((files / "appended.ndjson").read_text().splitlines()) == 500


@pytest.mark.slow
def test_a_replaced_file_holds_everything_after_each_sync(
    client: redis.Redis, requests: Requests, worker: Process, shop: str, shop_auth: Any, files: Path
) -> None:
    del worker
    customers = service("customers", url=f"{shop}/customers", records="customers", auth=shop_auth)
    store(client, customers)
    for _ in range(2):
        summary = ended(client, requests.start(customers, Trigger.MANUAL).id)
        assert (summary.pushed, summary.skipped) == (500, 0)
        assert len((files / "customers.ndjson").read_text().splitlines()) == 500


def test_records_are_filtered_and_mapped_and_the_counts_say_so(
    client: redis.Redis, requests: Requests, worker: Process, shop: str, shop_auth: Any, files: Path
) -> None:
    del worker
    german = service(
        "german",
        url=f"{shop}/customers",
        records="customers",
        auth=shop_auth,
        filters=[Filter("country", "=", "DE")],
        mapping=[
            MappedField("number", "id"),
            MappedField("contact.email", "email", [["lower"]]),
            MappedField("country", "country", [["lookup", "countries"]]),
            MappedField("score", "name", [["extract", "a"], ["required"]]),
        ],
        lookups={"countries": {"DE": "Germany"}},
    )
    store(client, german)
    summary = ended(client, requests.start(german, Trigger.MANUAL).id)

    def ask() -> Any:
        answer = http.get("/customers", params={"limit": 1000})
        return answer.json()["customers"] if answer.is_success else None  # each 23rd request is one too many

    with http_client(shop, headers={"Authorization": "Bearer the-token-of-the-shop"}) as http:
        all_of_them = until(ask, "the shop answers")
    from_germany = [one for one in all_of_them if one["country"] == "DE"]
    named = [one for one in from_germany if "a" in one["name"]]
    assert 0 < len(named) < len(from_germany) < len(all_of_them) == summary.pulled
    assert summary.filtered == len(all_of_them) - len(from_germany)
    assert (summary.pushed, summary.failed) == (len(named), len(from_germany) - len(named))
    assert summary.status is Status.COMPLETED_WITH_ERRORS
    assert [json.loads(line) for line in (files / "german.ndjson").read_text().splitlines()] == [
        {"number": one["id"], "contact": {"email": one["email"].lower()}, "country": "Germany", "score": "a"}
        for one in named
    ]
    lines = lines_of(client, summary.id)
    refused = [line for line in lines if line.get("phase") == "map"]
    assert {line["record"] for line in refused} == {one["id"] for one in from_germany} - {one["id"] for one in named}
    assert all(line["text"].endswith("score: required: there is no value") for line in refused)
    assert any("records filtered: " in line["text"] and "not country = DE" in line["text"] for line in lines)


def test_a_script_changes_and_drops_records_and_its_words_are_in_the_log(
    client: redis.Redis, requests: Requests, worker: Process, shop: str, shop_auth: Any, files: Path
) -> None:
    del worker
    code = """
def handle(records, log):
    log(f"{len(records)} came")
    print("printed")
    if records[0]["id"].endswith("0101"):
        raise ValueError("not these")
    return [{**one, "name": one["name"].upper()} for one in records if one["country"] == "DE"]
"""
    scripted = service(
        "scripted",
        url=f"{shop}/customers",
        records="customers",
        auth=shop_auth,
        script=ScriptText(code),
        mapping=[MappedField("name", "name")],
    )
    store(client, scripted)
    summary = ended(client, requests.start(scripted, Trigger.MANUAL).id)
    assert (summary.pulled, summary.failed) == (500, 100)
    assert summary.pushed + summary.filtered == 400
    written = [json.loads(line)["name"] for line in (files / "scripted.ndjson").read_text().splitlines()]
    assert len(written) == summary.pushed > 0
    assert all(name == name.upper() for name in written)
    said = [line["text"] for line in lines_of(client, summary.id) if line.get("phase") == "script"]
    assert said.count("100 came") == said.count("printed") == 5
    assert any("ValueError: not these (line 6 of the script)" in text for text in said)


@pytest.mark.slow
def test_a_log_that_is_full_stops_neither_the_sync_nor_its_counts(
    client: redis.Redis, requests: Requests, workers: Workers, environ: dict[str, str], shop: str, shop_auth: Any
) -> None:
    workers.stop()
    with Process("jobs.worker", {**environ, "SYNCTAIL_LOG_LINES": "100"}, ready="Worker ready"):
        customers = service("customers", url=f"{shop}/customers", records="customers", auth=shop_auth)
        store(client, customers)
        summary = ended(client, requests.start(customers, Trigger.MANUAL).id)
    assert (summary.status, summary.pushed, summary.lines) == (Status.COMPLETED, 500, 103)
    texts = [line["text"] for line in lines_of(client, summary.id)]
    assert texts[100].startswith("The log is full: it reached 100 lines")
    assert "more lines logged, but not kept" in texts[101]
    assert texts[102] == "Completed: 500 pushed, 0 skipped"


@pytest.mark.slow
def test_what_the_database_refuses_fails_alone_and_is_named(
    client: redis.Redis, requests: Requests, worker: Process, warehouse: Path
) -> None:
    del worker
    with paged([goods.product(number, utc_now()) for number in range(1, 3001)]) as source:
        products = service(
            "products",
            url=source.url,
            records="records",
            destination=SqlDestination(url=f"sqlite:///{warehouse}", table="products"),
            options=Options(page_size=1000),
        )
        store(client, products)
        summary = ended(client, requests.start(products, Trigger.MANUAL).id)
    assert summary.status is Status.COMPLETED_WITH_ERRORS
    assert summary.pulled == 3000
    assert summary.failed > 0
    with closing(sqlite3.connect(warehouse)) as db:
        (rows,) = db.execute("SELECT count(*) FROM products").fetchone()
    assert rows == summary.pushed
    refused = [line for line in lines_of(client, summary.id) if line["level"] == "error"]
    assert len(refused) == summary.failed == summary.errors
    assert all("price_is_not_negative" in line["text"] and line["record"] for line in refused)


@pytest.mark.slow
def test_too_many_failures_end_the_sync(
    client: redis.Redis, requests: Requests, worker: Process, shop: str, shop_auth: Any, warehouse: Path
) -> None:
    del worker
    products = service(
        "products",
        url=f"{shop}/products",
        records="products",
        auth=shop_auth,
        destination=SqlDestination(url=f"sqlite:///{warehouse}", table="products"),
        options=Options(page_size=1000, max_failed=2),
    )
    store(client, products)
    summary = ended(client, requests.start(products, Trigger.MANUAL).id)
    assert (summary.status, summary.reason) == (Status.FAILED, Reason.TOO_MANY_ERRORS)
    assert "the service allows 2" in lines_of(client, summary.id)[-1]["text"]


@pytest.mark.slow
def test_nothing_where_there_was_always_something_is_worth_a_warning(
    client: redis.Redis, requests: Requests, worker: Process
) -> None:
    del worker
    with paged([{"id": n} for n in range(7)]) as source:
        one = service("seven", url=source.url, records="records")
        store(client, one)
        for _ in range(FEW):
            assert ended(client, requests.start(one, Trigger.MANUAL).id).pulled == 7
        source.records = []
        first, second = (ended(client, requests.start(one, Trigger.MANUAL).id) for _ in range(2))
    warned = [line for line in lines_of(client, first.id) if line["level"] == "warning"]
    assert [line["text"] for line in warned] == [
        "Nothing was pulled, and the last 3 syncs of this service pulled 7 each. Has the source changed?"
    ]
    assert (first.status, first.warnings, second.warnings) == (Status.COMPLETED, 1, 0), "once it is no surprise"


def test_a_source_that_refuses_the_token_fails_the_sync_with_a_reason(
    client: redis.Redis, requests: Requests, worker: Process, shop: str
) -> None:
    del worker
    customers = service("customers", url=f"{shop}/customers", records="customers")
    store(client, customers)
    summary = ended(client, requests.start(customers, Trigger.MANUAL).id)
    assert (summary.status, summary.reason) == (Status.FAILED, Reason.ERROR)
    assert "401" in lines_of(client, summary.id)[-1]["text"]


def test_a_secret_is_never_in_the_log(
    client: redis.Redis, requests: Requests, worker: Process, shop: str, shop_auth: Any
) -> None:
    del worker
    # Whoever writes the token into the address by mistake must not find it in the log either.
    url = f"{shop}/nowhere?token=the-token-of-the-shop"
    customers = service("customers", url=url, records="customers", auth=shop_auth)
    store(client, customers)
    summary = ended(client, requests.start(customers, Trigger.MANUAL).id)
    texts = " ".join(line["text"] for line in lines_of(client, summary.id))
    assert "the-token-of-the-shop" not in texts
    assert "••••••" in texts


def test_a_sync_that_hangs_stops_within_two_seconds(
    client: redis.Redis, requests: Requests, worker: Process, hanging: str
) -> None:
    del worker
    orders = service(url=hanging)
    store(client, orders)

    def stop() -> float:
        sync_id = requests.start(orders, Trigger.MANUAL).id
        running(client, sync_id)
        began = time.monotonic()
        requests.stop(sync_id, "ana")
        summary = ended(client, sync_id)
        took = time.monotonic() - began
        assert (summary.status, summary.reason) == (Status.STOPPED, Reason.STOPPED_BY_USER)
        assert lines_of(client, sync_id)[-1]["text"] == "Stopped by ana"
        return took

    in_time(2, stop)


@pytest.mark.slow
def test_a_sync_that_cannot_hear_stops_within_two_seconds_too(
    client: redis.Redis, requests: Requests, own_worker: Process, shop: str, shop_auth: Any, warehouse: Path
) -> None:
    with closing(sqlite3.connect(warehouse)) as db:  # C code that never comes back to Python
        db.execute(
            "CREATE TRIGGER forever BEFORE INSERT ON products BEGIN SELECT count(*) FROM "
            "(WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT x FROM c); END"
        )
    destination = SqlDestination(url=f"sqlite:///{warehouse}", table="products")
    products = service("products", url=f"{shop}/products", records="products", auth=shop_auth, destination=destination)
    store(client, products)

    def stop() -> float:
        sync_id = requests.start(products, Trigger.MANUAL).id
        until(lambda: cast("Summary", stored_summary(client, sync_id)).phase is Phase.PUSH, "it is in the database")
        began = time.monotonic()
        requests.stop(sync_id, "ana")
        summary = ended(client, sync_id)
        took = time.monotonic() - began
        assert (summary.status, summary.reason) == (Status.STOPPED, Reason.STOPPED_BY_USER)
        said = lines_of(client, sync_id)[-1]["text"]
        assert said.startswith("Stopped by ana. It did not stop by itself: its process was")
        return took

    in_time(3, stop)
    assert own_worker.process.poll() is None


@pytest.mark.slow
def test_a_sync_over_its_time_limit_says_so(
    client: redis.Redis, requests: Requests, worker: Process, hanging: str
) -> None:
    del worker
    orders = service(url=hanging, options=Options(timeout_s=1))
    store(client, orders)
    summary = ended(client, requests.start(orders, Trigger.MANUAL).id)
    assert (summary.status, summary.reason) == (Status.FAILED, Reason.TIMEOUT)
    assert "longer than 1 s" in lines_of(client, summary.id)[-1]["text"]


@pytest.mark.slow
def test_a_killed_process_is_told_as_killed(
    client: redis.Redis, requests: Requests, own_worker: Process, hanging: str
) -> None:
    orders = service(url=hanging)
    store(client, orders)
    sync_id = requests.start(orders, Trigger.MANUAL).id
    running(client, sync_id)
    [horse] = own_worker.children()
    os.kill(horse, signal.SIGKILL)
    summary = ended(client, sync_id)
    assert (summary.status, summary.reason) == (Status.FAILED, Reason.KILLED)
    assert "SIGKILL" in lines_of(client, sync_id)[-1]["text"]


@pytest.mark.slow
def test_a_worker_that_is_shut_down_ends_its_sync_first(
    client: redis.Redis, requests: Requests, own_worker: Process, hanging: str
) -> None:
    orders = service(url=hanging)
    store(client, orders)
    sync_id = requests.start(orders, Trigger.MANUAL).id
    running(client, sync_id)
    own_worker.process.terminate()
    summary = ended(client, sync_id)
    assert (summary.status, summary.reason) == (Status.FAILED, Reason.KILLED)
    assert "shut down" in lines_of(client, sync_id)[-1]["text"]
    until(lambda: own_worker.process.poll() is not None, "the worker has gone")


@pytest.mark.slow
def test_a_worker_that_is_drained_lets_its_sync_end_takes_no_other_and_leaves(
    client: redis.Redis, requests: Requests, own_worker: Process
) -> None:
    drained = threading.Event()
    with paged([{"id": 1}]) as source:
        source.spoil = lambda _: None if drained.wait(60) else 500
        orders = service(url=source.url, records="records")
        other = service("other", url=source.url, records="records")
        for one in (orders, other):
            store(client, one)
        running_one = requests.start(orders, Trigger.MANUAL).id
        running(client, running_one)
        waiting = requests.start(other, Trigger.MANUAL).id
        [horse] = own_worker.children()
        for pid in (own_worker.process.pid, horse):  # as a supervisor that signals all processes of a unit
            os.kill(pid, DRAIN)
        until(lambda: "shutdown_requested_date" in only_worker(client), "the worker has heard it")
        drained.set()
        assert ended(client, running_one).status is Status.COMPLETED
        assert own_worker.ends() == 0
    assert client.hget(keys.summary(waiting), "status") == b"queued"
    requests.stop(waiting, "tests")


@pytest.mark.slow
def test_a_drained_worker_that_has_nothing_to_do_leaves_at_once(client: redis.Redis, own_worker: Process) -> None:
    until(lambda: only_worker(client).get("state") == "idle", "the worker waits for a sync")
    own_worker.process.send_signal(DRAIN)
    assert own_worker.ends(seconds=20) == 0
    assert "Traceback" not in own_worker.output


def test_a_worker_that_is_told_to_go_between_two_syncs_does_not_wait_for_the_next(client: redis.Redis) -> None:
    between = SyncWorker([Queue(QUEUE, connection=client, serializer="json")], connection=client, serializer="json")
    between.register_birth()  # type: ignore[no-untyped-call]
    between.set_state(WorkerStatus.BUSY)
    between.drain()  # its sync has ended, and it has not called itself idle yet
    with pytest.raises(StopRequested):
        between.dequeue_job_and_maintain_ttl(1, max_idle_time=1)
    between.register_death()  # type: ignore[no-untyped-call]


def test_a_worker_stays_with_its_sync_while_redis_takes_no_heartbeat(
    client: redis.Redis, requests: Requests, caplog: pytest.LogCaptureFixture
) -> None:
    queue = Queue(QUEUE, connection=client, serializer="json")
    at_work = SyncWorker([queue], connection=client, serializer="json")
    sync_id = requests.start(service(), Trigger.MANUAL).id
    job = queue.fetch_job(sync_id)
    assert job
    execution = at_work.prepare_execution(job)
    at_work.connection = connect("redis://127.0.0.1:1")
    at_work.maintain_heartbeats(job, execution)
    assert f"sync {sync_id} continues" in caplog.text
    client.delete(at_work.key)


def test_a_service_removed_before_its_sync_began_is_told(
    client: redis.Redis, requests: Requests, worker: Process
) -> None:
    del worker
    summary = ended(client, requests.start(service("ghost"), Trigger.MANUAL).id)
    assert (summary.status, summary.reason) == (Status.FAILED, Reason.ERROR)
    assert "was removed" in lines_of(client, summary.id)[-1]["text"]
