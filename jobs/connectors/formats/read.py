"""Reads the records of a file, a page at a time."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import NamedTuple

from jobs.connectors.formats.base import Reader
from jobs.connectors.formats.csv import CsvReader
from jobs.connectors.formats.json import JsonReader
from jobs.connectors.formats.ndjson import NdjsonReader
from jobs.connectors.formats.text import Text
from jobs.connectors.formats.xml import XmlReader
from jobs.services.model import FileFormat, Layout
from synctail.model.json_text import Record

PAGE_BYTES = 8 * 1024 * 1024
"""A page ends here even if it has fewer records than it may."""

MEDIA_TYPES: dict[FileFormat, str] = {
    "csv": "text/csv",
    "json": "application/json",
    "ndjson": "application/x-ndjson",
    "xml": "application/xml",
}


class Piece(NamedTuple):
    """Records of a file, in order. `raw`: the same records as the file has them, as a file of their own."""

    records: list[Record]
    raw: bytes | None = None


def read(file: io.BufferedReader, layout: Layout, page_size: int, *, keep_raw: bool = False) -> Iterator[Piece]:
    """The file's records, `page_size` at a time. Raises `Broken`, and what reading the file raises."""
    reader = _reader(file, layout, keep_raw=keep_raw)
    try:
        yield from _pieces(reader, page_size, keep_raw=keep_raw)
    finally:
        reader.close()


def _reader(file: io.BufferedReader, layout: Layout, *, keep_raw: bool) -> Reader:
    match layout.file_format:
        case "csv":
            return CsvReader(file, layout)
        case "ndjson":
            return NdjsonReader(Text(file, layout.encoding, newline="\n"))
        case "json":
            return JsonReader(Text(file, layout.encoding, newline="\n"), layout.records)
        case "xml":
            return XmlReader(file, layout, keep_raw=keep_raw)


def _pieces(reader: Reader, page_size: int, *, keep_raw: bool) -> Iterator[Piece]:
    records: list[Record] = []
    raws: list[str] = []
    size = 0

    def piece() -> Piece:
        raw = reader.wrap(raws).encode("utf-8", "surrogatepass") if keep_raw else None
        return Piece(records, raw)

    for item in reader.items():
        records.append(item.record)
        size += item.size
        if keep_raw:
            raws.append(item.raw)
        if len(records) >= page_size or size >= PAGE_BYTES:
            yield piece()
            records, raws, size = [], [], 0
    if records:
        yield piece()
