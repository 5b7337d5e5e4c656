"""Definitions, checked whole: every fault with its path, not only the first. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from difflib import get_close_matches
from typing import Any, Literal, NamedTuple, TypeVar, get_args, get_origin

import msgspec
from msgspec import Struct

from jobs.services import ends
from jobs.services.model import AnyDestination, AnySource, Schedule, Service
from jobs.services.shapes import Shape, join, members, shape_of
from jobs.transform import filters, mapping, script_check
from jobs.transform.model import Filter, MappedField

T = TypeVar("T", bound=Struct)

RESERVED_IDS = ("import", "new")
"""`/services/new` is not the page of a service."""

_INDEPENDENT = frozenset({"url", "auth", "paging", "key", "rate_per_s", "concurrency"})
"""Members of an HTTP source or destination that do not depend on its other members."""


class Fault(NamedTuple):
    """`path` as in `mapping[2].with[0]`; empty for the whole definition."""

    path: str
    says: str


class DefinitionFaulty(ValueError):
    def __init__(self, faults: list[Fault]) -> None:
        super().__init__("; ".join(f"{path}: {says}" if path else says for path, says in faults))
        self.faults = faults


def read_service(body: object) -> Service:
    """A service from JSON or TOML. Raises `DefinitionFaulty` with every fault."""
    return read(body, Service)


def read(body: object, wanted: type[T]) -> T:
    """`body` as this struct. Raises `DefinitionFaulty` with every fault: of types, and of the parts that are sound."""
    faults = list(_faults(body, shape_of(wanted), ""))
    faults += _meaning_faults(body, {fault.path for fault in faults})
    if faults:
        raise DefinitionFaulty(faults)
    return msgspec.convert(body, wanted)


# --- what it means ------------------------------------------------------------------------------------------------


def _meaning_faults(body: object, broken: set[str]) -> Iterator[Fault]:
    """Of expressions, functions, tables, and of what goes with what. `broken`: paths of faults that are known."""
    if not isinstance(body, dict):
        return
    heads = {re.split(r"[.\[]", path, maxsplit=1)[0] for path in broken}
    sound = {name: value for name, value in body.items() if name not in heads}
    if not sound.get("name", "a name").strip():  # nothing to see or to press in a list
        yield Fault("name", "is missing")
    yield from _end_faults(body, "source", AnySource, ends.source_faults, broken)
    yield from _end_faults(body, "destination", AnyDestination, ends.destination_faults, broken)
    if sound.get("id") in RESERVED_IDS:
        yield Fault("id", f"{body['id']!r} is the address of a page; choose another")
    for index, row in enumerate(_rows(body, "filters", Filter, broken)):
        if row and (fault := filters.fault(row)):
            yield Fault(f"filters[{index}].{fault[0]}", fault[1])
    yield from _schedule_faults(sound)
    if sound.get("script") and (problem := script_check.check(body["script"]["code"])):
        yield Fault("script.code", problem)
    if "lookups" not in heads:
        rows = _rows(body, "mapping", MappedField, broken)
        for path, says in mapping.faults(rows, body.get("lookups", {})):
            yield Fault(f"mapping{path}", says)


def _schedule_faults(sound: dict[str, Any]) -> Iterator[Fault]:
    trigger = msgspec.convert(sound.get("trigger", {}), Schedule)
    if trigger.schedule and sound.get("source", {}).get("kind") == "inbound":
        yield Fault("trigger.schedule", "does not go with an inbound source, whose syncs start when records are posted")
    if trigger.fault:
        yield Fault("trigger.schedule", trigger.fault)


def _end_faults(
    body: dict[str, Any],
    name: str,
    wanted: Any,
    faults_of: Callable[[Any], Iterator[tuple[str, str]]],
    broken: set[str],
) -> Iterator[Fault]:
    """Of a source or a destination. One with broken members is checked without them where that makes sense."""
    wrong = {path[len(name) + 1 :].partition(".")[0] for path in broken if path == name or path.startswith(f"{name}.")}
    end = body.get(name)
    if not isinstance(end, dict) or (wrong and (end.get("kind") != "http" or not wrong <= _INDEPENDENT)):
        return
    sound = {member: value for member, value in end.items() if member not in wrong}
    if "url" in wrong:
        sound["url"] = "http://stand.in"
    for member, says in faults_of(msgspec.convert(sound, wanted)):
        if member.partition(".")[0] not in wrong:
            yield Fault(f"{name}.{member}", says)


def _rows(body: dict[str, Any], name: str, wanted: type[T], broken: set[str]) -> list[T | None]:
    """The rows at their places; None for a broken one."""
    rows = body.get(name)
    wrong = {path.partition("]")[0] for path in broken}
    return [
        None if f"{name}[{index}" in wrong else msgspec.convert(row, wanted)
        for index, row in enumerate(rows if isinstance(rows, list) and name not in broken else [])
    ]


# --- its types ----------------------------------------------------------------------------------------------------


def _faults(body: Any, shape: Shape, path: str) -> Iterator[Fault]:
    if body is None and shape.optional:
        return
    if shape.kinds and not isinstance(body, dict):
        yield Fault(path, f"takes an object, got {body!r}")
    elif struct := shape.struct_of(body):
        yield from _struct_faults(body, struct, path)
    elif shape.kinds:
        said = f"got {body['kind']!r}" if body.get("kind") is not None else "is missing"
        yield Fault(join(path, "kind"), f"{said}; takes {_one_of(shape.kinds)}")
    elif shape.item and isinstance(body, list):
        for index, one in enumerate(body):
            yield from _faults(one, shape.item, f"{path}[{index}]")
    elif get_origin(shape.bare) is Literal and body not in get_args(shape.bare):
        yield Fault(path, f"got {body!r}; takes {_one_of(get_args(shape.bare))}")
    else:
        yield from _value_faults(body, shape.type, path)


def _struct_faults(body: dict[str, Any], struct: type[Struct], path: str) -> Iterator[Fault]:
    known = members(struct)
    names = {*known, struct.__struct_config__.tag_field}
    for name in body:
        if name not in names:
            near = get_close_matches(name, known, 1)
            yield Fault(join(path, name), "is unknown" + (f"; did you mean {near[0]!r}?" if near else ""))
    found: list[Fault] = []
    for name, member in known.items():
        if name in body:
            found += _faults(body[name], member.shape, join(path, name))
        elif member.required:
            found.append(Fault(join(path, name), "is missing"))
    yield from found
    if not found:  # what only the whole can say, as of a schedule that never comes
        for fault in _value_faults({name: value for name, value in body.items() if name in names}, struct, path):
            name, colon, says = fault.says.partition(": ")
            yield Fault(join(path, name), says) if colon and name in known else fault


def _value_faults(body: object, wanted: Any, path: str) -> Iterator[Fault]:
    try:
        msgspec.convert(body, wanted)
    except msgspec.ValidationError as error:
        says = str(error).split(" - at `$")[0]
        begins, instead = next((each for each in _PLAIN if says.startswith(each[0])), ("", ""))
        yield Fault(path, instead + says[len(begins) :].replace("`", "") if begins else says)


def _one_of(values: Any) -> str:
    return " or ".join(map(repr, values))


_PLAIN = (
    ("Expected `int` >= ", "takes a whole number from "),
    ("Expected `int` <= ", "takes a whole number up to "),
    ("Expected `int`", "takes a whole number"),
    ("Expected `float` >= ", "takes a number from "),
    ("Expected `float` > ", "takes a number above "),
    ("Expected `float` <= ", "takes a number up to "),
    ("Expected `float`", "takes a number"),
    ("Expected `bool`", "takes true or false"),
    ("Expected `array`", "takes a list"),
    ("Expected `object`", "takes an object"),
    ("Expected `str` of length >= 1", "is missing"),
    ("Expected `str` of length <= ", "takes a text whose length is at most "),
    ("Expected `str` matching regex '^https?://'", "takes a URL that begins with http:// or https://"),
    (
        "Expected `str` matching regex '^[a-z0-9][a-z0-9-]{0,62}\\\\Z'",
        "takes up to 63 lower-case letters, digits and dashes, and does not begin with a dash",
    ),
    (
        "Expected `str` matching regex '^[A-Z][A-Z0-9_]{0,62}\\\\Z'",
        "takes the name of a secret: capital letters, digits and underscores, as in SHOP_TOKEN",
    ),
    ("Expected `str`,", "takes a text,"),
)
"""How the texts of msgspec begin, and what replaces that."""
