"""XML: one element per record."""

from __future__ import annotations

import codecs
import io
import re
from collections.abc import Iterator, Sequence
from typing import Any
from xml.etree.ElementTree import Element
from xml.sax.saxutils import escape, quoteattr

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import DefusedXMLParser, ParseError, iterparse, tostring

from jobs.connectors.formats.base import CHUNK, Broken, Item, Reader, Refused, Syntax, oversize
from jobs.services.model import Layout
from synctail.model.json_text import Record, as_json


class XmlReader(Reader):
    """The members of a record are the elements within it, a list where a name is there more than once. Attributes are
    members too, as `@name`; text beside members is `#text`. Namespaces are left out."""

    head, between, end = "<records>\n", "\n", "\n</records>\n"

    def __init__(self, file: io.BufferedReader, layout: Layout, *, keep_raw: bool = False) -> None:
        self._file = _Counted(file)
        self._element = layout.element
        own = codecs.lookup(layout.encoding).name == "utf-8"  # then the file itself names its encoding
        self._parser = DefusedXMLParser(encoding=None if own else layout.encoding)
        self._keep_raw = keep_raw

    def close(self) -> None: ...

    def items(self) -> Iterator[Item]:
        try:
            yield from self._items()
        except ParseError as error:
            line, column = error.position
            what = str(error).split(":")[0]
            raise Broken(f"line {line:,}: not valid XML: {what}, at character {column + 1}") from None
        except DefusedXmlException as error:
            raise Broken(f"it declares entities or external references, which are not read: {error}") from None
        except (ValueError, LookupError) as error:  # an encoding that the parser lacks
            raise Broken(f"cannot be read as XML: {error}") from None
        except RecursionError:
            raise Broken("its elements are nested too deeply") from None

    def _items(self) -> Iterator[Item]:
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
                yield Item(_record(element), self._file.taken(), raw)
            if around:
                around[-1].remove(element)


class _Counted:
    """Counts what the parser takes for one record, and breaks off where that is too much."""

    def __init__(self, file: io.BufferedReader) -> None:
        self._file = file
        self._count = 0

    def read(self, size: int = CHUNK) -> bytes:
        data = self._file.read(size)
        self._count += len(data)
        if large := oversize(self._count):
            raise Broken(f"a record is {large}, or none was found: check 'element'")
        return data

    def taken(self) -> int:
        count, self._count = self._count, 0
        return count


def _record(element: Element) -> Record:
    value = _read_value(element)
    return value if isinstance(value, dict) else {"#text": value} if value else {}


def _read_value(element: Element) -> Any:
    members: dict[str, Any] = {f"@{_local(name)}": value for name, value in element.attrib.items()}
    inner: dict[str, list[Any]] = {}
    for child in element:
        inner.setdefault(_local(child.tag), []).append(_read_value(child))
    members |= {name: values if len(values) > 1 else values[0] for name, values in inner.items()}
    text = element.text or ""
    if members and text.strip():
        members["#text"] = text.strip()
    return members or text


def _local(tag: Any) -> str:
    return tag.rpartition("}")[2] if isinstance(tag, str) else ""


# --- writing ------------------------------------------------------------------------------------------------------

_NAME = re.compile(r"[^\W\d][\w.-]*")
_FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_CR = {"\r": "&#13;"}


class XmlSyntax(Syntax):
    def __init__(self, layout: Layout, columns: Sequence[str]) -> None:
        del columns
        root = layout.records or "records"
        self._element = layout.element
        self.head = f'<?xml version="1.0" encoding="UTF-8"?>\n<{root}>\n'
        self.end = f"</{root}>\n"

    def one(self, record: Record) -> str:
        return "  " + _element(self._element, record) + "\n"


def _element(name: str, value: Any) -> str:
    _check_name(name, "element")
    if isinstance(value, list):
        return f"<{name}>{_member('item', value)}</{name}>"
    members = value if isinstance(value, dict) else {"#text": value}
    attributes = "".join(_attribute(k[1:], v) for k, v in members.items() if k.startswith("@"))
    inner = "".join(_member(k, v) for k, v in members.items() if not k.startswith("@"))
    return f"<{name}{attributes}>{inner}</{name}>"


def _member(name: str, value: Any) -> str:
    if name == "#text":
        return escape(_scalar(value), _CR)
    values = value if isinstance(value, list) else [] if value is None else [value]
    return "".join(_element(name, one) for one in values)


def _attribute(name: str, value: Any) -> str:
    _check_name(name, "attribute")
    return "" if value is None else f" {name}={quoteattr(_scalar(value), _CR)}"


def _scalar(value: Any) -> str:
    text = value if isinstance(value, str) else as_json(value).decode() if value is not None else ""
    if found := _FORBIDDEN.search(text):
        raise Refused(f"it contains {found[0]!a}, which XML does not allow")
    return text


def _check_name(name: str, what: str) -> None:
    if not _NAME.fullmatch(name):
        raise Refused(f"{name!r} is not a valid name of an XML {what}")
