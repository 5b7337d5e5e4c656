"""Files that are there as a whole or not at all: what a sync says and counts of records that are only on their way."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest
import redis

from jobs.queue.requests import Requests
from jobs.services.model import FileDestination, FileSource, Options
from jobs.transform.model import MappedField
from synctail.log.day_totals import DayTotals
from synctail.log.registry import stored_summary
from synctail.model import keys
from synctail.model.sync import Status, Summary, Trigger
from synctail.settings import Settings
from tests.kit.sources import Paged, paged
from tests.kit.support import Process, service, store, until
from tests.kit.syncs import ended, lines_of

BEFORE = '{"id":"from an earlier sync"}\n'


@contextmanager
def stuck_at_the_third_page() -> Iterator[tuple[Paged, threading.Event]]:
    """A source of 400 records; what sets the event makes it refuse to go on."""
    give_up = threading.Event()
    with paged([{"id": f"R-{n}"} for n in range(400)]) as source:

        def spoil(number: int) -> int | None:
            if number < 3:
                return None
            give_up.wait(60)
            return 401

        source.spoil = spoil
        try:
            yield source, give_up
        finally:
            give_up.set()


@pytest.mark.slow
@pytest.mark.parametrize("how", ["the source fails", "it is stopped", "its process is killed"])
def test_a_sync_that_breaks_off_pushed_nothing_and_says_what_is_not_there(
    client: redis.Redis, requests: Requests, own_worker: Process, config: Settings, files: Path, how: str
) -> None:
    files.mkdir(parents=True, exist_ok=True)
    (files / "unfinished.ndjson").write_text(BEFORE)
    with stuck_at_the_third_page() as (source, give_up):
        one = service("unfinished", url=source.url, records="records", options=Options(max_attempts=1))
        store(client, one)
        sync_id = requests.start(one, Trigger.MANUAL).id

        def at_work() -> Summary | None:
            found = stored_summary(client, sync_id)
            return found if found and (found.written, found.progress) == (200, 0.5) else None

        running = until(at_work, "two pages are written")
        assert (running.pulled, running.pushed, running.pending, running.progress) == (200, 0, 200, 0.5)
        match how:
            case "the source fails":
                give_up.set()
            case "it is stopped":
                requests.stop(sync_id, "somebody")
            case _:
                [horse] = own_worker.children()
                os.kill(horse, signal.SIGKILL)
        summary = ended(client, sync_id)
    assert summary.status is (Status.STOPPED if how == "it is stopped" else Status.FAILED)
    assert (summary.pulled, summary.pushed, summary.written, summary.pending) == (200, 0, 200, 200)
    lines = lines_of(client, sync_id)
    assert [line["text"] for line in lines if line.get("record")] == [f"Wrote R-{n}" for n in range(200)]
    last = lines[-1]["text"]
    assert last.endswith(". 200 records were written to a file that was not completed: they are not there")
    assert (files / "unfinished.ndjson").read_text() == BEFORE
    DayTotals(client, config.retention).count(sync_id)  # as the clock does, where the worker could not
    day = client.hgetall(keys.service_day("unfinished", (summary.ended_at or "")[:10]))
    assert day == {b"syncs": b"1", b"pulled": b"200"} | ({} if how == "it is stopped" else {b"failed_syncs": b"1"})


def test_a_file_that_is_complete_counts_all_its_records_at_once_and_says_so(
    client: redis.Redis, requests: Requests, worker: Process, files: Path
) -> None:
    del worker
    with paged([{"id": f"R-{n}"} for n in range(250)]) as source:
        one = service("finished", url=source.url, records="records")
        store(client, one)
        summary = ended(client, requests.start(one, Trigger.MANUAL).id)
    assert (summary.pulled, summary.pushed, summary.written, summary.pending) == (250, 250, 0, 0)
    assert len((files / "finished.ndjson").read_text().splitlines()) == 250
    texts = [line["text"] for line in lines_of(client, summary.id)]
    assert texts[-4:-2] == ["finished.ndjson is complete", "Pushed 250 records: the file is complete"]
    assert sum(text.startswith("Wrote R-") for text in texts) == 250
    assert texts[-1] == "Completed: 250 pushed, 0 skipped"


@pytest.mark.parametrize("fault", ["none can be mapped", "the file takes none"])
def test_a_file_is_left_as_it_was_when_every_record_failed_and_so_is_what_was_read(
    client: redis.Redis, requests: Requests, worker: Process, files: Path, fault: str
) -> None:
    del worker
    files.mkdir(parents=True, exist_ok=True)
    (files / "kept.xml").write_text(BEFORE)
    (files / "read.ndjson").write_text('{"id": "R-1", "price": "none"}\n')
    price = MappedField(from_="price", to="price", with_=[["number"]])
    no_name = MappedField(from_="price", to="not <a> name")
    mapping = [price if fault == "none can be mapped" else no_name]
    one = service("kept", destination=FileDestination(path="kept.xml"), mapping=mapping)
    one = msgspec.structs.replace(one, source=FileSource(path="read.ndjson", after="delete"))
    store(client, one)
    summary = ended(client, requests.start(one, Trigger.MANUAL).id)
    assert (summary.status, summary.failed, summary.pushed) == (Status.COMPLETED_WITH_ERRORS, 1, 0)
    assert (files / "kept.xml").read_text() == BEFORE
    assert (files / "read.ndjson").exists()
    warnings = [line["text"] for line in lines_of(client, summary.id) if line["level"] == "warning"]
    assert warnings[:-1] == ["1 record failed and none could be written: the file is left as it was"]
