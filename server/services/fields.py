"""A form from a struct's type: its inputs, the texts typed into them, and the definition that these make. Pure.

An input's name is the path of its member, as `mapping[2].with`, so a fault finds its input. What was typed is a flat
table of texts, kept as typed until the definition is accepted. A new member of a struct needs nothing here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, NamedTuple, get_args, get_origin

from msgspec import NODEFAULT, UNSET, Struct

from jobs.services import notation as text_forms
from jobs.services.model import Secret
from jobs.services.shapes import Member, Shape, join, members
from jobs.services.validate import Fault
from server.services import labels
from synctail.model import filter_text
from synctail.model.about import about
from synctail.model.filter_text import TypedFault

Typed = dict[str, str]
"""The name of an input, and the text in it."""

MOST_ROWS = 2000
"""A form adds no more rows; a service that has more keeps them."""


@dataclass
class _Part:
    path: str
    label: str
    help: str
    faults: list[str] = field(default_factory=list, kw_only=True)


@dataclass
class Input(_Part):
    """One input. `shape` says how its text is read: see `shape`."""

    shape: str
    example: str
    value: str
    required: bool = False
    choices: tuple[tuple[str, str], ...] = ()


@dataclass
class Group(_Part):
    """Members that belong together. `choice` selects the kind that is shown. `carried` is what was typed into the
    others: going back to one finds it again."""

    choice: Input | None
    items: list[Item]
    carried: list[tuple[str, str]] = field(default_factory=list)


@dataclass
class Rows(_Part):
    """A list of structs, or of named tables: a row for each. `columns`: the inputs of a row that is not made yet."""

    rows: list[Group]
    columns: list[Item]


Item = Input | Group | Rows


class Complaint(NamedTuple):
    """A fault in the summary: the input that it links to, its name, and what is wrong."""

    path: str
    label: str
    says: str


# --- types ------------------------------------------------------------------------------------------------------------


class NamedTable(Struct):
    """A table of a table of tables: a row of two inputs."""

    name: Annotated[str, about("Name", 'As the function takes it: lookup("countries").', "countries")]
    entries: Annotated[dict[str, Any], about("Entries", "One per line: DE = Germany.", {"DE": "Germany"})]


def kinds_of(shape: Shape) -> dict[str, type[Struct]]:
    """The structs of a group by kind; empty for a member that is not a group. A secret is a text here."""
    return {} if shape.bare is Secret else shape.kinds


def row_of(shape: Shape) -> type[Struct] | None:
    """The struct of a row; None for a member without rows."""
    if shape.bare == dict[str, dict[str, Any]]:
        return NamedTable
    return shape.item.kinds.get("") if shape.item else None


_PLAIN = {int: "number", float: "number", Secret: "secret", Any: "value", bool: "check"}


def shape(member: Member) -> str:
    """`text`, `long` or `code` (texts), `number`, `check` (yes or no), `choice`, `secret` (its name), `steps`
    (functions), `lines` (texts), `table` (values by name), `value` (JSON, or else a text), `json`."""
    of = member.shape
    if get_origin(of.bare) is Literal or (of.bare is bool and of.optional):
        return "choice"
    if of.bare is str:
        return "code" if member.media not in ("", "text/plain") else "long" if member.media else "text"
    if of.bare == list[list[Any]]:
        return "steps"
    if get_origin(of.bare) is dict:
        return "table"
    return "lines" if of.item and of.item.bare is str else _PLAIN.get(of.bare, "json")


# --- a definition, typed ----------------------------------------------------------------------------------------------


def typed_of(value: dict[str, Any], struct: type[Struct], path: str = "") -> Typed:
    """The texts in the inputs of a well-formed definition."""
    found: Typed = {}
    for name, member in members(struct).items():
        one = value.get(name, member.default)
        if one is not NODEFAULT:
            found |= _typed(one, member, join(path, name))
    return found


def _typed(value: Any, member: Member, path: str) -> Typed:
    kinds, row = kinds_of(member.shape), row_of(member.shape)
    if row is not None:
        rows = [{"name": name, "entries": entries} for name, entries in value.items()] if row is NamedTable else value
        texts = (typed_of(each, row, f"{path}[{index}]") for index, each in enumerate(rows or ()))
        return {name: text for one in texts for name, text in one.items()}
    if not kinds:
        return {path: _text(value, shape(member))}
    if "" in kinds:
        return {} if value is None else typed_of(value, kinds[""], path)
    kind = value["kind"] if value else ""
    return {f"{path}.kind": kind} | (typed_of(value, kinds[kind], path) if kind else {})


def _text(value: Any, form: str) -> str:  # noqa: PLR0911 - a line for each form
    match form:
        case "check":
            return "on" if value else "off"
        case "steps":
            return text_forms.text_of_steps(value)
        case "value":
            return text_forms.text_of(value)
        case _ if value is None:
            return ""
        case "table":
            return text_forms.text_of_table(value)
        case "secret":
            return str(value["secret"])
        case "lines" if all("\n" not in one and one.strip() == one != "" for one in value):
            return "\n".join(value)
    return text_forms.json_text(value) if isinstance(value, bool) or form in ("json", "lines") else str(value)


# --- what was typed, as a definition ----------------------------------------------------------------------------------


def definition_of(typed: Typed, struct: type[Struct]) -> tuple[dict[str, Any], list[Fault]]:
    """What was typed, as JSON, and what of it cannot be read. A member without an input is left out."""
    faults: list[Fault] = []
    return _made_struct(typed, struct, "", faults), faults


def _made_struct(typed: Typed, struct: type[Struct], path: str, faults: list[Fault]) -> dict[str, Any]:
    made = {name: _made(typed, member, join(path, name), faults) for name, member in members(struct).items()}
    return {name: value for name, value in made.items() if value is not UNSET}


def _made(typed: Typed, member: Member, path: str, faults: list[Fault]) -> Any:
    """`UNSET` for a member that is left out."""
    row = row_of(member.shape)
    if row is not None:
        indexes = range(len(row_numbers(typed, path)))
        rows = [_made_struct(typed, row, f"{path}[{index}]", faults) for index in indexes]
        return _tables(rows, path, faults) if row is NamedTable else rows
    if kinds_of(member.shape):
        return _made_group(typed, member.shape, path, faults)
    if path not in typed:
        return UNSET
    try:
        return _read(typed[path], member)
    except TypedFault as fault:
        faults.append(Fault(path, str(fault)))
        return UNSET


def _made_group(typed: Typed, of: Shape, path: str, faults: list[Fault]) -> Any:
    if "" in of.kinds:
        left_out = of.optional and _is_left_out(typed, of.kinds[""], path)
        return None if left_out else _made_struct(typed, of.kinds[""], path, faults)
    kind = typed.get(f"{path}.kind")
    if kind is None:
        return UNSET
    if not kind and of.optional:
        return None
    return {"kind": kind} | (_made_struct(typed, of.kinds[kind], path, faults) if kind in of.kinds else {})


def _is_left_out(typed: Typed, struct: type[Struct], path: str) -> bool:
    """An optional part is left out if none of its required members was typed."""
    needed = [name for name, member in members(struct).items() if member.required] or members(struct)
    return not any(typed.get(join(path, name), "").strip() for name in needed)


def _tables(rows: list[dict[str, Any]], path: str, faults: list[Fault]) -> dict[str, Any]:
    tables: dict[str, Any] = {}
    for index, row in enumerate(rows):
        name = row.get("name", "")
        if not name:
            faults.append(Fault(f"{path}[{index}].name", "is missing"))
        elif name in tables:
            faults.append(Fault(f"{path}[{index}].name", f"there are two tables {name!r}"))
        else:
            tables[name] = row.get("entries", {})
    return tables


def _read(text: str, member: Member) -> Any:
    """Raises `TypedFault`."""
    form, blank = shape(member), not text.strip()
    if blank and member.shape.optional:
        return None
    if blank and form in ("text", "long", "code"):
        return UNSET if member.required else text  # as it is: a tab delimits
    if blank and form in ("number", "secret", "choice", "lines", "json"):
        return UNSET
    return _number(text.strip(), whole=member.shape.bare is int) if form == "number" else _READERS[form](text)


def _lines(text: str) -> Any:
    as_json = text.lstrip().startswith("[")
    return filter_text.json_of(text) if as_json else [line.strip() for line in text.splitlines() if line.strip()]


_READERS: dict[str, Callable[[str], Any]] = {
    "text": str.strip,
    "long": str,
    "code": str,
    "check": lambda text: text == "on",
    "choice": lambda text: {"true": True, "false": False}.get(text, text.strip()),
    "secret": lambda text: {"secret": text.strip()},
    "steps": text_forms.steps_of,
    "lines": _lines,
    "table": text_forms.table_of,
    "value": filter_text.value_of,
    "json": filter_text.json_of,
}


def _number(text: str, *, whole: bool) -> int | float:
    if re.fullmatch(r"[+-]?[0-9]{1,18}", text):
        return int(text)
    if not whole and re.fullmatch(
        r"[+-]?([0-9]{1,18}\.?[0-9]{0,18}|\.[0-9]{1,18})(e[+-]?[0-9]{1,2})?", text, re.IGNORECASE
    ):
        return float(text)
    raise TypedFault(f"takes a {'whole ' if whole else ''}number, got {text[:40]!r}")


# --- rows -------------------------------------------------------------------------------------------------------------


def row_numbers(typed: Typed, path: str) -> list[int]:
    """The numbers of a list's rows, as the names of its inputs have them."""
    beginning = re.compile(re.escape(path) + r"\[([0-9]{1,6})\]")
    return sorted({int(found[1]) for name in typed if (found := beginning.match(name))})


def renumbered(typed: Typed, path: str, order: Sequence[int | None]) -> Typed:
    """The rows in this order, numbered 0, 1, 2 …; None stands for a new row."""
    inside = re.compile(re.escape(path) + r"\[([0-9]{1,6})\](.*)", re.DOTALL)
    places = {number: place for place, number in enumerate(order) if number is not None}
    made: Typed = {}
    for name, text in typed.items():
        found = inside.fullmatch(name)
        if not found:
            made[name] = text
        elif int(found[1]) in places:
            made[f"{path}[{places[int(found[1])]}]{found[2]}"] = text
    made.update({f"{path}[{place}]": "" for place, number in enumerate(order) if number is None})
    return made


def tidied(typed: Typed, struct: type[Struct], path: str = "", *, drop_blank: bool) -> Typed:
    """The rows of every list numbered without holes; `drop_blank` leaves those out in which nothing was typed."""
    for name, member in members(struct).items():
        inner, row, kinds = join(path, name), row_of(member.shape), kinds_of(member.shape)
        if row is not None:
            numbers = row_numbers(typed, inner)
            kept = [one for one in numbers if not (drop_blank and _is_blank(typed, row, f"{inner}[{one}]"))]
            typed = renumbered(typed, inner, kept)
        elif chosen := kinds.get("") or kinds.get(typed.get(f"{inner}.kind", "")):
            typed = tidied(typed, chosen, inner, drop_blank=drop_blank)
    return typed


def _is_blank(typed: Typed, row: type[Struct], path: str) -> bool:
    texts = [name for name, member in members(row).items() if shape(member) not in ("choice", "check")]
    return not any(typed.get(join(path, name), "").strip() for name in texts)


# --- inputs -----------------------------------------------------------------------------------------------------------


def items_of(typed: Typed, struct: type[Struct], path: str = "") -> list[Item]:
    """What is shown for the members of a struct, in the order of the form."""
    order = labels.ORDER.get(struct, ())
    names = sorted(members(struct), key=lambda name: (*order, name).index(name))
    return [_item(typed, members(struct)[name], join(path, name)) for name in names]


def _item(typed: Typed, member: Member, path: str) -> Item:
    row = row_of(member.shape)
    if row is not None:
        places = [f"{path}[{index}]" for index in range(len(row_numbers(typed, path)))]
        rows = [Group(place, "", "", None, items_of(typed, row, place)) for place in places]
        return Rows(path, member.title, member.description, rows, items_of({}, row, f"{path}[]"))
    if kinds_of(member.shape):
        return _group(typed, member, path)
    form, choices = shape(member), _choices(member)
    required = member.required and not member.shape.optional
    value = typed.get(path)
    # Of a choice, what another kind has under the same name may be none of this one's.
    if value is None or (choices and value not in dict(choices)):
        value = "" if member.required else _text(member.default, form)
    example = _text(member.examples[0], form) if member.examples else ""
    return Input(path, member.title, member.description, form, example, value, required, choices)


def _group(typed: Typed, member: Member, path: str) -> Group:
    kinds, optional = member.shape.kinds, member.shape.optional
    if "" in kinds:
        items = items_of(typed, kinds[""], path)
        for one in items:
            if optional and isinstance(one, Input):  # nothing in it is needed as long as nothing is typed
                one.required = False
        return Group(path, member.title, member.description, None, items)
    name = f"{path}.kind"
    kind = typed.get(name, "" if optional else next(iter(kinds)))
    choices = [("", "None")] if optional else []
    choices += [(one, labels.VALUES.get(one, one)) for one in kinds]
    if kind not in dict(choices):
        choices.append((kind, kind))
    says = (kinds[kind].__doc__ or "").partition("\n")[0] if kind in kinds else ""
    label = f"Kind of {member.title.lower()}"
    choice = Input(name, label, says, "kind", "", kind, not optional, tuple(choices))
    items = items_of(typed, kinds[kind], path) if kind in kinds else []
    shown = {name, *_names(items)}
    # What belongs to a list that is shown is shown, whatever its rows hold.
    lists = tuple(f"{one.path}[" for one in items if isinstance(one, Rows))
    carried = [
        (other, text)
        for other, text in typed.items()
        if other.startswith(f"{path}.") and other not in shown and not other.startswith(lists)
    ]
    return Group(path, member.title, member.description, choice, items, carried)


def _choices(member: Member) -> tuple[tuple[str, str], ...]:
    if shape(member) != "choice":
        return ()
    values = ["true", "false"] if member.shape.bare is bool else [str(one) for one in get_args(member.shape.bare)]
    unset = [("", labels.VALUES.get(f"{member.name}=", "not set"))] if member.shape.optional else []
    return (*unset, *((one, labels.VALUES.get(one, one)) for one in values))


def each(items: Sequence[Item], before: str = "") -> Iterator[tuple[str, Item]]:
    """All that is shown, with the name that the summary gives it: `Mapping 3, Functions`."""
    for one in items:
        label = f"{before}{one.label}"
        yield label, one
        if isinstance(one, Group):
            if one.choice:
                yield f"{before}{one.choice.label}", one.choice
            yield from each(one.items, f"{label}, ")
        elif isinstance(one, Rows):
            for number, row in enumerate(one.rows, 1):
                yield f"{label} {number}", row
                yield from each(row.items, f"{label} {number}, ")


def _names(items: Sequence[Item]) -> Iterator[str]:
    for _, one in each(items):
        yield one.path
        if isinstance(one, Group):
            yield from (name for name, _ in one.carried)


# --- faults -----------------------------------------------------------------------------------------------------------


def put_faults(items: Sequence[Item], faults: Sequence[Fault]) -> list[Complaint]:
    """Put each fault at the input, group or list that its path leads to; return the summary in the order of the page,
    with those that have no place at its end."""
    places = {one.path: (label, one) for label, one in each(items)}
    elsewhere = []
    for fault in faults:
        place = fault.path
        while place and place not in places:
            place = place[: max(place.rfind("."), place.rfind("["), 0)]
        if not place:
            elsewhere.append(Complaint("", fault.path, fault.says))
            continue
        inner = fault.path[len(place) :].lstrip(".")
        says = f"{inner}: {fault.says}" if inner and not inner.startswith("[") else fault.says
        places[place][1].faults.append(says)
    return [Complaint(path, label, says) for path, (label, one) in places.items() for says in one.faults] + elsewhere
