"""From a file's bytes to its text, by lines or by chunks, with the lines counted."""

from __future__ import annotations

import codecs
import io
import re
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from jobs.connectors.formats.base import CHUNK, RECORD_BYTES, Broken, oversize

_ESCAPED = re.compile("[\udc80-\udcff]")


class Text:
    """A byte that the encoding does not have is let through as half a surrogate pair, so that its line can be named."""

    def __init__(self, file: io.BufferedReader, encoding: str, *, newline: str) -> None:
        self._encoding = encoding
        head = file.peek(2)[:2]
        if codecs.lookup(encoding).name == "utf-8":
            encoding = "utf-16" if head in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE) else "utf-8-sig"
        self._text = io.TextIOWrapper(file, encoding, errors="surrogateescape", newline=newline)
        self.line = 0
        """The number of the last line read; with chunks, the number of line ends read."""

    def close(self) -> None:
        with suppress(ValueError):  # the file is closed already
            self._text.detach()

    def lines(self) -> Iterator[str]:
        while line := self._read(self._text.readline, RECORD_BYTES + 1):
            self.line += 1
            self._look(line, self.line)
            if large := oversize(len(line)):
                raise Broken(f"line {self.line:,}: the line is {large}")
            yield line

    def chunk(self, size: int = CHUNK) -> str:
        chunk = self._read(self._text.read, size)
        self._look(chunk, self.line + 1)
        self.line += chunk.count("\n")
        return chunk

    def _read(self, how: Any, size: int) -> str:
        try:
            text: str = how(size)
        except UnicodeError:  # an encoding whose broken parts cannot be let through
            raise Broken(f"after line {self.line:,}: the text is not {self._encoding}. Check 'encoding'") from None
        return text

    def _look(self, text: str, line: int) -> None:
        if text.isascii():
            return
        found = _ESCAPED.search(text)
        if found:
            line += text.count("\n", 0, found.start())
            byte = ord(found[0]) - 0xDC00
            raise Broken(f"line {line:,}: the byte 0x{byte:02x} is not {self._encoding}. Check 'encoding'")
