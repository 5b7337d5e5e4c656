"""The two scripts that write a sync's log and summary, with typed answers. It decides nothing: see `append.lua`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple, cast

import redis

from synctail.model import keys

_HERE = Path(__file__).parent

Verdict = Literal["ok", "have", "gap", "fenced", "gone"]


class Answer(NamedTuple):
    """What Redis said of an append. `last`: the newest line it holds; `stop`: who asked the sync to stop, or ''."""

    verdict: Verdict
    last: int = 0
    stop: str = ""
    status: str = ""
    attempt: int = 0


class SyncEnded(Exception):
    """The sync has an ending, or is gone: nobody may write to it any more."""


class Claim(NamedTuple):
    attempt: int
    last: int
    stop: str


class Appender:
    """Writes to any sync through one Redis client; each call raises `RedisError` when Redis cannot be asked."""

    def __init__(self, client: redis.Redis, *, live_ttl_ms: int) -> None:
        self._append = client.register_script((_HERE / "append.lua").read_text())
        self._claim = client.register_script((_HERE / "claim.lua").read_text())
        self.client = client
        self.live_ttl_ms = live_ttl_ms

    def claim(self, sync_id: str) -> Claim:
        """Become the sync's only writer. Raises `SyncEnded`."""
        answer = cast("list[Any]", self._claim(keys=[keys.summary(sync_id)]))
        if answer[0] != b"ok":
            raise SyncEnded(sync_id)
        return Claim(answer[1], answer[2], answer[3].decode())

    def append(
        self,
        sync_id: str,
        *,
        attempt: int,
        first: int,
        count: int = 0,
        encoding: str = "json",
        body: bytes = b"",
        lost_before: bool = False,
        fields: Mapping[str, str] | None = None,
    ) -> Answer:
        """One chunk, or with `count=0` a heartbeat. Sending the same chunk again is harmless."""
        return self._call(sync_id, attempt, first, count, encoding, body, lost_before, fields or {})

    def end(self, sync_id: str, line: bytes, fields: Mapping[str, str]) -> Answer:
        """In one step: fence the sync's writer, and write a line, whose number is filled in, and the ending.

        "fenced": the sync has an ending already.
        """
        return self._call(sync_id, "*", 0, 1, "json", line.removeprefix(b'{"n":0'), lost_before=False, fields=fields)

    def _call(
        self,
        sync_id: str,
        attempt: int | str,
        first: int,
        count: int,
        encoding: str,
        body: bytes,
        lost_before: bool,  # noqa: FBT001 - one of the script's arguments
        fields: Mapping[str, str],
    ) -> Answer:
        changes = [part for pair in fields.items() for part in pair]
        answer = cast(
            "list[Any]",
            self._append(
                keys=keys.written(sync_id),
                args=[
                    attempt,
                    first,
                    count,
                    encoding,
                    body,
                    self.live_ttl_ms,
                    "1" if lost_before else "",
                    keys.live(sync_id),
                    keys.INLINE_LIMIT_BYTES,
                    *changes,
                ],
            ),
        )
        verdict: Verdict = answer[0].decode()
        match verdict:
            case "gone":
                return Answer(verdict)
            case "fenced":
                return Answer(verdict, answer[1], status=answer[2].decode(), attempt=int(answer[3]))
            case "gap":
                return Answer(verdict, answer[1])
            case _:
                return Answer(verdict, answer[1], answer[2].decode())
