"""Readers who stay connected and should not: those who take nothing any more, and those who may not any more."""

from __future__ import annotations

import asyncio
import json
import socket as sockets
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from typing import Any, cast

import httpx2
import pytest
import redis
from websockets.exceptions import ConnectionClosed

from server import app
from server.access import auth
from server.access.auth import Auth, Principal, token_hash
from server.web import errors
from server.web.protocols import Http, Socket
from server.web.routing import Role
from synctail.model import keys
from synctail.settings import Settings
from tests.kit.chaos import Journeys, Producer
from tests.kit.following import BEARER, Logs, noise, open_socket, shake_hands
from tests.kit.serving import Serving, serving
from tests.kit.support import ADMIN_TOKEN, OWN_PAGE, PATIENCE_S, until

OTHER = "st_of-somebody-else"
END = b"0\r\n\r\n"
"""What an answer of unknown length ends with, when it is whole."""


@pytest.fixture
def impatient(environ: dict[str, str], client: redis.Redis, monkeypatch: pytest.MonkeyPatch) -> Iterator[Serving]:
    """A server that waits for nobody for long, and looks after tokens all the time."""
    del client
    assert (Socket.stalled_s, Http.stalled_s, auth.CHECK_EVERY_S) == (30, 30, 5)
    monkeypatch.setattr(auth, "CHECK_EVERY_S", 0.1)
    with serving(environ, stalled_s=0.5, look_every_s=0.1) as one:
        yield one


def ask(serving: Serving, path: str, *, buffer: int = 4096) -> sockets.socket:
    """A request whose answer nobody reads, beyond its first bytes."""
    stalled = sockets.socket()
    stalled.setsockopt(sockets.SOL_SOCKET, sockets.SO_RCVBUF, buffer)
    stalled.connect((serving.web.base_url.host, serving.web.base_url.port))
    stalled.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: {BEARER['Authorization']}\r\n\r\n".encode())
    assert stalled.recv(12) == b"HTTP/1.1 200"
    return stalled


# --- those who take nothing -----------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("path", ["log.ndjson", "log.txt?follow=1"])
def test_a_reader_that_stops_reading_a_log_is_disconnected(impatient: Serving, logs: Logs, path: str) -> None:
    sync_id = logs.start()
    with logs.writing(sync_id) as story:
        noise(story, 5000)
        assert story.flush()
        with ask(impatient, f"/api/syncs/{sync_id}/{path}") as stalled:
            until(lambda: not impatient.connections(), "it is disconnected")
            rest = b"".join(iter(lambda: stalled.recv(1 << 20), b""))
            assert not rest.endswith(END), "what was cut off must not look whole"


@pytest.mark.slow
def test_a_reader_that_reads_slowly_is_not_disconnected(environ: dict[str, str], logs: Logs) -> None:
    waits_s = 2.0
    sync_id = logs.start()
    with logs.writing(sync_id) as story:
        noise(story, 10_000)
    with serving(environ, stalled_s=waits_s, look_every_s=0.1) as patient:
        for _ in range(3):  # a machine may be so busy that one reads nothing at all for too long
            with ask(patient, f"/api/syncs/{sync_id}/log.ndjson", buffer=1 << 16) as slow:
                slow.settimeout(PATIENCE_S)
                read, began = b"", time.monotonic()
                while not read.endswith(END) and (piece := slow.recv(1 << 16)):
                    read = read[-10:] + piece
                    time.sleep(0.01)
            if read.endswith(END):
                break
    assert read.endswith(END), "it was cut off"
    assert time.monotonic() > began + waits_s


def test_a_tenth_of_two_hundred_viewers_stops_reading_and_the_others_miss_nothing(
    environ: dict[str, str], logs: Logs, journeys: Journeys
) -> None:
    with (
        serving(environ, buffer=4096, stalled_s=2.0, look_every_s=0.2) as one,
        Producer(logs, rate=400) as producer,
        ExitStack() as stalled,
    ):
        for _ in range(180):
            journeys.send(producer.sync_id, [str(one.web.base_url)])
        journeys.reach(lambda one: one.cursor > 0, "all of them follow", seconds=60)
        for _ in range(20):
            stalled.enter_context(shake_hands(one.web, producer.sync_id))  # which sees that it is let in
        producer.talk_on(1500)
        until(lambda: len(one.connections()) <= 180, "those who take nothing are disconnected", seconds=60)
        truth = producer.finish()
        journeys.arrive(truth, seconds=60)


# --- those who may not ----------------------------------------------------------------------------------------------


def let_in(client: redis.Redis) -> dict[str, str]:
    client.hset(keys.token(token_hash(OTHER)), mapping={"name": "ana", "role": "viewer"})
    return {"Authorization": f"Bearer {OTHER}"}


def close_code(listening: Any) -> int | None:
    with suppress(ConnectionClosed):
        while True:
            listening.recv(timeout=PATIENCE_S)
    return cast("int | None", listening.close_code)


def test_a_token_that_is_revoked_closes_what_it_opened_and_nothing_else(
    client: redis.Redis, impatient: Serving, logs: Logs
) -> None:
    headers = let_in(client)
    sync_id = logs.start()
    with (
        logs.writing(sync_id) as story,
        open_socket(impatient.web, sync_id) as other,
        open_socket(impatient.web, sync_id, additional_headers=headers) as socket,
    ):
        other.recv(timeout=PATIENCE_S)
        socket.recv(timeout=PATIENCE_S)
        time.sleep(0.5)  # the token is checked a few times
        story.info("still here")
        while json.loads(socket.recv(timeout=PATIENCE_S))["type"] != "lines":
            pass
        client.delete(keys.token(token_hash(OTHER)))
        assert close_code(socket) == 4401
        story.info("and on")
        while json.loads(other.recv(timeout=PATIENCE_S))["type"] != "lines":
            pass


def test_a_session_that_is_signed_out_closes_its_websocket(impatient: Serving, logs: Logs) -> None:
    sync_id = logs.start()
    with httpx2.Client(base_url=impatient.web.base_url, timeout=PATIENCE_S) as browser:
        assert browser.post("/sign-in", data={"token": ADMIN_TOKEN}).status_code == 303
        cookie = {"Cookie": f"{auth.COOKIE}={browser.cookies[auth.COOKIE]}"}
        with open_socket(impatient.web, sync_id, additional_headers=cookie) as socket:
            socket.recv(timeout=PATIENCE_S)
            assert browser.post("/sign-out", headers=OWN_PAGE).status_code == 303
            assert close_code(socket) == 4401


@pytest.mark.parametrize("form", ["txt", "ndjson"])
def test_a_followed_log_is_cut_off_and_says_so(client: redis.Redis, impatient: Serving, logs: Logs, form: str) -> None:
    sync_id = logs.start()
    heard = b""
    with logs.writing(sync_id) as story:
        story.info("one")
        path = f"/api/syncs/{sync_id}/log.{form}?follow=1"
        headers = let_in(client)
        with impatient.web.stream("GET", path, headers=headers) as answer, suppress(httpx2.RemoteProtocolError):
            for piece in answer.iter_bytes():
                heard += piece
                client.delete(keys.token(token_hash(OTHER)))
            pytest.fail("it ended as if it were whole")
    last = heard.decode().splitlines()[-1]
    if form == "txt":
        assert last.startswith("… cut off here: Sign in. ")
    else:
        said = json.loads(last)
        assert (said["type"], said["status"], said["title"]) == ("error", 401, "Sign in")


def test_a_thousand_viewers_of_one_token_are_one_question(config: Settings, client: redis.Redis) -> None:
    let_in(client)
    told: list[errors.ApiError] = []

    async def look() -> None:
        redis_client = app._redis(config.redis_url)
        one = Auth(redis_client, "k" * 16)
        known = Principal("ana", Role.VIEWER, token=token_hash(OTHER))
        gone = Principal("bo", Role.VIEWER, token=token_hash("st_never-was"))
        over = Principal("ana", Role.VIEWER, "session", token_hash(OTHER), until=time.time() - 1)
        holds = [one.held(who, _teller(told)) for who in [known] * 1000 + [gone, over]]
        for hold in holds:
            hold.__enter__()
        assert len(one._held) == 3
        ended = await one._ended(list(one._held))
        assert set(ended) == {gone, over}
        for hold in holds:
            hold.__exit__(None, None, None)
        assert not one._held
        await redis_client.aclose()

    asyncio.run(look())
    assert not told


def _teller(told: list[errors.ApiError]) -> Any:
    """Each time another function."""

    def tell(error: errors.ApiError) -> None:
        told.append(error)

    return tell
