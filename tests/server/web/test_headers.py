"""What every answer carries, whoever gives it: our routes, Starlette when something broke, uvicorn before both."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any

import pytest
import redis

from server.services.reader import ServiceReader
from server.web.headers import SECURITY
from tests.kit.serving import Serving, serving

HTML = {"Accept": "text/html"}


@pytest.fixture
def broken(environ: dict[str, str], client: redis.Redis, monkeypatch: pytest.MonkeyPatch) -> Iterator[Serving]:
    """A server in which nobody expects what happens."""
    del client

    async def fail(_services: ServiceReader) -> Any:
        raise ValueError("the words of the fault")

    monkeypatch.setattr(ServiceReader, "all", fail)
    with serving(environ) as one:
        yield one


@pytest.mark.parametrize(
    ("path", "status"),
    [("/healthz", 200), ("/services", 500), ("/api/services", 500), ("/nothing", 404), ("/static/css/app.css", 200)],
)
def test_every_answer_carries_the_security_headers(broken: Serving, path: str, status: int) -> None:
    answer = broken.web.get(path)
    assert answer.status_code == status
    assert {name: answer.headers[name] for name in SECURITY} == SECURITY


def test_a_fault_is_a_problem_document_or_a_page_and_shows_nothing_of_itself(broken: Serving) -> None:
    program, person = broken.web.get("/api/services"), broken.web.get("/services", headers=HTML)
    assert program.headers["content-type"] == "application/problem+json"
    assert program.json()["status"] == person.status_code == 500
    assert person.headers["content-type"].startswith("text/html")
    for answer in (program, person):
        assert "error in the server" in answer.text
        assert "the words of the fault" not in answer.text
        assert "Traceback" not in answer.text


def test_what_is_no_http_is_answered_in_the_same_form(broken: Serving) -> None:
    with socket.create_connection((broken.web.base_url.host, broken.web.base_url.port or 0)) as raw:
        raw.sendall(b"nonsense\r\n\r\n")
        raw.settimeout(20)
        answer = b"".join(iter(lambda: raw.recv(4096), b"")).decode()
    head, _, body = answer.partition("\r\n\r\n")
    assert head.startswith("HTTP/1.1 400 ")
    assert "application/problem+json" in head
    assert "content-security-policy" in head
    assert '"status":400' in body
