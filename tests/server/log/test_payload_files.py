"""Payload files: kept as they were but for secrets, within limits, as long as their sync; served whole and in parts."""

from __future__ import annotations

import hashlib
import json
import os
import random
import signal
import socket as sockets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple, cast
from urllib.parse import parse_qs, urlsplit

import httpx2
import msgspec
import pytest
import redis

from jobs.queue.requests import Requests
from jobs.services.model import RunOptions
from jobs.transform.model import MappedField, ScriptText
from server.log import wire
from server.log.payload_files import media_type, wanted
from synctail.connect import connect
from synctail.log import payload_files
from synctail.log.appender import Appender
from synctail.log.endings import end_sync
from synctail.log.masks import MASK
from synctail.log.payload_files import JSON, PayloadLimit, Payloads, as_array
from synctail.log.writer import LogWriter
from synctail.model import keys
from synctail.model.ids import new_sync_id
from synctail.model.sync import Reason, Status, Stored, Trigger
from synctail.settings import Settings
from tests.kit.following import BEARER, Logs
from tests.kit.serving import serving
from tests.kit.support import ADMIN_TOKEN, PATIENCE_S, Process, free_port, service, store, until

ALL = Stored(pull=True, script=True, push=True)
LIMIT = PayloadLimit(each=50 << 20, total=500 << 20)
ORDERS = b'{"orders": [{"id": 1, "name": "\xc3\x84pfel"}]}'


class Story(NamedTuple):
    """A sync that the test runs in place of a worker."""

    id: str
    log: LogWriter
    payloads: Payloads
    client: redis.Redis

    def lines(self) -> list[dict[str, Any]]:
        assert self.log.flush()
        entries = cast("list[Any]", self.client.xrange(keys.log(self.id)))
        return [
            line for entry in entries for line in msgspec.json.decode(b"[" + wire.chunk_from_entry(*entry).body + b"]")
        ]

    def texts(self) -> list[str]:
        return [line["text"] for line in self.lines()]

    def url(self, number: int) -> str:
        return f"/api/syncs/{self.id}/payloads/{number}"


@pytest.fixture
def begin(client: redis.Redis, logs: Logs, config: Settings) -> Iterator[Callable[..., Story]]:
    begun: list[Any] = []

    def begin(wanted: Stored = ALL, limit: PayloadLimit = LIMIT, **options: Any) -> Story:
        sync_id = logs.start(service("orders" if not begun else f"orders-{len(begun)}"))
        begun.append(logs.writing(sync_id))
        log: LogWriter = begun[-1].__enter__()
        kept = Payloads(
            options.pop("client", client),
            sync_id,
            log._flusher._attempt,
            log,
            wanted,
            limit=limit,
            ttl_ms=config.retention_ms,
            **options,
        )
        return Story(sync_id, log, kept, client)

    yield begin
    for one in begun:
        one.__exit__(None, None, None)


@pytest.fixture
def story(begin: Callable[..., Story]) -> Story:
    return begin()


def noise(size: int) -> bytes:
    return random.Random(7).randbytes(size)


# --- kept and served ------------------------------------------------------------------------------------------------


def test_what_is_kept_is_served_as_it_was_and_its_line_says_where(web: httpx2.Client, story: Story) -> None:
    bodies = [ORDERS, noise(3 * keys.PIECE_BYTES + 17), b"", noise(2 * keys.PIECE_BYTES)]
    story.payloads.keep("pull", "page 1", JSON, bodies[0], phase="pull")
    story.payloads.keep("script", "page 1", "text/csv", (bodies[1][i : i + 999] for i in range(0, 10**6, 999)))
    story.payloads.keep("push", "page 1", "application/pdf", bodies[2])
    story.payloads.keep("push", "page 2", "application/x-ndjson; charset=UTF-8", iter([bodies[3]]))
    assert [line["payload"] for line in story.lines()] == [
        {"n": 1, "kind": "pull", "name": "page 1", "bytes": len(ORDERS)},
        {"n": 2, "kind": "script", "name": "page 1", "bytes": 3 * keys.PIECE_BYTES + 17},
        {"n": 3, "kind": "push", "name": "page 1", "bytes": 0},
        {"n": 4, "kind": "push", "name": "page 2", "bytes": 2 * keys.PIECE_BYTES},
    ]
    assert story.lines()[0] | {"time": ""} == {
        "n": 1,
        "time": "",
        "level": "info",
        "text": f"Payload 1: pull, page 1, {len(ORDERS)} bytes",
        "phase": "pull",
        "payload": {"n": 1, "kind": "pull", "name": "page 1", "bytes": len(ORDERS)},
    }
    for number, body in enumerate(bodies, 1):
        answer = web.get(story.url(number))
        assert (answer.status_code, answer.content) == (200, body)
        assert answer.headers["content-length"] == str(len(body))
    assert web.get(story.url(1)).headers["content-type"] == "application/json"
    assert web.get(story.url(2)).headers["content-type"] == "text/csv; charset=utf-8"
    assert web.get(story.url(3)).headers["content-type"] == "application/octet-stream"
    assert web.get(story.url(4)).headers["content-type"] == "application/x-ndjson; charset=utf-8"
    named = f'attachment; filename="orders-{story.id}-script-2.csv"'
    assert web.get(story.url(2)).headers["content-disposition"] == named


def test_the_list_says_what_is_there_and_until_when(
    web: httpx2.Client, story: Story, logs: Logs, client: redis.Redis
) -> None:
    for page in range(1, 4):
        story.payloads.keep("pull", f"page {page}", JSON, ORDERS)
    url = f"/api/syncs/{story.id}/payloads"
    found = web.get(url).json()
    assert found[1] == {
        "n": 2,
        "kind": "pull",
        "name": "page 2",
        "type": JSON,
        "bytes": len(ORDERS),
        "sha256": hashlib.sha256(ORDERS).hexdigest(),
        "expires_at": None,
    }
    assert [one["n"] for one in found] == [1, 2, 3]
    assert [one["n"] for one in web.get(url, params={"after": 1, "limit": 1}).json()] == [2]
    assert web.get(url, params={"limit": 0}).status_code == 400
    logs.end(story.log)
    expires_at = client.hget(keys.summary(story.id), "expires_at")
    assert [one["expires_at"] for one in web.get(url).json()] == [cast("bytes", expires_at).decode()] * 3
    assert web.get(f"/api/syncs/{logs.start()}/payloads").json() == []


def test_records_become_an_array_one_to_a_line() -> None:
    records = [{"id": n, "name": "\ud83d"} if n == 2 else {"id": n} for n in range(4)]
    made = b"".join(as_array(records))
    assert json.loads(made) == records
    assert len(made.splitlines()) == 4
    assert json.loads(b"".join(as_array([]))) == []


# --- parts ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "span"),
    [
        ("bytes=0-0", range(1)),
        ("bytes=10-19", range(10, 20)),
        ("bytes=90-", range(90, 100)),
        ("bytes=90-5000", range(90, 100)),
        ("bytes=-7", range(93, 100)),
        ("bytes=-700", range(100)),
        ("Bytes=0-", range(100)),
        ("bytes=100-", range(0)),
        ("bytes=100-200", range(0)),
        ("bytes=-0", range(0)),
        ("", None),
        ("bytes=-", None),
        ("bytes=5-4", None),
        ("bytes=0-1,5-6", None),
        ("lines=0-1", None),
        ("bytes=1-²", None),
        ("bytes=" + "9" * 5000 + "-", None),
    ],
)
def test_a_part_that_is_asked_for(asked: str, span: range | None) -> None:
    assert wanted({"range": asked}, '"a"', 100) == span


def test_a_file_is_fetched_in_parts_and_goes_on_where_it_stopped(web: httpx2.Client, story: Story) -> None:
    body = noise(3 * keys.PIECE_BYTES)
    story.payloads.keep("pull", "page 1", JSON, body)
    url, edge = story.url(1), keys.PIECE_BYTES
    for first, last in [(0, 9), (edge - 5, edge + 5), (10, 2 * edge + 10), (3 * edge - 1, 3 * edge - 1)]:
        part = web.get(url, headers={"Range": f"bytes={first}-{last}"})
        assert (part.status_code, part.content) == (206, body[first : last + 1])
        assert part.headers["content-range"] == f"bytes {first}-{last}/{len(body)}"
        assert part.headers["content-length"] == str(last - first + 1)
    beyond = web.get(url, headers={"Range": f"bytes={len(body)}-"})
    assert (beyond.status_code, beyond.headers["content-range"]) == (416, f"bytes */{len(body)}")
    assert beyond.json()["status"] == 416


def test_a_part_is_only_sent_of_the_file_it_belongs_to(web: httpx2.Client, story: Story) -> None:
    story.payloads.keep("pull", "page 1", JSON, ORDERS)
    tag = web.get(story.url(1)).headers["etag"]
    asked = {"Range": "bytes=0-4"}
    assert web.get(story.url(1), headers={**asked, "If-Range": tag}).status_code == 206
    for other in ('"another"', f"W/{tag}", "Wed, 21 Oct 2026 07:28:00 GMT"):
        assert web.get(story.url(1), headers={**asked, "If-Range": other}).content == ORDERS


def test_a_client_that_has_the_file_is_told_that_it_is_unchanged(web: httpx2.Client, story: Story) -> None:
    story.payloads.keep("pull", "page 1", JSON, ORDERS)
    tag = web.get(story.url(1)).headers["etag"]
    for known in (tag, f"W/{tag}", f'"x", {tag}', "*"):
        again = web.get(story.url(1), headers={"If-None-Match": known, "Range": "bytes=0-4"})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
    assert web.get(story.url(1), headers={"If-None-Match": '"x"'}).status_code == 200


def test_a_head_says_what_a_get_would(web: httpx2.Client, story: Story) -> None:
    story.payloads.keep("pull", "page 1", JSON, ORDERS)
    head = web.head(story.url(1), headers={"Range": "bytes=0-4"})
    assert (head.status_code, head.content) == (200, b"")
    got = web.get(story.url(1)).headers
    assert {k: v for k, v in head.headers.items() if k != "date"} == {k: v for k, v in got.items() if k != "date"}


def test_a_preview_shows_the_beginning_as_text_whatever_it_is(web: httpx2.Client, story: Story) -> None:
    bodies = ["Ä".encode() * 5000, b"x" + "Ä".encode() * 5000, noise(9), b"", b"<script>alert(1)</script>\xc3"]
    for body in bodies:
        story.payloads.keep("pull", "it", "text/html", body)
    seen = [web.get(story.url(n), params={"preview": 1}) for n in range(1, 6)]
    assert seen[0].text == "Ä" * 2048
    assert seen[1].text == "x" + "Ä" * 2047
    assert seen[2].text == noise(9).decode("utf-8", "backslashreplace")
    assert seen[3].text == ""
    assert seen[4].text == "<script>alert(1)</script>\\xc3"
    for one in seen:
        assert one.headers["content-type"] == "text/plain; charset=utf-8"
        assert one.headers["content-security-policy"].startswith("sandbox;")
    assert web.get(story.url(1), params={"preview": "2"}).status_code == 400


# --- who may, and what it may do ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("stored", "served"),
    [
        ("application/json", ("application/json", "json")),
        ("Application/JSON; charset=utf-8", ("application/json; charset=utf-8", "json")),
        ("text/csv", ("text/csv; charset=utf-8", "csv")),
        ("text/csv; charset=iso-8859-1", ("text/csv; charset=iso-8859-1", "csv")),
        ("text/html", ("application/octet-stream", "bin")),
        ("text/javascript", ("application/octet-stream", "bin")),
        ("image/svg+xml", ("application/octet-stream", "bin")),
        ("text/plain\r\nSet-Cookie: a=b", ("application/octet-stream", "bin")),
        ("text/plain; charset=utf-8; x=y", ("application/octet-stream", "bin")),
        ("", ("application/octet-stream", "bin")),
        ("ä" * 10_000, ("application/octet-stream", "bin")),
    ],
)
def test_only_types_that_no_page_would_run_are_served_as_such(stored: str, served: tuple[str, str]) -> None:
    assert media_type(stored) == served


def test_a_file_is_saved_and_never_runs_as_a_page_of_ours(web: httpx2.Client, story: Story) -> None:
    story.payloads.keep("pull", "page\r\n1", "text/html\r\nSet-Cookie: a=b", b"<script>alert(1)</script>")
    headers = web.get(story.url(1)).headers
    assert headers["content-type"] == "application/octet-stream"
    assert headers["content-disposition"] == f'attachment; filename="orders-{story.id}-pull-1.bin"'
    assert headers["content-security-policy"].startswith("sandbox; default-src 'none'")
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert "set-cookie" not in headers


def test_a_token_or_a_session_opens_it_and_nothing_else(web: httpx2.Client, story: Story) -> None:
    story.payloads.keep("pull", "page 1", JSON, ORDERS)
    with httpx2.Client(base_url=web.base_url, timeout=PATIENCE_S) as stranger:
        for path in (story.url(1), f"/api/syncs/{story.id}/payloads"):
            assert stranger.get(path).status_code == 401
        assert stranger.post("/sign-in", data={"token": ADMIN_TOKEN}).status_code == 303
        assert stranger.get(story.url(1)).content == ORDERS


def test_what_never_was_is_404_and_what_is_over_410(web: httpx2.Client, story: Story, client: redis.Redis) -> None:
    story.payloads.keep("pull", "page 1", JSON, ORDERS)
    for number in ("2", "0", "01", "-1", "x", "1" * 30, "%C2%B2"):
        answer = web.get(f"/api/syncs/{story.id}/payloads/{number}")
        assert (answer.status_code, answer.json()["title"]) == (404, "No such payload")
    assert web.get(f"/api/syncs/{new_sync_id()}/payloads/1").status_code == 404
    for path in ("payloads", "payloads/1"):
        assert web.get(f"/api/syncs/01ARZ3NDEKTSV4RRFFQ69G5FAV/{path}").status_code == 410
    client.hset(keys.summary(story.id), "expires_at", "2026-01-01T00:00:00.000Z")
    for path in ("payloads", "payloads/1", "payloads/2"):
        assert web.get(f"/api/syncs/{story.id}/{path}").status_code == 410


# --- until when -----------------------------------------------------------------------------------------------------


def ends_at(client: redis.Redis, sync_id: str) -> list[int]:
    """When the summary, the log and the payloads of a sync expire (Unix time, ms)."""
    with client.pipeline(transaction=True) as pipe:  # its writer may refresh them at any moment
        for key in (keys.summary, keys.log, keys.payloads, keys.pieces):
            pipe.pexpiretime(key(sync_id))
        return cast("list[int]", pipe.execute())


def end_together(client: redis.Redis, sync_id: str, config: Settings) -> None:
    """To the millisecond: it is one step that says so. And a retention from now."""
    [end] = set(ends_at(client, sync_id))
    assert config.retention_ms - 10_000 < end - time.time() * 1000 <= config.retention_ms + 1000


def test_payloads_live_as_long_as_the_sync_runs_and_end_with_its_log(
    story: Story, logs: Logs, client: redis.Redis, config: Settings
) -> None:
    story.payloads.keep("pull", "page 1", JSON, ORDERS)
    for key in (keys.payloads, keys.pieces):
        client.pexpire(key(story.id), 5_000)  # as if it had been kept almost a day ago
    until(lambda: len(set(ends_at(client, story.id))) == 1, "a heartbeat refreshes them")
    end_together(client, story.id, config)
    assert logs.end(story.log)
    end_together(client, story.id, config)


def test_a_sync_that_is_ended_from_outside_leaves_them_with_the_same_end(
    story: Story, appender: Appender, client: redis.Redis, config: Settings
) -> None:
    story.payloads.keep("pull", "page 1", JSON, ORDERS)
    for key in (keys.payloads, keys.pieces):
        client.pexpire(key(story.id), 5_000)
    assert end_sync(
        appender, story.id, status=Status.FAILED, reason=Reason.LOST, text="Lost", retention=config.retention
    )
    end_together(client, story.id, config)


def test_nothing_is_kept_of_a_sync_that_has_ended_or_is_gone(
    begin: Callable[..., Story], logs: Logs, client: redis.Redis
) -> None:
    ended, gone = begin(), begin()
    logs.end(ended.log)
    logs.end(gone.log)
    client.delete(keys.summary(gone.id))
    for one in (ended, gone):
        one.payloads.keep("pull", "page 1", JSON, ORDERS)
        assert not one.payloads.wants("pull")
        assert not client.exists(keys.payloads(one.id), keys.pieces(one.id))


def test_an_attempt_goes_on_counting_where_the_one_before_it_stopped(
    story: Story, appender: Appender, client: redis.Redis, config: Settings, web: httpx2.Client
) -> None:
    for _ in range(2):
        story.payloads.keep("pull", "page 1", JSON, ORDERS)
    claim = appender.claim(story.id)
    limit = PayloadLimit(LIMIT.each, 3 * payload_files.LEAST_BYTES)
    later = Payloads(client, story.id, claim.attempt, story.log, ALL, limit=limit, ttl_ms=config.retention_ms)
    for _ in range(2):
        later.keep("pull", "page 1", JSON, ORDERS)
    story.payloads.keep("pull", "of the fenced one", JSON, ORDERS)
    assert [one["n"] for one in web.get(f"/api/syncs/{story.id}/payloads").json()] == [1, 2, 3]


# --- limits and faults ----------------------------------------------------------------------------------------------


def test_what_is_not_wanted_is_not_even_made() -> None:
    def body() -> Iterator[bytes]:
        pytest.fail("it was asked for")
        yield b""

    nobody = cast("Any", None)
    idle = Payloads(nobody, new_sync_id(), 1, nobody, Stored(push=True), limit=LIMIT, ttl_ms=1, secrets=nobody)
    idle.keep("pull", "page 1", JSON, body())
    assert [idle.wants(kind) for kind in ("pull", "script", "push")] == [False, False, True]


def test_what_is_too_large_is_said_with_its_size_and_leaves_nothing(
    begin: Callable[..., Story], client: redis.Redis, web: httpx2.Client
) -> None:
    story = begin(limit=PayloadLimit(each=keys.PIECE_BYTES * 2, total=keys.PIECE_BYTES * 3))
    story.payloads.keep("pull", "page 1", JSON, iter([noise(keys.PIECE_BYTES)] * 3))
    assert client.hlen(keys.pieces(story.id)) == 0
    for page in range(2, 7):
        story.payloads.keep("pull", f"page {page}", JSON, noise(keys.PIECE_BYTES))
    one = "the limit is 524,288 bytes (SYNCTAIL_PAYLOAD_BYTES)"
    all_of_them = "the limit is 786,432 bytes for all payloads of a sync (SYNCTAIL_PAYLOAD_TOTAL)"
    assert [(line["level"], line["text"]) for line in story.lines()] == [
        ("warning", f"Payload not kept: pull, page 1, 786,432 bytes: {one}"),
        ("info", "Payload 1: pull, page 2, 262,144 bytes"),
        ("info", "Payload 2: pull, page 3, 262,144 bytes"),
        ("info", "Payload 3: pull, page 4, 262,144 bytes"),
        ("warning", f"Payload not kept: pull, page 5, 262,144 bytes: {all_of_them}"),
        ("info", f"Payload not kept: pull, page 6, 262,144 bytes: {all_of_them}"),
    ]
    assert client.hlen(keys.pieces(story.id)) == 3
    assert len(web.get(f"/api/syncs/{story.id}/payloads").json()) == 3


def test_a_secret_is_masked_also_where_it_spans_two_pieces(begin: Callable[..., Story], web: httpx2.Client) -> None:
    secret = "s3cret/of the shop"
    story = begin(secrets=[secret])
    for before in range(keys.PIECE_BYTES - len(secret) - 2, keys.PIECE_BYTES + 2, 3):
        text = b"x" * before + secret.encode() + b"y"
        story.payloads.keep("pull", f"page of {secret}", JSON, text)
    story.payloads.keep("push", "escaped", JSON, json.dumps({"url": f"https://x/{secret}?a"}).encode())
    found = web.get(f"/api/syncs/{story.id}/payloads").json()
    for one in found[:-1]:
        answer = web.get(story.url(one["n"])).content
        assert answer == b"x" * answer.count(b"x") + MASK.encode() + b"y"
        assert one["name"] == f"page of {MASK}"
    assert web.get(story.url(found[-1]["n"])).json() == {"url": f"https://x/{MASK}?a"}
    assert secret not in str(story.lines())


def test_a_body_that_cannot_be_made_is_said_and_the_next_one_is_kept(
    story: Story, client: redis.Redis, web: httpx2.Client
) -> None:
    def broken() -> Iterator[bytes]:
        yield noise(3 * keys.PIECE_BYTES)
        raise ValueError("no JSON in it")

    story.payloads.keep("pull", "page 1", JSON, broken())
    story.payloads.keep("pull", "page 2", JSON, ORDERS)
    assert story.texts() == [
        "Payload not kept: pull, page 1: ValueError: no JSON in it",
        "Payload 1: pull, page 2, 41 bytes",
    ]
    assert web.get(story.url(1)).content == ORDERS
    assert client.hlen(keys.pieces(story.id)) == 1


def test_while_redis_is_away_a_sync_goes_on_without_them(
    begin: Callable[..., Story], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(payload_files, "PATIENCE_S", 0.2)
    away = connect(f"redis://127.0.0.1:{free_port()}/0")
    story = begin(client=away)
    began = time.monotonic()
    for page in range(100):
        story.payloads.keep("pull", f"page {page}", JSON, ORDERS)
    assert time.monotonic() - began < 10, "it waited at each payload"
    assert len(story.texts()) == 100
    assert story.texts()[0].startswith("Payload not kept: pull, page 0: Redis is away: ")
    away.close()
    story.payloads._client, story.payloads._rest_until = story.client, 0  # it is back, and the rest is over
    story.payloads.keep("pull", "the next page", JSON, ORDERS)
    assert story.texts()[100:] == ["Payload 1: pull, the next page, 41 bytes"]


# --- readers and memory ---------------------------------------------------------------------------------------------


def peak_kib(process: Process) -> int:
    status = Path(f"/proc/{process.process.pid}/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0])


def test_fifty_megabytes_go_in_and_out_and_the_server_holds_a_piece(
    web: httpx2.Client, web_process: Process, story: Story
) -> None:
    row = b'{"id":"SO-00042","total":12.5},\n' * 8192  # 256 KiB
    assert len(row) == keys.PIECE_BYTES
    story.payloads.keep("pull", "page 1", JSON, (row for _ in range(200)))
    assert story.texts() == ["Payload 1: pull, page 1, 52,428,800 bytes"]
    Path(f"/proc/{web_process.process.pid}/clear_refs").write_text("5")  # the peak counts from here
    before = peak_kib(web_process)
    digest, size = hashlib.sha256(), 0
    with web.stream("GET", story.url(1)) as answer:
        for part in answer.iter_raw():
            digest.update(part)
            size += len(part)
    assert size == 52_428_800
    assert digest.hexdigest() == web.get(f"/api/syncs/{story.id}/payloads").json()[0]["sha256"]
    assert peak_kib(web_process) - before < 8 * 1024


@contextmanager
def stalled(web: httpx2.Client, path: str) -> Iterator[sockets.socket]:
    """A request whose answer nobody reads, beyond its first bytes."""
    with sockets.socket() as reader:
        reader.setsockopt(sockets.SOL_SOCKET, sockets.SO_RCVBUF, 4096)
        reader.connect((web.base_url.host, web.base_url.port))
        reader.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: {BEARER['Authorization']}\r\n\r\n".encode())
        assert reader.recv(12) == b"HTTP/1.1 200"
        yield reader


@pytest.mark.slow
def test_a_reader_that_stops_reading_a_file_is_disconnected(environ: dict[str, str], story: Story) -> None:
    size = 8 << 20
    story.payloads.keep("pull", "page 1", JSON, noise(size))
    with serving(environ, stalled_s=0.3, look_every_s=0.1) as one, stalled(one.web, story.url(1)) as reader:
        until(lambda: not one.connections(), "it is disconnected")
        rest = b"".join(iter(lambda: reader.recv(1 << 20), b""))
        assert len(rest) < size, "what was cut off must not look whole"


def test_a_file_that_ends_while_it_is_read_is_broken_off(web: httpx2.Client, story: Story, client: redis.Redis) -> None:
    story.payloads.keep("pull", "page 1", JSON, noise(16 << 20))
    with web.stream("GET", story.url(1)) as answer:
        parts = answer.iter_raw()
        next(parts)
        client.delete(keys.pieces(story.id))
        with pytest.raises(httpx2.TransportError):
            list(parts)
    assert web.get(f"/api/syncs/{story.id}").status_code == 200


# --- a whole sync ---------------------------------------------------------------------------------------------------

PAGES = [
    b'{ "orders" : [ {"id":1,"name":"\xc3\x84pfel","paid":true},\n  {"id": 2, "name": "Birnen", "paid": false} ] }',
    b'{"orders": [{"id": 3, "name": "asked with the-token-of-the-shop", "paid": true}]}',
]


@pytest.fixture
def orders_shop() -> Iterator[str]:
    """A shop whose answers are known to the byte."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            number = int(parse_qs(urlsplit(self.path).query).get("page", ["0"])[0])
            self.send_response(200)
            self.send_header("Content-Type", "application/json; charset=utf-8")
            self.send_header("Content-Length", str(len(PAGES[number])))
            if number + 1 < len(PAGES):
                self.send_header("Link", f'</orders?page={number + 1}>; rel="next"')
            self.end_headers()
            self.wfile.write(PAGES[number])

        def log_message(self, *_: Any) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/orders"
    server.shutdown()
    server.server_close()


SCRIPT = "def handle(records, log):\n    return [{**one, 'seen': True} for one in records if one['paid']]"


def test_a_sync_keeps_what_it_pulled_scripted_and_pushed(
    client: redis.Redis,
    requests: Requests,
    worker: Process,
    web: httpx2.Client,
    orders_shop: str,
    files: Path,
    config: Settings,
) -> None:
    del worker
    orders = service(
        url=orders_shop,
        script=ScriptText(code=SCRIPT),
        mapping=[MappedField(to="number", from_="id"), MappedField(to="title", from_="name", with_=[["trim"]])],
        store=ALL,
    )
    store(client, orders)
    sync_id = requests.start(orders, Trigger.MANUAL).id
    until(lambda: client.hget(keys.summary(sync_id), "status") == b"completed", "it completes")
    found = web.get(f"/api/syncs/{sync_id}/payloads").json()
    assert [(one["n"], one["kind"], one["name"]) for one in found] == [
        (1, "pull", "page 1"),
        (2, "script", "page 1"),
        (3, "push", "page 1"),
        (4, "pull", "page 2"),
        (5, "script", "page 2"),
        (6, "push", "page 2"),
    ]
    bodies = [web.get(f"/api/syncs/{sync_id}/payloads/{n}").content for n in range(1, 7)]
    assert bodies[0] == PAGES[0]
    assert bodies[3] == PAGES[1].replace(b"the-token-of-the-shop", MASK.encode())
    assert json.loads(bodies[1]) == [{"id": 1, "name": "Äpfel", "paid": True, "seen": True}]
    pushed = (files / "orders.ndjson").read_bytes().splitlines()
    kept = [
        line for body in (bodies[2], bodies[5]) for line in body.removeprefix(b"[").removesuffix(b"]\n").split(b",\n")
    ]
    assert kept[0] == pushed[0] == b'{"number":1,"title":"\xc3\x84pfel"}'
    assert kept[1] == pushed[1].replace(b"the-token-of-the-shop", MASK.encode())
    parts = [
        web.get(f"/api/syncs/{sync_id}/payloads/1", headers={"Range": f"bytes={first}-{first + 19}"}).content
        for first in range(0, len(bodies[0]), 20)
    ]
    assert b"".join(parts) == bodies[0]
    end_together(client, sync_id, config)


def test_a_run_may_keep_what_its_service_does_not(
    client: redis.Redis, requests: Requests, worker: Process, web: httpx2.Client, orders_shop: str
) -> None:
    del worker
    orders = service(url=orders_shop)
    store(client, orders)
    for stored, kinds in [(Stored(push=True), ["push", "push"]), (None, [])]:
        sync_id = requests.start(orders, Trigger.MANUAL, RunOptions(store=stored)).id
        until(lambda: client.hget(keys.summary(sync_id), "status") == b"completed", "it completes")  # noqa: B023
        assert [one["kind"] for one in web.get(f"/api/syncs/{sync_id}/payloads").json()] == kinds
        assert bool(client.exists(keys.payloads(sync_id))) == bool(kinds)


@pytest.mark.slow
def test_a_sync_whose_process_is_killed_leaves_its_payloads_with_an_end(
    client: redis.Redis, requests: Requests, own_worker: Process, orders_shop: str, config: Settings
) -> None:
    code = f"import time\n{SCRIPT.replace('return', 'time.sleep(60); return')}"
    orders = service(url=orders_shop, script=ScriptText(code=code, timeout_s=60), store=ALL)
    store(client, orders)
    sync_id = requests.start(orders, Trigger.MANUAL).id
    until(lambda: client.hlen(keys.payloads(sync_id)) == 1, "the first page is kept")
    for key in (keys.payloads, keys.pieces):
        client.pexpire(key(sync_id), 60_000)
    [horse] = own_worker.children()
    os.kill(horse, signal.SIGKILL)
    until(lambda: client.hget(keys.summary(sync_id), "status") == b"failed", "its worker says so")
    end_together(client, sync_id, config)
