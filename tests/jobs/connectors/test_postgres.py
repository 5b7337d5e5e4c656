"""Rows of a real PostgreSQL: what arrives, what fails alone, what is tried again, and how rows are read."""

from __future__ import annotations

import json
from collections.abc import Generator, Sequence
from typing import Any, cast

import pytest

from jobs.connectors.base import ConnectorError, NotSignedIn, Page, Unreachable
from jobs.connectors.sql import SqlWriter
from jobs.connectors.sql_source import SqlReader
from jobs.services.model import Secret, SqlDestination, SqlSource
from synctail.model.json_text import Record
from tests.kit.connecting import Log, context
from tests.kit.systems import DATABASE_PASSWORD, Postgres

TABLE = """CREATE TABLE orders (
    id text PRIMARY KEY, total numeric(10, 2) CHECK (total >= 0), placed timestamptz, items jsonb, tags text[],
    paid boolean, made timestamptz NOT NULL DEFAULT now(), number serial
)"""


@pytest.fixture
def db(postgres: Postgres) -> Postgres:
    postgres.run(TABLE)
    return postgres


def destination(db: Postgres, **more: Any) -> SqlDestination:
    return SqlDestination(**{"url": db.url, "table": "orders", **more})


def push(target: SqlDestination, records: Sequence[Record], *, attempts: int = 1, log: Log | None = None) -> list[Any]:
    with SqlWriter(target, context(log, max_attempts=attempts)) as writer:
        return [outcome.refused for outcome in writer.push(records)]


def order(number: int, **more: Any) -> Record:
    return {"id": f"o-{number:03d}", "total": "12.50", **more}


def test_what_json_carries_arrives_as_what_the_columns_are(db: Postgres) -> None:
    record = order(1, placed="2026-01-31T09:30:00Z", items=[{"pen": 2}], tags=["a", "b,c"], paid=True, more="left out")
    assert push(destination(db), [record]) == [None]
    rows = db.run("SELECT id, total::text, placed = '2026-01-31 09:30+00', items, tags, paid, number FROM orders")
    assert rows == [("o-001", "12.50", True, [{"pen": 2}], ["a", "b,c"], True, 1)]


def test_an_upsert_adds_and_replaces_and_the_later_one_counts(db: Postgres) -> None:
    push(destination(db), [order(1, paid=True), order(2)])
    assert push(destination(db), [order(2, total=1), order(3), order(2, total="2")]) == [None, None, None]
    assert db.run("SELECT id, total::text, paid FROM orders ORDER BY id") == [
        ("o-001", "12.50", True),
        ("o-002", "2.00", None),
        ("o-003", "12.50", None),
    ]


def test_bad_rows_fail_alone_each_with_its_reason(db: Postgres) -> None:
    records = [order(n) for n in range(1, 51)]
    records[6] = order(7, total=-1)
    records[20] = order(21, placed="soon")
    records[33] = order(34, total="many")
    records[40] = order(41, items="\x00")
    records[41] = {"total": 1}
    refused = push(destination(db, mode="insert"), [*records, order(1)])
    assert {n: reason for n, reason in enumerate(refused) if reason} == {
        6: 'new row for relation "orders" violates check constraint "orders_total_check"',
        20: 'invalid input syntax for type timestamp with time zone: "soon"',
        33: 'invalid input syntax for type numeric: "many"',
        40: refused[40],
        41: 'null value in column "id" of relation "orders" violates not-null constraint',
        50: 'duplicate key value violates unique constraint "orders_pkey"',
    }
    assert "NUL" in refused[40]
    assert db.run("SELECT count(*) FROM orders") == [(45,)]


def test_names_of_tables_and_columns_may_be_anything(db: Postgres) -> None:
    db.run('CREATE TABLE "the ""order" ("a key" text PRIMARY KEY, "select" text, "50%" text, "a:b" text)')
    record = {"a key": "1", "select": "x", "50%": "y", "a:b": "z"}
    target = destination(db, table='the "order', key="a key")
    for _ in range(2):
        assert push(target, [record]) == [None]
    assert db.run('SELECT * FROM "the ""order"') == [("1", "x", "y", "z")]
    assert read(SqlSource(url=db.url, table='the "order', key="a key"))[0].records == [record]


def test_a_table_may_be_in_another_schema_and_a_source_a_view(db: Postgres) -> None:
    db.run(
        'DROP SCHEMA IF EXISTS "the Sales" CASCADE',
        'CREATE SCHEMA "the Sales"',
        'CREATE TABLE "the Sales".orders (id text PRIMARY KEY)',
        'CREATE VIEW public.all_of_them AS SELECT id FROM "the Sales".orders',
    )
    target = destination(db, schema="the Sales")
    assert push(target, [{"id": "1"}]) == [None]
    assert "(columns: 1)" in SqlWriter(target, context(max_attempts=1)).check()
    assert read(SqlSource(url=db.url, table="orders", schema="the Sales"))[0].records == [{"id": "1"}]
    assert read(SqlSource(url=db.url, table="all_of_them"))[0].records == [{"id": "1"}]


def test_a_connection_that_is_lost_is_made_anew(db: Postgres) -> None:
    log = Log()
    with SqlWriter(destination(db), context(log, max_attempts=3)) as writer:
        assert [one.refused for one in writer.push([order(1)])] == [None]
        db.run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'synctail'")
        assert [one.refused for one in writer.push([order(2)])] == [None]
    assert db.run("SELECT count(*) FROM orders") == [(2,)]
    assert len(log) == 1
    assert log[0].startswith("The database: terminating connection due to administrator command. Retrying in ")


@pytest.mark.parametrize("state", ["40P01", "40001", "55P03"], ids=["deadlock", "serialization", "lock"])
def test_what_may_pass_is_tried_again(db: Postgres, state: str) -> None:
    """The database fails the first two transactions: a sequence counts on through what is rolled back."""
    db.run(
        "DROP SEQUENCE IF EXISTS tries; CREATE SEQUENCE tries",
        f"""CREATE OR REPLACE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            IF nextval('tries') < 3 THEN RAISE EXCEPTION 'not now' USING ERRCODE = '{state}'; END IF;
            RETURN NEW; END $$""",
        "CREATE TRIGGER fails BEFORE INSERT ON orders FOR EACH STATEMENT EXECUTE FUNCTION fail()",
    )
    log = Log()
    with SqlWriter(destination(db), context(log, max_attempts=3)) as writer:
        writer._database.retries._sleep = lambda _: None
        assert [one.refused for one in writer.push([order(1), order(2)])] == [None, None]
    assert [line[:35] for line in log] == ["The database: not now. Retrying in "] * 2
    assert [line[-16:] for line in log] == ["(attempt 2 of 3)", "(attempt 3 of 3)"]
    assert db.run("SELECT count(*) FROM orders") == [(2,)]


@pytest.mark.parametrize(
    ("more", "kind", "told"),
    [
        ({"table": "ghosts"}, ConnectorError, "no table 'ghosts'"),
        ({"key": "total"}, ConnectorError, "no unique or exclusion constraint"),
        ({"url": "postgresql+psycopg://postgres@/nowhere?host={folder}"}, ConnectorError, '"nowhere" does not exist'),
        ({"url": "postgresql+psycopg://nobody@/postgres?host={folder}"}, NotSignedIn, '"nobody" does not exist'),
        ({"url": "postgresql+psycopg://guarded@/postgres?host={folder}"}, NotSignedIn, "no password supplied"),
        (
            {"url": "postgresql+psycopg://postgres@/postgres?host=/nowhere"},
            Unreachable,
            "The database failed: connection ",
        ),
        ({"url": "postgresql+psycopg://postgres@/postgres?host={folder}&colour=red"}, ConnectorError, "colour"),
    ],
)
def test_what_fails_as_a_whole_is_told(db: Postgres, more: Any, kind: type[ConnectorError], told: str) -> None:
    more = {name: value.format(folder=db.folder) for name, value in more.items()}
    with pytest.raises(ConnectorError, match=told) as error:
        push(destination(db, **more), [order(1)])
    assert type(error.value) is kind


def test_the_password_is_a_secret(db: Postgres) -> None:
    db.run("GRANT SELECT ON orders TO guarded")
    push(destination(db), [order(1)])
    source = SqlSource(url=db.address("guarded"), table="orders", password=Secret("DB"))
    assert len(read(source, secrets={"DB": DATABASE_PASSWORD})[0].records) == 1
    with pytest.raises(NotSignedIn, match="password authentication failed") as refused:
        read(source, secrets={"DB": "another-one"})
    assert "another-one" not in str(refused.value)


def test_a_user_who_may_not_write_is_told_once(db: Postgres) -> None:
    db.run("GRANT SELECT ON orders TO guarded")
    target = destination(db, url=db.address("guarded"), password=Secret("DB"))
    used = context(secrets={"DB": DATABASE_PASSWORD}, max_attempts=1)
    with SqlWriter(target, used) as writer, pytest.raises(ConnectorError, match="permission denied for table orders"):
        list(writer.push([order(1), order(2)]))
    with pytest.raises(ConnectorError, match=r"may not write to the table 'orders'\. Grant INSERT"):
        SqlWriter(target, used).check()
    assert "exists (columns: 8)" in SqlWriter(destination(db), used).check()


# --- as a source --------------------------------------------------------------------------------------------------


def read(source: SqlSource, *, page_size: int = 2, **more: Any) -> list[Page]:
    with SqlReader(source, context(page_size=page_size, max_attempts=1, **more)) as reader:
        return list(reader.pages())


def test_a_table_is_read_as_json_can_carry_it(db: Postgres) -> None:
    db.run(
        "INSERT INTO orders (id, total, placed, items, tags, paid, made) "
        "VALUES ('o-1', 12.50, '2026-01-31 10:30+01', '{\"pen\": [1.5]}', '{a}', true, '2026-02-01 00:00:00.5+00')"
    )
    [page] = read(SqlSource(url=f"{db.url}&options=-ctimezone%3DUTC", table="orders"))
    assert page.total == 1
    assert page.records == [
        {
            "id": "o-1",
            "total": "12.50",
            "placed": "2026-01-31T09:30:00+00:00",
            "items": {"pen": [1.5]},
            "tags": ["a"],
            "paid": True,
            "made": "2026-02-01T00:00:00.500000+00:00",
            "number": 1,
        }
    ]
    json.dumps(page.records)


def test_values_of_other_types_become_what_json_has(db: Postgres) -> None:
    query = """SELECT 1 AS id, 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'::uuid AS u, '\\xff00'::bytea AS b,
        '1 day'::interval AS i,
        date '2026-01-31' AS d, time '09:30' AS t, 'NaN'::float AS n, '10.0.0.1'::inet AS a, 1.10::numeric AS x,
        :tag || '::' AS s, '{}'::int[] AS l"""
    [page] = read(SqlSource(url=db.url, query=query, params={"tag": "a"}))
    assert page.records == [
        {
            "id": 1,
            "u": "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",
            "b": "/wA=",
            "i": 86400.0,
            "d": "2026-01-31",
            "t": "09:30:00",
            "n": None,
            "a": "10.0.0.1",
            "x": "1.10",
            "s": "a::",
            "l": [],
        }
    ]


def test_rows_are_fetched_as_they_are_read(db: Postgres) -> None:
    """The server keeps the rest: a million rows do not arrive at once, and nothing waits for the last."""
    query = "SELECT n AS id, repeat('x', 1000) AS text FROM generate_series(1, 1000000) AS n"
    with SqlReader(SqlSource(url=db.url, query=query), context(page_size=10)) as reader:
        pages = cast("Generator[Page, None, None]", reader.pages())
        assert [record["id"] for record in next(pages).records] == list(range(1, 11))
        assert [record["id"] for record in next(pages).records] == list(range(11, 21))
        pages.close()


@pytest.mark.parametrize("query", ["DELETE FROM orders RETURNING id", "SELECT id FROM orders; DELETE FROM orders"])
def test_a_source_only_reads(db: Postgres, query: str) -> None:
    push(destination(db), [order(1)])
    with pytest.raises(ConnectorError):
        read(SqlSource(url=db.url, query=query))
    assert db.run("SELECT count(*) FROM orders") == [(1,)]


def test_a_connection_that_is_lost_in_the_middle_is_told(db: Postgres) -> None:
    source = SqlSource(url=db.url, query="SELECT n AS id FROM generate_series(1, 10000) AS n")
    with SqlReader(source, context(page_size=10)) as reader:
        pages = reader.pages()
        next(pages)
        db.run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'synctail'")
        with pytest.raises(Unreachable, match=r"after 10 rows\. Run the sync again: what was pushed is remembered"):
            next(pages)


def test_a_query_is_checked_without_being_run(db: Postgres) -> None:
    used = context(max_attempts=1)
    query = "SELECT pg_sleep(60), id FROM orders WHERE paid = :paid"
    assert SqlReader(SqlSource(url=db.url, query=query, params={"paid": True}), used).check() == "the query can be run"
    with pytest.raises(ConnectorError, match='relation "ghosts" does not exist'):
        SqlReader(SqlSource(url=db.url, query="SELECT * FROM ghosts"), used).check()
