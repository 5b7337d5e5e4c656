"""What a format is: a `Reader` makes records of a file, a `Syntax` makes text of records."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, Protocol

from synctail.model.json_text import Record

RECORD_BYTES = 16 * 1024 * 1024
"""Maximum size of a record, and of what stands between two of them."""
CHUNK = 64 * 1024


class Broken(Exception):
    """A file is not what its format says: in which line, and why."""


class Refused(Exception):
    """The format cannot carry this record."""


class Item(NamedTuple):
    """A record as a file has it: `size` in bytes or characters; `raw`, its text, where that is kept."""

    record: Record
    size: int
    raw: str = ""


class Reader(Protocol):
    def items(self) -> Iterator[Item]:
        """Raises `Broken`."""

    def wrap(self, raws: list[str]) -> str:
        """The text of a file that holds these records alone."""

    def close(self) -> None:
        """The file stays open: the caller closes it."""


class Syntax:
    """The text before, between and after records, and that of each."""

    head = ""
    between = ""
    end = ""

    def start(self, records: Sequence[Record]) -> str:
        """The text before the first record. `records`: the first batch, which may say what the columns are."""
        del records
        return self.head

    def one(self, record: Record) -> str:
        """Raises `Refused`."""
        raise NotImplementedError


def as_record(value: Any, line: int) -> Record:
    """Raises `Broken` for what is no object."""
    if not isinstance(value, dict):
        raise Broken(f"line {line:,}: expected an object, got {_kind(value)}")
    return value


def _kind(value: Any) -> str:
    names = {list: "a list", str: "a text", bool: "a boolean", type(None): "null"}
    return names.get(type(value), "a number")


def oversize(size: int) -> str:
    """What to say of a record of that size; empty where it may be that large."""
    return f"larger than {RECORD_BYTES // 1024 // 1024} MiB" if size > RECORD_BYTES else ""
