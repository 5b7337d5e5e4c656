"""Records in files: CSV, JSON, NDJSON and XML, read page by page and written batch by batch, in bounded memory.

What is broken is named with its line. Nothing here opens a file: it is handed one to read, and hands out bytes.
"""

from __future__ import annotations

import codecs
import csv
import io
import json
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any, NamedTuple, Protocol
from xml.etree.ElementTree import Element
from xml.sax.saxutils import escape, quoteattr

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import DefusedXMLParser, ParseError, iterparse, tostring

from jobs.services.model import FileFormat, Layout
from synctail.model.json_text import Record, as_json

RECORD_BYTES = 16 * 1024 * 1024
"""The largest record, and what may stand between two of them."""
PAGE_BYTES = 8 * 1024 * 1024
"""A page ends here, also when it has fewer records than it may."""
_CHUNK = 64 * 1024

MEDIA_TYPES: dict[FileFormat, str] = {
    "csv": "text/csv",
    "json": "application/json",
    "ndjson": "application/x-ndjson",
    "xml": "application/xml",
}

csv.field_size_limit(RECORD_BYTES)  # the usual 128 KiB would refuse what other formats take


class Broken(Exception):
    """What a file holds is not what it should: which line, and why."""


class Piece(NamedTuple):
    """Records of a file, in order. `raw`: the same as they stand there, as a file that could be read by itself."""

    records: list[Record]
    raw: bytes | None = None


class _Item(NamedTuple):
    record: Record
    size: int
    raw: str = ""


class _Reader(Protocol):
    def items(self) -> Iterator[_Item]: ...

    def wrap(self, raws: list[str]) -> str: ...

    def close(self) -> None:
        """The file stays open: it is somebody else's."""


def read(file: io.BufferedReader, layout: Layout, page_size: int, *, keep_raw: bool = False) -> Iterator[Piece]:
    """The file's records, `page_size` at a time. Raises `Broken`, and what reading the file raises."""
    reader = _reader(file, layout, keep_raw=keep_raw)
    try:
        yield from _pieces(reader, page_size, keep_raw=keep_raw)
    finally:
        reader.close()


def _pieces(reader: _Reader, page_size: int, *, keep_raw: bool) -> Iterator[Piece]:
    records: list[Record] = []
    raws: list[str] = []
    size = 0

    def piece() -> Piece:
        raw = reader.wrap(raws).encode("utf-8", "surrogatepass") if keep_raw else None
        return Piece(records, raw)

    for item in reader.items():
        records.append(item.record)
        size += item.size
        if keep_raw:
            raws.append(item.raw)
        if len(records) >= page_size or size >= PAGE_BYTES:
            yield piece()
            records, raws, size = [], [], 0
    if records:
        yield piece()


def _reader(file: io.BufferedReader, layout: Layout, *, keep_raw: bool) -> _Reader:
    match layout.file_format:
        case "csv":
            return _Csv(_Text(file, layout.encoding, newline=""), layout)
        case "ndjson":
            return _Ndjson(_Text(file, layout.encoding, newline="\n"))
        case "json":
            return _Json(_Text(file, layout.encoding, newline="\n"), layout.records)
        case "xml":
            return _Xml(file, layout, keep_raw=keep_raw)


def columns_of(file: io.BufferedReader, layout: Layout) -> list[str]:
    """The names in the header of a CSV. Raises `Broken`."""
    reader = _Csv(_Text(file, layout.encoding, newline=""), layout)
    try:
        return reader.header()
    finally:
        reader.close()


# --- text, by lines or by chunks ----------------------------------------------------------------------------------


class _Text:
    """Decodes. A byte that is none of the encoding is let through as half a surrogate pair, so that its line can be
    told."""

    def __init__(self, file: io.BufferedReader, encoding: str, *, newline: str) -> None:
        self._encoding = encoding
        head = file.peek(2)[:2]
        if codecs.lookup(encoding).name == "utf-8":
            encoding = "utf-16" if head in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE) else "utf-8-sig"
        self._text = io.TextIOWrapper(file, encoding, errors="surrogateescape", newline=newline)
        self.line = 0
        """The number of the line that was read last; of chunks, the one that the next begins in, from 0."""

    def close(self) -> None:
        with suppress(ValueError):  # its owner was faster
            self._text.detach()

    def lines(self) -> Iterator[str]:
        while line := self._read(self._text.readline):
            self.line += 1
            self._look(line, self.line)
            if len(line) > RECORD_BYTES:
                raise Broken(f"line {self.line}: it is longer than {_mib(RECORD_BYTES)}")
            yield line

    def chunk(self, size: int = _CHUNK) -> str:
        chunk = self._read(self._text.read, size)
        self._look(chunk, self.line + 1)
        self.line += chunk.count("\n")
        return chunk

    def _read(self, how: Any, size: int = RECORD_BYTES + 1) -> str:
        try:
            text: str = how(size)
        except UnicodeError:  # an encoding whose broken parts cannot be let through
            raise Broken(f"after line {self.line}: it is not {self._encoding}. Correct 'encoding'") from None
        return text

    def _look(self, text: str, line: int) -> None:
        if text.isascii():
            return
        found = _ESCAPED.search(text)
        if found:
            line += text.count("\n", 0, found.start())
            raise Broken(
                f"line {line}: the byte 0x{ord(found[0]) - 0xDC00:02x} is not {self._encoding}. Correct 'encoding'"
            )


_ESCAPED = re.compile("[\udc80-\udcff]")


class _Ndjson:
    def __init__(self, text: _Text) -> None:
        self._text = text
        self.close = text.close

    def items(self) -> Iterator[_Item]:
        for line in self._text.lines():
            if line.isspace():
                continue
            try:
                record = json.loads(line)
            except json.JSONDecodeError as error:
                raise Broken(f"line {self._text.line}: no JSON: {error.msg} at character {error.pos + 1}") from None
            except (ValueError, RecursionError):
                raise Broken(f"line {self._text.line}: no JSON that can be read") from None
            yield _Item(_object(record, self._text.line), len(line), line)

    def wrap(self, raws: list[str]) -> str:
        return "".join(raws)


class _Csv:
    """Every value is a text. A field without a name, as after a comma at the end of each line, is left out."""

    def __init__(self, text: _Text, layout: Layout) -> None:
        self._text = text
        self.close = text.close
        self._raw: list[str] = []
        self._size = 0
        self._began = 1
        self._rows = csv.reader(self._feed(), delimiter=layout.delimiter, strict=True)
        self._columns = layout.columns
        self._header = ""

    def header(self) -> list[str]:
        names = [name.strip() for name in next(self._read(), [])]
        twice = {name for name in names if name and names.count(name) > 1}
        if twice:
            raise Broken(f"line {self._began}: the column {min(twice)!r} is there twice")
        return names

    def items(self) -> Iterator[_Item]:
        names = self._columns
        if not names:
            names = self.header()
            self._header = "".join(self._raw)
        for row in self._read():
            if len(row) != len(names):
                raise Broken(f"line {self._began}: it has {_fields(row)}, and the header has {_fields(names)}")
            record = {name: value for name, value in zip(names, row, strict=True) if name}
            yield _Item(record, self._size, "".join(self._raw))

    def wrap(self, raws: list[str]) -> str:
        return self._header + "".join(raws)

    def _read(self) -> Iterator[list[str]]:
        """Rows that are not empty."""
        while True:
            self._raw, self._size = [], 0
            self._began = self._text.line + 1
            try:
                row = next(self._rows, None)
            except csv.Error as error:
                raise Broken(f"line {self._began}: no CSV: {error}") from None
            if row is None:
                return
            if row:
                yield row

    def _feed(self) -> Iterator[str]:
        for line in self._text.lines():
            self._raw.append(line)
            self._size += len(line)
            if self._size > RECORD_BYTES:
                raise Broken(
                    f"line {self._began}: the row that begins here is larger than {_mib(RECORD_BYTES)}. "
                    "Is a quote left open?"
                )
            yield line


def _fields(of: Sequence[str]) -> str:
    return f"{len(of):,} field{'' if len(of) == 1 else 's'}"


class _Json:
    """One value after the other, out of a buffer that holds little more than the one that is read."""

    def __init__(self, text: _Text, path: str) -> None:
        self._text = text
        self.close = text.close
        self._path = path.split(".") if path else []
        self._decode = json.JSONDecoder().raw_decode
        self._buffer = ""
        self._at = 0
        self._start = 0
        """Where the value that was read last begins."""
        self._before = 0
        self._ended = False

    def items(self) -> Iterator[_Item]:
        yield from self._find(self._path)
        if self._peek():
            raise self._broken("something follows the end")

    def wrap(self, raws: list[str]) -> str:
        return "[\n" + ",\n".join(raws) + "\n]\n"

    def _find(self, path: list[str]) -> Iterator[_Item]:
        if not path:
            yield from self._list()
            return
        found = False
        for name in self._members():
            if name == path[0] and not found:
                found = True
                yield from self._find(path[1:])
            else:
                self._value()
        if not found:
            raise Broken(f"it has no member {path[0]!r}")

    def _list(self) -> Iterator[_Item]:
        if self._peek() == "{" and not self._path:
            raise self._broken("an object, where a list is to be. Name the member that holds it in 'records'")
        self._take("[")
        if self._peek() == "]":
            self._take("]")
            return
        while True:
            self._peek()
            line = self._line()
            record = _object(self._value(), line)
            yield _Item(record, self._at - self._start, self._buffer[self._start : self._at])
            if self._peek() == "]":
                self._take("]")
                return
            self._take(",")

    def _members(self) -> Iterator[str]:
        """The names in an object; who asks for the next has taken the value of the one before."""
        self._take("{")
        if self._peek() == "}":
            self._take("}")
            return
        while True:
            if self._peek() != '"':
                raise self._broken("no JSON: a name is expected")
            name: str = self._value()
            self._take(":")
            yield name
            if self._peek() == "}":
                self._take("}")
                return
            self._take(",")

    def _take(self, wanted: str) -> None:
        found = self._peek()
        if found != wanted:
            what = f"{found!r}" if found else "the end of the file"
            raise self._broken(f"no JSON: {wanted!r} is expected, and {what} is there")
        self._at += 1

    def _peek(self) -> str:
        """The next character that is no white space; empty at the end."""
        while True:
            match = _NOT_SPACE.search(self._buffer, self._at)
            if match:
                self._at = match.start()
                return match[0]
            self._at = len(self._buffer)
            if not self._fill():
                return ""

    def _value(self) -> Any:
        self._peek()
        while True:
            try:
                value, end = self._decode(self._buffer, self._at)
            except json.JSONDecodeError as error:
                unfinished = error.msg.startswith("Unterminated") or error.pos > len(self._buffer) - _LONGEST_TOKEN
                if not (unfinished and self._fill()):
                    raise self._broken(f"no JSON: {error.msg}", error.pos) from None
            except (ValueError, RecursionError):
                raise self._broken("no JSON that can be read") from None
            else:
                # A number that ends with the buffer may go on.
                if end < len(self._buffer) or not self._fill():
                    self._start, self._at = self._at, end
                    return value

    def _fill(self) -> bool:
        if self._ended:
            return False
        self._drop()
        if len(self._buffer) - self._at > RECORD_BYTES:
            raise self._broken(f"what begins here is larger than {_mib(RECORD_BYTES)}, or never ends")
        # As much again: a large value is tried a few times, not once for each chunk.
        chunk = self._text.chunk(max(_CHUNK, len(self._buffer) - self._at))
        self._ended = not chunk
        self._buffer += chunk
        return not self._ended

    def _drop(self) -> None:
        """Forget what was read."""
        if self._at > _CHUNK:
            self._before += self._buffer.count("\n", 0, self._at)
            self._buffer = self._buffer[self._at :]
            self._at = 0

    def _line(self, at: int | None = None) -> int:
        return 1 + self._before + self._buffer.count("\n", 0, self._at if at is None else at)

    def _broken(self, why: str, at: int | None = None) -> Broken:
        return Broken(f"line {self._line(at):,}: {why}")


_NOT_SPACE = re.compile(r"[^ \t\r\n]")
_LONGEST_TOKEN = 16


def _object(value: Any, line: int) -> Record:
    if not isinstance(value, dict):
        raise Broken(f"line {line}: a record is an object, and this is {_kind(value)}")
    return value


def _kind(value: Any) -> str:
    names = {list: "a list", str: "a text", bool: "a boolean", type(None): "null"}
    return names.get(type(value), "a number")


class _Xml:
    """A record is an element: its members are the elements within, a list where one is there more than once. Attributes
    are members too, as `@name`; text beside members is `#text`. Namespaces are left out."""

    def __init__(self, file: io.BufferedReader, layout: Layout, *, keep_raw: bool) -> None:
        self._file = _Counted(file)
        self._element = layout.element
        own = codecs.lookup(layout.encoding).name == "utf-8"  # then the file says its encoding itself
        self._parser = DefusedXMLParser(encoding=None if own else layout.encoding)
        self._keep_raw = keep_raw

    def items(self) -> Iterator[_Item]:
        try:
            yield from self._items()
        except ParseError as error:
            line, column = error.position
            raise Broken(f"line {line:,}: no XML: {str(error).split(':')[0]}, at character {column + 1}") from None
        except DefusedXmlException as error:
            raise Broken(f"it declares what could be used for harm, and is not read: {error}") from None
        except (ValueError, LookupError) as error:  # an encoding that the parser lacks
            raise Broken(f"no XML that can be read: {error}") from None
        except RecursionError:
            raise Broken("its elements lie too deep in each other") from None

    def close(self) -> None: ...

    def wrap(self, raws: list[str]) -> str:
        return "<records>\n" + "\n".join(raws) + "\n</records>\n"

    def _items(self) -> Iterator[_Item]:
        around: list[Element] = []
        within = 0
        for event, element in iterparse(self._file, ("start", "end"), self._parser):
            wanted = _local(element.tag) == self._element and bool(around)
            if event == "start":
                around.append(element)
                within += wanted
                continue
            around.pop()
            within -= wanted
            if within:
                continue
            if wanted:
                element.tail = None
                raw = tostring(element, encoding="unicode") if self._keep_raw else ""
                yield _Item(_record(element), self._file.taken(), raw)
            if around:
                around[-1].remove(element)


class _Counted:
    """Counts what the parser takes for one record, and breaks off where that is too much."""

    def __init__(self, file: io.BufferedReader) -> None:
        self._file = file
        self._count = 0

    def read(self, size: int = _CHUNK) -> bytes:
        data = self._file.read(size)
        self._count += len(data)
        if self._count > RECORD_BYTES:
            raise Broken(f"a record is larger than {_mib(RECORD_BYTES)}, or there is none: correct 'element'")
        return data

    def taken(self) -> int:
        count, self._count = self._count, 0
        return count


def _record(element: Element) -> Record:
    value = _xml_value(element)
    if isinstance(value, dict):
        return value
    return {"#text": value} if value else {}


def _xml_value(element: Element) -> Any:
    members: dict[str, Any] = {f"@{_local(name)}": value for name, value in element.attrib.items()}
    seen: dict[str, list[Any]] = {}
    for child in element:
        name = _local(child.tag)
        values = seen.setdefault(name, [])
        values.append(_xml_value(child))
        members[name] = values if len(values) > 1 else values[0]
    text = element.text or ""
    if not members:
        return text
    if text.strip():
        members["#text"] = text.strip()
    return members


def _local(tag: Any) -> str:
    return tag.rpartition("}")[2] if isinstance(tag, str) else ""


# --- writing ------------------------------------------------------------------------------------------------------


class Encoded(NamedTuple):
    """`refused`: for each record, in order, why it is not in `data`; None where it is."""

    data: bytes
    refused: list[str | None]


class _Refused(Exception):
    """The format cannot carry this record."""


class Writer:
    """Makes a file's bytes: `encode` for each batch, then `end`. `begun`: it goes on with a file that is there, a CSV
    with these `columns`."""

    def __init__(self, layout: Layout, *, columns: Sequence[str] | None = None, begun: bool = False) -> None:
        self._format = layout.file_format
        self._body = _bodies(layout, columns, begun=begun)
        self._begun = begun
        self._any = False
        name = layout.encoding if self._format == "csv" else "utf-8"
        self._encoding = name
        self._encoder = codecs.getincrementalencoder(name)()
        if begun:
            self._encoder.encode(" ")  # the mark at the start of a file is there already

    def encode(self, records: Sequence[Record]) -> Encoded:
        if not records:
            return Encoded(b"", [])
        data: list[bytes] = []
        refused: list[str | None] = []
        if not self._begun:
            self._begun = True
            data.append(self._encoder.encode(self._body.start(records)))
        for record in records:
            try:
                one = self._one(record)
            except _Refused as error:
                refused.append(str(error))
            else:
                data.append(one)
                refused.append(None)
        return Encoded(b"".join(data), refused)

    def end(self) -> bytes:
        start = "" if self._begun else self._body.start([])
        return self._encoder.encode(start + self._body.end)

    def _one(self, record: Record) -> bytes:
        try:
            text = self._body.one(record)
            encoded = self._encoder.encode((self._body.between if self._any else "") + text)
        except UnicodeEncodeError as error:
            raise _Refused(f"{error.object[error.start]!a} cannot be written in {self._encoding}") from None
        except RecursionError:
            raise _Refused("it is nested too deep") from None
        self._any = True
        return encoded


class _Body(Protocol):
    between: str
    end: str

    def start(self, records: Sequence[Record]) -> str: ...

    def one(self, record: Record) -> str: ...


def _bodies(layout: Layout, columns: Sequence[str] | None, *, begun: bool) -> _Body:
    match layout.file_format:
        case "csv":
            return _CsvBody(layout, columns, begun=begun)
        case "ndjson":
            return _NdjsonBody()
        case "json":
            return _JsonBody(layout.records)
        case "xml":
            return _XmlBody(layout)


class _NdjsonBody:
    between = ""
    end = ""

    def start(self, records: Sequence[Record]) -> str:
        del records
        return ""

    def one(self, record: Record) -> str:
        return as_json(record).decode() + "\n"


class _JsonBody:
    between = ",\n"

    def __init__(self, path: str) -> None:
        names = path.split(".") if path else []
        self._start = "".join(f"{{{json.dumps(name)}: " for name in names) + "[\n"
        self.end = "\n]" + "}" * len(names) + "\n"

    def start(self, records: Sequence[Record]) -> str:
        del records
        return self._start

    def one(self, record: Record) -> str:
        return as_json(record).decode()


class _CsvBody:
    """The columns are those named, or the members of the first batch in the order in which they come."""

    between = ""
    end = ""

    def __init__(self, layout: Layout, columns: Sequence[str] | None, *, begun: bool) -> None:
        named = layout.columns or columns
        self._columns: list[str] = list(named or [])
        self._strict = not layout.columns
        self._begun = begun and bool(columns)
        self._line = io.StringIO()
        self._rows = csv.writer(self._line, delimiter=layout.delimiter)

    def start(self, records: Sequence[Record]) -> str:
        if not self._columns:
            self._columns = list(dict.fromkeys(name for record in records for name in record))
        return self._text(self._columns) if self._columns else ""

    def one(self, record: Record) -> str:
        if self._strict and (more := next((name for name in record if name not in self._columns), None)) is not None:
            raise _Refused(f"the file has no column {more!r}. Name all of them in 'columns'")
        return self._text([_csv_value(record.get(name)) for name in self._columns])

    def _text(self, row: Sequence[str]) -> str:
        self._line.seek(0)
        self._line.truncate()
        self._rows.writerow(row)
        return self._line.getvalue()


def _csv_value(value: Any) -> str:
    match value:
        case None:
            return ""
        case str():
            return value
        case bool() | dict() | list():
            return as_json(value).decode()
        case _:
            return str(value)


class _XmlBody:
    between = ""

    def __init__(self, layout: Layout) -> None:
        root = layout.records or "records"
        self._element = layout.element
        self._start = f'<?xml version="1.0" encoding="UTF-8"?>\n<{root}>\n'
        self.end = f"</{root}>\n"

    def start(self, records: Sequence[Record]) -> str:
        del records
        return self._start

    def one(self, record: Record) -> str:
        return "  " + _xml(self._element, record) + "\n"


def _xml(name: str, value: Any) -> str:
    if not is_xml_name(name):
        raise _Refused(f"{name!r} cannot be the name of an element in XML")
    match value:
        case dict():
            attributes = "".join(_attribute(k[1:], v) for k, v in value.items() if k.startswith("@"))
            inner = "".join(
                _xml_text(v) if k == "#text" else _xml_member(k, v) for k, v in value.items() if not k.startswith("@")
            )
            return f"<{name}{attributes}>{inner}</{name}>"
        case list():
            return f"<{name}>{_xml_member('item', value)}</{name}>"
        case _:
            return f"<{name}>{_xml_text(value)}</{name}>"


def _xml_member(name: str, value: Any) -> str:
    if value is None:
        return ""
    return "".join(_xml(name, one) for one in value) if isinstance(value, list) else _xml(name, value)


def _attribute(name: str, value: Any) -> str:
    if not is_xml_name(name):
        raise _Refused(f"{name!r} cannot be the name of an attribute in XML")
    if value is None:
        return ""
    return f" {name}={quoteattr(_scalar(value), {_CR: '&#13;'})}"


def _xml_text(value: Any) -> str:
    return escape(_scalar(value), {_CR: "&#13;"})


def _scalar(value: Any) -> str:
    text = value if isinstance(value, str) else as_json(value).decode() if value is not None else ""
    found = _NOT_XML.search(text)
    if found:
        raise _Refused(f"it holds {found[0]!a}, which XML cannot carry")
    return text


def is_xml_name(name: str) -> bool:
    return _XML_NAME.fullmatch(name) is not None


_CR = "\r"
_XML_NAME = re.compile(r"[^\W\d][\w.-]*")
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def _mib(size: int) -> str:
    return f"{size // 1024 // 1024} MiB"
