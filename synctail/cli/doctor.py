"""What is well and what is not, and what to do: a line for each thing that a first start may lack."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import NamedTuple

import click
from websockets.exceptions import InvalidHandshake, WebSocketException
from websockets.sync.client import connect

from synctail.cli import settings
from synctail.cli.client import Client
from synctail.cli.show import Trouble, coloured, leave, safe, say

QUEUED_S = 30
"""A worker that is free takes a sync at once; so long it may be busy with another."""
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
        "bad", "redis", "When it is full it forgets logs, services and tokens. Set its maxmemory-policy to noeviction."
    ),
}
MARKS = {"good": ("✓", "completed"), "warn": ("!", "warning"), "bad": ("✕", "failed")}


@click.command()
@click.pass_context
def doctor(context: click.Context) -> None:
    """Look at the server, its Redis, the token, the workers and the websocket, and say what to do."""
    worst = 0
    client = Client(settings.find(context.find_root().obj["environ"]))
    try:
        for finding in examine(client):
            mark, colour = MARKS[finding.state]
            say(f"{coloured(mark, colour)} {finding.what:10} {safe(finding.says)}")
            worst = max(worst, int(finding.state == "bad"))
    finally:
        client.close()
    leave(worst)


def examine(client: Client) -> Iterator[Finding]:
    """Ends with the first thing that keeps the others from being seen."""
    try:
        answer = client.probe("/healthz")
    except Trouble as trouble:
        yield Finding("bad", "server", f"{trouble.message} 'make run' starts one on this machine.")
        return
    if answer.status_code != 200:
        yield Finding("bad", "server", f"{client.target.url} answered {answer.status_code}: that is not Synctail.")
        return
    yield Finding("good", "server", f"{client.target.url} answers.")
    yield from _clock(answer.headers.get("date", ""))
    ready = client.probe("/readyz")
    if ready.status_code != 200:
        yield Finding("bad", "redis", "It does not answer. Start it, or look at REDIS_URL of the web process.")
        return
    yield REDIS.get(ready.json()["status"], REDIS["ok"])
    try:
        own = client.get("/api/tokens/self")
    except Trouble as trouble:
        yield Finding("bad", "token", trouble.message)
        return
    until = f", until {own['expires_at'][:19]} UTC" if own.get("expires_at") else ""
    yield Finding("good", "token", f"{own['name']!r} from {client.target.token_from}: {own['role']}{until}.")
    yield from _workers(client)
    yield _websocket(client)


def _clock(date: str) -> Iterator[Finding]:
    try:
        skew = abs((datetime.now(UTC) - parsedate_to_datetime(date)).total_seconds())
    except (ValueError, TypeError):
        return
    if skew > SKEW_S:
        yield Finding("warn", "clock", f"It differs from the server's by {skew:.0f} s. Let both follow NTP.")


def _workers(client: Client) -> Iterator[Finding]:
    queued = client.get("/api/syncs", status="queued", limit=500)
    running = client.get("/api/syncs", status="running", limit=500)
    now = datetime.now(UTC)
    waited = max(((now - datetime.fromisoformat(one["queued_at"])).total_seconds() for one in queued), default=0)
    if waited > QUEUED_S and not running:
        yield Finding(
            "bad",
            "workers",
            f"{len(queued)} syncs wait, the first for {waited:.0f} s, and none runs. Start python -m jobs.worker.",
        )
    elif waited > QUEUED_S:
        yield Finding("warn", "workers", f"{len(running)} run and {len(queued)} wait. Start more workers.")
    elif running:
        yield Finding("good", "workers", f"{len(running)} syncs run.")
    else:
        yield Finding("good", "workers", "No sync waits. That a worker is there shows when one is started.")


def _websocket(client: Client) -> Finding:
    """Of a sync that never was: the server closes it, which shows that the way is open."""
    scheme, _, rest = client.target.url.partition("://")
    address = f"{'wss' if scheme == 'https' else 'ws'}://{rest}/api/syncs/none/live"
    headers = {"Authorization": f"Bearer {client.target.token}"}
    try:
        with connect(address, additional_headers=headers, compression=None, open_timeout=10, close_timeout=1):
            return Finding("good", "websocket", "It can be had.")
    except (OSError, InvalidHandshake, WebSocketException) as error:
        return Finding(
            "warn",
            "websocket",
            f"It cannot be had ({error}); logs are polled every 5 s instead. A proxy must pass on Upgrade.",
        )
