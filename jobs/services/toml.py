"""Services as TOML. What is written is read as the same. Pure.

A single service is the file itself, several are `[[service]]`. Members with their default value are left out, and the
functions of a mapping are written as people type them: `with = "trim | lower"`. TOML has no null; a value that TOML
cannot express is JSON in a table of its own, `{ json = "null" }`.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from datetime import date, datetime, time
from typing import Any, NamedTuple

import msgspec
import tomli_w

from jobs.services.model import Service
from jobs.services.notation import steps_of, text_of_steps
from jobs.services.shapes import Shape, members, shape_of
from jobs.services.validate import DefinitionFaulty, Fault
from synctail.model.filter_text import TypedFault

SEVERAL = "service"
_ESCAPE = "json"


class Definition(NamedTuple):
    """One service of a file, not yet checked. `path`: its place, `service[1]` or nothing. `faults`: those of the
    notation, with their whole paths."""

    given: Any
    path: str
    faults: list[Fault]


def write_services(services: Sequence[Service], *, several: bool | None = None) -> str:
    """`several`: under `[[service]]`; by default only if there is not exactly one."""
    tables = [_table(service) for service in services]
    if several is None:
        several = len(tables) != 1
    return _dump({SEVERAL: tables} if several else tables[0])


def read_definitions(text: str) -> list[Definition]:
    """Raises `DefinitionFaulty` if the text is not TOML."""
    try:
        given = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError, ValueError) as error:
        raise DefinitionFaulty([Fault("", f"is not TOML: {error}")]) from None
    if SEVERAL not in given:
        return [_definition(given, "")]
    several = given.pop(SEVERAL)
    faults = [
        Fault(str(name), f"is next to [[{SEVERAL}]]; a file has either one service or [[{SEVERAL}]] tables")
        for name in given
    ]
    if not isinstance(several, list):
        faults.append(Fault(SEVERAL, f"takes tables, as in [[{SEVERAL}]]"))
    if faults:
        raise DefinitionFaulty(faults)
    return [_definition(one, f"{SEVERAL}[{index}]") for index, one in enumerate(several)]


# --- out --------------------------------------------------------------------------------------------------------------


def _table(service: Service) -> dict[str, Any]:
    """The id, the name and whether it is active are always there."""
    plain = _without_defaults(msgspec.to_builtins(service), shape_of(Service))
    for row, field in zip(plain.get("mapping", []), service.mapping, strict=False):
        if "with" in row:
            row["with"] = text_of_steps(field.with_)
    return {"id": service.id, "name": service.name, "active": service.active, **plain}


def _without_defaults(given: Any, shape: Shape) -> Any:
    if shape.item and shape.item.kinds:
        return [_without_defaults(one, shape.item) for one in given]
    struct = shape.struct_of(given) if isinstance(given, dict) else None
    if struct is None:
        return _escaped(given)
    tag = {"kind": given["kind"]} if struct.__struct_config__.tag else {}
    return tag | {
        name: _without_defaults(given[name], member.shape)
        for name, member in members(struct).items()
        # An equal value of another type, as 1 for true, is written differently.
        if given[name] != member.default or type(given[name]) is not type(member.default)
    }


def _escaped(value: Any) -> Any:
    """Values that TOML has, as they are; others as JSON in a table of their own."""
    if value is None or (isinstance(value, dict) and [*value] == [_ESCAPE]):
        return {_ESCAPE: msgspec.json.encode(value).decode()}
    if isinstance(value, dict):
        return {name: _escaped(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_escaped(one) for one in value]
    return value


def _dump(table: dict[str, Any]) -> str:
    """Texts of several lines are written as they are, which tomli-w does not do: it gets a name in place of each."""
    written = msgspec.json.encode(table).decode()
    mark = "text"
    while mark in written:
        mark += "-"
    texts: list[str] = []
    dumped = tomli_w.dumps(_named(table, mark, texts), indent=2)
    return re.sub(f'"{mark}([0-9]+)"', lambda found: f"'''\n{texts[int(found[1])]}'''", dumped)


def _named(value: Any, mark: str, texts: list[str]) -> Any:
    if isinstance(value, dict):
        return {name: _named(one, mark, texts) for name, one in value.items()}
    if isinstance(value, list):
        return [_named(one, mark, texts) for one in value]
    if isinstance(value, str) and "\n" in value and _stands_as_it_is(value):
        texts.append(value)
        return f"{mark}{len(texts) - 1}"
    return value


def _stands_as_it_is(text: str) -> bool:
    return "'''" not in text and not text.endswith("'") and not re.search(r"[\x00-\x08\x0b-\x1f\x7f]", text)


# --- in ---------------------------------------------------------------------------------------------------------------


def _definition(given: Any, path: str) -> Definition:
    read = _read(given)
    faults = []
    fields = read.get("mapping") if isinstance(read, dict) else None
    for index, field in enumerate(fields if isinstance(fields, list) else []):
        if isinstance(field, dict) and isinstance(field.get("with"), str):
            try:
                field["with"] = steps_of(field["with"])
            except TypedFault as fault:
                faults.append(Fault(f"{path}.mapping[{index}].with".lstrip("."), str(fault)))
                field["with"] = []
    return Definition(read, path, faults)


def _read(given: Any) -> Any:
    """TOML's values as JSON: a time becomes its text, and JSON in a table is decoded."""
    if isinstance(given, dict):
        if [*given] == [_ESCAPE] and isinstance(given[_ESCAPE], str):
            try:
                return msgspec.json.decode(given[_ESCAPE])
            except (msgspec.DecodeError, UnicodeError, RecursionError):
                return given
        return {name: _read(one) for name, one in given.items()}
    if isinstance(given, list):
        return [_read(one) for one in given]
    if isinstance(given, datetime | date | time):
        return given.isoformat()
    return given
