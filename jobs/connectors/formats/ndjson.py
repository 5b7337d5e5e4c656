"""NDJSON: one JSON object per line."""

from __future__ import annotations

import json
from collections.abc import Iterator

from jobs.connectors.formats.base import Broken, Item, Syntax, as_record
from jobs.connectors.formats.text import Text
from synctail.model.json_text import Record, as_json


class NdjsonReader:
    def __init__(self, text: Text) -> None:
        self._text = text
        self.close = text.close

    def items(self) -> Iterator[Item]:
        for line in self._text.lines():
            if not line.isspace():
                number = self._text.line
                yield Item(as_record(_value(line, number), number), len(line), line)

    def wrap(self, raws: list[str]) -> str:
        return "".join(raws)


def _value(line: str, number: int) -> object:
    try:
        value: object = json.loads(line)
    except json.JSONDecodeError as error:
        raise Broken(f"line {number:,}: not valid JSON: {error.msg} at character {error.pos + 1}") from None
    except (ValueError, RecursionError):
        raise Broken(f"line {number:,}: cannot be read as JSON") from None
    return value


class NdjsonSyntax(Syntax):
    def one(self, record: Record) -> str:
        return as_json(record).decode() + "\n"
