"""JSON: a list of objects, which may be in a member of other objects (`data.orders`). NDJSON: one object per line."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

from jobs.connectors.formats.base import CHUNK, Broken, Item, Reader, Syntax, as_record, oversize
from jobs.services.model import Layout
from synctail.model.json_text import Record, as_json

_NOT_SPACE = re.compile(r"[^ \t\r\n]")
_LONGEST_TOKEN = 16


class NdjsonReader(Reader):
    def items(self) -> Iterator[Item]:
        for line in self._text.lines():
            if not line.isspace():
                yield Item(as_record(self._value(line), self._text.line), len(line), line)

    def _value(self, line: str) -> Any:
        try:
            return json.loads(line)
        except json.JSONDecodeError as error:
            why = f"not valid JSON: {error.msg} at character {error.pos + 1}"
        except (ValueError, RecursionError):
            why = "cannot be read as JSON"
        raise Broken(f"line {self._text.line:,}: {why}")


class NdjsonSyntax(Syntax):
    def one(self, record: Record) -> str:
        return as_json(record).decode() + "\n"


class JsonReader(Reader):
    """Decodes one value after the other, from a buffer that holds little more than the current one."""

    head, between, end = "[\n", ",\n", "\n]\n"

    def __init__(self, file: io.BufferedReader, layout: Layout, *, keep_raw: bool = False) -> None:
        super().__init__(file, layout, keep_raw=keep_raw)
        self._path = layout.records.split(".") if layout.records else []
        self._decode = json.JSONDecoder().raw_decode
        self._buffer = ""
        self._at = 0
        self._before = 0
        """Lines before the buffer."""
        self._ended = False

    def items(self) -> Iterator[Item]:
        yield from self._find(self._path)
        if self._peek():
            raise self._broken("unexpected text after the end")

    # --- lists and objects ----------------------------------------------------------------------------------------

    def _find(self, path: list[str]) -> Iterator[Item]:
        if not path:
            yield from self._list()
            return
        found = False
        for name in self._members():
            if name == path[0] and not found:
                found = True
                yield from self._find(path[1:])
            else:
                self._value()
        if not found:
            raise Broken(f"there is no member {path[0]!r}")

    def _list(self) -> Iterator[Item]:
        if self._peek() == "{" and not self._path:
            raise self._broken("expected a list, got an object. Name the member that holds the list in 'records'")
        for _ in self._within("[", "]"):
            self._peek()
            line = self._line(self._at)
            value, start = self._value()
            raw = self._buffer[start : self._at] if self._keep_raw else ""
            yield Item(as_record(value, line), self._at - start, raw)

    def _members(self) -> Iterator[str]:
        """The names in an object. The caller takes each value before it asks for the next name."""
        for _ in self._within("{", "}"):
            if self._peek() != '"':
                raise self._broken("not valid JSON: expected a name")
            name, _start = self._value()
            self._take(":")
            yield name

    def _within(self, opening: str, closing: str) -> Iterator[None]:
        """Yields where something begins in a list or an object. The caller takes it."""
        self._take(opening)
        if self._peek() != closing:
            yield
            while self._peek() != closing:
                self._take(",")
                yield
        self._take(closing)

    # --- values and characters ------------------------------------------------------------------------------------

    def _take(self, wanted: str) -> None:
        found = self._peek()
        if found != wanted:
            got = repr(found) if found else "the end of the file"
            raise self._broken(f"not valid JSON: expected {wanted!r}, got {got}")
        self._at += 1

    def _peek(self) -> str:
        """The next character that is not white space; empty at the end."""
        while not (match := _NOT_SPACE.search(self._buffer, self._at)):
            self._at = len(self._buffer)
            if not self._fill():
                return ""
        self._at = match.start()
        return match[0]

    def _value(self) -> tuple[Any, int]:
        """The next value, and where it starts in the buffer."""
        self._peek()
        while True:
            try:
                value, end = self._decode(self._buffer, self._at)
            except json.JSONDecodeError as error:
                unfinished = error.msg.startswith("Unterminated") or error.pos > len(self._buffer) - _LONGEST_TOKEN
                if not (unfinished and self._fill()):
                    raise self._broken(f"not valid JSON: {error.msg}", error.pos) from None
            except (ValueError, RecursionError):
                raise self._broken("cannot be read as JSON") from None
            else:
                # A number at the end of the buffer may go on.
                if end < len(self._buffer) or not self._fill():
                    start, self._at = self._at, end
                    return value, start

    # --- the buffer -----------------------------------------------------------------------------------------------

    def _fill(self) -> bool:
        """Read more, and forget what has been read. False at the end of the file."""
        if self._ended:
            return False
        if self._at > CHUNK:
            self._before += self._buffer.count("\n", 0, self._at)
            self._buffer = self._buffer[self._at :]
            self._at = 0
        rest = len(self._buffer) - self._at
        if large := oversize(rest):
            raise self._broken(f"the value that starts here is {large}, or never ends")
        # Doubled each time: a large value is tried a few times, not once for each chunk.
        chunk = self._text.chunk(max(CHUNK, rest))
        self._ended = not chunk
        self._buffer += chunk
        return not self._ended

    def _line(self, at: int) -> int:
        return 1 + self._before + self._buffer.count("\n", 0, at)

    def _broken(self, why: str, at: int | None = None) -> Broken:
        return Broken(f"line {self._line(self._at if at is None else at):,}: {why}")


class JsonSyntax(Syntax):
    between = ",\n"

    def __init__(self, layout: Layout, columns: Sequence[str]) -> None:
        del columns
        names = layout.records.split(".") if layout.records else []
        self.head = "".join(f"{{{json.dumps(name)}: " for name in names) + "[\n"
        self.end = "\n]" + "}" * len(names) + "\n"

    def one(self, record: Record) -> str:
        return as_json(record).decode()
