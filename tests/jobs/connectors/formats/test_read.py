"""Records read from files of each format, broken and hostile ones too, and in how much memory."""

from __future__ import annotations

import io
import json
import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest

from jobs.connectors.formats import base
from jobs.connectors.formats.base import RECORD_BYTES, Broken
from jobs.connectors.formats.codec import read
from jobs.services.model import FileFormat, FileSource
from tests.kit.formats import pieces, records


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
        ("csv", b"id,name\n1,Ana\n2\n", {}, "line 3: expected 2 fields, got 1"),
        ("csv", b'id,name\n1,"A\n\nB"\n2,a,b\n', {}, "line 5: expected 2 fields, got 3"),
        ("csv", b'id\n"1" x\n', {}, "line 2: not valid CSV: ',' expected after '\"'"),
        ("csv", b'id\n1\n"2\n3\n', {}, "line 3: not valid CSV: unexpected end of data"),
        ("csv", b"id,id\n", {}, "line 1: the header has the column 'id' twice"),
        ("csv", b"id\n1\n\xff\n", {}, "line 3: the byte 0xff is not utf-8. Check 'encoding'"),
        ("csv", b"\xff\xfei\x00d\x00\n\x00\x00", {}, "after line 1: the text is not utf-8"),
        ("ndjson", b'{"id":1}\n\n{"id":2,}\n', {}, "line 3: not valid JSON: "),
        ("ndjson", b'{"id":1}\n[1]\n', {}, "line 2: expected an object, got a list"),
        ("ndjson", b"[" * 100_000, {}, "line 1: cannot be read as JSON"),
        ("ndjson", b'{"id":"\xff"}', {}, "line 1: the byte 0xff is not utf-8"),
        ("json", b"", {}, "line 1: not valid JSON: expected '[', got the end of the file"),
        ("json", b'{"orders": []}', {}, "line 1: expected a list, got an object"),
        ("json", b'[{"id":1},\n\n{"id":2 "x"}]', {}, "line 3: not valid JSON: Expecting ',' delimiter"),
        ("json", b'[{"id":1},\n{"id":"2', {}, "line 2: not valid JSON: Unterminated string"),
        ("json", b'[{"id":1}\n', {}, "line 2: not valid JSON: expected ',', got the end of the file"),
        ("json", b'[{"id":1}]\n[]', {}, "line 2: unexpected text after the end"),
        ("json", b'[{"id":1},\n3]', {}, "line 2: expected an object, got a number"),
        ("json", b'{"data": {"a": 1}}', {"records": "data.orders"}, "there is no member 'orders'"),
        (
            "json",
            b'{"data": {"orders": 5}}',
            {"records": "data.orders"},
            "line 1: not valid JSON: expected '[', got '5'",
        ),
        ("json", b'[\n{"id":"\xff"}]', {}, "line 2: the byte 0xff is not utf-8"),
        ("json", b"[" + b'{"a":' * 100_000, {}, "line 1: cannot be read as JSON"),
        ("xml", b"<a>\n<record></a>", {}, "line 2: not valid XML: mismatched tag, at character 11"),
        ("xml", b"", {}, "line 1: not valid XML: no element found"),
        ("xml", b"<!DOCTYPE a [<!ENTITY x 'y'>]><a>&x;</a>", {}, "it declares entities or external references"),
        ("xml", b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>', {}, "which are not read"),
        ("xml", b"<a><record>" + b"<b>" * 9_000 + b"</b>" * 9_000 + b"</record></a>", {}, "nested too deeply"),
    ],
)
def test_what_is_broken_is_told_with_its_line(form: FileFormat, data: bytes, more: dict[str, Any], told: str) -> None:
    with pytest.raises(Broken) as broken:
        pieces(data, form, **more)
    assert told in str(broken.value)
    assert len(str(broken.value)) < 300


def test_json_is_found_in_the_member_that_is_named_between_any_others() -> None:
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
        ("csv", b'id\n1\n"', b"x,\n", "line 3: the row that starts here is larger than 1 MiB"),
        ("csv", b"id\n", b"x", "line 2: the line is larger than 1 MiB"),
        ("ndjson", b'{"a":"', b"x", "line 1: the line is larger than 1 MiB"),
        ("json", b'[{"a":"', b"x", "line 1: the value that starts here is larger than 1 MiB"),
        ("json", b"[", b" ", None),
        ("xml", b"<a><record>", b"x", "a record is larger than 1 MiB"),
        ("xml", b"<a>", b"<b/>" + b" " * 200, "a record is larger than 1 MiB, or none was found: check 'element'"),
    ],
)
def test_a_record_without_end_is_not_waited_for(
    form: FileFormat, start: bytes, part: bytes, told: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(base, "RECORD_BYTES", 1024 * 1024)
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
