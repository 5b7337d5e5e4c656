"""`synctail doctor`: checks what a first start may lack, and says what to do. One line for each finding."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import NamedTuple

import click
from websockets.exceptions import InvalidHandshake, WebSocketException

from synctail.cli.client import Client, pass_client
from synctail.cli.follow import open_socket
from synctail.cli.show import Trouble, coloured, leave, safe, say
from synctail.model.json_text import counted

QUEUED_S = 30
"""A sync that waits longer has no free worker."""
SKEW_S = 10


class Finding(NamedTuple):
    """`state`: good, warn or bad."""

    state: str
    what: str
    says: str


REDIS = {
    "ok": Finding("good", "redis", "It answers."),
    "full": Finding(
        "bad", "redis", "It is full: nothing new can be stored. Raise its maxmemory, or wait until logs expire."
    ),
    "evicts": Finding(
        "bad", "redis", "When it is full, it drops logs, services and tokens. Set its maxmemory-policy to noeviction."
    ),
}
MARKS = {"good": ("✓", "completed"), "warn": ("!", "warning"), "bad": ("✕", "failed")}


@click.command()
@pass_client
def doctor(server: Client) -> None:
    """Check the server, its Redis, the token, the workers and the websocket, and say what to do."""
    worst = 0
    for finding in examine(server):
        mark, colour = MARKS[finding.state]
        say(f"{coloured(mark, colour)} {finding.what:10} {safe(finding.says)}")
        worst = max(worst, int(finding.state == "bad"))
    leave(worst)


def examine(server: Client) -> Iterator[Finding]:
    """Stops at the first fault that the other checks depend on."""
    try:
        answer = server.probe("/healthz")
    except Trouble as trouble:
        yield Finding("bad", "server", f"{trouble.message} 'make run' starts one on this machine.")
        return
    if not answer.is_success:
        yield Finding("bad", "server", f"{server.target.url} answered {answer.status_code}: that is not Synctail.")
        return
    yield Finding("good", "server", f"{server.target.url} answers.")
    yield from _clock(answer.headers.get("date", ""))
    ready = server.probe("/readyz")
    if not ready.is_success:
        yield Finding("bad", "redis", "It does not answer. Start it, or check REDIS_URL of the web process.")
        return
    yield REDIS.get(ready.json()["status"], REDIS["ok"])
    try:
        own = server.get("/api/tokens/self")
    except Trouble as trouble:
        yield Finding("bad", "token", trouble.message)
        return
    until = f", until {own['expires_at'][:19]} UTC" if own.get("expires_at") else ""
    yield Finding("good", "token", f"{own['name']!r} from {server.target.token_from}: {own['role']}{until}.")
    yield _workers(server)
    yield _websocket(server)


def _clock(date: str) -> Iterator[Finding]:
    try:
        skew = abs((datetime.now(UTC) - parsedate_to_datetime(date)).total_seconds())
    except (ValueError, TypeError):
        return
    if skew > SKEW_S:
        yield Finding("warn", "clock", f"It differs from the server's by {skew:.0f} s. Synchronise both by NTP.")


def _workers(server: Client) -> Finding:
    queued = server.get("/api/syncs", status="queued", limit=500)
    running = server.get("/api/syncs", status="running", limit=500)
    now = datetime.now(UTC)
    waited = max(((now - datetime.fromisoformat(one["queued_at"])).total_seconds() for one in queued), default=0)
    if waited > QUEUED_S and not running:
        return Finding(
            "bad",
            "workers",
            f"{counted(len(queued), 'sync')} waiting, the first for {waited:.0f} s, none running. "
            "Start python -m jobs.worker.",
        )
    if waited > QUEUED_S:
        return Finding("warn", "workers", f"{len(running)} syncs run and {len(queued)} wait. Start more workers.")
    if running:
        return Finding("good", "workers", f"{counted(len(running), 'sync')} running.")
    return Finding("good", "workers", "No syncs are waiting. Start one to see whether a worker is running.")


def _websocket(server: Client) -> Finding:
    """For a sync that does not exist: the server accepts the handshake before it refuses the sync."""
    try:
        with open_socket(server.target, "none", open_timeout=10):
            return Finding("good", "websocket", "It works.")
    except (OSError, InvalidHandshake, WebSocketException) as error:
        return Finding(
            "warn",
            "websocket",
            f"It does not work ({error}); logs are polled every 5 s instead. A proxy must pass on Upgrade.",
        )
