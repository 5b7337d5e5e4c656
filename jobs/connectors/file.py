"""NDJSON files below one folder, and nowhere else. A replaced file is there complete, or as it was before."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Self

from jobs.connectors import ConnectorError, Outcome, Record, as_json

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from jobs.records import FileDestination


class FileWriter:
    def __init__(self, destination: FileDestination, folder: Path) -> None:
        self._target = inside(folder, destination.path)
        self._replace = destination.mode == "replace"
        self._temporary: Path | None = None
        self._file: BinaryIO

    def __enter__(self) -> Self:
        try:
            self._target.parent.mkdir(parents=True, exist_ok=True)
            if self._replace:
                handle, name = tempfile.mkstemp(prefix=f".{self._target.name}.", dir=self._target.parent)
                self._temporary = Path(name)
                self._file = os.fdopen(handle, "wb")
            else:
                self._file = self._target.open("ab")
        except OSError as error:
            raise ConnectorError(f"The file {self._target} cannot be written: {error.strerror}.") from None
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            if self._temporary and kind is None:
                os.fsync(self._file.fileno())  # else a power cut could leave the new name and no content
            self._file.close()
            if self._temporary and kind is None:
                self._temporary.chmod(0o644)
                self._temporary.replace(self._target)
        except OSError as error:
            raise ConnectorError(f"The file {self._target} cannot be written: {error.strerror}.") from None
        finally:
            if self._temporary:
                self._temporary.unlink(missing_ok=True)

    def push(self, records: Sequence[Record]) -> Iterator[Outcome]:
        try:
            self._file.write(b"".join(as_json(record) + b"\n" for record in records))
            self._file.flush()
        except OSError as error:
            raise ConnectorError(f"The file {self._target} cannot be written: {error.strerror}.") from None
        for record in records:
            yield Outcome(record)


def inside(folder: Path, path: str) -> Path:
    """The path below `folder`, links resolved; raises `ConnectorError` when it would lead out of it."""
    root = folder.resolve()
    try:
        target = (root / path).resolve()
    except (OSError, RuntimeError, ValueError) as error:  # links in a circle, a NUL
        raise ConnectorError(f"The path {path!r} cannot be used: {error}.") from None
    if target == root or not target.is_relative_to(root):
        raise ConnectorError(
            f"The path {path!r} leads out of SYNCTAIL_FILES ({root}), the only folder files may be in."
        )
    return target
