"""Files as sources and destinations, wherever they are: what `file` and `sftp` have in common.

A `Files` finds, opens, moves and removes; a `Target` takes bytes and makes a file of them at the end. This file knows
formats, pages, and when a file that was read may go.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from typing import NamedTuple, Protocol, Self

from jobs.connectors.base import ConnectorError, Context, Outcome, Page
from jobs.connectors.formats.base import Broken
from jobs.connectors.formats.read import MEDIA_TYPES, read
from jobs.connectors.formats.write import Writer
from jobs.services.model import FileDestination, FileSource, SftpDestination, SftpSource
from synctail.model.ids import utc_now
from synctail.model.json_text import Record, counted
from synctail.model.sync import Phase

MOST_FILES = 10_000
"""What one pattern may find."""
WILD = "*?["


class Found(NamedTuple):
    """A file as it was found. `changed`: its time of change, in seconds since 1970."""

    path: str
    size: int
    changed: float


class Files(Protocol):
    """Everything raises `ConnectorError`."""

    def find(self, path: str) -> list[Found]:
        """Files at a path that may be a pattern, sorted; none where a pattern fits none."""

    def open(self, found: Found) -> AbstractContextManager[io.BufferedReader]: ...

    def look(self, path: str) -> Found | None:
        """None where there is nothing."""

    def remove(self, path: str) -> None: ...

    def move(self, path: str, folder: str) -> str:
        """Into a folder next to it, under a name that is free there. Returns the new path."""

    def close(self) -> None: ...


class Target(Protocol):
    """Everything raises `ConnectorError`."""

    def write(self, data: bytes) -> None:
        """When it returns, the file has it."""

    def commit(self) -> None: ...

    def close(self) -> None:
        """What was not committed is given up."""


class FilesReader:
    def __init__(self, source: FileSource | SftpSource, context: Context, files: Files) -> None:
        self._source = source
        self._log = context.log
        self._page_size = context.page_size
        self._keep_raw = context.keep_raw
        self._files = files
        self._read: list[Found] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        # Not before: only now is everything pushed, and a destination's own file complete.
        try:
            if kind is None and self._source.after != "keep":
                for found in self._read:
                    self._let_go(found)
        finally:
            self._files.close()

    def pages(self) -> Iterator[Page]:
        found = self._files.find(self._source.path)
        if not found:
            self._log.info(f"No file is there as {self._source.path}", phase=Phase.PULL.value)
        for one in found:
            self._log.info(f"Reading {one.path}, {one.size:,} bytes", phase=Phase.PULL.value)
            count = 0
            for page in self._pages(one, self._page_size):
                count += len(page.records)
                yield page
            self._log.info(f"{one.path} is read: {counted(count)}", phase=Phase.PULL.value)
            self._read.append(one)

    def check(self) -> str:
        try:
            found = self._files.find(self._source.path)
            if not found:
                return f"no file is there now as {self._source.path}"
            page = next(self._pages(found[0], 1), None)
            return f"{_files(len(found))}; {found[0].path} can be read" + ("" if page else " and has no records")
        finally:
            self._files.close()

    def _pages(self, found: Found, page_size: int) -> Iterator[Page]:
        layout = self._source
        ending = layout.file_format
        with self._files.open(found) as file:
            try:
                for records, raw in read(file, layout, page_size, keep_raw=self._keep_raw):
                    yield Page(records, raw=raw, type=MEDIA_TYPES[ending], ending=ending)
            except Broken as error:
                raise ConnectorError(f"{found.path}: {error}.") from None

    def _let_go(self, read_as: Found) -> None:
        now = self._files.look(read_as.path)
        if now is None:
            self._log.warning(f"{read_as.path} has gone since it was read", phase=Phase.PULL.value)
        elif now != read_as:
            self._log.warning(
                f"{read_as.path} has changed since it was read, and stays for the next sync", phase=Phase.PULL.value
            )
        elif self._source.after == "delete":
            self._files.remove(read_as.path)
            self._log.info(f"{read_as.path} is deleted", phase=Phase.PULL.value)
        else:
            to = self._files.move(read_as.path, self._source.move_to)
            self._log.info(f"{read_as.path} is moved to {to}", phase=Phase.PULL.value)


class FilesWriter:
    """`_begin` makes the target, and says with which columns a CSV that is there goes on."""

    def __init__(self, destination: FileDestination | SftpDestination, context: Context) -> None:
        self._destination = destination
        self._log = context.log
        self._path = destination.path.replace("{time}", f"{utc_now():%Y%m%dT%H%M%SZ}")
        self._target: Target
        self._writer: Writer
        self._written = self._completed = False

    def _begin(self) -> tuple[Target, Writer]:
        raise NotImplementedError

    def __enter__(self) -> Self:
        self._target, self._writer = self._begin()
        return self

    def __exit__(self, *_: object) -> None:
        try:
            if self._written and not self._completed and getattr(self._destination, "mode", "replace") == "replace":
                self._log.warning(
                    f"{self._path} was not completed: what this sync wrote to it is not there", phase=Phase.PUSH.value
                )
        finally:
            self._target.close()

    def complete(self) -> None:
        self._target.write(self._writer.end())
        self._target.commit()
        self._completed = True
        self._log.info(f"{self._path} is complete", phase=Phase.PUSH.value)

    def push(self, records: Sequence[Record]) -> Iterator[Outcome]:
        data, refused = self._writer.encode(records)
        self._target.write(data)
        self._written = self._written or None in refused
        for record, reason in zip(records, refused, strict=True):
            yield Outcome(record, reason)


def _files(count: int) -> str:
    return f"{count:,} file{'' if count == 1 else 's'}"


def free_name(name: str) -> str:
    """The name with the time in it, for one that is taken."""
    stem, dot, ending = name.rpartition(".")
    at = f"{utc_now():%Y%m%dT%H%M%S%fZ}"
    return f"{stem}-{at}.{ending}" if dot and stem else f"{name}-{at}"
