"""CSV: one record per row, under the names of a header or of the service's `columns`."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator, Sequence
from types import SimpleNamespace
from typing import Any

from jobs.connectors.formats.base import RECORD_BYTES, Broken, Item, Reader, Refused, Syntax, oversize
from jobs.services.model import Layout
from synctail.model.json_text import Record, as_json

csv.field_size_limit(RECORD_BYTES)  # the usual 128 KiB would refuse what other formats take


class CsvReader(Reader):
    """Every value is text. A field without a name, as after a comma at the end of each line, is left out."""

    newline = ""

    def __init__(self, file: io.BufferedReader, layout: Layout, *, keep_raw: bool = False) -> None:
        super().__init__(file, layout, keep_raw=keep_raw)
        self._raw: list[str] = []
        self._size = 0
        self._began = 1
        self._rows = csv.reader(self._feed(), delimiter=layout.delimiter, strict=True)
        self._columns = layout.columns

    def header(self) -> list[str]:
        """The names in the first row. Raises `Broken`."""
        names = [name.strip() for name in next(self._read(), [])]
        twice = {name for name in names if name and names.count(name) > 1}
        if twice:
            raise Broken(f"line {self._began:,}: the header has the column {min(twice)!r} twice")
        self.head = "".join(self._raw)
        return names

    def items(self) -> Iterator[Item]:
        names = self._columns or self.header()
        for row in self._read():
            if len(row) != len(names):
                raise Broken(f"line {self._began:,}: expected {len(names):,} fields, got {len(row):,}")
            record = {name: value for name, value in zip(names, row, strict=True) if name}
            yield Item(record, self._size, "".join(self._raw) if self._keep_raw else "")

    def _read(self) -> Iterator[list[str]]:
        """Rows that are not empty."""
        while True:
            self._raw, self._size = [], 0
            self._began = self._text.line + 1
            try:
                row = next(self._rows, None)
            except csv.Error as error:
                raise Broken(f"line {self._began:,}: not valid CSV: {error}") from None
            if row is None:
                return
            if row:
                yield row

    def _feed(self) -> Iterator[str]:
        for line in self._text.lines():
            self._raw.append(line)
            self._size += len(line)
            if large := oversize(self._size):
                raise Broken(f"line {self._began:,}: the row that starts here is {large}. Is a quote left open?")
            yield line


class CsvSyntax(Syntax):
    """The columns are those named, or the members of the first batch in the order in which they come."""

    def __init__(self, layout: Layout, columns: Sequence[str]) -> None:
        self._columns = list(layout.columns or columns)
        self._strict = not layout.columns
        returns: Any = SimpleNamespace(write=str)  # `writerow` returns what `write` does: the row
        self._row: Callable[[Sequence[str]], str] = csv.writer(returns, delimiter=layout.delimiter).writerow

    def start(self, records: Sequence[Record]) -> str:
        self._columns = self._columns or list(dict.fromkeys(name for record in records for name in record))
        return self._row(self._columns) if self._columns else ""

    def one(self, record: Record) -> str:
        if self._strict and (more := next((name for name in record if name not in self._columns), None)) is not None:
            raise Refused(f"the file has no column {more!r}. List all columns in 'columns'")
        return self._row([_value(record.get(name)) for name in self._columns])


def _value(value: Any) -> str:
    if isinstance(value, bool | dict | list):
        return as_json(value).decode()
    return "" if value is None else str(value)
