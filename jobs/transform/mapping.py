"""Makes the record to push from the pulled one: each field from JMESPath, through functions. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Any

import jmespath
from jmespath.exceptions import JMESPathError

from jobs.transform.arguments import arguments_fault
from jobs.transform.filters import expression_fault
from jobs.transform.functions import TRANSFORMS, Scope, TransformFault, excerpt
from jobs.transform.model import MappedField


class MappingFault(ValueError):
    """A record that cannot be mapped: which field, and why."""


def faults(fields: Sequence[MappedField | None], tables: Collection[str]) -> Iterator[tuple[str, str]]:
    """Everything that is wrong with a mapping: where (`[2].with[0]`), and a sentence. None: an unreadable row."""
    made: set[str] = set()
    for index, field in enumerate(fields):
        if field is None:
            continue
        if field.from_ and (problem := expression_fault(field.from_)):
            yield f"[{index}].from", problem
        if field.to in made:
            yield f"[{index}].to", f"{field.to!r} is mapped twice"
        made.add(field.to)
        for step, one in enumerate(field.with_):
            if problem := _step_fault(one, tables):
                yield f"[{index}].with[{step}]", problem


def _step_fault(step: list[Any], tables: Collection[str]) -> str | None:
    name = step[0] if step else None
    if not isinstance(name, str):
        return f'takes a function\'s name and its arguments, as in ["round", 2]; got {step!r}'
    if name not in TRANSFORMS:
        near = get_close_matches(name, TRANSFORMS, 1)
        return f'unknown function "{name}"' + (f'; did you mean "{near[0]}"?' if near else "")
    problem = arguments_fault(TRANSFORMS[name].takes, step[1:], tables)
    return f"{name}: {problem}" if problem else None


class Mapper:
    """Without fields, a record is pushed as it was pulled."""

    def __init__(self, fields: Sequence[MappedField], lookups: Mapping[str, Mapping[str, Any]]) -> None:
        self._lookups = lookups
        self._fields = [
            (
                field.to,
                jmespath.compile(field.from_).search if field.from_ else None,
                [(TRANSFORMS[name], arguments) for name, *arguments in field.with_],
            )
            for field in fields
        ]

    def map(self, record: dict[str, Any]) -> dict[str, Any]:
        """Raises `MappingFault`. A dot in `to` makes an object within the object."""
        if not self._fields:
            return record
        made: dict[str, Any] = {}
        scope = Scope(record, self._lookups)
        for to, find, steps in self._fields:
            try:
                value = find(record) if find else record
                for transform, arguments in steps:
                    value = transform.apply(value, arguments, scope)
            except (TransformFault, JMESPathError) as fault:
                raise MappingFault(f"{to}: {fault}") from None
            _put(made, to, value)
        return made


def _put(made: dict[str, Any], to: str, value: Any) -> None:
    *outer, name = to.split(".")
    for one in outer:
        inner = made.setdefault(one, {})
        if not isinstance(inner, dict):
            raise MappingFault(f"{to}: {one!r} is not an object, but {excerpt(inner)}")
        made = inner
    made[name] = value
