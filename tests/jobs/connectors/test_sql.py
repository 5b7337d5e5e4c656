"""Rows of a table, in a real SQLite: what arrives, what is refused alone, and what fails as a whole."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Literal

import pytest

from jobs.connectors.base import ConnectorError, Outcome, Page, Unreachable
from jobs.connectors.sql import SqlWriter
from jobs.connectors.sql_source import SqlReader
from jobs.services.model import SqlDestination, SqlSource
from synctail.model.json_text import Record
from tests.kit.connecting import Log, context

TABLE = (
    "CREATE TABLE orders (id TEXT PRIMARY KEY, customer TEXT NOT NULL, "
    "total NUMERIC CONSTRAINT total_is_not_negative CHECK (total >= 0), items TEXT)"
)


@pytest.fixture
def warehouse(tmp_path: Path) -> Path:
    path = tmp_path / "warehouse.db"
    with closing(sqlite3.connect(path)) as db:
        db.execute(TABLE)
    return path


def destination(path: Path, mode: Literal["insert", "upsert"] = "upsert", **more: Any) -> SqlDestination:
    return SqlDestination(url=f"sqlite:///{path}", mode=mode, **{"table": "orders", **more})


def push(target: SqlDestination, records: Sequence[Record], *, log: Log | None = None) -> list[Outcome]:
    with writer(target, log) as opened:
        return list(opened.push(records))


def writer(target: SqlDestination, log: Log | None = None, *, attempts: int = 1) -> SqlWriter:
    return SqlWriter(target, context(log, max_attempts=attempts))


def rows(path: Path, query: str = "SELECT id, customer, total, items FROM orders ORDER BY id") -> list[Any]:
    with closing(sqlite3.connect(path)) as db:
        return db.execute(query).fetchall()


def order(number: int, **more: Any) -> Record:
    return {"id": f"o-{number:03d}", "customer": "Ana", "total": number, **more}


def test_an_upsert_adds_and_replaces(warehouse: Path) -> None:
    push(destination(warehouse), [order(1), order(2, items="pen")])
    outcomes = push(destination(warehouse), [order(2, customer="Bea"), order(3)])
    assert [outcome.refused for outcome in outcomes] == [None, None]
    assert rows(warehouse) == [("o-001", "Ana", 1, None), ("o-002", "Bea", 2, None), ("o-003", "Ana", 3, None)]


def test_an_upsert_takes_the_same_key_twice_in_one_batch(warehouse: Path) -> None:
    outcomes = push(destination(warehouse), [order(1), order(1, customer="Bea")])
    assert [outcome.refused for outcome in outcomes] == [None, None]
    assert rows(warehouse) == [("o-001", "Bea", 1, None)]


def test_an_upsert_into_a_table_of_only_a_key_adds_what_is_new(warehouse: Path) -> None:
    with closing(sqlite3.connect(warehouse)) as db:
        db.execute("CREATE TABLE tags (tag TEXT PRIMARY KEY)")
    target = destination(warehouse, table="tags", key="tag")
    assert [outcome.refused for outcome in push(target, [{"tag": "a"}, {"tag": "b"}, {"tag": "a"}])] == [None] * 3
    assert rows(warehouse, "SELECT tag FROM tags ORDER BY tag") == [("a",), ("b",)]


def test_an_insert_refuses_a_second_one(warehouse: Path) -> None:
    target = destination(warehouse, "insert")
    push(target, [order(1)])
    outcomes = push(target, [order(1, customer="Bea"), order(2)])
    assert [outcome.refused for outcome in outcomes] == ["UNIQUE constraint failed: orders.id", None]
    assert rows(warehouse) == [("o-001", "Ana", 1, None), ("o-002", "Ana", 2, None)]


@pytest.mark.parametrize(
    "bad", [{57}, {0, 1, 50, 98, 99}, set(range(100))], ids=lambda bad: f"{len(bad)} from {min(bad)}"
)
def test_bad_rows_fail_alone_with_the_database_s_words(warehouse: Path, bad: set[int]) -> None:
    records = [order(n, total=-1 if n in bad else n) for n in range(100)]
    outcomes = push(destination(warehouse), records)
    assert [outcome.record for outcome in outcomes] == records
    assert {n for n, outcome in enumerate(outcomes) if outcome.refused} == bad
    assert {outcome.refused for outcome in outcomes} - {None} == {"CHECK constraint failed: total_is_not_negative"}
    assert len(rows(warehouse)) == 100 - len(bad)


def test_each_bad_row_has_its_own_reason(warehouse: Path) -> None:
    outcomes = push(
        destination(warehouse), [order(1, customer=None), order(2), {"id": "o-003", "total": 1}, order(4, total=-1)]
    )
    assert [outcome.refused for outcome in outcomes] == [
        "NOT NULL constraint failed: orders.customer",
        None,
        "NOT NULL constraint failed: orders.customer",
        "CHECK constraint failed: total_is_not_negative",
    ]


@pytest.mark.parametrize("value", [2**63, -(2**63) - 1, "half \ud800 a pair"], ids=ascii)
def test_a_value_that_the_driver_cannot_send_fails_alone(warehouse: Path, value: Any) -> None:
    outcomes = push(destination(warehouse), [order(1), order(2, items=value), order(3)])
    assert [bool(outcome.refused) for outcome in outcomes] == [False, True, False]
    assert len(rows(warehouse)) == 2


@pytest.mark.parametrize("value", [{"pen": [1, 2]}, ["ä", None], [], {}, ["\ud800"]], ids=ascii)
def test_nested_values_are_stored_as_json_text(warehouse: Path, value: Any) -> None:
    assert push(destination(warehouse), [order(1, items=value)])[0].refused is None
    assert json.loads(rows(warehouse)[0][3]) == value


def test_members_without_a_column_are_left_out(warehouse: Path) -> None:
    assert push(destination(warehouse), [order(1, colour="red", **{"id; DROP TABLE orders": 1})])[0].refused is None
    assert rows(warehouse) == [("o-001", "Ana", 1, None)]


def test_names_of_tables_and_columns_may_be_anything(warehouse: Path) -> None:
    with closing(sqlite3.connect(warehouse)) as db:
        db.execute('CREATE TABLE "the order" ("a key" TEXT PRIMARY KEY, "select" TEXT, "50%" TEXT, "a:b" TEXT)')
    record = {"a key": "1", "select": "x", "50%": "y", "a:b": "z"}
    for _ in range(2):
        assert push(destination(warehouse, table="the order", key="a key"), [record])[0].refused is None
    assert rows(warehouse, 'SELECT * FROM "the order"') == [("1", "x", "y", "z")]


def test_no_records_are_no_outcomes(warehouse: Path) -> None:
    assert push(destination(warehouse), []) == []


# --- what fails as a whole ----------------------------------------------------------------------------------------


def test_a_table_that_does_not_exist_is_named(warehouse: Path) -> None:
    with pytest.raises(ConnectorError, match="The database has no table 'ghosts'"):
        push(destination(warehouse, table="ghosts"), [])


def test_a_key_that_is_no_column_is_named(warehouse: Path) -> None:
    with pytest.raises(ConnectorError, match="The table 'orders' has no column 'number', the service's key"):
        push(destination(warehouse, key="number"), [])


def test_an_upsert_by_a_column_that_is_not_unique_is_told(warehouse: Path) -> None:
    with pytest.raises(ConnectorError, match="ON CONFLICT clause does not match"):
        push(destination(warehouse, key="customer"), [order(1)])


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("", "address cannot be used"),
        ("warehouse.db", "address cannot be used"),
        ("nosuch://host/db", "address cannot be used"),
        ("sqlite://host:port/db", "address cannot be used"),
        ("mysql://host/db", "address"),
        ("sqlite:////nowhere/at/all/warehouse.db", "There is no database '/nowhere/at/all/warehouse.db'"),
        ("sqlite:///warehouse.db?timeout=soon", "address cannot be used"),
    ],
)
def test_an_address_that_cannot_be_used_is_told(url: str, told: str) -> None:
    with pytest.raises(ConnectorError, match=told):
        push(SqlDestination(url=url, table="orders"), [])
    assert not Path("warehouse.db").exists()


def test_a_database_that_another_one_holds_fails_the_push(warehouse: Path) -> None:
    url = f"sqlite:///{warehouse}?timeout=0"
    with closing(sqlite3.connect(warehouse, isolation_level=None)) as holder:
        log = Log()
        with writer(SqlDestination(url=url, table="orders"), log, attempts=2) as opened:
            holder.execute("BEGIN EXCLUSIVE")
            with pytest.raises(Unreachable, match=r"The database failed after 2 attempts: database is locked\."):
                list(opened.push([order(1), order(2)]))
        assert [line[:45] for line in log] == ["The database: database is locked. Retrying in"]
        holder.execute("ROLLBACK")
    assert rows(warehouse) == []


def test_a_database_that_is_read_only_fails_the_push(warehouse: Path) -> None:
    url = f"sqlite:///file:{warehouse}?mode=ro&uri=true"
    with pytest.raises(ConnectorError, match="The database failed: attempt to write a readonly database"):
        push(SqlDestination(url=url, table="orders"), [order(1), order(2)])


def test_a_table_that_vanishes_fails_the_push(warehouse: Path) -> None:
    with writer(destination(warehouse)) as opened:
        with closing(sqlite3.connect(warehouse)) as db:
            db.execute("DROP TABLE orders")
        with pytest.raises(ConnectorError, match="no such table: orders"):
            list(opened.push([order(1)]))


def test_a_database_that_is_held_for_a_while_gets_the_rows(warehouse: Path) -> None:
    url = f"sqlite:///{warehouse}?timeout=0"
    with closing(sqlite3.connect(warehouse, isolation_level=None, check_same_thread=False)) as holder:

        class LetsGo(Log):
            def warning(self, text: str, **more: Any) -> None:
                super().warning(text, **more)
                holder.execute("ROLLBACK")

        with writer(SqlDestination(url=url, table="orders"), LetsGo(), attempts=2) as opened:
            holder.execute("BEGIN EXCLUSIVE")
            assert [outcome.refused for outcome in opened.push([order(1)])] == [None]
    assert len(rows(warehouse)) == 1


def test_a_column_that_fills_itself_is_left_to_it(warehouse: Path) -> None:
    with closing(sqlite3.connect(warehouse)) as db:
        db.execute("CREATE TABLE notes (id TEXT PRIMARY KEY, made TEXT NOT NULL DEFAULT 'now', text TEXT)")
    target = destination(warehouse, table="notes")
    push(target, [{"id": "1"}, {"id": "2", "made": "then"}, {"id": "3"}])
    push(target, [{"id": "2", "text": "new"}])
    assert rows(warehouse, "SELECT * FROM notes ORDER BY id") == [
        ("1", "now", None),
        ("2", "then", "new"),
        ("3", "now", None),
    ]


def test_a_batch_that_is_halved_is_told(warehouse: Path) -> None:
    log = Log()
    push(destination(warehouse), [order(1), order(2, total=-1)], log=log)
    assert log.said == [
        "Splitting a batch of 2 to find the rows that are refused: CHECK constraint failed: total_is_not_negative"
    ]


# --- as a source --------------------------------------------------------------------------------------------------


def read(source: SqlSource, *, page_size: int = 2, **more: Any) -> list[Page]:
    with SqlReader(source, context(page_size=page_size, max_attempts=1, **more)) as reader:
        return list(reader.pages())


def source(path: Path, **more: Any) -> SqlSource:
    return SqlSource(url=f"sqlite:///{path}", **more)


def test_a_table_is_read_page_by_page_in_the_order_of_its_key(warehouse: Path) -> None:
    push(destination(warehouse), [order(3), order(1), order(2)])
    found = read(source(warehouse, table="orders"))
    assert [[record["id"] for record in page.records] for page in found] == [["o-001", "o-002"], ["o-003"]]
    assert [page.total for page in found] == [3, 3]
    assert found[0].records[0] == {"id": "o-001", "customer": "Ana", "total": 1, "items": None}


def test_a_query_takes_parameters_as_values_and_not_as_text(warehouse: Path) -> None:
    evil = "x'; DROP TABLE orders; --"
    push(destination(warehouse), [order(1), order(2, customer=evil), order(3, customer=evil)])
    query = "SELECT id, total * 2 AS double FROM orders WHERE customer = :who AND total > :least ORDER BY id"
    [page] = read(source(warehouse, query=query, params={"who": evil, "least": 2}))
    assert page == Page([{"id": "o-003", "double": 6}], None)


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("DELETE FROM orders RETURNING id", "attempt to write a readonly database"),
        ("SELECT id, id FROM orders", "returns the column 'id' twice"),
        ("SELECT customer FROM orders", "returns no column 'id'"),
        ("SELECT id FROM ghosts", "no such table: ghosts"),
        ("SELEKT", "syntax error"),
        ("SELECT id FROM orders WHERE id = :id", "value is required for bind parameter 'id'"),
    ],
)
def test_a_query_that_cannot_be_used_is_told(warehouse: Path, query: str, told: str) -> None:
    push(destination(warehouse), [order(1)])
    with pytest.raises(ConnectorError, match=told):
        read(source(warehouse, query=query))
    assert len(rows(warehouse)) == 1


def test_bytes_and_numbers_that_json_lacks_become_what_it_has(warehouse: Path) -> None:
    [page] = read(source(warehouse, query="SELECT 1 AS id, x'00ff' AS raw, 9e999 AS much, 1.5 AS half, NULL AS none"))
    assert page.records == [{"id": 1, "raw": "AP8=", "much": None, "half": 1.5, "none": None}]


def test_a_source_s_table_and_key_are_checked(warehouse: Path) -> None:
    with pytest.raises(ConnectorError, match="no table 'ghosts'"):
        read(source(warehouse, table="ghosts"))
    with pytest.raises(ConnectorError, match="no column 'number'"):
        read(source(warehouse, table="orders", key="number"))


def test_checks_look_and_change_nothing(warehouse: Path) -> None:
    assert writer(destination(warehouse)).check() == "the table 'orders' exists (columns: 4)"
    query = "DELETE FROM orders RETURNING id"
    push(destination(warehouse), [order(1)])
    for each in (source(warehouse, table="orders"), source(warehouse, query=query)):
        SqlReader(each, context(max_attempts=1)).check()
    assert len(rows(warehouse)) == 1
    with pytest.raises(ConnectorError, match="no such table"):
        SqlReader(source(warehouse, query="SELECT * FROM ghosts"), context(max_attempts=1)).check()
    with pytest.raises(ConnectorError, match="There is no database"):
        writer(destination(warehouse.parent / "none.db")).check()
    assert not (warehouse.parent / "none.db").exists()
