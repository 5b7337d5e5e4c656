"""What a sync reads from and writes to: one file for each kind of system, behind the two protocols below.

A connector knows nothing of syncs, Redis or counts. It tells what it does to the log it is given, and raises
`ConnectorError` with a sentence for the person who reads that log.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import msgspec

from jobs.records import FileDestination, HttpSource, InboundSource, Service, SqlDestination

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    from jobs.logwriter import LogWriter

Record = dict[str, Any]


class ConnectorError(Exception):
    """A system did not do what was asked: which one, what it said, what to do."""


class Page(NamedTuple):
    """Records as they came, in order. `total`: how many there will be in all, where the system says so.
    `pulled_at_ms`: Unix time, where they were pulled by an earlier sync."""

    records: list[Record]
    total: int | None = None
    pulled_at_ms: int = 0


class Outcome(NamedTuple):
    """What became of one record. `refused`: the destination's reason; None when it was taken."""

    record: Record
    refused: str | None = None


class Source(Protocol):
    def pages(self) -> Iterator[Page]:
        """Everything, page by page. Raises `ConnectorError`."""


class Destination(Protocol):
    def push(self, records: Sequence[Record]) -> Iterator[Outcome]:
        """One outcome for each record, in order. Raises `ConnectorError` when the system itself fails."""


@dataclass(frozen=True)
class Context:
    """What a connector may use besides its own definition."""

    log: LogWriter
    secrets: Mapping[str, str]
    files: Path
    page_size: int
    max_attempts: int

    def secret(self, name: str) -> str:
        try:
            return self.secrets[name]
        except KeyError:
            raise ConnectorError(f"The secret {name} is not set. Set SYNCTAIL_SECRET_{name} for the worker.") from None


def open_source(service: Service, context: Context) -> AbstractContextManager[Source]:
    match service.source:
        case HttpSource():
            from jobs.connectors.http import HttpReader  # noqa: PLC0415 - a sync loads only the connectors it uses

            return HttpReader(service.source, context)
        case InboundSource():
            from jobs.given import Posted  # noqa: PLC0415

            return Posted(service.id)


def open_destination(service: Service, context: Context) -> AbstractContextManager[Destination]:
    """Leaving the context without an exception completes what was pushed; with one, `file` gives up its new file."""
    match service.destination:
        case SqlDestination():
            from jobs.connectors.sql import SqlWriter  # noqa: PLC0415

            return SqlWriter(service.destination)
        case FileDestination():
            from jobs.connectors.file import FileWriter  # noqa: PLC0415

            return FileWriter(service.destination, context.files)


def as_json(value: Any) -> bytes:  # noqa: ANN401 - a record, or a part of one
    """JSON of what came as JSON, also of half a surrogate pair: that is kept as the escape it came as."""
    try:
        return msgspec.json.encode(value)
    except UnicodeEncodeError:
        return json.dumps(value).encode()


def reference(record: Record, key: str) -> str:
    """How a record is named in the log."""
    value = record.get(key)
    return str(value) if value is not None else f"(no {key})"
