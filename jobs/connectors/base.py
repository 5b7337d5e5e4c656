"""What a sync reads from and writes to: a file or two for each kind of system, behind the two protocols below.

A connector knows nothing of syncs, Redis or counts. It tells what it does to the log it is given, and raises
`ConnectorError` with a sentence for the person who reads that log.

`http`, `http_post` over `http_client` · `sql`, `sql_source` over `database` · `file` over `folder`, `sftp` over `ssh`,
both with `files` and `formats` · `retries` and `pace` for all that go over a network.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple, Protocol

from synctail.log.writer import LogWriter
from synctail.model.json_text import Record

State = Literal["operational", "unreachable", "authentication failed", "misconfigured"]


class ConnectorError(Exception):
    """A system did not do what was asked: which one, what it said, what to do. By itself: a wrong definition."""

    state: State = "misconfigured"


class Unreachable(ConnectorError):
    """It does not answer, or not now."""

    state: State = "unreachable"


class NotSignedIn(ConnectorError):
    """It does not take the credentials."""

    state: State = "authentication failed"


class Page(NamedTuple):
    """Records as they came, in order. `total`: how many there will be in all, where the system says so.

    `raw`: what came over the wire, where that is kept (`Context.keep_raw`) and means something; `type`: its media type;
    `ending`: of a file's name, without the dot. `pulled_at_ms`: Unix time, where they were pulled by an earlier sync.
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


class Source(Protocol):
    def pages(self) -> Iterator[Page]:
        """Everything, page by page. Raises `ConnectorError`."""

    def check(self) -> str:
        """Reads no more than is needed to see that it would work, and says what it saw. Raises `ConnectorError`."""


class Destination(Protocol):
    def push(self, records: Sequence[Record]) -> Iterator[Outcome]:
        """One outcome for each record, in order. Raises `ConnectorError` when the system itself fails."""

    def complete(self) -> None:
        """All was pushed. When this returns, what is there only as a whole is there. Raises `ConnectorError`."""

    def check(self) -> str:
        """Writes nothing, and says what it saw. Raises `ConnectorError`. Needs no entering of the context."""


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
    """The longest silence of a system that is waited through."""

    def secret(self, name: str) -> str:
        try:
            return self.secrets[name]
        except KeyError:
            raise ConnectorError(f"The secret {name} is not set. Set SYNCTAIL_SECRET_{name} for the worker.") from None
