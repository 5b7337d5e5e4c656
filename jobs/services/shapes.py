"""Takes the types of a definition apart: members, kinds, lists and single values. The checks, the form and TOML walk
over these shapes, and look at no types themselves. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cache
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin

import msgspec
from msgspec import NODEFAULT, Meta, Struct


@dataclass(frozen=True)
class Shape:
    """What a value may be: a struct (`kinds`), a list (`item`) or else a single value; with `optional`, also null.

    `type` is for `msgspec.convert`, without null; `bare` is the same without constraints. `kinds` are structs by their
    tag, or one struct under the empty text.
    """

    type: Any
    bare: Any
    optional: bool = False
    kinds: dict[str, type[Struct]] = field(default_factory=dict)
    item: Shape | None = None

    def struct_of(self, value: Any) -> type[Struct] | None:
        """The struct that an object should be; None if it names no known kind."""
        kind = value.get("kind") if isinstance(value, dict) else None
        return self.kinds.get("") or self.kinds.get(str(kind))


@dataclass(frozen=True)
class Member:
    """A member of a struct, under its name in JSON. `default` and `examples` are JSON.

    `title`, `description` and `examples` are those of its `Meta`; `media` is the type of a text of several lines.
    """

    name: str
    shape: Shape
    default: Any
    title: str
    description: str
    examples: tuple[Any, ...]
    media: str

    @property
    def required(self) -> bool:
        return self.default is NODEFAULT


def join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


@cache
def members(struct: type[Struct]) -> dict[str, Member]:
    return {one.encode_name: _member(one) for one in msgspec.structs.fields(struct)}


def _member(one: msgspec.structs.FieldInfo) -> Member:
    default = one.default if one.default_factory is NODEFAULT else one.default_factory()
    about = next((each for each in getattr(one.type, "__metadata__", ()) if each.title), Meta())
    return Member(
        one.encode_name,
        shape_of(one.type),
        default if default is NODEFAULT else msgspec.to_builtins(default),
        about.title or one.encode_name.replace("_", " ").capitalize(),
        about.description or "",
        tuple(about.examples or ()),
        (about.extra_json_schema or {}).get("contentMediaType", ""),
    )


def shape_of(wanted: Any) -> Shape:
    bare = get_args(wanted)[0] if get_origin(wanted) is Annotated else wanted
    if get_origin(bare) in (Union, UnionType):
        choices = [one for one in get_args(bare) if one is not NoneType]
        optional = len(choices) < len(get_args(bare))
        if len(choices) == 1:
            return replace(shape_of(choices[0]), optional=optional)
        kinds = {str(one.__struct_config__.tag): one for one in choices if _is_struct(one)}
        return Shape(wanted, bare, optional, kinds if len(kinds) == len(choices) else {})
    if _is_struct(bare):
        return Shape(wanted, bare, kinds={"": bare})
    return Shape(wanted, bare, item=shape_of(get_args(bare)[0]) if get_origin(bare) is list else None)


def _is_struct(wanted: Any) -> bool:
    return isinstance(wanted, type) and issubclass(wanted, Struct)
