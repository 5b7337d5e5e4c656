"""Services that Hypothesis makes from their types: of every kind and with every member, including those
that are added later. They are well formed, but need not make sense."""

from __future__ import annotations

from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import msgspec
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy
from msgspec import NODEFAULT, Meta, Struct

from jobs.services.model import Schedule, Service

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
"""Any text, with line breaks and control characters."""
PLAIN_TEXTS = st.text(st.characters(categories=["L", "N", "P"]), min_size=1, max_size=12)
"""Text that an input keeps as it was typed."""
SCHEDULES = st.sampled_from(["", "* * * * *", "*/15 8-18 * * mon-fri", "0 2 1 * *"])
ZONES = st.sampled_from(["UTC", "Europe/London", "America/St_Johns"])

json_values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text()),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(), inner, max_size=3)),
    max_leaves=6,
)


def _json(texts: SearchStrategy[str]) -> SearchStrategy[Any]:
    leaves = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False)
    return st.recursive(
        leaves | texts, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3)
    )


def definitions(texts: SearchStrategy[str] = TEXTS) -> SearchStrategy[Service]:
    return _of(Service, texts).map(lambda made: msgspec.convert(made, Service))


def _of(wanted: Any, texts: SearchStrategy[str], meta: Meta | None = None) -> SearchStrategy[Any]:  # noqa: PLR0911
    origin = get_origin(wanted)
    if origin is Annotated:
        inner, about = get_args(wanted)[:2]
        return _of(inner, texts, about)
    if origin is Literal:
        return st.sampled_from(get_args(wanted))
    if origin in (Union, UnionType):
        return st.one_of([_of(one, texts) for one in get_args(wanted)])
    if origin is list:
        if wanted == list[list[Any]]:
            return st.lists(_steps(texts), max_size=3)
        return st.lists(_of(get_args(wanted)[0], texts), max_size=3)
    if origin is dict:
        return st.dictionaries(texts, _of(get_args(wanted)[1], texts), max_size=3)
    if wanted is Schedule:
        return st.fixed_dictionaries({"schedule": SCHEDULES, "timezone": ZONES})
    if isinstance(wanted, type) and issubclass(wanted, Struct):
        return _struct(wanted, texts)
    return _leaf(wanted, texts, meta)


def _leaf(wanted: Any, texts: SearchStrategy[str], meta: Meta | None) -> SearchStrategy[Any]:
    if wanted is NoneType:
        return st.none()
    if wanted is bool:
        return st.booleans()
    if wanted is Any:
        return _json(texts)
    if wanted is str:
        if meta is not None and meta.pattern:
            return st.from_regex(meta.pattern, fullmatch=True, alphabet=st.characters(codec="ascii")).filter(
                str.isprintable
            )
        least, most = (meta.min_length or 0, meta.max_length or 20) if meta is not None else (0, 20)
        return texts.filter(lambda text: least <= len(text) <= most) if most >= 20 else st.sampled_from(",;|")
    lowest = (meta.ge if meta.ge is not None else meta.gt) if meta is not None else None
    highest = (meta.le if meta.le is not None else meta.lt) if meta is not None else None
    low, high = int(lowest or 0) + 1, int(highest or 10_000)
    return st.integers(low, high) if wanted is int else st.integers(low, high).map(float) | st.just(low + 0.5)


def _steps(texts: SearchStrategy[str]) -> SearchStrategy[list[Any]]:
    names = st.sampled_from(["trim", "round", "lookup", "if"])
    return st.tuples(names, st.lists(_json(texts), max_size=2)).map(lambda made: [made[0], *made[1]])


def _struct(wanted: type[Struct], texts: SearchStrategy[str]) -> SearchStrategy[dict[str, Any]]:
    needed: dict[str, SearchStrategy[Any]] = {}
    others: dict[str, SearchStrategy[Any]] = {}
    tag = wanted.__struct_config__.tag_field
    if tag:
        needed[tag] = st.just(wanted.__struct_config__.tag)
    for field in msgspec.structs.fields(wanted):
        required = field.default is NODEFAULT and field.default_factory is NODEFAULT
        (needed if required else others)[field.encode_name] = _of(field.type, texts)
    return st.fixed_dictionaries(needed, optional=others)
