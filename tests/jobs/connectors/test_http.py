"""Reading pages over HTTP, from a real server that says whatever a test wants it to say."""

from __future__ import annotations

import base64
import gzip
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import httpx2
import pytest

from jobs.connectors.base import ConnectorError, NotSignedIn, Page, Unreachable
from jobs.connectors.http import HttpReader
from jobs.connectors.http_client import ANSWER_BYTES, HttpClient
from jobs.connectors.retries import Transient
from jobs.services.model import BasicAuth, BearerAuth, HeaderAuth, HttpSource, Paging, Secret
from tests.kit.connecting import Answer, Log, Site, context
from tests.kit.support import PATIENCE_S, free_port


@pytest.fixture
def site() -> Iterator[Site]:
    site = Site()
    yield site
    site.close()


@pytest.fixture
def elsewhere() -> Iterator[Site]:
    site = Site()
    yield site
    site.close()


def pages(source: HttpSource, *, attempts: int = 2, log: Log | None = None, **more: Any) -> list[Page]:
    with HttpReader(source, context(log, max_attempts=attempts, **more)) as reader:
        return list(reader.pages())


def orders(site: Site, **more: Any) -> HttpSource:
    return HttpSource(url=f"{site.url}/orders", **more)


def ids(found: list[Page]) -> list[list[int]]:
    return [[record["id"] for record in page.records] for page in found]


def wait_of(warnings: list[str]) -> float:
    """The wait that the only warning announces."""
    [warning] = warnings
    return float(warning.rpartition("Retrying in ")[2].partition(" s ")[0])


def link(target: str) -> dict[str, str]:
    return {"Link": f'<{target}>; rel="next"'}


# --- paging -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["/orders?page=2", "?page=2", "orders?page=2", "{site}/orders?page=2"])
def test_links_lead_from_page_to_page(site: Site, form: str) -> None:
    target = form.format(site=site.url)
    site.answers = lambda path, _: (
        Answer([{"id": 3}]) if "page=2" in path else Answer([{"id": 1}, {"id": 2}], headers=link(target))
    )
    assert ids(pages(orders(site))) == [[1, 2], [3]]
    assert [asked.path for asked in site.asked] == ["/orders?limit=7", "/orders?page=2"]


def test_the_parameter_of_the_page_size_joins_the_others(site: Site) -> None:
    pages(HttpSource(url=f"{site.url}/orders?state=open", paging=Paging(param="per_page")))
    assert site.asked[0].path == "/orders?state=open&per_page=7"


def test_without_paging_one_answer_holds_everything(site: Site) -> None:
    site.always(Answer([{"id": 1}], headers=link("?page=2")))
    assert ids(pages(orders(site, paging=Paging("none")))) == [[1]]
    assert [asked.path for asked in site.asked] == ["/orders"]


@pytest.mark.parametrize("records", ["", "orders"])
def test_records_are_the_answer_or_a_member_of_it(site: Site, records: str) -> None:
    found = [{"id": 1}]
    site.always(Answer({"orders": found} if records else found))
    assert ids(pages(orders(site, records=records))) == [[1]]


@pytest.mark.parametrize(("header", "total"), [("12", 12), ("-1", None), ("many", None), (None, None)])
def test_the_total_is_what_the_source_says(site: Site, header: str | None, total: int | None) -> None:
    site.always(Answer([{"id": 1}], headers={"X-Total-Count": header} if header else {}))
    assert pages(orders(site))[0].total == total


@pytest.mark.parametrize("after", [{"1": "?page=1", "2": "?page=1"}, {"1": "?page=2", "2": "?page=1"}])
def test_paging_that_goes_in_a_circle_is_noticed(site: Site, after: dict[str, str]) -> None:
    site.answers = lambda path, _: Answer([{"id": 1}], headers=link(after["2" if "page=2" in path else "1"]))
    with pytest.raises(ConnectorError, match="never ends"):
        pages(orders(site))
    assert len(site.asked) <= 4


def test_a_next_page_on_another_server_is_refused_and_gets_no_credentials(site: Site, elsewhere: Site) -> None:
    site.always(Answer([{"id": 1}], headers=link(f"{elsewhere.url}/orders?page=2")))
    with pytest.raises(ConnectorError, match="credentials are not sent to another server") as refused:
        pages(orders(site, auth=BearerAuth(Secret("TOKEN"))))
    assert site.url in str(refused.value)
    assert elsewhere.url in str(refused.value)
    assert elsewhere.asked == []


def test_a_redirect_to_another_server_is_not_followed(site: Site, elsewhere: Site) -> None:
    site.always(Answer(status=302, headers={"Location": elsewhere.url}))
    with pytest.raises(ConnectorError, match="answered 302"):
        pages(orders(site, auth=HeaderAuth("X-Key", Secret("TOKEN"))))
    assert elsewhere.asked == []


@pytest.mark.parametrize("target", ["http://[nowhere", "http://127.0.0.1:99999/", "ftp://127.0.0.1/"])
def test_a_next_page_that_is_no_address_is_told(site: Site, target: str) -> None:
    site.always(Answer([{"id": 1}], headers=link(target)))
    with pytest.raises(ConnectorError, match="next page"):
        pages(orders(site))


# --- pages by number, cursor, or an address in the body -----------------------------------------------------------


def numbered(site: Site, count: int, *, param: str = "page", first: int = 1, size: int = 2) -> None:
    """Answers with `count` records, `size` of them on a page."""

    def answer(path: str, _: int) -> Answer:
        page = int(dict(part.split("=") for part in path.partition("?")[2].split("&"))[param]) - first
        return Answer([{"id": n} for n in range(page * size, min(count, (page + 1) * size))])

    site.answers = answer


def test_pages_are_counted_up_until_one_is_empty(site: Site) -> None:
    numbered(site, 5)
    assert ids(pages(orders(site, paging=Paging("page")))) == [[0, 1], [2, 3], [4], []]
    assert [asked.path for asked in site.asked][:2] == ["/orders?limit=7&page=1", "/orders?limit=7&page=2"]


def test_the_first_page_and_the_names_may_be_others(site: Site) -> None:
    numbered(site, 3, param="p", first=0)
    paging = Paging("page", param="p", first=0, size=2, size_param="per")
    assert ids(pages(orders(site, paging=paging))) == [[0, 1], [2], []]
    assert site.asked[0].path == "/orders?per=2&p=0"


def test_no_size_is_sent_where_none_is_wanted(site: Site) -> None:
    pages(orders(site, paging=Paging("page", size_param="")))
    assert site.asked[0].path == "/orders?page=1"


def test_pages_end_with_the_total_where_it_is_known(site: Site) -> None:
    site.answers = lambda _, count: Answer({"meta": {"total": 4}, "orders": [{"id": count * 2}, {"id": count * 2 + 1}]})
    found = pages(orders(site, records="orders", paging=Paging("page", total="meta.total")))
    assert [page.total for page in found] == [4, 4]
    assert len(site.asked) == 2


def test_pages_end_where_the_answer_says_that_there_is_no_next(site: Site) -> None:
    site.answers = lambda _, count: Answer({"more": count < 3, "orders": [{"id": count}]})
    found = pages(orders(site, records="orders", paging=Paging("page", next="more && `1`")))
    assert ids(found) == [[1], [2], [3]]


def test_a_source_that_ignores_the_page_is_noticed(site: Site) -> None:
    site.always(Answer([{"id": 1}]))
    with pytest.raises(ConnectorError, match="the same records as the page before"):
        pages(orders(site, paging=Paging("page")))
    assert len(site.asked) == 2


def test_a_cursor_leads_from_page_to_page(site: Site) -> None:
    cursors = {1: "a/b+c=", 2: 17, 3: None}
    site.answers = lambda _, count: Answer({"meta": {"next": cursors[count]}, "orders": [{"id": count}]})
    paging = Paging("cursor", param="after", next="meta.next", size=50)
    assert ids(pages(orders(site, records="orders", paging=paging))) == [[1], [2], [3]]
    assert [asked.path for asked in site.asked] == [
        "/orders?limit=50",
        "/orders?limit=50&after=a%2Fb%2Bc%3D",
        "/orders?limit=50&after=17",
    ]


@pytest.mark.parametrize("style", ["link", "cursor"])
def test_an_address_in_the_body_is_followed(site: Site, style: Any) -> None:
    site.answers = lambda _, count: Answer(
        {"next": f"{site.url}/orders?page=2" if count == 1 else "", "orders": [{"id": count}]}
    )
    assert ids(pages(orders(site, records="orders", paging=Paging(style, next="next")))) == [[1], [2]]
    assert site.asked[1].path == "/orders?page=2"


@pytest.mark.parametrize("style", ["link", "cursor"])
def test_an_address_in_the_body_on_another_server_is_refused(site: Site, elsewhere: Site, style: Any) -> None:
    site.always(Answer({"next": f"{elsewhere.url}/orders", "orders": [{"id": 1}]}))
    with pytest.raises(ConnectorError, match="credentials are not sent to another server"):
        pages(orders(site, records="orders", paging=Paging(style, next="next"), auth=BearerAuth(Secret("TOKEN"))))
    assert elsewhere.asked == []


def test_a_cursor_that_comes_again_is_noticed(site: Site) -> None:
    site.answers = lambda _, count: Answer({"next": f"c{count % 2}", "orders": [{"id": count}]})
    with pytest.raises(ConnectorError, match="never ends"):
        pages(orders(site, records="orders", paging=Paging("cursor", next="next")))
    assert len(site.asked) == 3


def test_empty_pages_without_end_are_noticed(site: Site) -> None:
    site.answers = lambda _, count: Answer({"next": f"c{count}", "orders": []})
    with pytest.raises(ConnectorError, match="100th empty page in a row"):
        pages(orders(site, records="orders", paging=Paging("cursor", next="next")))


def test_a_cursor_that_is_no_text_is_told(site: Site) -> None:
    site.always(Answer({"next": {"a": 1}, "orders": [{"id": 1}]}))
    with pytest.raises(ConnectorError, match=r"has \{'a': 1\} at 'next', which does not name a next page"):
        pages(orders(site, records="orders", paging=Paging("cursor", next="next")))


def test_records_may_be_an_expression(site: Site) -> None:
    site.always(Answer({"data": [{"order": {"id": 1}}, {"order": {"id": 2}}], "my-list": [{"id": 3}]}))
    assert ids(pages(orders(site, records="data[].order"))) == [[1, 2]]
    assert ids(pages(orders(site, records="my-list"))) == [[3]]


def test_requests_keep_the_pace(site: Site) -> None:
    numbered(site, 6)
    began = time.monotonic()
    assert len(pages(orders(site, paging=Paging("page"), rate_per_s=20))) == 4
    assert time.monotonic() - began >= 0.15


def test_what_came_over_the_wire_is_kept_where_it_is_wanted(site: Site) -> None:
    body = b'{"orders": [ {"id":  1} ]}'
    site.always(Answer(body, headers={"Content-Type": "application/hal+json; charset=utf-8"}))
    [page] = pages(orders(site, records="orders"), keep_raw=True)
    assert (page.raw, page.type, page.ending) == (body, "application/hal+json", "json")
    assert pages(orders(site, records="orders"))[0].raw is None


# --- credentials --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("auth", "name", "value"),
    [
        (BearerAuth(Secret("TOKEN")), "Authorization", "Bearer the-token-of-the-shop"),
        (
            BasicAuth("ana", Secret("TOKEN")),
            "Authorization",
            f"Basic {base64.b64encode(b'ana:the-token-of-the-shop').decode()}",
        ),
        (HeaderAuth("X-Api-Key", Secret("TOKEN")), "X-Api-Key", "the-token-of-the-shop"),
    ],
    ids=["bearer", "basic", "header"],
)
def test_credentials_go_with_each_request(site: Site, auth: Any, name: str, value: str) -> None:
    site.answers = lambda _, count: Answer([], headers=link("?page=2") if count == 1 else {})
    pages(orders(site, auth=auth))
    assert [asked.headers[name] for asked in site.asked] == [value, value]


def test_a_secret_that_is_not_set_is_named(site: Site) -> None:
    with pytest.raises(ConnectorError, match=r"The secret OTHER is not set\. Set SYNCTAIL_SECRET_OTHER for the worker"):
        pages(orders(site, auth=BearerAuth(Secret("OTHER"))))
    assert site.asked == []


def test_a_secret_that_no_header_can_carry_is_told_and_not_shown(site: Site) -> None:
    with pytest.raises(ConnectorError, match="an HTTP header cannot carry") as refused:
        pages(orders(site, auth=HeaderAuth("X-Api-Key", Secret("ODD"))))
    assert "süß" not in str(refused.value)


# --- what goes wrong ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [408, 429, 503])
def test_what_may_pass_is_tried_again(site: Site, status: int) -> None:
    site.answers = lambda _, count: (
        Answer([{"id": 1}]) if count == 3 else Answer(status=status, headers={"Retry-After": "0"})
    )
    log = Log()
    assert ids(pages(orders(site), attempts=3, log=log)) == [[1]]
    assert len(log) == 2
    assert str(status) in log[0]
    assert "Retrying in 0.0 s (attempt 2 of 3)" in log[0]


@pytest.mark.slow
def test_without_retry_after_the_waits_grow(site: Site) -> None:
    site.answers = lambda _, count: Answer([{"id": 1}]) if count == 3 else Answer(status=503)
    log = Log()
    assert ids(pages(orders(site), attempts=3, log=log)) == [[1]]
    assert 0.2 <= wait_of(log[:1]) <= 0.8
    assert 0.5 <= wait_of(log[1:]) <= 1.5


@pytest.mark.slow
def test_a_server_that_asks_to_wait_some_seconds_gets_them(site: Site) -> None:
    site.answers = lambda _, count: (
        Answer([{"id": 1}]) if count == 2 else Answer(status=429, headers={"Retry-After": "1"})
    )
    log = Log()
    began = time.monotonic()
    assert ids(pages(orders(site), log=log)) == [[1]]
    assert time.monotonic() - began >= 1
    assert log == ["429 Too Many Requests. Retrying in 1.0 s (attempt 2 of 2)"]


@pytest.mark.slow
@pytest.mark.parametrize(("ahead_s", "least", "most"), [(3, 0.5, 3), (-3600, 0, 0)])
def test_a_server_that_names_a_moment_is_asked_again_then(site: Site, ahead_s: int, least: float, most: float) -> None:
    def answer(_: str, count: int) -> Answer:
        date = format_datetime(datetime.now(UTC) + timedelta(seconds=ahead_s), usegmt=True)
        return Answer([{"id": 1}]) if count == 2 else Answer(status=429, headers={"Retry-After": date})

    site.answers = answer
    log = Log()
    began = time.monotonic()
    assert ids(pages(orders(site), log=log)) == [[1]]
    assert time.monotonic() - began >= least
    assert least <= wait_of(log) <= most


@pytest.mark.parametrize("wish", ["inf", "Thu, 99 Foo 2026 00:00:00 GMT"])
def test_a_retry_after_that_makes_no_sense_does_not_hang(site: Site, wish: str) -> None:
    site.answers = lambda _, count: (
        Answer([{"id": 1}]) if count == 2 else Answer(status=429, headers={"Retry-After": wish})
    )
    log = Log()
    assert ids(pages(orders(site), log=log)) == [[1]]
    assert 0.2 <= wait_of(log) <= 0.8


def test_it_gives_up_after_so_many_attempts(site: Site) -> None:
    site.always(Answer(status=503, headers={"Retry-After": "0"}))
    with pytest.raises(ConnectorError, match=r"limit=7 failed after 3 attempts: 503 Service Unavailable\.$"):
        pages(orders(site), attempts=3)
    assert len(site.asked) == 3


def test_a_server_that_is_not_there_is_told() -> None:
    with pytest.raises(ConnectorError, match=r"/orders\?limit=7 failed: .*refused"):
        pages(HttpSource(url=f"http://127.0.0.1:{free_port()}/orders"), attempts=1)


@pytest.mark.parametrize("status", [401, 403])
def test_refused_credentials_are_told_and_not_tried_again(site: Site, status: int) -> None:
    site.always(Answer(b"", status=status))
    with pytest.raises(ConnectorError, match=rf"answered {status} \w+\. Check the credentials of this source"):
        pages(orders(site))
    assert len(site.asked) == 1


def test_another_refusal_is_told_in_the_server_s_words(site: Site) -> None:
    site.always(Answer(b"no such shop", status=404))
    with pytest.raises(ConnectorError, match="answered 404 Not Found: no such shop"):
        pages(orders(site))


@pytest.mark.parametrize("body", [b"<html>", b"", b"\xff\xfe\xff", b"[" * 100_000], ids=repr)
def test_an_answer_that_is_not_json_is_told_and_shown_in_part(site: Site, body: bytes) -> None:
    site.always(Answer(body))
    with pytest.raises(ConnectorError, match="did not answer with JSON, but with ") as told:
        pages(orders(site))
    assert len(str(told.value)) < 1_100


@pytest.mark.parametrize(
    ("records", "body", "told"),
    [
        ("orders", [], "has no member 'orders'"),
        ("orders", {"items": []}, "has no member 'orders'"),
        ("orders", {"orders": None}, "expected a list of objects under 'orders'"),
        ("orders", {"orders": [1]}, "expected a list of objects under 'orders'"),
        ("", {"orders": []}, "expected a list of objects at the top"),
        ("", "text", "expected a list of objects"),
        ("", None, "expected a list of objects"),
    ],
)
def test_an_answer_of_another_shape_is_told(site: Site, records: str, body: Any, told: str) -> None:
    site.always(Answer(body))
    with pytest.raises(ConnectorError, match=told):
        pages(orders(site, records=records))


@pytest.mark.parametrize("url", ["http://", "http://[nowhere", "http://127.0.0.1:port/"])
def test_an_address_that_is_none_is_told(url: str) -> None:
    with pytest.raises(ConnectorError):
        pages(HttpSource(url=url))


# --- answers that would hurt --------------------------------------------------------------------------------------


def test_an_answer_may_be_compressed(site: Site) -> None:
    site.always(Answer(gzip.compress(b'[{"id": 1}]'), headers={"Content-Encoding": "gzip"}))
    assert ids(pages(orders(site))) == [[1]]


def test_an_answer_over_the_limit_is_told_and_not_read(site: Site) -> None:
    bomb = gzip.compress(b"[" + b" " * (ANSWER_BYTES + 1))
    site.always(Answer(bomb, headers={"Content-Encoding": "gzip"}))
    with pytest.raises(ConnectorError, match=r"answered with more than 32 MiB\. Ask for smaller pages"):
        pages(orders(site))


def test_a_coding_that_was_not_asked_for_is_not_unpacked(site: Site) -> None:
    site.always(Answer(b"x", headers={"Content-Encoding": "zstd"}))
    with pytest.raises(ConnectorError, match="the content encoding 'zstd'"):
        pages(orders(site))


@pytest.mark.parametrize("headers", [{"Content-Encoding": "gzip"}, {"Content-Length": "1000"}], ids=["gzip", "length"])
def test_an_answer_that_breaks_off_is_asked_for_again(site: Site, headers: dict[str, str]) -> None:
    broken = Answer(b"[", headers={**headers, "Connection": "close"})
    site.answers = lambda _, count: Answer([{"id": 1}]) if count == 2 else broken
    log = Log()
    assert ids(pages(orders(site), log=log)) == [[1]]
    assert "attempt 2 of 2" in log[0]


def test_a_server_that_says_nothing_is_given_up(site: Site) -> None:
    release = threading.Event()

    def wait(*_: object) -> Answer:
        release.wait(10)
        return Answer([])

    site.answers = wait
    with pytest.raises(Unreachable, match=r"failed: no answer in time \(ReadTimeout\)"):
        pages(orders(site), attempts=1, patience_s=0.1)
    release.set()


@pytest.mark.slow
def test_a_server_that_drips_is_given_up() -> None:
    """A byte now and then is no silence."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        over = threading.Event()

        def drip() -> None:
            connection, _ = listener.accept()
            with connection, suppress(OSError):
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
                while not over.wait(0.02):
                    connection.sendall(b" ")

        thread = threading.Thread(target=drip)
        thread.start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        patience = replace(context(), patience_s=0.1)  # a tenth of the longest answer
        client = HttpClient(url, HttpSource(url=url), patience, time.sleep)
        with closing(client), pytest.raises(Transient, match=r"the answer took longer than 1 s"):
            client.ask("GET", httpx2.URL(url), whole=True)
        over.set()
        thread.join(PATIENCE_S)


# --- the check ----------------------------------------------------------------------------------------------------


def check(source: HttpSource) -> str:
    return HttpReader(source, context(max_attempts=1, page_size=1)).check()


def test_a_check_asks_for_one_page(site: Site) -> None:
    site.always(Answer({"orders": [{"id": 1}]}))
    assert check(orders(site, records="orders")) == "answered 200 OK with 1 record"
    assert [asked.path for asked in site.asked] == ["/orders?limit=1"]


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (Answer(status=401), NotSignedIn),
        (Answer(status=503), Unreachable),
        (Answer(status=404), ConnectorError),
        (Answer([]), ConnectorError),
    ],
)
def test_a_check_tells_what_is_wrong(site: Site, answer: Answer, kind: type[ConnectorError]) -> None:
    site.always(answer)
    with pytest.raises(ConnectorError) as told:
        check(orders(site, records="orders"))
    assert type(told.value) is kind
