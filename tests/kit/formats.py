"""Files in memory, for the tests of formats."""

from __future__ import annotations

import io
from typing import Any, get_args

from jobs.connectors.base import Page
from jobs.connectors.formats.codec import Writer, read
from jobs.services.model import FileDestination, FileFormat, FileSource
from synctail.model.json_text import Record

FORMATS: tuple[FileFormat, ...] = get_args(FileFormat)


def pieces(data: bytes, form: FileFormat, *, page_size: int = 2, keep_raw: bool = False, **more: Any) -> list[Page]:
    raw: Any = io.BytesIO(data)
    file = io.BufferedReader(raw)
    return list(read(file, FileSource(path="x", format=form, **more), page_size, keep_raw=keep_raw))


def records(data: bytes, form: FileFormat, **more: Any) -> list[Record]:
    return [record for piece in pieces(data, form, **more) for record in piece.records]


def written(form: FileFormat, *batches: list[Record], **more: Any) -> tuple[bytes, list[str | None]]:
    writer = Writer(FileDestination(path="x", format=form, **more))
    encoded = [writer.encode(batch) for batch in batches]
    return b"".join(data for data, _ in encoded) + writer.end(), [why for _, refused in encoded for why in refused]
