"""Syncs that a real worker runs: waiting for them, and reading what they logged."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, cast

import msgspec
import pytest
import redis

from server.log import wire
from synctail.log.registry import stored_summary
from synctail.model import keys
from synctail.model.sync import Status, Summary
from tests.kit.support import until


def lines_of(client: redis.Redis, sync_id: str) -> list[dict[str, Any]]:
    """The whole log, read from the stream. Fails unless it is numbered 1, 2, 3 …"""
    entries = cast("list[Any]", client.xrange(keys.log(sync_id)))
    lines: list[dict[str, Any]] = []
    for entry in entries:
        lines.extend(msgspec.json.decode(b"[" + wire.chunk_from_entry(*entry).body + b"]"))
    assert [line["n"] for line in lines] == list(range(1, len(lines) + 1))
    return lines


def ended(client: redis.Redis, sync_id: str, *, seconds: float = 30) -> Summary:
    def look() -> Summary | None:
        summary = stored_summary(client, sync_id)
        return summary if summary and summary.status.ended else None

    summary = cast("Summary", until(look, f"sync {sync_id} ends", seconds=seconds))
    assert summary.pending == 0 or summary.status in (Status.FAILED, Status.STOPPED)
    assert summary.pending >= 0
    assert summary.lines == len(lines_of(client, sync_id))
    return summary


def running(client: redis.Redis, sync_id: str) -> None:
    until(lambda: client.hget(keys.summary(sync_id), "status") == b"running", "the sync runs")


@pytest.fixture
def hanging() -> Iterator[str]:
    """The address of a source that never answers."""
    release = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            release.wait(60)

        def log_message(self, *_: Any) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/orders"
    release.set()
    server.shutdown()
    server.server_close()
