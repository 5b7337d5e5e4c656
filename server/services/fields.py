"""A form made of a struct's type: its inputs, what was typed into them, and the definition that this makes. Pure.

An input's name is the path of its member, as `mapping[2].with`; a fault of a definition finds its input by it. What was
typed is a flat table of texts, and stays as it was typed until the definition is taken. A new member of a struct of
`jobs.services.model` is shown without a word here; `server.services.labels` says how it is called.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import msgspec
from msgspec import NODEFAULT, UNSET, Struct

from jobs.services import notation as text_forms
from jobs.services.model import Secret
from jobs.services.validate import Fault
from server.services import labels
from synctail.model import filter_text
from synctail.model.filter_text import TypedFault

Typed = dict[str, str]
"""The name of an input, and what stands in it."""

MOST_ROWS = 2000
"""No more are added by a form; a service that has more keeps them."""


@dataclass(frozen=True)
class Input:
    """One input. `shape` says how its text is read: see `shape`."""

    path: str
    shape: str
    label: str
    help: str
    example: str
    value: str
    required: bool = False
    choices: tuple[tuple[str, str], ...] = ()
    faults: tuple[str, ...] = ()


@dataclass(frozen=True)
class Group:
    """Members that belong together. `choice` says which of several kinds is shown; `carried` is what was typed into
    the kinds that are not, so that going back to one finds it again."""

    path: str
    label: str
    help: str
    choice: Input | None
    items: tuple[Item, ...]
    carried: tuple[tuple[str, str], ...] = ()
    faults: tuple[str, ...] = ()


@dataclass(frozen=True)
class Rows:
    """A list of structs, or of named tables: a row for each."""

    path: str
    label: str
    help: str
    rows: tuple[Group, ...]
    columns: tuple[Item, ...]
    """The inputs of a row that has not been made yet."""
    faults: tuple[str, ...] = ()


Item = Input | Group | Rows


# --- types ------------------------------------------------------------------------------------------------------------

TABLES = dict[str, dict[str, Any]]
STEPS = list[list[Any]]


class NamedTable(Struct):
    """How one table of `TABLES` is typed: a row of two inputs."""

    name: str
    entries: dict[str, Any]


def bare(wanted: Any) -> tuple[list[Any], bool]:
    """The members of a type without their constraints, and whether it may be null."""
    if get_origin(wanted) is Annotated:
        return bare(get_args(wanted)[0])
    if get_origin(wanted) in (Union, UnionType):
        members: list[Any] = []
        optional = False
        for one in get_args(wanted):
            inner, may_be_null = ([], True) if one is NoneType else bare(one)
            members += inner
            optional = optional or may_be_null
        return members, optional
    return [wanted], False


def is_struct(wanted: Any) -> bool:
    return isinstance(wanted, type) and issubclass(wanted, Struct)


def structs(wanted: Any) -> dict[str, type[Struct]]:
    """The structs of which a member is one, by their kind; empty where it is none. A secret is a text here."""
    members, _ = bare(wanted)
    found = [one for one in members if is_struct(one) and one is not Secret]
    return {str(one.__struct_config__.tag or ""): one for one in found} if len(found) == len(members) else {}


def row_struct(wanted: Any) -> type[Struct] | None:
    """Of what a list of structs, or a table of tables, has a row for each."""
    [member, *others], _ = bare(wanted)
    if others:
        return None
    if member == TABLES:
        return NamedTable
    if get_origin(member) is list and is_struct(get_args(member)[0]):
        struct: type[Struct] = get_args(member)[0]
        return struct
    return None


def shape(wanted: Any, path: str) -> str:
    """`text`, `long` or `code` (texts), `number`, `check` (yes or no), `choice`, `secret` (its name), `secret_or_text`,
    `steps` (functions), `lines` (texts), `table` (values by name), `value` (JSON, or else a text), `json`."""
    members, optional = bare(wanted)
    [member, *others] = members
    if others:
        return "secret_or_text" if set(members) == {str, Secret} else "json"
    plain = {str: "text", int: "number", float: "number", Secret: "secret", Any: "value", bool: "check"}
    if member is bool and optional:
        return "choice"
    if get_origin(member) is Literal:
        return "choice"
    if member == STEPS:
        return "steps"
    if get_origin(member) is dict:
        return "table"
    texts = get_origin(member) is list and bare(get_args(member)[0])[0] == [str]
    found = plain.get(member, "lines" if texts else "json")
    return labels.LONG.get(path, found) if found == "text" else found


def join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def members(struct: type[Struct]) -> tuple[msgspec.structs.FieldInfo, ...]:
    return msgspec.structs.fields(struct)


def default_of(one: msgspec.structs.FieldInfo) -> Any:
    """As JSON has it; `NODEFAULT` for a member that must be given."""
    if one.default_factory is not NODEFAULT:
        return msgspec.to_builtins(one.default_factory())
    return one.default if one.default is NODEFAULT else msgspec.to_builtins(one.default)


# --- a definition, typed ----------------------------------------------------------------------------------------------


def typed_of(value: Any, wanted: Any, path: str = "") -> Typed:
    """What stands in the inputs of a definition that is well formed."""
    found: Typed = {}
    _type(value, wanted, path, found)
    return found


def _type(value: Any, wanted: Any, path: str, found: Typed) -> None:
    kinds = structs(wanted)
    row = row_struct(wanted)
    if kinds:
        if value is None:
            if "" not in kinds:
                found[join(path, "kind")] = ""
            return
        kind = str(value.get("kind", "")) if "" not in kinds else ""
        if kind:
            found[join(path, "kind")] = kind
        for one in members(kinds[kind]):
            given = value.get(one.encode_name, default_of(one))
            if given is not NODEFAULT:
                _type(given, one.type, join(path, one.encode_name), found)
    elif row is not None:
        rows = [{"name": name, "entries": entries} for name, entries in value.items()] if row is NamedTable else value
        for index, each in enumerate(rows):
            _type(each, row, f"{path}[{index}]", found)
    else:
        found[path] = _text(value, shape(wanted, path))


def _text(value: Any, form: str) -> str:  # noqa: PLR0911 - a line for each form
    match form:
        case "check":
            return "on" if value else "off"
        case "steps":
            return text_forms.text_of_steps(value)
        case "table" if value is not None:
            return text_forms.text_of_table(value)
        case "value":
            return text_forms.text_of(value)
        case "lines" if value is not None and all("\n" not in one and one.strip() == one != "" for one in value):
            return "\n".join(value)
    if value is None:
        return ""
    if isinstance(value, dict) and [*value] == ["secret"]:
        return f"secret:{value['secret']}" if form == "secret_or_text" else str(value["secret"])
    if isinstance(value, bool) or form in ("json", "lines"):
        return text_forms.json_text(value)
    return str(value)


# --- what was typed, as a definition ----------------------------------------------------------------------------------


def definition_of(given: Typed, wanted: type[Struct]) -> tuple[dict[str, Any], list[Fault]]:
    """What was typed as JSON, and what of it cannot be read. Inputs that were not there leave their member out."""
    faults: list[Fault] = []
    made = _made(given, wanted, "", faults)
    return (made if isinstance(made, dict) else {}), faults


def _made(given: Typed, wanted: Any, path: str, faults: list[Fault], *, required: bool = True) -> Any:
    """`UNSET` for what is left out."""
    kinds = structs(wanted)
    row = row_struct(wanted)
    if kinds:
        return _made_struct(given, wanted, kinds, path, faults)
    if row is not None:
        indexes = range(len(row_numbers(given, path)))
        rows = [_made(given, row, f"{path}[{index}]", faults) for index in indexes]
        return _tables(rows, path, faults) if row is NamedTable else rows
    if path not in given:
        return UNSET
    try:
        return _read(given[path], shape(wanted, path), wanted, required=required)
    except TypedFault as fault:
        faults.append(Fault(path, str(fault)))
        return UNSET


def _made_struct(
    given: Typed,
    wanted: Any,
    kinds: dict[str, type[Struct]],
    path: str,
    faults: list[Fault],
) -> Any:
    _, optional = bare(wanted)
    made: dict[str, Any] = {}
    if "" in kinds:
        struct = kinds[""]
        if optional and _is_left_out(given, struct, path):
            return None
    else:
        kind = given.get(join(path, "kind"))
        if kind is None:
            return UNSET
        if not kind and optional:
            return None
        made["kind"] = kind
        if kind not in kinds:
            return made
        struct = kinds[kind]
    for one in members(struct):
        value = _made(given, one.type, join(path, one.encode_name), faults, required=one.required)
        if value is not UNSET:
            made[one.encode_name] = value
    return made


def _is_left_out(given: Typed, struct: type[Struct], path: str) -> bool:
    """A part that may be absent is, when nothing was typed that it cannot be without."""
    needed = [one for one in members(struct) if one.required] or members(struct)
    return not any(given.get(join(path, one.encode_name), "").strip() for one in needed)


def _tables(rows: list[Any], path: str, faults: list[Fault]) -> dict[str, Any]:
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


def _read(text: str, form: str, wanted: Any, *, required: bool) -> Any:
    """Raises `TypedFault`."""
    _, optional = bare(wanted)
    if form == "check":
        return text == "on"
    if form in _OF_ANY_TEXT and (text.strip() or not optional):
        return _OF_ANY_TEXT[form](text)
    if text.strip():
        return _read_typed(text, form, wanted)
    if optional:
        return None
    return UNSET if required or form in ("number", "secret", "choice", "lines", "json") else text


_OF_ANY_TEXT = {"steps": text_forms.steps_of, "value": filter_text.value_of, "table": text_forms.table_of}


def _read_typed(text: str, form: str, wanted: Any) -> Any:  # noqa: PLR0911 - a line for each form
    match form:
        case "number":
            return _number(text.strip(), wanted)
        case "secret":
            return {"secret": text.strip()}
        case "secret_or_text":
            return {"secret": text.strip()[7:]} if text.strip().startswith("secret:") else text
        case "lines" if not text.lstrip().startswith("["):
            return [line.strip() for line in text.splitlines() if line.strip()]
        case "lines" | "json":
            return filter_text.json_of(text)
        case "choice" if text in ("true", "false"):
            return text == "true"
    return text if form in ("code", "long") else text.strip()


def _number(text: str, wanted: Any) -> int | float:
    whole = float not in bare(wanted)[0]
    if re.fullmatch(r"[+-]?[0-9]{1,18}", text):
        return int(text)
    if not whole and re.fullmatch(
        r"[+-]?([0-9]{1,18}\.?[0-9]{0,18}|\.[0-9]{1,18})(e[+-]?[0-9]{1,2})?", text, re.IGNORECASE
    ):
        return float(text)
    raise TypedFault(f"takes a {'whole ' if whole else ''}number, got {text[:40]!r}")


# --- rows -------------------------------------------------------------------------------------------------------------


def row_numbers(given: Typed, path: str) -> list[int]:
    """The numbers of a list's rows, as the names of its inputs have them."""
    beginning = re.compile(re.escape(path) + r"\[([0-9]{1,6})\]")
    return sorted({int(found[1]) for name in given if (found := beginning.match(name))})


def renumbered(given: Typed, path: str, order: Sequence[int | None]) -> Typed:
    """The rows in this order, numbered 0, 1, 2 …; None stands for a new row."""
    inside = re.compile(re.escape(path) + r"\[([0-9]{1,6})\](.*)", re.DOTALL)
    places = {number: place for place, number in enumerate(order) if number is not None}
    made: Typed = {}
    for name, text in given.items():
        found = inside.fullmatch(name)
        if not found:
            made[name] = text
        elif int(found[1]) in places:
            made[f"{path}[{places[int(found[1])]}]{found[2]}"] = text
    made.update({f"{path}[{place}]": "" for place, number in enumerate(order) if number is None})
    return made


def tidied(given: Typed, wanted: Any, path: str = "", *, drop_blank: bool) -> Typed:
    """The rows of every list numbered without holes; `drop_blank` leaves those out in which nothing was typed."""
    for list_path, row in _lists(given, wanted, path):
        kept = [
            one
            for one in row_numbers(given, list_path)
            if not drop_blank or not _is_blank(given, row, f"{list_path}[{one}]")
        ]
        given = renumbered(given, list_path, kept)
    return given


def _lists(given: Typed, wanted: Any, path: str) -> Iterator[tuple[str, type[Struct]]]:
    row = row_struct(wanted)
    if row is not None:
        yield path, row
        return
    kinds = structs(wanted)
    if kinds:
        struct = kinds.get("" if "" in kinds else given.get(join(path, "kind"), ""))
        for one in members(struct) if struct else ():
            yield from _lists(given, one.type, join(path, one.encode_name))


def _is_blank(given: Typed, row: type[Struct], path: str) -> bool:
    texts = [one.encode_name for one in members(row) if shape(one.type, path) not in ("choice", "check")]
    return not any(given.get(join(path, name), "").strip() for name in texts)


# --- inputs -----------------------------------------------------------------------------------------------------------


def item_of(
    given: Typed,
    wanted: Any,
    path: str,
    *,
    key: str | None = None,
    required: bool = False,
    default: Any = NODEFAULT,
) -> Item:
    """What is shown for a member. `key` is its path with the kinds that lead to it, `source(http).url`: its words are
    found by it."""
    key = path if key is None else key
    said = labels.of(key)
    kinds = structs(wanted)
    row = row_struct(wanted)
    if kinds:
        return _group(given, wanted, kinds, path, key, default)
    if row is not None:
        rows = [
            Group(f"{path}[{index}]", "", "", None, tuple(_items(given, row, f"{path}[{index}]", f"{key}[]")))
            for index in range(len(row_numbers(given, path)))
        ]
        columns = tuple(_items({}, row, f"{path}[]", f"{key}[]"))
        return Rows(path, said.label, said.help, tuple(rows), columns)
    form = shape(wanted, path)
    choices = _choices(wanted, key, form)
    value = given.get(path)
    # Of a choice, what another kind has under the same name may be none of this one's.
    if value is None or (choices and value not in dict(choices)):
        value = "" if default is NODEFAULT else _text(default, form)
    return Input(path, form, said.label, said.help, said.example, value, required, choices)


def _items(given: Typed, struct: type[Struct], path: str, key: str, defaults: Any = NODEFAULT) -> Iterator[Item]:
    order = labels.ORDER.get(key, ())
    for one in sorted(members(struct), key=lambda one: (*order, one.encode_name).index(one.encode_name)):
        default = defaults.get(one.encode_name, NODEFAULT) if isinstance(defaults, dict) else default_of(one)
        yield item_of(
            given,
            one.type,
            join(path, one.encode_name),
            key=join(key, one.encode_name),
            required=one.required and NoneType not in get_args(one.type),
            default=default,
        )


def _group(given: Typed, wanted: Any, kinds: dict[str, type[Struct]], path: str, key: str, default: Any) -> Group:
    said = labels.of(key)
    _, optional = bare(wanted)
    defaults = default if isinstance(default, dict) else NODEFAULT
    if "" in kinds:
        items = tuple(_items(given, kinds[""], path, key, defaults))
        if optional:  # nothing in it is needed as long as nothing is typed
            items = tuple(replace(one, required=False) if isinstance(one, Input) else one for one in items)
        return Group(path, said.label, said.help, None, items)
    name = join(path, "kind")
    fallback = "" if optional else next(iter(kinds))
    if defaults is not NODEFAULT:
        fallback = str(default["kind"])
    kind = given.get(name, fallback)
    choices = [("", "None")] if optional else []
    choices += [(one, labels.of(f"{key}({one})").label) for one in kinds]
    if kind not in dict(choices):
        choices.append((kind, kind))
    about = labels.of(f"{key}({kind})").help if kind else ""
    choice = Input(name, "kind", labels.of(f"{key}.kind").label, about, "", kind, not optional, tuple(choices))
    own = defaults if defaults is not NODEFAULT and kind == default["kind"] else NODEFAULT
    items = tuple(_items(given, kinds[kind], path, f"{key}({kind})", own)) if kind in kinds else ()
    shown = {*_paths(items), name}
    # What belongs to a list that is shown is shown, whatever its rows hold.
    lists = tuple(f"{one.path}[" for one in items if isinstance(one, Rows))
    carried = [
        (other, text)
        for other, text in given.items()
        if other.startswith(f"{path}.") and other not in shown and not other.startswith(lists)
    ]
    return Group(path, said.label, said.help, choice, items, tuple(carried))


def _choices(wanted: Any, key: str, form: str) -> tuple[tuple[str, str], ...]:
    if form != "choice":
        return ()
    [member], optional = bare(wanted)
    values = ["true", "false"] if member is bool else [str(one) for one in get_args(member)]
    named = [(one, labels.VALUES.get(f"{key}={one}", labels.VALUES.get(one, one))) for one in values]
    unset = labels.VALUES.get(f"{key.rpartition('.')[2]}=", "not set")
    return tuple([("", unset), *named] if optional else named)


def _paths(items: Sequence[Item]) -> Iterator[str]:
    for one in items:
        yield one.path
        if isinstance(one, Group):
            if one.choice:
                yield one.choice.path
            yield from _paths(one.items)
            yield from (name for name, _ in one.carried)
        elif isinstance(one, Rows):
            yield from _paths(one.rows)


# --- faults -----------------------------------------------------------------------------------------------------------


@dataclass
class Placed:
    """The faults of a definition, each at the input, group or list that its path leads to."""

    at: dict[str, list[str]] = field(default_factory=dict)
    elsewhere: list[Fault] = field(default_factory=list)


def with_faults(items: Sequence[Item], faults: Sequence[Fault]) -> tuple[tuple[Item, ...], list[Fault], list[Fault]]:
    """The items with their faults; these with the paths at which they stand, in the order of the page; and those for
    which there is no place."""
    known = list(_paths(items))
    placed, places = Placed(), frozenset(known)
    for fault in faults:
        place = _place(fault.path, places)
        if place is None:
            placed.elsewhere.append(fault)
        else:
            inner = fault.path[len(place) :].lstrip(".")
            says = f"{inner}: {fault.says}" if inner and not inner.startswith("[") else fault.says
            placed.at.setdefault(place, []).append(says)
    standing = [Fault(path, says) for path in known for says in placed.at.get(path, [])]
    return tuple(_marked(one, placed.at) for one in items), standing, placed.elsewhere


def _place(path: str, known: frozenset[str]) -> str | None:
    """The input of this path, or the nearest that holds it."""
    while path and path not in known:
        path = path[: max(path.rfind("."), path.rfind("["), 0)]
    return path or None


def _marked(one: Item, at: Mapping[str, list[str]]) -> Item:
    faults = tuple(at.get(one.path, ()))
    if isinstance(one, Input):
        return replace(one, faults=faults)
    if isinstance(one, Rows):
        marked = tuple(_marked(row, at) for row in one.rows)
        return replace(one, faults=faults, rows=tuple(row for row in marked if isinstance(row, Group)))
    choice = replace(one.choice, faults=tuple(at.get(one.choice.path, ()))) if one.choice else None
    return replace(one, faults=faults, choice=choice, items=tuple(_marked(each, at) for each in one.items))
