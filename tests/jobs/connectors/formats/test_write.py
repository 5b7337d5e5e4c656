"""Records written as files of each format: what is read again is what was written."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.services.model import FileFormat
from synctail.model.json_text import Record
from tests.kit.formats import FORMATS, pieces, records, written

texts = st.text(st.characters(exclude_categories=["Cs", "Cc"], include_characters="\t\n\r"), max_size=20)


@given(st.lists(st.fixed_dictionaries({"id": texts, "name": texts}), max_size=6), st.integers(1, 6))
def test_whatever_text_is_written_is_read_again(rows: list[Record], batch: int) -> None:
    rows = [{"id": f"x{row['id']}", "name": row["name"]} for row in rows]  # one column at least is not empty
    batches = [rows[start : start + batch] for start in range(0, len(rows), batch)]
    for form in FORMATS:
        data, refused = written(form, *batches)
        assert not any(refused)
        assert records(data, form) == rows


def test_values_that_are_no_text_are_written_as_json_has_them() -> None:
    row: Record = {"a": 1, "b": 2.5, "c": True, "d": None, "e": {"x": [1]}, "f": [1, "y"]}
    assert records(written("csv", [row])[0], "csv") == [
        {"a": "1", "b": "2.5", "c": "true", "d": "", "e": '{"x":[1]}', "f": '[1,"y"]'}
    ]
    assert records(written("xml", [row])[0], "xml") == [
        {"a": "1", "b": "2.5", "c": "true", "e": {"x": "1"}, "f": ["1", "y"]}
    ]
    nested = {"@no": 5, "#text": "t", "l": [[1, 2], []]}
    assert written("xml", [nested], element="o", records="all")[0].decode() == (
        '<?xml version="1.0" encoding="UTF-8"?>\n<all>\n'
        '  <o no="5">t<l><item>1</item><item>2</item></l><l></l></o>\n</all>\n'
    )


@pytest.mark.parametrize(
    ("form", "row", "more", "told"),
    [
        ("csv", {"id": 1, "more": 2}, {}, "the file has no column 'more'. List all columns in 'columns'"),
        ("csv", {"id": "ж"}, {"encoding": "latin-1"}, "'\\u0436' cannot be written in latin-1"),
        ("csv", {"id": "\ud800"}, {}, "'\\ud800' cannot be written in utf-8"),
        ("xml", {"a b": 1}, {}, "'a b' is not a valid name of an XML element"),
        ("xml", {"@a b": 1}, {}, "'a b' is not a valid name of an XML attribute"),
        ("xml", {"id": "\x00"}, {}, "it contains '\\x00', which XML does not allow"),
        ("xml", {"id": "\ud800"}, {}, "it contains '\\ud800', which XML does not allow"),
    ],
)
def test_a_record_that_a_format_cannot_carry_is_refused_alone(
    form: FileFormat, row: Record, more: dict[str, Any], told: str
) -> None:
    data, refused = written(form, [{"id": "1"}], [row, {"id": "2"}], **more)
    assert refused == [None, told, None]
    assert records(data, form, **more) == [{"id": "1"}, {"id": "2"}]


def test_half_a_pair_survives_json() -> None:
    assert records(written("ndjson", [{"id": "\ud800"}])[0], "ndjson") == [{"id": "\ud800"}]


@pytest.mark.parametrize("form", FORMATS)
def test_no_records_are_a_file_that_can_be_read(form: FileFormat) -> None:
    assert records(written(form)[0], form) == []
    assert records(written(form, [])[0], form) == []


def test_named_columns_are_written_in_their_order_and_others_left_out() -> None:
    data, refused = written("csv", [{"b": 1, "c": 2}, {"a": 3}], columns=["a", "b"], delimiter=";", encoding="utf-16")
    assert refused == [None, None]
    assert data.decode("utf-16") == "a;b\r\n;1\r\n3;\r\n"


@pytest.mark.parametrize("form", FORMATS)
def test_each_piece_can_be_read_by_itself(form: FileFormat) -> None:
    rows: list[Record] = [{"id": f"{n}", "name": "a\nb ä"} for n in range(5)]
    data, _ = written(form, rows)
    for piece in pieces(data, form, keep_raw=True):
        assert piece.raw is not None
        assert records(piece.raw, form) == piece.records
    assert pieces(data, form)[0].raw is None
