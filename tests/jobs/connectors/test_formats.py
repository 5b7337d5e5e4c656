"""Records in files, without files: what is read of hostile and broken ones, and in how much memory."""

from __future__ import annotations

import io
import json
import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.connectors import formats
from jobs.connectors.formats import RECORD_BYTES, Broken, Piece, Writer, read
from jobs.services.model import FileDestination, FileFormat, FileSource
from synctail.model.json_text import Record


def pieces(data: bytes, form: FileFormat, *, page_size: int = 2, keep_raw: bool = False, **more: Any) -> list[Piece]:
    raw: Any = io.BytesIO(data)
    file = io.BufferedReader(raw)
    return list(read(file, FileSource(path="x", format=form, **more), page_size, keep_raw=keep_raw))


def records(data: bytes, form: FileFormat, **more: Any) -> list[Record]:
    return [record for piece in pieces(data, form, **more) for record in piece.records]


def written(form: FileFormat, *batches: list[Record], **more: Any) -> tuple[bytes, list[str | None]]:
    writer = Writer(FileDestination(path="x", format=form, **more))
    encoded = [writer.encode(batch) for batch in batches]
    return b"".join(one.data for one in encoded) + writer.end(), [why for one in encoded for why in one.refused]


# --- reading ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "more"),
    [
        (b"id,name\r\n1,\xc3\xa4\r\n", {}),
        (b"\xef\xbb\xbfid,name\n1,\xc3\xa4", {}),
        ("id,name\n1,ä\n".encode("utf-16"), {}),
        (b"id;name\n1;\xe4\n", {"encoding": "latin-1", "delimiter": ";"}),
        (b"id\tname\n\n1\t\xe4\n\n", {"encoding": "cp1252", "delimiter": "\t"}),
        ("1,ä\n".encode(), {"columns": ["id", "name"]}),
        ("id,name,\n1,ä,\n".encode(), {}),
        ('"id",name\n"1","ä"\n'.encode(), {}),
    ],
)
def test_csv_comes_in_many_ways(data: bytes, more: dict[str, Any]) -> None:
    assert records(data, "csv", **more) == [{"id": "1", "name": "ä"}]


@pytest.mark.parametrize(
    ("form", "data", "more", "told"),
    [
        ("csv", b"id,name\n1,Ana\n2\n", {}, "line 3: it has 1 field, and the header has 2 fields"),
        ("csv", b'id,name\n1,"A\n\nB"\n2,a,b\n', {}, "line 5: it has 3 fields"),
        ("csv", b'id\n"1" x\n', {}, "line 2: no CSV: ',' expected after '\"'"),
        ("csv", b'id\n1\n"2\n3\n', {}, "line 3: no CSV: unexpected end of data"),
        ("csv", b"id,id\n", {}, "line 1: the column 'id' is there twice"),
        ("csv", b"id\n1\n\xff\n", {}, "line 3: the byte 0xff is not utf-8. Correct 'encoding'"),
        ("csv", b"\xff\xfei\x00d\x00\n\x00\x00", {}, "after line 1: it is not utf-8"),
        ("ndjson", b'{"id":1}\n\n{"id":2,}\n', {}, "line 3: no JSON: "),
        ("ndjson", b'{"id":1}\n[1]\n', {}, "line 2: a record is an object, and this is a list"),
        ("ndjson", b"[" * 100_000, {}, "line 1: no JSON that can be read"),
        ("ndjson", b'{"id":"\xff"}', {}, "line 1: the byte 0xff is not utf-8"),
        ("json", b"", {}, "line 1: no JSON: '[' is expected, and the end of the file is there"),
        ("json", b'{"orders": []}', {}, "line 1: an object, where a list is to be"),
        ("json", b'[{"id":1},\n\n{"id":2 "x"}]', {}, "line 3: no JSON: Expecting ',' delimiter"),
        ("json", b'[{"id":1},\n{"id":"2', {}, "line 2: no JSON: Unterminated string"),
        ("json", b'[{"id":1}\n', {}, "line 2: no JSON: ',' is expected, and the end of the file is there"),
        ("json", b'[{"id":1}]\n[]', {}, "line 2: something follows the end"),
        ("json", b'[{"id":1},\n3]', {}, "line 2: a record is an object, and this is a number"),
        ("json", b'{"data": {"a": 1}}', {"records": "data.orders"}, "it has no member 'orders'"),
        ("json", b'{"data": {"orders": 5}}', {"records": "data.orders"}, "line 1: no JSON: '[' is expected, and '5'"),
        ("json", b'[\n{"id":"\xff"}]', {}, "line 2: the byte 0xff is not utf-8"),
        ("json", b"[" + b'{"a":' * 100_000, {}, "line 1: no JSON that can be read"),
        ("xml", b"<a>\n<record></a>", {}, "line 2: no XML: mismatched tag, at character 11"),
        ("xml", b"", {}, "line 1: no XML: no element found"),
        ("xml", b"<!DOCTYPE a [<!ENTITY x 'y'>]><a>&x;</a>", {}, "it declares what could be used for harm"),
        ("xml", b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>', {}, "could be used for harm"),
        ("xml", b"<a><record>" + b"<b>" * 9_000 + b"</b>" * 9_000 + b"</record></a>", {}, "lie too deep"),
    ],
)
def test_what_is_broken_is_told_with_its_line(form: FileFormat, data: bytes, more: dict[str, Any], told: str) -> None:
    with pytest.raises(Broken) as broken:
        pieces(data, form, **more)
    assert told in str(broken.value)
    assert len(str(broken.value)) < 300


def test_json_is_found_in_the_named_member_whatever_is_around_it() -> None:
    inner = b'{"x": null, "orders": [{"id": 1}, {"id": 2}], "y": "}"}'
    data = b'{"meta": {"n": [1, {"orders": 5}]}, "data": ' + inner + b', "z": 1.5}'
    assert records(data, "json", records="data.orders") == [{"id": 1}, {"id": 2}]
    assert records(b" [ ] ", "json") == []


def test_an_element_becomes_a_record() -> None:
    data = b"""<?xml version="1.0" encoding="ISO-8859-1"?><?go on?><!-- x -->
        <s:shop xmlns:s="urn:shop" s:at="x"><count>2</count>
          <s:order no="1"><item>pen</item><item c="2">ink<!-- y --></item><note/><at> 5 </at></s:order>
          <other><order><order>inner</order></order></other>
          <order>t\xe4xt</order>
        </s:shop>"""
    assert records(data, "xml", element="order") == [
        {"@no": "1", "item": ["pen", {"@c": "2", "#text": "ink"}], "note": "", "at": " 5 "},
        {"order": "inner"},
        {"#text": "täxt"},
    ]


# --- memory -------------------------------------------------------------------------------------------------------


class Endless(io.RawIOBase):
    """`start`, and then `part` for ever, or `count` times, and then `end`."""

    def __init__(self, start: bytes, part: bytes, count: int = 10**9, end: bytes = b"") -> None:
        super().__init__()

        self._rest, self._part, self._count, self._end = start, part * max(1, 4096 // len(part)), count, end

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._rest and self._count > 0:
            self._rest, self._count = self._part, self._count - 1
        if not self._rest:
            self._rest, self._end = self._end, b""
        taken, self._rest = self._rest[: len(buffer)], self._rest[len(buffer) :]
        buffer[: len(taken)] = taken
        return len(taken)


LINE = b'{"id": 1, "name": "' + b"x" * 4000 + b'"}'

LONG: dict[FileFormat, Callable[[], Endless]] = {
    "csv": lambda: Endless(b"id\n", b"x" * 4000 + b"\n", 2000),
    "ndjson": lambda: Endless(b"", LINE + b"\n", 2000),
    "json": lambda: Endless(b"[" + LINE, b"," + LINE, 2000, b"]"),
    "xml": lambda: Endless(b"<a>", b"<record><id>" + b"x" * 4000 + b"</id></record>\n", 2000, b"</a>"),
}


@pytest.mark.parametrize("form", LONG)
def test_a_long_file_is_read_in_little_memory(form: FileFormat) -> None:
    """8 MB in 100 records at a time."""
    raw: Any = LONG[form]()
    tracemalloc.start()
    try:
        count = sum(len(piece.records) for piece in read(io.BufferedReader(raw), FileSource("x", format=form), 100))
        assert count >= 2000
        assert tracemalloc.get_traced_memory()[1] < 4_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("form", "start", "part", "told"),
    [
        ("csv", b'id\n1\n"', b"x,\n", "line 3: the row that begins here is larger than 1 MiB"),
        ("csv", b"id\n", b"x", "line 2: it is longer than 1 MiB"),
        ("ndjson", b'{"a":"', b"x", "line 1: it is longer than 1 MiB"),
        ("json", b'[{"a":"', b"x", "line 1: what begins here is larger than 1 MiB"),
        ("json", b"[", b" ", None),
        ("xml", b"<a><record>", b"x", "a record is larger than 1 MiB"),
        ("xml", b"<a>", b"<b/>" + b" " * 200, "a record is larger than 1 MiB, or there is none: correct 'element'"),
    ],
)
def test_a_record_without_end_is_not_waited_for(
    form: FileFormat, start: bytes, part: bytes, told: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(formats, "RECORD_BYTES", 1024 * 1024)
    count = 10**9 if told else 1_000
    raw: Any = Endless(start, part, count, b"]")
    if told is None:
        assert list(read(io.BufferedReader(raw), FileSource("x", format=form), 100)) == []
        return
    with pytest.raises(Broken, match=told):
        list(read(io.BufferedReader(raw), FileSource("x", format=form), 100))


def test_a_large_record_is_read_and_ends_its_page() -> None:
    large = json.dumps({"id": 1, "text": "x" * (RECORD_BYTES - 1000)}).encode()
    found = pieces(b"[" + large + b"," + large + b"]", "json", page_size=100)
    assert [len(piece.records) for piece in found] == [1, 1]


# --- as they stand there ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["csv", "json", "ndjson", "xml"])
def test_each_piece_can_be_read_by_itself(form: FileFormat) -> None:
    rows: list[Record] = [{"id": f"{n}", "name": "a\nb ä"} for n in range(5)]
    data, _ = written(form, rows)
    for piece in pieces(data, form, keep_raw=True):
        assert piece.raw is not None
        assert records(piece.raw, form) == piece.records
    assert pieces(data, form)[0].raw is None


# --- writing ------------------------------------------------------------------------------------------------------

texts = st.text(st.characters(exclude_categories=["Cs", "Cc"], include_characters="\t\n\r"), max_size=20)


@given(st.lists(st.fixed_dictionaries({"id": texts, "name": texts}), max_size=6), st.integers(1, 6))
def test_whatever_text_is_written_is_read_again(rows: list[Record], batch: int) -> None:
    rows = [{"id": f"x{row['id']}", "name": row["name"]} for row in rows]  # one column at least is not empty
    batches = [rows[start : start + batch] for start in range(0, len(rows), batch)]
    for form in LONG:
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
        ("csv", {"id": 1, "more": 2}, {}, "the file has no column 'more'. Name all of them in 'columns'"),
        ("csv", {"id": "ж"}, {"encoding": "latin-1"}, "'\\u0436' cannot be written in latin-1"),
        ("csv", {"id": "\ud800"}, {}, "'\\ud800' cannot be written in utf-8"),
        ("xml", {"a b": 1}, {}, "'a b' cannot be the name of an element in XML"),
        ("xml", {"@a b": 1}, {}, "'a b' cannot be the name of an attribute in XML"),
        ("xml", {"id": "\x00"}, {}, "it holds '\\x00', which XML cannot carry"),
        ("xml", {"id": "\ud800"}, {}, "it holds '\\ud800', which XML cannot carry"),
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


@pytest.mark.parametrize("form", LONG)
def test_no_records_are_a_file_that_can_be_read(form: FileFormat) -> None:
    assert records(written(form)[0], form) == []
    assert records(written(form, [])[0], form) == []


def test_named_columns_are_written_in_their_order_and_others_left_out() -> None:
    data, refused = written("csv", [{"b": 1, "c": 2}, {"a": 3}], columns=["a", "b"], delimiter=";", encoding="utf-16")
    assert refused == [None, None]
    assert data.decode("utf-16") == "a;b\r\n;1\r\n3;\r\n"
