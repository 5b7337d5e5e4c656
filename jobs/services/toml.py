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
_NOT_LITERAL = re.compile(r"'''|'\Z|[\x00-\x08\x0b-\x1f\x7f]")


class Definition(NamedTuple):
    """One service of a file, not yet checked. `path`: its place, `service[1]` or nothing. `faults`: those of the
    notation, with their whole paths."""

    body: Any
    path: str
    faults: list[Fault]


def write_services(services: Sequence[Service], *, several: bool | None = None) -> str:
    """`several`: under `[[service]]`; by default only if there is not exactly one."""
    tables = [_table(service) for service in services]
    single = len(tables) == 1 if several is None else not several
    return _dump(tables[0] if single else {SEVERAL: tables})


def read_definitions(text: str) -> list[Definition]:
    """Raises `DefinitionFaulty` if the text is not TOML."""
    try:
        tables = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError, ValueError) as error:
        raise DefinitionFaulty([Fault("", f"is not TOML: {error}")]) from None
    if SEVERAL not in tables:
        return [_definition(tables, "")]
    several = tables.pop(SEVERAL)
    faults = [
        Fault(str(name), f"is next to [[{SEVERAL}]]; a file has either one service or [[{SEVERAL}]] tables")
        for name in tables
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


def _without_defaults(value: Any, shape: Shape) -> Any:
    if shape.item and shape.item.kinds:
        return [_without_defaults(one, shape.item) for one in value]
    struct = shape.struct_of(value) if isinstance(value, dict) else None
    if struct is None:
        return _escaped(value)
    tag = {"kind": value["kind"]} if struct.__struct_config__.tag else {}
    return tag | {
        name: _without_defaults(value[name], member.shape)
        for name, member in members(struct).items()
        # An equal value of another type, as 1 for true, is written differently.
        if value[name] != member.default or type(value[name]) is not type(member.default)
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
    if isinstance(value, str) and "\n" in value and not _NOT_LITERAL.search(value):
        texts.append(value)
        return f"{mark}{len(texts) - 1}"
    return value


# --- in ---------------------------------------------------------------------------------------------------------------


def _definition(value: Any, path: str) -> Definition:
    read = _read(value)
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


def _read(value: Any) -> Any:
    """TOML's values as JSON: a time becomes its text, and JSON in a table is decoded."""
    if isinstance(value, dict):
        if [*value] == [_ESCAPE] and isinstance(value[_ESCAPE], str):
            try:
                return msgspec.json.decode(value[_ESCAPE])
            except (msgspec.DecodeError, UnicodeError, RecursionError):
                return value
        return {name: _read(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_read(one) for one in value]
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    return value
