"""Rows of an existing table, through SQLAlchemy. A batch is one transaction; a row that is refused fails alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from sqlalchemy import column, create_engine, inspect, table
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import (
    ArgumentError,
    DBAPIError,
    NoSuchModuleError,
    NoSuchTableError,
    OperationalError,
    SQLAlchemyError,
)

from jobs.connectors import ConnectorError, Outcome, Record, as_json

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sqlalchemy import Engine, Executable, TableClause

    from jobs.records import SqlDestination

_INSERT = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}


class SqlWriter:
    def __init__(self, destination: SqlDestination) -> None:
        self._destination = destination
        try:
            self._engine: Engine = create_engine(destination.url)
        except (ArgumentError, NoSuchModuleError, ImportError, ValueError) as error:
            raise ConnectorError(f"The destination's address cannot be used: {error}") from None
        if self._engine.dialect.name not in _INSERT:
            raise ConnectorError(f"A destination of kind sql takes {' or '.join(_INSERT)} addresses.")
        try:
            self._columns = self._read_columns()
        except BaseException:
            self._engine.dispose()
            raise
        self._statement = self._build()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._engine.dispose()

    def push(self, records: Sequence[Record]) -> Iterator[Outcome]:
        rows = [{name: _value(record.get(name)) for name in self._columns} for record in records]
        refused = self._write(rows, 0)
        for position, record in enumerate(records):
            yield Outcome(record, refused.get(position))

    def _write(self, rows: Sequence[dict[str, Any]], start: int) -> dict[int, str]:
        """Write rows in one transaction; where one is refused, halve until it stands alone. Position → reason."""
        if not rows:
            return {}
        try:
            with self._engine.begin() as connection:
                connection.execute(self._statement, list(rows))
        except OperationalError as error:
            raise ConnectorError(f"The database failed: {_reason(error)}") from None
        except (
            DBAPIError,
            OverflowError,
            ValueError,
        ) as error:  # the latter two: a driver's, of a value it cannot send
            if isinstance(error, DBAPIError) and error.connection_invalidated:
                raise ConnectorError(f"The database went away: {_reason(error)}") from None
            if len(rows) == 1:
                return {start: _reason(error)}
            middle = len(rows) // 2
            return self._write(rows[:middle], start) | self._write(rows[middle:], start + middle)
        return {}

    def _read_columns(self) -> list[str]:
        name = self._destination.table
        try:
            columns = [c["name"] for c in inspect(self._engine).get_columns(name)]
        except NoSuchTableError:
            raise ConnectorError(f"The database has no table {name!r}. Create it, or correct the service.") from None
        except (SQLAlchemyError, TypeError) as error:  # TypeError: an argument in the address that the driver lacks
            raise ConnectorError(f"The database cannot be reached: {_reason(error)}") from None
        if self._destination.key not in columns:
            raise ConnectorError(f"The table {name!r} has no column {self._destination.key!r}, the service's key.")
        return columns

    def _build(self) -> Executable:
        target: TableClause = table(self._destination.table, *(column(name) for name in self._columns))
        # The two dialects' inserts have `on_conflict_…` in common, but no common type that says so.
        insert: Any = _INSERT[self._engine.dialect.name](target)
        key = self._destination.key
        changes = {name: insert.excluded[name] for name in self._columns if name != key}
        statement: Executable = insert
        if self._destination.mode == "upsert" and changes:
            statement = insert.on_conflict_do_update(index_elements=[key], set_=changes)
        elif self._destination.mode == "upsert":
            statement = insert.on_conflict_do_nothing(index_elements=[key])
        return statement


def _value(value: Any) -> Any:  # noqa: ANN401 - a record's value
    """What a column can hold: an object or a list is stored as JSON text."""
    return as_json(value).decode() if isinstance(value, dict | list) else value


def _reason(error: Exception) -> str:
    """The database's own words, without the statement and its parameters."""
    cause = getattr(error, "orig", None) or error
    return str(cause).strip().splitlines()[0] if str(cause).strip() else type(cause).__name__
