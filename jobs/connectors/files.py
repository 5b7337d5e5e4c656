"""Files as sources and destinations: what `file` and `sftp` have in common.

A `Files` finds, opens, moves and removes files; a `Target` takes bytes and makes a file of them at the end. This module
adds formats and pages, and says what becomes of the files that were read.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from itertools import islice
from typing import NamedTuple, Protocol, Self, TypeVar

from jobs.connectors.base import ConnectorError, Context, Destination, Outcome, Page, Source
from jobs.connectors.formats.base import Broken
from jobs.connectors.formats.codec import Writer, read
from jobs.services.model import FileDestination, FileSource, SftpDestination, SftpSource
from synctail.model.ids import utc_now
from synctail.model.json_text import Record, counted
from synctail.model.sync import Phase

T = TypeVar("T")

MOST_FILES = 10_000
"""Maximum files that one pattern may find."""
PULL, PUSH = Phase.PULL.value, Phase.PUSH.value


class Found(NamedTuple):
    """A file as it was found. `changed`: when it was last modified, as Unix time in seconds."""

    path: str
    size: int
    changed: float


class Files(Protocol):
    """All methods raise `ConnectorError`."""

    def find(self, path: str) -> list[Found]:
        """Files at a path that may be a pattern, sorted; empty where a pattern finds none."""

    def open(self, found: Found) -> AbstractContextManager[io.BufferedReader]: ...

    def look(self, path: str) -> Found | None:
        """None where there is nothing."""

    def remove(self, path: str) -> None: ...

    def move(self, path: str, folder: str) -> str:
        """Into a folder next to the file, under a name that is free there. Returns the new path."""

    def close(self) -> None: ...


class Target(Protocol):
    """All methods raise `ConnectorError`."""

    def write(self, data: bytes) -> None:
        """When it returns, the file has the data."""

    def commit(self) -> None: ...

    def close(self) -> None:
        """Discards what was not committed."""


class FilesReader(Source):
    def __init__(self, source: FileSource | SftpSource, context: Context, files: Files) -> None:
        self._source = source
        self._context = context
        self._log = context.log
        self._files = files
        self._read: list[Found] = []

    def __exit__(self, kind: object = None, *_: object) -> None:
        # Not before: only now is everything pushed, and a destination's own file complete.
        try:
            if kind is None and self._source.after != "keep":
                for found in self._read:
                    self._clear(found)
        finally:
            self.close()

    def close(self) -> None:
        self._files.close()

    def pages(self) -> Iterator[Page]:
        found = self._files.find(self._source.path)
        if not found:
            self._log.info(f"No file matches {self._source.path}", phase=PULL)
        for one in found:
            self._log.info(f"Reading {one.path}, {one.size:,} bytes", phase=PULL)
            count = 0
            for page in self._pages(one, self._context.page_size):
                count += len(page.records)
                yield page
            self._log.info(f"Read {one.path}: {counted(count)}", phase=PULL)
            self._read.append(one)

    def _look(self) -> str:
        found = self._files.find(self._source.path)
        if not found:
            return f"no file matches {self._source.path} at present"
        page = next(self._pages(found[0], 1), None)
        files = f"{len(found):,} file{'' if len(found) == 1 else 's'}"
        return f"{files}; {found[0].path} can be read" + ("" if page else " and has no records")

    def _pages(self, found: Found, page_size: int) -> Iterator[Page]:
        with self._files.open(found) as file:
            try:
                yield from read(file, self._source, page_size, keep_raw=self._context.keep_raw)
            except Broken as error:
                raise ConnectorError(f"{found.path}: {error}.") from None

    def _clear(self, found: Found) -> None:
        """Delete or move a file that was read, unless it has changed since."""
        path, now = found.path, self._files.look(found.path)
        if now is None:
            self._log.warning(f"{path} was removed after it was read", phase=PULL)
        elif now != found:
            self._log.warning(f"{path} changed after it was read: it stays for the next sync", phase=PULL)
        elif self._source.after == "delete":
            self._files.remove(path)
            self._log.info(f"Deleted {path}", phase=PULL)
        else:
            to = self._files.move(path, self._source.move_to)
            self._log.info(f"Moved {path} to {to}", phase=PULL)


class FilesWriter(Destination):
    """`_begin` makes the target, and a writer that starts a file or continues one."""

    def __init__(self, destination: FileDestination | SftpDestination, context: Context) -> None:
        self._destination = destination
        self._log = context.log
        self._path = destination.path.replace("{time}", f"{utc_now():%Y%m%dT%H%M%SZ}")
        self._target: Target
        self._writer: Writer
        self._unfinished = False

    def _begin(self) -> tuple[Target, Writer]:
        raise NotImplementedError

    def __enter__(self) -> Self:
        self._target, self._writer = self._begin()
        return self

    def __exit__(self, *_: object) -> None:
        try:
            if self._unfinished and getattr(self._destination, "mode", "replace") == "replace":
                self._log.warning(f"{self._path} was not completed: what this sync wrote is discarded", phase=PUSH)
        finally:
            self._target.close()

    def complete(self) -> None:
        self._target.write(self._writer.end())
        self._target.commit()
        self._unfinished = False
        self._log.info(f"{self._path} is complete", phase=PUSH)

    def push(self, records: Sequence[Record]) -> Iterator[Outcome]:
        data, refused = self._writer.encode(records)
        self._target.write(data)
        self._unfinished = self._unfinished or None in refused
        yield from map(Outcome, records, refused)


def is_pattern(path: str) -> bool:
    return any(character in path for character in "*?[")


def limited(found: Iterable[T], pattern: str) -> list[T]:
    """Raises `ConnectorError` when a pattern finds too many files."""
    first = list(islice(found, MOST_FILES + 1))
    if len(first) > MOST_FILES:
        raise ConnectorError(f"The pattern {pattern!r} finds more than {MOST_FILES:,} files. Move those that are done.")
    return first


def free_name(name: str) -> str:
    """A name with the time in it, for one that is taken."""
    stem, dot, ending = name.rpartition(".")
    at = f"{utc_now():%Y%m%dT%H%M%S%fZ}"
    return f"{stem}-{at}.{ending}" if dot and stem else f"{name}-{at}"
