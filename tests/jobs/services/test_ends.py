"""What is wrong with a source or destination beyond its types is told, with its path, before it is stored."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from jobs.services.ends import passwords
from jobs.services.model import HttpSource, Paging, Service, SqlDestination
from jobs.services.validate import DefinitionFaulty, read_service
from tests.kit.support import GOOD, service

HTTP = {"kind": "http", "url": "https://shop.example/orders"}
SQL = {"kind": "sql", "url": "postgresql+psycopg://ana@db/shop", "table": "orders"}
FILE = {"kind": "file", "path": "in/*.csv"}
SFTP = {"kind": "sftp", "host": "sftp.example", "user": "ana", "path": "/out/*.xml", "password": {"secret": "S"}}


def faults(**changes: Any) -> dict[str, str]:
    try:
        read_service({**GOOD, **changes})
    except DefinitionFaulty as faulty:
        return dict(faulty.faults)
    return {}


@pytest.mark.parametrize(
    "source",
    [
        {**HTTP, "records": "data[?paid].order", "paging": {"style": "cursor", "next": "meta.next", "param": "after"}},
        {**HTTP, "records": "my-orders", "paging": {"style": "link", "param": "limit"}, "rate_per_s": 2.5},
        {**HTTP, "paging": {"style": "page", "size": 50, "param": "p", "total": "meta.total"}},
        SQL,
        {**SQL, "table": "", "query": "SELECT a::text FROM o WHERE at > :since", "params": {"since": "2026-01-01"}},
        {**SQL, "url": "sqlite:///shop.db", "password": None},
        FILE,
        {**FILE, "path": "a/**/o.dat", "format": "json", "records": "data.orders", "after": "move", "move_to": "old"},
        {**FILE, "delimiter": "\t", "encoding": "cp1252", "columns": ["id", "name"]},
        SFTP,
        {**SFTP, "private_key": {"secret": "K"}, "passphrase": {"secret": "P"}, "host_key": "ssh-ed25519 AAAAC3Nz"},
    ],
)
def test_a_good_source_has_no_faults(source: dict[str, Any]) -> None:
    assert faults(source=source) == {}


@pytest.mark.parametrize(
    "destination",
    [
        {**HTTP, "url": "https://shop.example/{shop.id}/orders/{id}", "method": "PUT", "idempotency": True},
        {**HTTP, "batch": 100, "records": "orders", "concurrency": 1},
        {**SQL, "password": {"secret": "S"}, "mode": "insert"},
        {"kind": "file", "path": "o.csv", "mode": "append", "columns": ["id"]},
        {"kind": "file", "path": "whatever"},
        {**SFTP, "path": "/in/orders-{time}.xml", "element": "order", "records": "orders"},
    ],
)
def test_a_good_destination_has_no_faults(destination: dict[str, Any]) -> None:
    assert faults(destination=destination) == {}


@pytest.mark.parametrize(
    ("source", "path", "told"),
    [
        ({**HTTP, "records": "data..x"}, "source.records", "is not JMESPath: it breaks at character 6"),
        ({**HTTP, "paging": {"style": "cursor"}}, "source.paging.next", "is missing"),
        ({**HTTP, "paging": {"style": "cursor", "next": "a["}}, "source.paging.next", "not JMESPath"),
        ({**HTTP, "paging": {"style": "none", "next": "a"}}, "source.paging.next", "does not go with style none"),
        ({**HTTP, "paging": {"style": "page", "param": "limit"}}, "source.paging.param", "choose two names"),
        ({**HTTP, "paging": {"style": "pages"}}, "source.paging.style", "got 'pages'; takes 'link' or"),
        ({**HTTP, "url": "https://"}, "source.url", "has no host"),
        ({**HTTP, "url": "https://x:port/"}, "source.url", "is not a URL"),
        ({**HTTP, "url": "https://a:b@x/"}, "source.url", 'contains a password; use "auth"'),
        (
            {**HTTP, "auth": {"kind": "header", "name": "X Key", "value": {"secret": "S"}}},
            "source.auth.name",
            "is not a valid header name",
        ),
        (
            {**HTTP, "auth": {"kind": "header", "name": "Host", "value": {"secret": "S"}}},
            "source.auth.name",
            "set by the HTTP client",
        ),
        ({**HTTP, "rate_per_s": 0}, "source.rate_per_s", "takes a number from 0.01"),
        ({**SQL, "query": "SELECT 1"}, "source.table", "takes either a table or a query"),
        ({**SQL, "table": ""}, "source.table", "takes either a table or a query"),
        ({**SQL, "params": {"a": 1}}, "source.params", "there is none"),
        ({**SQL, "table": "", "query": "SELECT :a"}, "source.params.a", "is missing: the query uses :a"),
        ({**SQL, "table": "", "query": "SELECT 1", "params": {"a": 1}}, "source.params.a", "has no :a"),
        (
            {**SQL, "table": "", "query": "SELECT :a", "params": {"a": [1]}},
            "source.params.a",
            "takes a text, a number",
        ),
        ({**SQL, "url": "postgresql+psycopg://ana:secret@db/shop"}, "source.url", "contains a password"),
        ({**SQL, "url": "postgresql+psycopg://ana@db/shop?password=x"}, "source.url", "contains a password"),
        ({**SQL, "url": "shop.db"}, "source.url", "takes a URL such as"),
        (
            {**SQL, "url": "sqlite:///x", "password": {"secret": "S"}},
            "source.password",
            "SQLite, which has no passwords",
        ),
        ({**FILE, "path": "../x.csv"}, "source.path", "leaves SYNCTAIL_FILES"),
        ({**FILE, "path": "/etc/x.csv"}, "source.path", "leaves SYNCTAIL_FILES"),
        ({**FILE, "path": "in/*"}, "source.format", "is missing, and the path does not tell it"),
        ({**FILE, "format": "excel"}, "source.format", "got 'excel'; takes 'csv' or"),
        ({**FILE, "encoding": "utf-9"}, "source.encoding", "unknown encoding 'utf-9'"),
        ({**FILE, "encoding": "rot13"}, "source.encoding", "unknown encoding 'rot13'"),
        ({**FILE, "delimiter": ";;"}, "source.delimiter", "takes a text whose length is at most 1"),
        ({**FILE, "delimiter": '"'}, "source.delimiter", "cannot separate fields"),
        ({**FILE, "columns": ["a", "a"]}, "source.columns", "has the same name twice"),
        ({**FILE, "records": "x"}, "source.records", "goes with JSON and XML, and the format is csv"),
        ({**FILE, "path": "x.json", "columns": ["a"]}, "source.columns", "go with CSV"),
        ({**FILE, "path": "x.json", "records": "a..b"}, "source.records", "several joined by dots"),
        ({**FILE, "move_to": "../x"}, "source.move_to", "without a slash"),
        ({**SFTP, "path": "/*/x.csv"}, "source.path", "only in its last part"),
        ({**SFTP, "password": None}, "source.password", "is missing, and so is private_key"),
        ({**SFTP, "passphrase": {"secret": "P"}}, "source.passphrase", "there is none"),
        ({**SFTP, "host": "ana@x"}, "source.host", "user and port have their own members"),
        ({**SFTP, "host_key": "AAAA"}, "source.host_key", "takes 'ssh-ed25519 AAAA…'"),
        ({**SFTP, "port": 70000}, "source.port", "takes a whole number up to 65535"),
        ({**SFTP, "pasword": 1}, "source.pasword", "did you mean 'password'?"),
    ],
)
def test_a_fault_of_a_source_is_told_with_its_path(source: dict[str, Any], path: str, told: str) -> None:
    found = faults(source=source)
    assert list(found) == [path]
    assert told in found[path]


@pytest.mark.parametrize(
    ("destination", "path", "told"),
    [
        ({**HTTP, "url": "https://x/{id"}, "destination.url", "an unmatched brace"),
        ({**HTTP, "url": "https://x/{a..b}"}, "destination.url", "{a..b}: 'a..b' is not JMESPath"),
        ({**HTTP, "url": "https://x/{}"}, "destination.url", "takes JMESPath, got an empty text"),
        ({**HTTP, "url": "https://{shop}.example/"}, "destination.url", "no record chooses the server"),
        ({**HTTP, "url": "https://x/{id}", "batch": 5}, "destination.url", "but a batch holds many"),
        ({**HTTP, "records": "orders"}, "destination.records", "but batch is not set"),
        ({**SQL, "table": ""}, "destination.table", "is missing"),
        ({**SQL, "url": "mysql://ana@db/shop"}, "destination.url", "a destination is SQLite or PostgreSQL"),
        ({**HTTP, "method": "GET"}, "destination.method", "got 'GET'; takes 'POST' or"),
        ({**HTTP, "concurrency": 100}, "destination.concurrency", "takes a whole number up to 32"),
        ({"kind": "file", "path": "o.xml", "mode": "append"}, "destination.mode", "nothing can be appended to xml"),
        (
            {"kind": "file", "path": "o.csv", "mode": "append", "encoding": "utf-16"},
            "destination.encoding",
            "nothing can be appended in utf-16",
        ),
        ({"kind": "file", "path": "o.json", "encoding": "latin-1"}, "destination.encoding", "only CSV is written in"),
        ({"kind": "file", "path": "o.xml", "element": "a b"}, "destination.element", "is not a valid name"),
        ({"kind": "file", "path": "o-{date}.csv"}, "destination.path", "a path takes {time}"),
        ({"kind": "file", "path": ""}, "destination.path", "takes the path of a file"),
    ],
)
def test_a_fault_of_a_destination_is_told_with_its_path(destination: dict[str, Any], path: str, told: str) -> None:
    found = faults(destination=destination)
    assert list(found) == [path]
    assert told in found[path]


def test_a_definition_from_before_is_read_as_it_was_meant() -> None:
    stored = (
        b'{"id":"o","name":"O","source":{"kind":"http","url":"http://x/","paging":{"style":"link","param":"per"}},'
        b'"destination":{"kind":"file","path":"o","format":"ndjson","mode":"replace"}}'
    )
    found = msgspec.json.decode(stored, type=Service)
    assert isinstance(found.source, HttpSource)
    assert found.source.paging.size_name == "per"
    assert Paging().size_name == "limit"
    assert Paging("page", param="p").size_name == "limit"
    assert found.destination.place == "o"


def test_places_hide_what_addresses_may_hold() -> None:
    assert HttpSource(url="https://a:b@x/orders?key=c").place == "x/orders"
    assert SqlDestination(url="postgresql://a:b@x/db", table="t").place == "table t"


def test_passwords_in_addresses_are_known_so_that_they_can_be_masked() -> None:
    found = service(
        url="https://a:p%40ss@x/", destination=SqlDestination(url="postgresql://b:word@x/db?password=more", table="t")
    )
    assert passwords(found) == ["p%40ss", "p@ss", "word", "word", "more"]
    assert passwords(None) == []
