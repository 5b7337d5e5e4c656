"""Reads the rows of a table or a query as a stream. Only reads: the database is told to refuse anything else."""

from __future__ import annotations

import base64
import math
from collections.abc import Iterator
from contextlib import closing
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, CursorResult, Executable, column, func, select, table, text
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from jobs.connectors.base import ConnectorError, Context, Page, Source, Unreachable
from jobs.connectors.database import Database, failure, meaning, reason
from jobs.services.model import SqlSource
from synctail.model.sync import Phase


class SqlReader(Source):
    def __init__(self, source: SqlSource, context: Context) -> None:
        self._source = source
        self._page_size = context.page_size
        self._database = Database(source, context, Phase.PULL, what="source")
        self._table = table(source.table, schema=source.schema or None)

    def close(self) -> None:
        self._database.close()

    def pages(self) -> Iterator[Page]:
        statement = self._statement()
        counts = select(func.count()).select_from(self._table)
        with self._connect() as connection:
            total = self._execute(connection, counts).scalar_one() if self._source.table else None
            with closing(self._execute(connection, statement, stream=True)) as rows:
                names = self._names(rows)
                read = 0
                while page := self._fetch(rows, read):
                    read += len(page)
                    yield Page([dict(zip(names, map(as_json_value, row), strict=True)) for row in page], total)

    def _look(self) -> str:
        if self._source.table:
            return f"the table {self._source.table!r} exists (columns: {len(self._database.columns())})"
        with self._connect() as connection:
            # Planned and not run: it may be a long one.
            self._execute(connection, text(f"EXPLAIN {self._source.query}")).close()
        return "the query can be run"

    def _statement(self) -> Executable:
        if not self._source.table:
            return text(self._source.query)
        names = self._database.columns()
        return select(*(column(name) for name in names)).select_from(self._table).order_by(column(self._source.key))

    def _connect(self) -> Connection:
        return self._database.reach(lambda: self._readonly(self._database.engine.connect()))

    def _readonly(self, connection: Connection) -> Connection:
        try:
            if self._database.dialect == "sqlite":
                connection.execute(text("PRAGMA query_only = ON"))
            elif self._database.dialect == "postgresql":
                connection.execution_options(postgresql_readonly=True)
        except BaseException:
            connection.close()
            raise
        return connection

    def _execute(self, connection: Connection, statement: Executable, *, stream: bool = False) -> CursorResult[Any]:
        """`stream`: the server (PostgreSQL) keeps what has not been fetched yet."""
        options = {"yield_per": self._page_size} if stream else {}
        try:
            return connection.execute(statement, self._source.params or None, execution_options=options)
        except DBAPIError as error:
            raise _failed(error, 0) from None
        except (SQLAlchemyError, TypeError, ValueError) as error:  # a parameter that is missing or cannot be sent
            raise ConnectorError(f"The query cannot be run: {reason(error)}") from None

    def _names(self, rows: CursorResult[Any]) -> list[str]:
        if not rows.returns_rows:
            raise ConnectorError("The query returns no rows. Use one that does, such as SELECT.")
        names = list(rows.keys())
        twice = {name for name in names if names.count(name) > 1}
        if twice:
            raise ConnectorError(f"The query returns the column {min(twice)!r} twice. Rename one with AS.")
        if self._source.key not in names:
            raise ConnectorError(f"The query returns no column {self._source.key!r}, the service's key.")
        return names

    def _fetch(self, rows: CursorResult[Any], read: int) -> list[Any]:
        try:
            return list(rows.fetchmany(self._page_size))
        except DBAPIError as error:
            raise _failed(error, read) from None
        except ValueError as error:  # a value that the driver cannot carry, such as a date after the year 9999
            raise ConnectorError(f"A row after the first {read:,} cannot be read: {error}") from None


def _failed(error: DBAPIError, read: int) -> ConnectorError:
    if meaning(error) == "row":
        return ConnectorError(f"The query cannot be run: {reason(error)}")
    if meaning(error) == "transient":
        after = f" after {read:,} rows. Run the sync again: what was pushed is remembered" if read else ""
        return Unreachable(f"The database failed: {reason(error)}{after}")
    return failure(error)


def as_json_value(value: Any) -> Any:  # noqa: PLR0911 - all that drivers return
    """As JSON can carry it: times as ISO 8601, decimals as text with all their digits, bytes as base64."""
    match value:
        case None | bool() | int() | str():
            return value
        case float():
            return value if math.isfinite(value) else None
        case Decimal() | UUID():
            return str(value)
        case datetime() | date() | time():
            return value.isoformat()
        case timedelta():
            return value.total_seconds()
        case bytes() | bytearray() | memoryview():
            return base64.b64encode(value).decode()
        case dict():
            return {str(name): as_json_value(inner) for name, inner in value.items()}
        case list() | tuple() | set():
            return [as_json_value(inner) for inner in value]
        case _:  # an address, a range, …
            return str(value)
