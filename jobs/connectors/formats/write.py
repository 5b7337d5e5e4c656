"""Writes records as the bytes of a file, a batch at a time."""

from __future__ import annotations

import codecs
from collections.abc import Sequence
from typing import NamedTuple

from jobs.connectors.formats.base import Refused, Syntax
from jobs.connectors.formats.csv import CsvSyntax
from jobs.connectors.formats.json import JsonSyntax
from jobs.connectors.formats.ndjson import NdjsonSyntax
from jobs.connectors.formats.xml import XmlSyntax
from jobs.services.model import Layout
from synctail.model.json_text import Record


class Encoded(NamedTuple):
    """`refused`: for each record, in order, why it is not in `data`; None where it is."""

    data: bytes
    refused: list[str | None]


class Writer:
    """`encode` makes bytes of each batch, then `end` of what closes the file. `begun`: it continues an existing file, a
    CSV with these `columns`."""

    def __init__(self, layout: Layout, *, columns: Sequence[str] | None = None, begun: bool = False) -> None:
        self._syntax = _syntax(layout, columns)
        self._begun = begun
        self._any = False
        self._encoding = layout.encoding if layout.file_format == "csv" else "utf-8"
        self._encoder = codecs.getincrementalencoder(self._encoding)()
        if begun:
            self._encoder.encode(" ")  # the file has its byte order mark already

    def encode(self, records: Sequence[Record]) -> Encoded:
        if not records:
            return Encoded(b"", [])
        data: list[bytes] = []
        refused: list[str | None] = []
        if not self._begun:
            self._begun = True
            data.append(self._encoder.encode(self._syntax.start(records)))
        for record in records:
            try:
                data.append(self._one(record))
                refused.append(None)
            except Refused as error:
                refused.append(str(error))
        return Encoded(b"".join(data), refused)

    def end(self) -> bytes:
        start = "" if self._begun else self._syntax.start([])
        return self._encoder.encode(start + self._syntax.end)

    def _one(self, record: Record) -> bytes:
        try:
            text = self._syntax.one(record)
            encoded = self._encoder.encode((self._syntax.between if self._any else "") + text)
        except UnicodeEncodeError as error:
            raise Refused(f"{error.object[error.start]!a} cannot be written in {self._encoding}") from None
        except RecursionError:
            raise Refused("it is nested too deeply") from None
        self._any = True
        return encoded


def _syntax(layout: Layout, columns: Sequence[str] | None) -> Syntax:
    match layout.file_format:
        case "csv":
            return CsvSyntax(layout, columns)
        case "ndjson":
            return NdjsonSyntax()
        case "json":
            return JsonSyntax(layout.records)
        case "xml":
            return XmlSyntax(layout)
