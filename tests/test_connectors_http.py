"""Reading pages over HTTP, from a real server that says whatever a test wants it to say."""

from __future__ import annotations

import base64
import json
import threading
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from jobs.connectors import ConnectorError, Context, Page
from jobs.connectors.http import HttpReader
from jobs.records import BasicAuth, BearerAuth, HeaderAuth, HttpSource, Paging, Secret
from tests.support import free_port

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

SECRETS = {"TOKEN": "the-token-of-the-shop", "ODD": "süß"}


class Answer(NamedTuple):
    body: Any = None
    status: int = 200
    headers: Mapping[str, str] = {}


class Asked(NamedTuple):
    path: str
    headers: Any


class Site:
    """A server on a free port. `answers` get the path with its query, and the number of requests so far."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.answers: Callable[[str, int], Answer] = lambda *_: Answer([])
        site = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                site.asked.append(Asked(self.path, self.headers))
                answer = site.answers(self.path, len(site.asked))
                body = answer.body if isinstance(answer.body, bytes) else json.dumps(answer.body).encode()
                self.send_response(answer.status)
                for name, value in answer.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None: ...

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def always(self, answer: Answer) -> None:
        self.answers = lambda *_: answer

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


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


class Log(list[str]):
    """Collects what a connector warns of."""

    def warning(self, text: str, **_: Any) -> None:
        self.append(text)


def pages(source: HttpSource, *, attempts: int = 2, log: Log | None = None) -> list[Page]:
    collects: Any = Log() if log is None else log
    context = Context(collects, SECRETS, Path(), page_size=7, max_attempts=attempts)
    with HttpReader(source, context) as reader:
        return list(reader.pages())


def orders(site: Site, **more: Any) -> HttpSource:
    return HttpSource(url=f"{site.url}/orders", **more)


def ids(found: list[Page]) -> list[list[int]]:
    return [[record["id"] for record in page.records] for page in found]


def wait_of(warnings: list[str]) -> float:
    """The wait that the only warning announces."""
    [warning] = warnings
    return float(warning.rpartition("next one in ")[2].removesuffix(" s"))


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
    with pytest.raises(ConnectorError, match="a header cannot carry") as refused:
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
    assert "attempt 1 of 3, next one in 0.0 s" in log[0]


def test_without_a_wish_the_waits_grow(site: Site) -> None:
    site.answers = lambda _, count: Answer([{"id": 1}]) if count == 3 else Answer(status=503)
    log = Log()
    assert ids(pages(orders(site), attempts=3, log=log)) == [[1]]
    assert 0.2 <= wait_of(log[:1]) <= 0.8
    assert 0.5 <= wait_of(log[1:]) <= 1.5


def test_a_server_that_asks_to_wait_some_seconds_gets_them(site: Site) -> None:
    site.answers = lambda _, count: (
        Answer([{"id": 1}]) if count == 2 else Answer(status=429, headers={"Retry-After": "1"})
    )
    log = Log()
    began = time.monotonic()
    assert ids(pages(orders(site), log=log)) == [[1]]
    assert time.monotonic() - began >= 1
    assert log == ["429 Too Many Requests: attempt 1 of 2, next one in 1.0 s"]


@pytest.mark.parametrize(("ahead_s", "least", "most"), [(2, 0.5, 2), (-3600, 0, 0)])
def test_a_server_that_names_a_moment_is_asked_again_then(site: Site, ahead_s: int, least: float, most: float) -> None:
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=ahead_s), usegmt=True)
    site.answers = lambda _, count: (
        Answer([{"id": 1}]) if count == 2 else Answer(status=429, headers={"Retry-After": date})
    )
    log = Log()
    began = time.monotonic()
    assert ids(pages(orders(site), log=log)) == [[1]]
    assert time.monotonic() - began >= least
    assert least <= wait_of(log) <= most


@pytest.mark.parametrize("wish", ["inf", "Thu, 99 Foo 2026 00:00:00 GMT"])
def test_a_wish_that_makes_no_sense_is_no_reason_to_hang(site: Site, wish: str) -> None:
    site.answers = lambda _, count: (
        Answer([{"id": 1}]) if count == 2 else Answer(status=429, headers={"Retry-After": wish})
    )
    log = Log()
    assert ids(pages(orders(site), log=log)) == [[1]]
    assert 0.2 <= wait_of(log) <= 0.8


def test_it_gives_up_after_so_many_attempts(site: Site) -> None:
    site.always(Answer(status=503, headers={"Retry-After": "0"}))
    with pytest.raises(ConnectorError, match=r"limit=7 failed 3 times, last with: 503 Service Unavailable\.$"):
        pages(orders(site), attempts=3)
    assert len(site.asked) == 3


def test_a_server_that_is_not_there_is_told() -> None:
    with pytest.raises(ConnectorError, match=r"failed 1 times, last with: .*refused"):
        pages(HttpSource(url=f"http://127.0.0.1:{free_port()}/orders"), attempts=1)


@pytest.mark.parametrize("status", [401, 403])
def test_refused_credentials_are_told_and_not_tried_again(site: Site, status: int) -> None:
    site.always(Answer(status=status))
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
    with pytest.raises(ConnectorError, match="did not answer with JSON, but: ") as told:
        pages(orders(site))
    assert len(str(told.value)) < 1_100


@pytest.mark.parametrize(
    ("records", "body", "told"),
    [
        ("orders", [], "has no member 'orders'"),
        ("orders", {"items": []}, "has no member 'orders'"),
        ("orders", {"orders": None}, "expected a list of objects under 'orders'"),
        ("orders", {"orders": [1]}, "expected a list of objects under 'orders'"),
        ("", {"orders": []}, "expected a list of objects under 'the top'"),
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
