"""Clients that connect and ask nothing, or without end, or too many at once, or vanish: none of them costs much."""

from __future__ import annotations

import resource
import socket as sockets
import time
from collections.abc import Iterator
from contextlib import suppress

import httpx2
import pytest
import redis
from websockets.exceptions import ConnectionClosed

from server import __main__
from server.__main__ import listen
from server.log import live
from server.web.protocols import HEAD_BYTES, Http
from tests.kit.following import BEARER, Logs, Reader, closed, open_socket
from tests.kit.serving import Serving, serving
from tests.kit.support import free_port, until

WAITS_S = 1.5


@pytest.fixture
def patient(environ: dict[str, str], client: redis.Redis) -> Iterator[Serving]:
    """A server that waits for a client as long as a busy machine may make it late, and no longer."""
    del client
    with serving(environ, unasked_s=WAITS_S) as one:
        yield one


@pytest.fixture
def brisk(environ: dict[str, str], client: redis.Redis) -> Iterator[Serving]:
    """A server that hardly waits for a client that is silent."""
    del client
    assert Http.unasked_s == 30
    with serving(environ, unasked_s=0.2) as one:
        yield one


def heard(client: sockets.socket) -> bytes:
    """All until the connection is closed, or reset."""
    parts = [b""]
    with suppress(ConnectionResetError):
        while part := client.recv(10_000):
            parts.append(part)
    return b"".join(parts)


def connect(web: httpx2.Client, says: bytes = b"") -> sockets.socket:
    client = sockets.create_connection((str(web.base_url.host), int(web.base_url.port or 0)), timeout=10)
    client.sendall(says)
    return client


FORM = b"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 50\r\n\r\n"
POST = b"POST /sign-in HTTP/1.1\r\nHost: x\r\n" + FORM


@pytest.mark.parametrize(
    "says",
    [b"", b"\r\n", b"GET /healthz HTT", POST, POST + b"token=st_"],
    ids=["nothing", "an empty line", "half a head", "no body", "half a body"],
)
def test_a_client_that_does_not_finish_its_request_is_disconnected(brisk: Serving, says: bytes) -> None:
    with connect(brisk.web, says) as silent:
        assert heard(silent) == b""
    until(lambda: not brisk.connections(), "it is let go")


def test_a_client_that_sends_an_empty_line_after_an_answer_is_disconnected(brisk: Serving) -> None:
    with connect(brisk.web, b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n") as silent:
        assert silent.recv(12) == b"HTTP/1.1 200"
        silent.sendall(b"\r\n")
        until(lambda: not brisk.connections(), "it is disconnected")


@pytest.mark.slow
def test_a_client_that_asks_slowly_or_waits_long_is_not_disconnected(patient: Serving, logs: Logs) -> None:
    """Neither a body that comes bit by bit, nor an answer that has nothing to say for a while."""
    sync_id = logs.start()
    path = f"/api/syncs/{sync_id}/log.ndjson?follow=1"
    head = f"GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: {BEARER['Authorization']}\r\n\r\n".encode()
    with connect(patient.web, head) as waiting, connect(patient.web, POST) as slow, logs.writing(sync_id) as story:
        assert waiting.recv(12) == b"HTTP/1.1 200"
        for n in range(50):
            time.sleep(1.2 * WAITS_S / 50)
            slow.sendall(b"token="[n : n + 1] or b"x")
        assert slow.recv(12) == b"HTTP/1.1 401"
        story.info("at last")
        story.flush()
        while b"at last" not in waiting.recv(10_000):
            pass


def test_a_head_without_end_is_refused_before_it_fills_the_memory(patient: Serving) -> None:
    with connect(patient.web, b"GET /healthz HTTP/1.1\r\nHost: x\r\nx: ") as endless:
        sent = 0
        with suppress(OSError):
            while sent < 8 * 1024 * 1024:
                endless.sendall(b"a" * 4096)
                sent += 4096
        assert sent < 8 * 1024 * 1024
        until(lambda: not patient.connections(), "it is disconnected", seconds=10)


def test_a_head_that_is_a_little_too_large_is_told_so(patient: Serving) -> None:
    with connect(patient.web, b"GET /healthz HTTP/1.1\r\nHost: x\r\nx: " + b"a" * HEAD_BYTES) as large:
        answer = heard(large)
    assert answer.startswith(b"HTTP/1.1 400")
    assert b"limited to 64 KiB." in answer


def test_a_large_head_and_a_large_body_in_one_go_are_no_endless_head(patient: Serving) -> None:
    answer = patient.web.post("/api/services", content=b"x" * 500_000, headers={"x": "a" * 30_000})
    assert answer.status_code == 400
    assert "not JSON" in answer.json()["detail"]


@pytest.mark.parametrize("path", ["log.txt?follow=1", "log.ndjson?follow=1", "log.txt", "log?after=0"])
def test_a_head_request_is_answered_at_once(web: httpx2.Client, logs: Logs, path: str) -> None:
    sync_id = logs.start()
    with logs.writing(sync_id) as story:
        story.info("one")
        story.flush()
        answer = web.head(f"/api/syncs/{sync_id}/{path}", timeout=10)
        assert answer.status_code == 200
        assert answer.content == b""
        with web.stream("GET", f"/api/syncs/{sync_id}/{path}") as whole:
            assert answer.headers["content-type"] == whole.headers["content-type"]
            assert answer.headers.get("content-disposition") == whole.headers.get("content-disposition")


def test_the_system_notices_a_client_that_vanishes_without_a_word() -> None:
    with listen("127.0.0.1", free_port()) as bound, sockets.create_connection(bound.getsockname()):
        accepted, _ = bound.accept()
        with accepted:
            assert accepted.getsockopt(sockets.SOL_SOCKET, sockets.SO_KEEPALIVE) == 1
            for name in ("TCP_KEEPIDLE", "TCP_KEEPINTVL", "TCP_KEEPCNT", "TCP_USER_TIMEOUT"):
                if hasattr(sockets, name):
                    value = accepted.getsockopt(sockets.IPPROTO_TCP, getattr(sockets, name))
                    assert value == __main__.KEEPALIVE[name]


def test_when_all_places_are_taken_a_viewer_is_told_to_poll(
    patient: Serving, logs: Logs, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert live.most_viewers() == max(1, resource.getrlimit(resource.RLIMIT_NOFILE)[0] - live.SPARE_FILES)
    monkeypatch.setattr(live, "most_viewers", lambda: 2)
    sync_id = logs.start()
    with logs.writing(sync_id), open_socket(patient.web, sync_id) as one:
        one.recv(timeout=5)
        with open_socket(patient.web, sync_id) as two:
            two.recv(timeout=5)
            with open_socket(patient.web, sync_id) as three:
                assert closed(three) == 4429
            assert patient.web.get(f"/api/syncs/{sync_id}/log").status_code == 200
        reader = Reader(sync_id)

        def let_in() -> bool:
            with open_socket(patient.web, sync_id) as again:
                with suppress(ConnectionClosed):  # the other one has not left yet
                    return bool(reader.hear(again.recv(timeout=5)))
                return False

        until(let_in, "there is a place again")


def test_a_process_takes_as_many_connections_as_the_system_lets_it() -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(512, before[1]), before[1]))
        __main__.allow_many_connections()
        assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] == before[1]
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_a_client_that_sends_invalid_text_adds_no_line_to_the_process_log(
    patient: Serving, logs: Logs, caplog: pytest.LogCaptureFixture
) -> None:
    sync_id = logs.start()
    with logs.writing(sync_id), open_socket(patient.web, sync_id) as rude:
        rude.recv(timeout=5)
        rude.socket.sendall(b"\x81\x82" + bytes(4) + b"\xff\xfe")
        assert closed(rude) == 4400
    assert "Traceback" not in caplog.text
    assert "Invalid UTF-8" not in caplog.text
