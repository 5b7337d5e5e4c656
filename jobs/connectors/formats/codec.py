"""From the bytes of a file to records, a page at a time, and from records to bytes, a batch at a time."""

from __future__ import annotations

import codecs
import io
from collections.abc import Iterator, Sequence
from contextlib import closing
from itertools import islice
from typing import NamedTuple

from jobs.connectors.base import Page
from jobs.connectors.formats.base import Item, Reader, Refused, Syntax
from jobs.connectors.formats.csv import CsvReader, CsvSyntax
from jobs.connectors.formats.json import JsonReader, JsonSyntax, NdjsonReader, NdjsonSyntax
from jobs.connectors.formats.xml import XmlReader, XmlSyntax
from jobs.services.model import FileFormat, Layout
from synctail.model.json_text import Record

PAGE_BYTES = 8 * 1024 * 1024
"""A page ends here even if it has fewer records than it may."""


class _Format(NamedTuple):
    reader: type[Reader]
    syntax: type[Syntax]
    media_type: str


_FORMATS: dict[FileFormat, _Format] = {
    "csv": _Format(CsvReader, CsvSyntax, "text/csv"),
    "json": _Format(JsonReader, JsonSyntax, "application/json"),
    "ndjson": _Format(NdjsonReader, NdjsonSyntax, "application/x-ndjson"),
    "xml": _Format(XmlReader, XmlSyntax, "application/xml"),
}


def read(file: io.BufferedReader, layout: Layout, page_size: int, *, keep_raw: bool = False) -> Iterator[Page]:
    """The file's records. `raw` of a page is a file of its own. Raises `Broken`, and what reading the file raises."""
    ending = layout.file_format
    made = _FORMATS[ending]
    reader = made.reader(file, layout, keep_raw=keep_raw)
    with closing(reader):
        items = reader.items()
        while page := list(_page(items, page_size)):
            raw = reader.wrap(item.raw for item in page) if keep_raw else None
            yield Page([item.record for item in page], raw=raw, type=made.media_type, ending=ending)


def _page(items: Iterator[Item], page_size: int) -> Iterator[Item]:
    size = 0
    for item in islice(items, page_size):
        yield item
        size += item.size
        if size >= PAGE_BYTES:
            return


class Writer:
    """`encode` makes bytes of each batch, then `end` of what closes the file. `begun`: it continues an existing file, a
    CSV with these `columns`."""

    def __init__(self, layout: Layout, *, columns: Sequence[str] = (), begun: bool = False) -> None:
        self._syntax = _FORMATS[layout.file_format].syntax(layout, columns)
        self._begun = begun
        self._between = ""
        self._encoding = layout.encoding if layout.file_format == "csv" else "utf-8"
        self._encoder = codecs.getincrementalencoder(self._encoding)()
        if begun:
            self._encoder.encode(" ")  # the file has its byte order mark already

    def encode(self, records: Sequence[Record]) -> tuple[bytes, list[str | None]]:
        """The batch's bytes, and for each record, in order, why it is not in them; None where it is."""
        if not records:
            return b"", []
        data = [self._encoder.encode(self._start(records))]
        refused: list[str | None] = []
        for record in records:
            try:
                data.append(self._one(record))
                refused.append(None)
            except Refused as error:
                refused.append(str(error))
        return b"".join(data), refused

    def end(self) -> bytes:
        return self._encoder.encode(self._start([]) + self._syntax.end)

    def _start(self, records: Sequence[Record]) -> str:
        begun, self._begun = self._begun, True
        return "" if begun else self._syntax.start(records)

    def _one(self, record: Record) -> bytes:
        try:
            encoded = self._encoder.encode(self._between + self._syntax.one(record))
        except UnicodeEncodeError as error:
            raise Refused(f"{error.object[error.start]!a} cannot be written in {self._encoding}") from None
        except RecursionError:
            raise Refused("it is nested too deeply") from None
        self._between = self._syntax.between
        return encoded
