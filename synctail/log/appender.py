"""Typed calls of the scripts that write a sync's log and summary. It decides nothing: see `append.lua`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple, cast

import redis

from synctail import lua
from synctail.model import keys

Verdict = Literal["ok", "have", "gap", "fenced", "gone"]


class Answer(NamedTuple):
    """The answer to an append. `last`: number of the last line in Redis; `stop`: who asked the sync to stop, or ''."""

    verdict: Verdict
    last: int = 0
    stop: str = ""
    status: str = ""
    attempt: int = 0


class SyncEnded(Exception):
    """The sync has ended or is gone, so its log can no longer be written."""


class Claim(NamedTuple):
    attempt: int
    last: int
    stop: str


class Appender:
    """Writes to any sync through one Redis client. Every method raises `RedisError` when Redis is away."""

    def __init__(self, client: redis.Redis, *, live_ttl_ms: int) -> None:
        self._append = lua.script(client, __file__, "append")
        self._claim = lua.script(client, __file__, "claim")
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
        attempt: int | str,
        first: int,
        count: int = 0,
        encoding: str = "json",
        body: bytes = b"",
        lost_before: bool = False,
        fields: Mapping[str, str] | None = None,
    ) -> Answer:
        """Append a chunk of lines, or with `count=0` a heartbeat. Appending the same chunk again is harmless.

        Args:
            attempt: The writer's `Claim.attempt`; the answer is "fenced" when another attempt writes.
            first: The number of the first line.
            count: The number of lines in `body`.
            encoding: Of the body: "json" or "zstd".
            lost_before: Accept a hole before `first`: those lines are lost for good.
            fields: Changes of the summary.
        """
        args = [attempt, first, count, encoding, body, self.live_ttl_ms, "1" if lost_before else ""]
        args += [keys.live(sync_id), keys.INLINE_LIMIT_BYTES]
        args += [part for pair in (fields or {}).items() for part in pair]
        answer = cast("list[Any]", self._append(keys=keys.written(sync_id), args=args))
        match answer:
            case [b"gone"]:
                return Answer("gone")
            case [b"fenced", last, status, attempt]:
                return Answer("fenced", last, status=status.decode(), attempt=int(attempt))
            case [b"gap", last]:
                return Answer("gap", last)
        verdict, last, stop = answer
        return Answer(verdict.decode(), last, stop.decode())

    def end(self, sync_id: str, line: bytes, fields: Mapping[str, str]) -> Answer:
        """Fence the sync's writer and write the ending, in one step: `line` with its number filled in, and `fields`.

        The answer is "fenced" when the sync has already ended.
        """
        return self.append(sync_id, attempt="*", first=0, count=1, body=line.removeprefix(b'{"n":0'), fields=fields)
