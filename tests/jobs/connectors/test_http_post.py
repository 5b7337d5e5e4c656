"""Records sent over HTTP to a real server: what it takes, what it refuses, and what is tried again."""

from __future__ import annotations

import threading
import time
from collections.abc import Generator, Iterator, Sequence
from typing import Any, cast

import pytest

from jobs.connectors.base import ConnectorError, NotSignedIn, Outcome, Unreachable
from jobs.connectors.http_post import FAILING, HttpWriter
from jobs.connectors.retries import LONGEST_WAIT_S, Pace
from jobs.services.model import BearerAuth, HttpDestination, Secret
from synctail.model.json_text import Record
from tests.kit.connecting import Answer, Asked, Log, Site, context
from tests.kit.support import free_port, until


@pytest.fixture
def site() -> Iterator[Site]:
    site = Site()
    yield site
    site.close()


def to(site: Site, path: str = "/orders", **more: Any) -> HttpDestination:
    return HttpDestination(url=f"{site.url}{path}", **more)


def push(target: HttpDestination, records: Sequence[Record], *, log: Log | None = None, **more: Any) -> list[Outcome]:
    with HttpWriter(target, context(log, **more)) as writer:
        return list(writer.push(records))


def refused(outcomes: list[Outcome]) -> list[str | None]:
    return [outcome.refused for outcome in outcomes]


def orders(count: int) -> list[Record]:
    return [{"id": n} for n in range(count)]


def test_each_record_is_sent_by_itself_with_the_credentials(site: Site) -> None:
    outcomes = push(to(site, auth=BearerAuth(Secret("TOKEN"))), [{"id": 1, "name": "ä\ud800"}])
    assert outcomes == [Outcome({"id": 1, "name": "ä\ud800"})]
    [asked] = site.asked
    assert (asked.method, asked.path, asked.json) == ("POST", "/orders", {"id": 1, "name": "ä\ud800"})
    assert asked.headers["Content-Type"] == "application/json"
    assert asked.headers["Authorization"] == "Bearer the-token-of-the-shop"
    assert "Idempotency-Key" not in asked.headers


def test_outcomes_come_in_order_whatever_the_answers_order(site: Site) -> None:
    def reply(asked: Asked) -> Answer:
        time.sleep(0.02 * (3 - asked.json["id"] % 4))
        return Answer({}, 422 if asked.json["id"] % 3 == 2 else 201)

    site.replies = reply
    outcomes = push(to(site), orders(12))
    assert [outcome.record["id"] for outcome in outcomes] == list(range(12))
    assert [bool(outcome.refused) for outcome in outcomes] == [n % 3 == 2 for n in range(12)]


@pytest.mark.parametrize("concurrency", [1, 3])
def test_no_more_are_sent_at_once_than_may_be(site: Site, concurrency: int) -> None:
    lock = threading.Lock()
    now = most = 0

    def reply(_: Asked) -> Answer:
        nonlocal now, most
        with lock:
            now += 1
            most = max(most, now)
        until(lambda: most >= concurrency, "as many as may be are under way")
        time.sleep(0.02)  # for one more, if it may come
        with lock:
            now -= 1
        return Answer({})

    site.replies = reply
    push(to(site, concurrency=concurrency), orders(9))
    assert most == concurrency


def test_records_keep_the_pace(site: Site) -> None:
    began = time.monotonic()
    push(to(site, rate_per_s=40), orders(9))
    assert time.monotonic() - began >= 0.2


@pytest.mark.parametrize(
    ("record", "path"),
    [
        ({"id": 7, "shop": {"name": "a b/ü?"}}, "/shops/a%20b%2F%C3%BC%3F/orders/7?x=1"),
        ({"id": "../../x", "shop": {"name": True}}, "/shops/true/orders/..%2F..%2Fx?x=1"),
    ],
)
def test_an_address_names_fields_of_the_record(site: Site, record: Record, path: str) -> None:
    target = to(site, "/shops/{shop.name}/orders/{id}?x=1", method="PUT")
    assert refused(push(target, [record])) == [None]
    assert [(asked.method, asked.path) for asked in site.asked] == [("PUT", path)]


@pytest.mark.parametrize("value", [None, "", [], {"a": 1}, ".", ".."], ids=repr)
def test_a_record_that_lacks_what_the_address_needs_is_refused_alone(site: Site, value: Any) -> None:
    outcomes = push(to(site, "/orders/{id}"), [{"id": value}, {"id": 2}])
    assert outcomes[0].refused is not None
    assert "the address needs 'id', which is" in outcomes[0].refused
    assert outcomes[1].refused is None
    assert [asked.path for asked in site.asked] == ["/orders/2"]


def test_a_refusal_is_told_in_the_answer_s_words_and_cut(site: Site) -> None:
    site.replies = lambda asked: Answer(b"no such\n <b>order</b>" if asked.json["id"] == 0 else b"x" * 100_000, 422)
    first, second = push(to(site), orders(2))
    assert first.refused == "422 Unprocessable Entity: no such <b>order</b>"
    assert second.refused == "422 Unprocessable Entity: " + "x" * 300 + "…"


@pytest.mark.parametrize("status", [401, 403])
def test_refused_credentials_end_the_sync(site: Site, status: int) -> None:
    site.replies = lambda _: Answer(b"who?", status)
    with pytest.raises(NotSignedIn, match=rf"answered {status} \w+: who\?\. Check the credentials of this destination"):
        push(to(site), orders(100))
    assert len(site.asked) <= 5


# --- again --------------------------------------------------------------------------------------------------------


def test_what_may_pass_is_tried_again_with_the_same_key(site: Site) -> None:
    site.replies = lambda _: Answer({}, 503, {"Retry-After": "0"}) if len(site.asked) < 3 else Answer({})
    log = Log()
    outcomes = push(to(site, idempotency=True), orders(1), log=log, max_attempts=3, sync_id="01A")
    assert refused(outcomes) == [None]
    assert len({asked.headers["Idempotency-Key"] for asked in site.asked}) == 1
    assert log[0] == f"{site.url}/orders: 503 Service Unavailable. Retrying in 0.0 s (attempt 2 of 3)"
    site.replies = None
    push(to(site, idempotency=True), orders(2), sync_id="01B")
    assert len({asked.headers["Idempotency-Key"] for asked in site.asked}) == 3


def test_all_wait_when_one_is_asked_to_wait(site: Site) -> None:
    times: list[float] = []

    def reply(asked: Asked) -> Answer:
        times.append(time.monotonic())
        return Answer({}, 429, {"Retry-After": "0.4"}) if asked.json["id"] == 0 and len(times) == 1 else Answer({})

    site.replies = reply
    assert refused(push(to(site, concurrency=1), orders(3))) == [None] * 3
    assert times[1] - times[0] >= 0.39


def test_a_retry_after_of_ages_is_not_followed() -> None:
    waits: list[float] = []
    pace = Pace(None, sleep=waits.append)
    pace.hold(1e12)
    pace.turn()
    assert 299 < waits[0] <= LONGEST_WAIT_S


def test_a_record_that_fails_each_time_is_refused_alone(site: Site) -> None:
    site.replies = lambda asked: Answer({}, 500, {"Retry-After": "0"}) if asked.json["id"] == 1 else Answer({})
    assert refused(push(to(site), orders(3))) == [
        None,
        "failed after 2 attempts: 500 Internal Server Error",
        None,
    ]


def test_a_server_that_fails_record_after_record_ends_the_sync(site: Site) -> None:
    site.replies = lambda _: Answer({}, 503, {"Retry-After": "0"})
    with pytest.raises(Unreachable, match="/orders failed: 503"):
        push(to(site, concurrency=1), orders(100), max_attempts=1)
    assert len(site.asked) == FAILING


def test_a_server_that_is_not_there_ends_the_sync() -> None:
    with pytest.raises(Unreachable, match="refused"):
        push(HttpDestination(url=f"http://127.0.0.1:{free_port()}/"), orders(3), max_attempts=1)


def test_leaving_early_waits_for_no_answer(site: Site) -> None:
    """A stop in the middle: neither a hanging answer nor a wait between attempts holds it up."""
    release = threading.Event()

    def reply(asked: Asked) -> Answer:
        if asked.json["id"] == 1:
            release.wait(20)
        return Answer({}, 503, {"Retry-After": "100"}) if asked.json["id"] == 2 else Answer({})

    site.replies = reply
    with HttpWriter(to(site, concurrency=3), context()) as writer:
        outcomes = cast("Generator[Outcome, None, None]", writer.push(orders(10)))
        assert next(outcomes).refused is None
        until(lambda: len(site.asked) >= 3, "three are sent")
        outcomes.close()
        began = time.monotonic()
    assert time.monotonic() - began < 10
    release.set()
    until(lambda: not [one for one in threading.enumerate() if one.name.startswith("synctail-http")], "threads end")


# --- batches ------------------------------------------------------------------------------------------------------


def test_a_batch_is_a_list_in_the_member_that_is_named(site: Site) -> None:
    assert refused(push(to(site, batch=2), orders(3))) == [None] * 3
    assert sorted(map(str, (asked.json for asked in site.asked))) == ["[{'id': 0}, {'id': 1}]", "[{'id': 2}]"]
    push(to(site, batch=3, records="orders"), orders(3))
    assert site.asked[-1].json == {"orders": orders(3)}


def test_a_batch_that_is_refused_is_halved_until_the_bad_one_is_alone(site: Site) -> None:
    site.replies = lambda asked: Answer(b"five?", 422) if {"id": 5} in asked.json else Answer({})
    log = Log()
    outcomes = push(to(site, batch=8), orders(8), log=log)
    assert refused(outcomes) == [None] * 5 + ["422 Unprocessable Entity: five?"] + [None] * 2
    assert log[0] == ("Splitting a batch of 8 to find the records that are refused: 422 Unprocessable Entity: five?")


def test_a_batch_at_a_wrong_address_ends_the_sync(site: Site) -> None:
    site.replies = lambda _: Answer(b"nothing here", 404)
    with pytest.raises(ConnectorError, match="answered 404 Not Found: nothing here"):
        push(to(site, batch=8), orders(8))


# --- the check ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "kind"), [(200, None), (204, None), (405, None), (404, None), (401, NotSignedIn), (502, Unreachable)]
)
def test_a_check_sends_nothing(site: Site, status: int, kind: type[ConnectorError] | None) -> None:
    site.replies = lambda _: Answer(b"", status)
    writer = HttpWriter(to(site, "/orders/{id}"), context(max_attempts=1))
    if kind is None:
        assert writer.check().endswith("to OPTIONS; nothing was sent")
    else:
        with pytest.raises(kind):
            writer.check()
    assert [(asked.method, asked.path, asked.body) for asked in site.asked] == [("OPTIONS", "/orders/", b"")]
