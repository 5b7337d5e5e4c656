"""Values, functions, tables and filters as people type them, in an input or on a command line. Pure.

What is written is read as the same: `value_of(text_of(value)) == value`, and so for the others. A text that is JSON is
read as JSON, any other as itself: `open` needs no quotes, and `"5"` is still a text.
"""

from __future__ import annotations

import json
import re
from typing import Any

from synctail.model.filter_text import TypedFault, json_of, value_of

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_DECODER = json.JSONDecoder()


def text_of(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, str) and value and value == value.strip() and value.isprintable() and value_of(value) == value:
        return value
    return json_text(value)


def json_text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


# --- the functions of a mapping ---------------------------------------------------------------------------------------


def steps_of(text: str) -> list[list[Any]]:
    """`trim | lower | round(2)`, or the JSON of it: `[["trim"], ["lower"], ["round", 2]]`. Raises `TypedFault`."""
    text = text.strip()
    if text.startswith("["):
        found: list[Any] = json_of(text)
        found = found if not found or isinstance(found[0], list) else [found]
        if not all(isinstance(one, list) for one in found):
            raise TypedFault('takes functions such as trim | round(2), or [["trim"], ["round", 2]]')
        return found
    steps: list[list[Any]] = []
    at = 0
    while at < len(text):
        step, at = _step(text, at)
        steps.append(step)
        if at < len(text):
            if text[at] != "|":
                raise _unexpected(text, at, "takes | between functions")
            at = _skip(text, at + 1)
            if at == len(text):
                raise _unexpected(text, at, "takes a function after |")
    return steps


def text_of_steps(steps: list[list[Any]]) -> str:
    if not all(one and isinstance(one[0], str) and _NAME.fullmatch(one[0]) for one in steps):
        return json_text(steps)
    return " | ".join(
        name + (f"({', '.join(map(json_text, arguments))})" if arguments else "") for name, *arguments in steps
    )


def _step(text: str, at: int) -> tuple[list[Any], int]:
    found = _NAME.match(text, at)
    if not found:
        raise _unexpected(text, at, "takes a function's name")
    step: list[Any] = [found[0]]
    at = _skip(text, found.end())
    if not text.startswith("(", at):
        return step, at
    at = _skip(text, at + 1)
    while not text.startswith(")", at):
        try:
            value, at = _DECODER.raw_decode(text, at)
        except (ValueError, RecursionError):
            raise _unexpected(text, at, 'takes arguments as JSON, such as 2 or "text", and a ) at their end') from None
        step.append(value)
        at = _skip(text, at)
        if text.startswith(",", at):
            at = _skip(text, at + 1)
        elif not text.startswith(")", at):
            raise _unexpected(text, at, "takes , or ) after an argument")
    return step, _skip(text, at + 1)


def _skip(text: str, at: int) -> int:
    return len(text) - len(text[at:].lstrip())


def _unexpected(text: str, at: int, takes: str) -> TypedFault:
    return TypedFault(f"at {text[at : at + 20]!r}: {takes}" if at < len(text) else f"at its end: {takes}")


# --- a lookup table ---------------------------------------------------------------------------------------------------


def table_of(text: str) -> dict[str, Any]:
    """One entry per line, `DE = Germany`; or a JSON object. Raises `TypedFault`."""
    if text.lstrip().startswith("{"):
        return dict(json_of(text))
    table: dict[str, Any] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        name, equals, value = (part.strip() for part in line.partition("="))
        if not equals:
            raise TypedFault(f"line {number}, {line.strip()[:40]!r}: takes two parts, as in DE = Germany")
        if name in table:
            raise TypedFault(f"line {number}: {name[:40]!r} is there twice")
        table[name] = value_of(value) if value else ""
    return table


def text_of_table(table: dict[str, Any]) -> str:
    for name in table:
        if not name or name != name.strip() or not name.isprintable() or "=" in name or name[0] == "{":
            return json.dumps(table, ensure_ascii=False, indent=2)
    return "\n".join(f"{name} = {'null' if value is None else text_of(value)}" for name, value in table.items())
