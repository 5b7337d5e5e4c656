"""What a format is: a `Reader` makes records of a file, a `Syntax` makes text of records."""

from __future__ import annotations

import codecs
import io
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

from jobs.services.model import Layout
from synctail.model.json_text import Record

RECORD_BYTES = 16 * 1024 * 1024
"""Maximum size of a record, and of what lies between two of them."""
CHUNK = 64 * 1024
_ESCAPED = re.compile("[\udc80-\udcff]")


class Broken(Exception):
    """A file is not what its format says: in which line, and why."""


class Refused(Exception):
    """The format cannot carry this record."""


class Item(NamedTuple):
    """A record as a file has it: `size` in bytes or characters; `raw`, its text, where that is kept."""

    record: Record
    size: int
    raw: str = ""


class Text:
    """The text of a file, by lines or by chunks, with the lines counted.

    A byte that the encoding does not have is let through as half a surrogate pair, so that its line can be named.
    """

    def __init__(self, file: io.BufferedReader, encoding: str, newline: str) -> None:
        self._encoding = encoding
        if codecs.lookup(encoding).name == "utf-8":
            utf_16 = file.peek(2)[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
            encoding = "utf-16" if utf_16 else "utf-8-sig"
        self._text = io.TextIOWrapper(file, encoding, errors="surrogateescape", newline=newline)
        self.line = 0
        """The number of the last line read; with chunks, the number of line ends read."""

    def close(self) -> None:
        with suppress(ValueError):  # the file is closed already
            self._text.detach()

    def lines(self) -> Iterator[str]:
        while line := self._read(self._text.readline, RECORD_BYTES + 1):
            self.line += 1
            if large := oversize(len(line)):
                raise Broken(f"line {self.line:,}: the line is {large}")
            yield line

    def chunk(self, size: int) -> str:
        chunk = self._read(self._text.read, size)
        self.line += chunk.count("\n")
        return chunk

    def _read(self, how: Callable[[int], str], size: int) -> str:
        try:
            text = how(size)
        except UnicodeError:  # an encoding whose broken parts cannot be let through
            raise Broken(f"after line {self.line:,}: the text is not {self._encoding}. Check 'encoding'") from None
        if not text.isascii() and (found := _ESCAPED.search(text)):
            line = self.line + 1 + text.count("\n", 0, found.start())
            byte = ord(found[0]) - 0xDC00
            raise Broken(f"line {line:,}: the byte 0x{byte:02x} is not {self._encoding}. Check 'encoding'")
        return text


class Reader:
    """`head`, `between` and `end` make a file of the raw text of some records."""

    head = between = end = ""
    newline = "\n"

    def __init__(self, file: io.BufferedReader, layout: Layout, *, keep_raw: bool = False) -> None:
        self._text = Text(file, layout.encoding, self.newline)
        self._keep_raw = keep_raw

    def close(self) -> None:
        """The file stays open: the caller closes it."""
        self._text.close()

    def items(self) -> Iterator[Item]:
        """Raises `Broken`."""
        raise NotImplementedError

    def wrap(self, raws: Iterable[str]) -> bytes:
        return (self.head + self.between.join(raws) + self.end).encode("utf-8", "surrogatepass")


class Syntax:
    """The text before, between and after records, and that of each."""

    head = between = end = ""

    def __init__(self, layout: Layout, columns: Sequence[str]) -> None:
        """`columns`: those of the file that is continued, if it has any."""

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
        kinds = {list: "a list", str: "a text", bool: "a boolean", type(None): "null"}
        raise Broken(f"line {line:,}: expected an object, got {kinds.get(type(value), 'a number')}")
    return value


def oversize(size: int) -> str:
    """What to say of a record of that size; empty where it may be that large."""
    return f"larger than {RECORD_BYTES // 1024 // 1024} MiB" if size > RECORD_BYTES else ""
