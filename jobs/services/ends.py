"""What the types of a source or destination cannot say: expressions, addresses, formats, and what goes with what. Pure.

Faults are pairs of the member's path within it, and what is wrong.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from contextlib import suppress
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from jobs.services.model import (
    AnyDestination,
    AnySource,
    FileDestination,
    FileSource,
    HeaderAuth,
    HttpAuth,
    HttpDestination,
    HttpSource,
    InboundSource,
    Layout,
    Paging,
    Secret,
    Service,
    Sftp,
    SftpDestination,
    SftpSource,
    SqlDestination,
    SqlSource,
)
from jobs.transform.filters import expression_fault

_XML_NAME = re.compile(r"[^\W\d][\w.-]*")
_HEADER = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_OURS = frozenset({"host", "content-length", "content-type", "transfer-encoding", "connection", "accept-encoding"})


def passwords(service: Service | None) -> list[str]:
    """Those that stand in the addresses of a service, where they should not, and must not get into a log."""
    if service is None:
        return []
    found: list[str] = []
    for end in (service.source, service.destination):
        with suppress(ValueError):
            parts = urlsplit(str(getattr(end, "url", "")))
            found.extend([parts.password, unquote(parts.password)] if parts.password else [])
            found.extend(parse_qs(parts.query).get("password", []))
    return found


def source_faults(source: AnySource) -> Iterator[tuple[str, str]]:
    match source:
        case HttpSource():
            yield from _http_source(source)
        case SqlSource():
            yield from _sql_source(source)
        case FileSource():
            yield from _read_layout(source)
            yield from _inside(source.path, "path")
        case SftpSource():
            yield from _read_layout(source)
            yield from _sign_in(source)
            if any(character in source.path.rpartition("/")[0] for character in "*?["):
                yield "path", "takes *, ? and […] only in its last part"
        case InboundSource(records=records):
            if records and (problem := expression_fault(records)):
                yield "records", problem


def destination_faults(destination: AnyDestination) -> Iterator[tuple[str, str]]:
    match destination:
        case HttpDestination():
            yield from _http_destination(destination)
        case SqlDestination(url=url, password=password):
            yield from _sql_address(url, password)
            if re.match(r"[a-z0-9_]+(\+[a-z0-9_]+)?://", url) and not url.startswith(("sqlite", "postgresql")):
                yield "url", "is of another database; a destination is sqlite:///… or postgresql+psycopg://…"
        case FileDestination():
            yield from _written_layout(destination)
            yield from _inside(destination.path, "path")
            yield from _wild(destination.path)
            if destination.mode == "append":
                yield from _appended(destination)
        case SftpDestination():
            yield from _written_layout(destination)
            yield from _sign_in(destination)
            yield from _wild(destination.path)


# --- http ---------------------------------------------------------------------------------------------------------


def _http_source(source: HttpSource) -> Iterator[tuple[str, str]]:
    yield from _web_address(source.url)
    yield from _auth(source.auth)
    # A plain name is a member, also where it is no expression: `my-orders`.
    if source.records and not re.fullmatch(r"[\w @$:-]+", source.records):
        yield from _expression(source.records, "records")
    yield from ((f"paging.{member}", says) for member, says in _paging(source.paging))


def _paging(paging: Paging) -> Iterator[tuple[str, str]]:
    for member in ("next", "total"):
        if getattr(paging, member):
            yield from _expression(getattr(paging, member), member)
    if paging.style == "cursor" and not paging.next:
        yield "next", "is missing: cursor needs a JMESPath to the next cursor in the answer"
    if paging.style == "none" and paging.next:
        yield "next", "says where the next page is, and style none has none"
    if paging.style in ("page", "cursor") and paging.param_name == paging.size_name:
        yield "param", f"is {paging.param_name!r}, as is the parameter of the size; they cannot be the same"


def _http_destination(destination: HttpDestination) -> Iterator[tuple[str, str]]:
    yield from _web_address(destination.url)
    yield from _auth(destination.auth)
    url = destination.url
    fields = re.findall(r"\{([^{}]*)\}", url)
    if re.search(r"[{}]", re.sub(r"\{[^{}]*\}", "", url)):
        yield "url", "has a brace without its other one; a field stands in two: /orders/{id}"
    for field in fields:
        for _, says in _expression(field, ""):
            yield "url", f"{{{field}}}: {says}"
    if "{" in url.partition("://")[2].partition("/")[0]:
        yield "url", "a field may stand only behind the host: no record chooses the server"
    if fields and destination.batch:
        yield "url", f"has the field {{{fields[0]}}}, and a batch is of many records; leave out the one or the other"
    if destination.records and not destination.batch:
        yield "records", "names the member that holds a batch, and there is no 'batch'"


def _web_address(url: str) -> Iterator[tuple[str, str]]:
    try:
        parts = urlsplit(re.sub(r"\{[^{}]*\}", "x", url))
        _ = parts.port
    except ValueError as error:
        yield "url", f"is no address: {error}"
        return
    if not parts.hostname:
        yield "url", "names no host"
    if parts.password:
        yield "url", 'holds a password; name it: "auth": {"kind": "basic", "user": …, "password": {"secret": …}}'


def _auth(auth: HttpAuth | None) -> Iterator[tuple[str, str]]:
    if isinstance(auth, HeaderAuth):
        if not _HEADER.fullmatch(auth.name):
            yield "auth.name", f"{auth.name!r} cannot be the name of a header"
        elif auth.name.lower() in _OURS:
            yield "auth.name", f"{auth.name!r} is set by the connection itself"


def _expression(expression: str, member: str) -> Iterator[tuple[str, str]]:
    fault = expression_fault(expression)
    if fault:
        yield member, fault


# --- sql ----------------------------------------------------------------------------------------------------------


def _sql_source(source: SqlSource) -> Iterator[tuple[str, str]]:
    yield from _sql_address(source.url, source.password)
    if bool(source.table) == bool(source.query.strip()):
        yield "table", "takes a table or a query, and one of them"
    if source.params and not source.query:
        yield "params", "are those of a query, and there is none"
    if source.query:
        # As SQLAlchemy finds them: `::int` is a cast.
        named = set(re.findall(r"(?<![:\w\\]):(\w+)(?!:)", source.query))
        for name in sorted(named - set(source.params)):
            if not name.isdigit():
                yield f"params.{name}", f"is missing: the query has :{name}"
        for name in sorted(set(source.params) - named):
            yield f"params.{name}", f"is not in the query: it has no :{name}"
    for name, value in source.params.items():
        if isinstance(value, dict | list):
            yield f"params.{name}", "takes a text, a number, true, false or null"


def _sql_address(url: str, password: Secret | None) -> Iterator[tuple[str, str]]:
    scheme, there, rest = url.partition("://")
    if not there or not re.fullmatch(r"[a-z0-9_]+(\+[a-z0-9_]+)?", scheme):
        yield "url", "takes an address such as sqlite:///file.db or postgresql+psycopg://user@host/database"
        return
    authority = re.split(r"[/?#]", rest, maxsplit=1)[0]
    user = authority.rpartition("@")[0]
    if ":" in user or re.search(r"[?&]password=", rest):
        yield "url", 'holds a password; name it: "password": {"secret": …}'
    if password and scheme.startswith("sqlite"):
        yield "password", "a SQLite file has none"


# --- files --------------------------------------------------------------------------------------------------------


def _layout(layout: Layout) -> Iterator[tuple[str, str]]:
    kind = layout.file_format
    try:
        "x".encode(layout.encoding)
    except (LookupError, ValueError, UnicodeError):
        yield "encoding", f"there is no encoding {layout.encoding!r}; utf-8, utf-16, latin-1 and cp1252 are some"
    if kind == "csv" and layout.delimiter in '"\r\n':
        yield "delimiter", f"{layout.delimiter!r} cannot part fields"
    if len(set(layout.columns)) < len(layout.columns):
        yield "columns", "holds a name twice"
    if layout.columns and kind != "csv":
        yield "columns", f"are those of CSV, and the format is {kind}"
    if kind == "json" and layout.records and not all(layout.records.split(".")):
        yield "records", "takes the name of a member, or several joined by dots: data.orders"
    if kind in ("csv", "ndjson") and layout.records:
        yield "records", f"is for JSON and XML, and the format is {kind}"


def _read_layout(layout: FileSource | SftpSource) -> Iterator[tuple[str, str]]:
    yield from _layout(layout)
    if layout.format is None and not re.search(r"\.(csv|json|ndjson|jsonl|xml)$", layout.path, re.IGNORECASE):
        yield "format", "is missing, and the path does not end with one; takes 'csv', 'json', 'ndjson' or 'xml'"
    if "/" in layout.move_to or layout.move_to in (".", ".."):
        yield "move_to", "takes the name of a folder next to the file, without a slash"


def _written_layout(layout: FileDestination | SftpDestination) -> Iterator[tuple[str, str]]:
    yield from _layout(layout)
    kind = layout.file_format
    if kind != "csv" and _codec(layout.encoding) not in ("utf-8", None):
        yield "encoding", f"only CSV is written in another encoding than utf-8, and the format is {kind}"
    if kind == "xml":
        for member, name in (("element", layout.element), ("records", layout.records)):
            if name and not _XML_NAME.fullmatch(name):
                yield member, f"{name!r} cannot be the name of an element in XML"


def _appended(destination: FileDestination) -> Iterator[tuple[str, str]]:
    kind = destination.file_format
    if kind in ("json", "xml"):
        yield "mode", f"a file of {kind} has an end, and nothing can be appended; takes csv or ndjson"
    elif kind == "csv" and _codec(destination.encoding) and "\n".encode(destination.encoding)[-1:] != b"\n":
        yield "encoding", f"nothing can be appended in {destination.encoding}; takes utf-8"


def _codec(name: str) -> str | None:
    try:
        return codecs.lookup(name).name
    except (LookupError, ValueError):
        return None


def _inside(path: str, member: str) -> Iterator[tuple[str, str]]:
    if path.startswith("/") or ".." in path.split("/"):
        yield member, "leads out of SYNCTAIL_FILES; takes a path below it, such as shop/orders.csv"


def _wild(path: str) -> Iterator[tuple[str, str]]:
    if not path or path.endswith("/"):
        yield "path", "takes the path of a file"
    more = set(re.findall(r"\{([^{}]*)\}", path)) - {"time"}
    if more:
        yield "path", f"there is no {{{min(more)}}} for a path; there is {{time}}"


def _sign_in(given: Sftp) -> Iterator[tuple[str, str]]:
    if not given.password and not given.private_key:
        yield "password", "is missing, as is private_key; takes one of them, or both"
    if given.passphrase and not given.private_key:
        yield "passphrase", "is that of a private_key, and there is none"
    if "@" in given.host or "/" in given.host:
        yield "host", "takes the name or address of a server; user and port stand by themselves"
    if given.host_key and not _is_host_key(given.host_key):
        yield "host_key", "takes 'ssh-ed25519 AAAA…', as in known_hosts, or a fingerprint 'SHA256:…'"


def _is_host_key(text: Any) -> bool:
    return bool(re.fullmatch(r"SHA256:[A-Za-z0-9+/]{43}|[a-z0-9@.-]+ AAAA[A-Za-z0-9+/]+=*( .*)?", text))
