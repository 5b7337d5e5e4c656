"""What stands beside each member of a definition: its name, its help and an example of what it takes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal

import msgspec
import pytest
from msgspec import Meta, Struct

from jobs.services.model import RunOptions, Service
from jobs.services.shapes import Shape, members, shape_of


def structs_of(struct: type[Struct]) -> Iterator[type[Struct]]:
    """The struct, and all that its members are made of."""
    yield struct
    for member in members(struct).values():
        inner: Shape | None = member.shape
        while inner:
            for one in inner.kinds.values():
                yield from structs_of(one)
            inner = inner.item


STRUCTS = {one.__name__: one for root in (Service, RunOptions) for one in structs_of(root)}


@pytest.mark.parametrize("name", STRUCTS)
def test_each_member_has_a_title_and_examples_that_it_takes(name: str) -> None:
    schema = msgspec.json.schema_components([STRUCTS[name]], ref_template="{name}")[1][name]["properties"]
    for member in members(STRUCTS[name]).values():
        assert schema[member.name]["title"] == member.title, "the schema of the API says the same"
        for example in member.examples:
            assert msgspec.convert(example, member.shape.type) is not None


def test_a_type_is_taken_apart_whatever_surrounds_it() -> None:
    class A(Struct, tag_field="kind", tag="a"):
        pass

    class B(Struct, tag_field="kind", tag="b"):
        pass

    positive = Annotated[int, Meta(ge=1)]
    assert shape_of(Annotated[positive | None, Meta(title="N")]) == shape_of(positive | None)
    assert shape_of(positive | None).optional
    assert (shape_of(positive | None).bare, shape_of(positive | None).type) == (int, positive)
    assert shape_of(A | B | None).kinds == {"a": A, "b": B}
    assert shape_of(A | B).struct_of({"kind": "b"}) is B
    assert shape_of(A | B).struct_of({"kind": ["b"]}) is None
    rows = shape_of(Annotated[list[A], Meta(title="Rows")])
    assert rows.item == shape_of(A)
    assert not shape_of(int | str).kinds
    for plain in (Any, dict[str, int], Literal["x"]):
        assert (shape_of(plain).kinds, shape_of(plain).item) == ({}, None)
