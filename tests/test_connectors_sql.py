"""Rows of a table, in a real SQLite: what arrives, what is refused alone, and what fails as a whole."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pytest

from jobs.connectors import ConnectorError, Outcome, Record
from jobs.connectors.sql import SqlWriter
from jobs.records import SqlDestination

if TYPE_CHECKING:
    from collections.abc import Sequence

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


def push(target: SqlDestination, records: Sequence[Record]) -> list[Outcome]:
    with SqlWriter(target) as writer:
        return list(writer.push(records))


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
        SqlWriter(destination(warehouse, table="ghosts"))


def test_a_key_that_is_no_column_is_named(warehouse: Path) -> None:
    with pytest.raises(ConnectorError, match="The table 'orders' has no column 'number', the service's key"):
        SqlWriter(destination(warehouse, key="number"))


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
        ("sqlite:////nowhere/at/all/warehouse.db", "cannot be reached: unable to open"),
        ("sqlite:///warehouse.db?timeout=soon", "address cannot be used"),
    ],
)
def test_an_address_that_cannot_be_used_is_told(url: str, told: str) -> None:
    with pytest.raises(ConnectorError, match=told):
        SqlWriter(SqlDestination(url=url, table="orders"))
    assert not Path("warehouse.db").exists()


def test_a_database_that_another_one_holds_fails_the_push(warehouse: Path) -> None:
    url = f"sqlite:///{warehouse}?timeout=0"
    with closing(sqlite3.connect(warehouse, isolation_level=None)) as holder:
        with SqlWriter(SqlDestination(url=url, table="orders")) as writer:
            holder.execute("BEGIN EXCLUSIVE")
            with pytest.raises(ConnectorError, match="The database failed: database is locked"):
                list(writer.push([order(1), order(2)]))
        holder.execute("ROLLBACK")
    assert rows(warehouse) == []


def test_a_database_that_is_read_only_fails_the_push(warehouse: Path) -> None:
    url = f"sqlite:///file:{warehouse}?mode=ro&uri=true"
    with pytest.raises(ConnectorError, match="The database failed: attempt to write a readonly database"):
        push(SqlDestination(url=url, table="orders"), [order(1), order(2)])


def test_a_table_that_vanishes_fails_the_push(warehouse: Path) -> None:
    with SqlWriter(destination(warehouse)) as writer:
        with closing(sqlite3.connect(warehouse)) as db:
            db.execute("DROP TABLE orders")
        with pytest.raises(ConnectorError, match="no such table: orders"):
            list(writer.push([order(1)]))
