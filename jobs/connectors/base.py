"""The protocol of connectors: what a sync reads from is a `Source`, what it writes to a `Destination`.

A connector knows nothing of syncs, Redis or counts. It logs what it does, and raises `ConnectorError` with a sentence
for the person who reads that log.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple, Self

from synctail.log.writer import LogWriter
from synctail.model.json_text import Record

State = Literal["operational", "unreachable", "authentication failed", "misconfigured"]


class ConnectorError(Exception):
    """A system failed: which one, what it said, and what to do. The class itself means a wrong definition."""

    state: State = "misconfigured"


class Unreachable(ConnectorError):
    """It does not answer, or not now."""

    state: State = "unreachable"


class NotSignedIn(ConnectorError):
    """It refused the credentials."""

    state: State = "authentication failed"


class Page(NamedTuple):
    """Records as they came, in order. `total`: how many there are in all, where the system says so.

    `raw`: the bytes they came in, where these are kept (`Context.keep_raw`) and mean something; `type`: their media
    type; `ending`: of a file name, without the dot. `pulled_at_ms`: Unix time, where an earlier sync pulled them.
    """

    records: list[Record]
    total: int | None = None
    raw: bytes | None = None
    type: str = "application/json"
    ending: str = "json"
    pulled_at_ms: int = 0


class Outcome(NamedTuple):
    """What became of one record. `refused`: the destination's reason; None when it was taken."""

    record: Record
    refused: str | None = None


class Connector:
    """A context, which closes it."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None: ...

    def check(self) -> str:
        """For use outside the context: reads as little as shows that a sync would work, and writes nothing.

        Returns what it found. Raises `ConnectorError`.
        """
        try:
            return self._look()
        finally:
            self.close()

    def _look(self) -> str:
        raise NotImplementedError


class Source(Connector):
    def pages(self) -> Iterator[Page]:
        """All records, page by page. Raises `ConnectorError`."""
        raise NotImplementedError


class Destination(Connector):
    """Leaving the context discards what only appears as a whole and was not completed."""

    def push(self, records: Sequence[Record]) -> Iterator[Outcome]:
        """One outcome for each record, in order. Raises `ConnectorError` when the system itself fails."""
        raise NotImplementedError

    def complete(self) -> None:
        """Called when all records were pushed: makes visible what only appears as a whole. Raises `ConnectorError`."""


@dataclass(frozen=True)
class Context:
    """What a connector may use besides its own definition."""

    log: LogWriter
    secrets: Mapping[str, str]
    files: Path
    page_size: int
    max_attempts: int
    sync_id: str = ""
    keep_raw: bool = False
    patience_s: float = 30.0
    """Maximum silence of a system before it counts as unreachable."""

    def secret(self, name: str) -> str:
        try:
            return self.secrets[name]
        except KeyError:
            raise ConnectorError(f"The secret {name} is not set. Set SYNCTAIL_SECRET_{name} for the worker.") from None
