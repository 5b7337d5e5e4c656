"""JSON: a list of objects, which may be in a member of other objects (`data.orders`)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from jobs.connectors.formats.base import CHUNK, Broken, Item, Syntax, as_record, oversize
from jobs.connectors.formats.text import Text
from synctail.model.json_text import Record, as_json

_NOT_SPACE = re.compile(r"[^ \t\r\n]")
_LONGEST_TOKEN = 16


class JsonReader:
    """Decodes one value after the other, from a buffer that holds little more than the current one."""

    def __init__(self, text: Text, path: str) -> None:
        self._text = text
        self.close = text.close
        self._path = path.split(".") if path else []
        self._decode = json.JSONDecoder().raw_decode
        self._buffer = ""
        self._at = 0
        self._start = 0
        """Where the last value begins."""
        self._before = 0
        """Lines before the buffer."""
        self._ended = False

    def items(self) -> Iterator[Item]:
        yield from self._find(self._path)
        if self._peek():
            raise self._broken("unexpected text after the end")

    def wrap(self, raws: list[str]) -> str:
        return "[\n" + ",\n".join(raws) + "\n]\n"

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
            line = self._line()
            record = as_record(self._value(), line)
            yield Item(record, self._at - self._start, self._buffer[self._start : self._at])

    def _members(self) -> Iterator[str]:
        """The names in an object. The caller takes each value before it asks for the next name."""
        for _ in self._within("{", "}"):
            if self._peek() != '"':
                raise self._broken("not valid JSON: expected a name")
            name: str = self._value()
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
        while True:
            match = _NOT_SPACE.search(self._buffer, self._at)
            if match:
                self._at = match.start()
                return match[0]
            self._at = len(self._buffer)
            if not self._fill():
                return ""

    def _value(self) -> Any:
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
                    self._start, self._at = self._at, end
                    return value

    # --- the buffer -----------------------------------------------------------------------------------------------

    def _fill(self) -> bool:
        """Read more. False at the end of the file."""
        if self._ended:
            return False
        self._drop()
        if large := oversize(len(self._buffer) - self._at):
            raise self._broken(f"the value that starts here is {large}, or never ends")
        # Doubled each time: a large value is tried a few times, not once for each chunk.
        chunk = self._text.chunk(max(CHUNK, len(self._buffer) - self._at))
        self._ended = not chunk
        self._buffer += chunk
        return not self._ended

    def _drop(self) -> None:
        """Forget what has been read."""
        if self._at > CHUNK:
            self._before += self._buffer.count("\n", 0, self._at)
            self._buffer = self._buffer[self._at :]
            self._at = 0

    def _line(self, at: int | None = None) -> int:
        return 1 + self._before + self._buffer.count("\n", 0, self._at if at is None else at)

    def _broken(self, why: str, at: int | None = None) -> Broken:
        return Broken(f"line {self._line(at):,}: {why}")


class JsonSyntax(Syntax):
    between = ",\n"

    def __init__(self, path: str) -> None:
        names = path.split(".") if path else []
        self.head = "".join(f"{{{json.dumps(name)}: " for name in names) + "[\n"
        self.end = "\n]" + "}" * len(names) + "\n"

    def one(self, record: Record) -> str:
        return as_json(record).decode()
