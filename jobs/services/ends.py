"""What the types of a source or destination cannot check: expressions, URLs, formats, and what goes with what. Pure.

A fault is a pair: the path of the member within the source or destination, and what is wrong.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from contextlib import suppress
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
_HOST_KEY = re.compile(r"SHA256:[A-Za-z0-9+/]{43}|[a-z0-9@.-]+ AAAA[A-Za-z0-9+/]+=*( .*)?")
_OURS = frozenset({"host", "content-length", "content-type", "transfer-encoding", "connection", "accept-encoding"})


def passwords(service: Service | None) -> list[str]:
    """Passwords in the URLs of a service: they should not be there, and must not get into a log."""
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
            yield from _inside(source.path)
        case SftpSource():
            yield from _read_layout(source)
            yield from _sign_in(source)
            if any(character in source.path.rpartition("/")[0] for character in "*?["):
                yield "path", "takes *, ? and […] only in its last part"
        case InboundSource(records=records):
            yield from _expression(records, "records")


def destination_faults(destination: AnyDestination) -> Iterator[tuple[str, str]]:
    match destination:
        case HttpDestination():
            yield from _http_destination(destination)
        case SqlDestination(url=url, password=password):
            yield from _sql_address(url, password)
            if re.match(r"[a-z0-9_]+(\+[a-z0-9_]+)?://", url) and not url.startswith(("sqlite", "postgresql")):
                yield "url", "takes sqlite:///… or postgresql+psycopg://…: a destination is SQLite or PostgreSQL"
        case FileDestination():
            yield from _written_layout(destination)
            yield from _inside(destination.path)
            kind, newline = destination.file_format, "\n".encode(_codec(destination.encoding) or "utf-8")
            if destination.mode == "append" and kind in ("json", "xml"):
                yield "mode", f"nothing can be appended to {kind}; append takes csv or ndjson"
            elif destination.mode == "append" and kind == "csv" and newline[-1:] != b"\n":
                yield "encoding", f"nothing can be appended in {destination.encoding}; takes utf-8"
        case SftpDestination():
            yield from _written_layout(destination)
            yield from _sign_in(destination)


# --- http ---------------------------------------------------------------------------------------------------------


def _http_source(source: HttpSource) -> Iterator[tuple[str, str]]:
    yield from _web_address(source.url)
    yield from _auth(source.auth)
    # A plain name is a member, even if it is not an expression: `my-orders`.
    if not re.fullmatch(r"[\w @$:-]*", source.records):
        yield from _expression(source.records, "records")
    yield from ((f"paging.{member}", says) for member, says in _paging(source.paging))


def _paging(paging: Paging) -> Iterator[tuple[str, str]]:
    yield from _expression(paging.next, "next")
    yield from _expression(paging.total, "total")
    if paging.style == "cursor" and not paging.next:
        yield "next", "is missing: style cursor needs JMESPath to the next cursor in the response"
    if paging.style == "none" and paging.next:
        yield "next", "does not go with style none, which has no next page"
    if paging.style in ("page", "cursor") and paging.param_name == paging.size_name:
        yield "param", f"is {paging.param_name!r}, which is also the parameter of the size; choose two names"


def _http_destination(destination: HttpDestination) -> Iterator[tuple[str, str]]:
    yield from _web_address(destination.url)
    yield from _auth(destination.auth)
    url = destination.url
    fields = re.findall(r"\{([^{}]*)\}", url)
    if re.search(r"[{}]", re.sub(r"\{[^{}]*\}", "", url)):
        yield "url", "has an unmatched brace; a field takes two, as in /orders/{id}"
    yield from (("url", f"{{{field}}}: {says}") for field in fields if (says := expression_fault(field)))
    if "{" in url.partition("://")[2].partition("/")[0]:
        yield "url", "takes fields only after the host: no record chooses the server"
    if fields and destination.batch:
        yield "url", f"holds the field {{{fields[0]}}} of one record, but a batch holds many; remove one of them"
    if destination.records and not destination.batch:
        yield "records", "names the member that holds a batch, but batch is not set"


def _web_address(url: str) -> Iterator[tuple[str, str]]:
    try:
        parts = urlsplit(re.sub(r"\{[^{}]*\}", "x", url))
        _ = parts.port
    except ValueError as error:
        yield "url", f"is not a URL: {error}"
        return
    if not parts.hostname:
        yield "url", "has no host"
    if parts.password:
        yield "url", 'contains a password; use "auth": {"kind": "basic", "user": …, "password": {"secret": …}}'


def _auth(auth: HttpAuth | None) -> Iterator[tuple[str, str]]:
    if isinstance(auth, HeaderAuth):
        if not _HEADER.fullmatch(auth.name):
            yield "auth.name", f"{auth.name!r} is not a valid header name"
        elif auth.name.lower() in _OURS:
            yield "auth.name", f"{auth.name!r} is set by the HTTP client"


def _expression(expression: str, member: str) -> Iterator[tuple[str, str]]:
    """Of JMESPath that may be left out."""
    if expression and (fault := expression_fault(expression)):
        yield member, fault


# --- sql ----------------------------------------------------------------------------------------------------------


def _sql_source(source: SqlSource) -> Iterator[tuple[str, str]]:
    yield from _sql_address(source.url, source.password)
    if bool(source.table) == bool(source.query.strip()):
        yield "table", "takes either a table or a query"
    if source.params and not source.query:
        yield "params", "go with a query, and there is none"
    if source.query:
        # As SQLAlchemy finds them: `::int` is a cast.
        named = set(re.findall(r"(?<![:\w\\]):(\w+)(?!:)", source.query))
        for name in sorted(named - set(source.params)):
            if not name.isdigit():
                yield f"params.{name}", f"is missing: the query uses :{name}"
        for name in sorted(set(source.params) - named):
            yield f"params.{name}", f"is not used by the query: it has no :{name}"
    for name, value in source.params.items():
        if isinstance(value, dict | list):
            yield f"params.{name}", "takes a text, a number, true, false or null"


def _sql_address(url: str, password: Secret | None) -> Iterator[tuple[str, str]]:
    scheme, there, rest = url.partition("://")
    if not there or not re.fullmatch(r"[a-z0-9_]+(\+[a-z0-9_]+)?", scheme):
        yield "url", "takes a URL such as sqlite:///file.db or postgresql+psycopg://user@host/database"
        return
    authority = re.split(r"[/?#]", rest, maxsplit=1)[0]
    user = authority.rpartition("@")[0]
    if ":" in user or re.search(r"[?&]password=", rest):
        yield "url", 'contains a password; use "password": {"secret": …}'
    if password and scheme.startswith("sqlite"):
        yield "password", "does not go with SQLite, which has no passwords"


# --- files --------------------------------------------------------------------------------------------------------


def _layout(layout: Layout) -> Iterator[tuple[str, str]]:
    kind = layout.file_format
    if not _codec(layout.encoding):
        yield "encoding", f"unknown encoding {layout.encoding!r}; takes one such as utf-8, utf-16, latin-1 or cp1252"
    if kind == "csv" and layout.delimiter in '"\r\n':
        yield "delimiter", f"{layout.delimiter!r} cannot separate fields"
    if len(set(layout.columns)) < len(layout.columns):
        yield "columns", "has the same name twice"
    if layout.columns and kind != "csv":
        yield "columns", f"go with CSV, and the format is {kind}"
    if kind == "json" and layout.records and not all(layout.records.split(".")):
        yield "records", "takes a member's name, or several joined by dots, as in data.orders"
    if kind in ("csv", "ndjson") and layout.records:
        yield "records", f"goes with JSON and XML, and the format is {kind}"


def _read_layout(layout: FileSource | SftpSource) -> Iterator[tuple[str, str]]:
    yield from _layout(layout)
    if layout.format is None and not re.search(r"\.(csv|json|ndjson|jsonl|xml)$", layout.path, re.IGNORECASE):
        yield "format", "is missing, and the path does not tell it; takes 'csv', 'json', 'ndjson' or 'xml'"
    if "/" in layout.move_to or layout.move_to in (".", ".."):
        yield "move_to", "takes the name of a folder next to the file, without a slash"


def _written_layout(layout: FileDestination | SftpDestination) -> Iterator[tuple[str, str]]:
    yield from _layout(layout)
    if not layout.path or layout.path.endswith("/"):
        yield "path", "takes the path of a file"
    if more := set(re.findall(r"\{([^{}]*)\}", layout.path)) - {"time"}:
        yield "path", f"unknown {{{min(more)}}}; a path takes {{time}}"
    kind = layout.file_format
    if kind != "csv" and _codec(layout.encoding) not in ("utf-8", ""):
        yield "encoding", f"takes utf-8: only CSV is written in other encodings, and the format is {kind}"
    if kind == "xml":
        for member, name in (("element", layout.element), ("records", layout.records)):
            if name and not _XML_NAME.fullmatch(name):
                yield member, f"{name!r} is not a valid name of an XML element"


def _codec(name: str) -> str:
    """The usual name of an encoding of texts; empty for an unknown one."""
    try:
        "x".encode(name)
        return codecs.lookup(name).name
    except (LookupError, ValueError):
        return ""


def _inside(path: str) -> Iterator[tuple[str, str]]:
    if path.startswith("/") or ".." in path.split("/"):
        yield "path", "leaves SYNCTAIL_FILES; takes a path below it, such as shop/orders.csv"


def _sign_in(sftp: Sftp) -> Iterator[tuple[str, str]]:
    if not sftp.password and not sftp.private_key:
        yield "password", "is missing, and so is private_key; takes at least one of them"
    if sftp.passphrase and not sftp.private_key:
        yield "passphrase", "goes with a private_key, and there is none"
    if "@" in sftp.host or "/" in sftp.host:
        yield "host", "takes the name or address of a server; user and port have their own members"
    if sftp.host_key and not _HOST_KEY.fullmatch(sftp.host_key):
        yield "host_key", "takes 'ssh-ed25519 AAAA…', as in known_hosts, or a fingerprint 'SHA256:…'"
