"""Writes rows of an existing table. A batch is one transaction; a row that is refused fails alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any, Self

from sqlalchemy import ARRAY, Executable, column, table, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine.interfaces import ReflectedColumn
from sqlalchemy.exc import DBAPIError

from jobs.connectors.base import ConnectorError, Context, Destination, Outcome
from jobs.connectors.database import Database, failure, meaning, passing_or_failure, reason
from jobs.services.model import SqlDestination
from synctail.model.json_text import Record, as_json
from synctail.model.sync import Phase

_INSERT = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}

Row = dict[str, Any]


class SqlWriter(Destination):
    def __init__(self, destination: SqlDestination, context: Context) -> None:
        self._destination = destination
        self._log = context.log
        self._database = Database(destination, context, Phase.PUSH, what="destination")
        if self._database.dialect not in _INSERT:
            raise ConnectorError(f"A destination of kind sql takes {' or '.join(_INSERT)} addresses.")
        self._columns: dict[str, ReflectedColumn] = {}
        self._statements: dict[frozenset[str], Executable] = {}

    def __enter__(self) -> Self:
        try:
            self._columns = self._writable_columns()
        except BaseException:
            self.close()
            raise
        return self

    def close(self) -> None:
        self._database.close()

    def push(self, records: Sequence[Record]) -> Iterator[Outcome]:
        yield from map(Outcome, records, self._write([self._row(record) for record in records]))

    def _look(self) -> str:
        columns = self._writable_columns()
        name = self._destination.table
        if self._database.dialect == "postgresql" and not self._may_insert():
            raise ConnectorError(f"The user may not write to the table {name!r}. Grant INSERT and UPDATE.")
        return f"the table {name!r} exists (columns: {len(columns)})"

    def _may_insert(self) -> bool:
        quote = self._database.engine.dialect.identifier_preparer.quote
        quoted = ".".join(quote(name) for name in (self._destination.schema, self._destination.table) if name)
        try:
            with self._database.engine.connect() as connection:
                return bool(connection.scalar(text("SELECT has_table_privilege(:name, 'INSERT')"), {"name": quoted}))
        except DBAPIError as error:
            raise failure(error) from None

    def _writable_columns(self) -> dict[str, ReflectedColumn]:
        """All but those that are always computed."""
        return {name: found for name, found in self._database.columns().items() if "computed" not in found}

    def _row(self, record: Record) -> Row:
        """An absent member is null, unless the column has a value of its own for it."""
        return {
            name: _value(record.get(name), found)
            for name, found in self._columns.items()
            if name in record or (found.get("default") is None and "identity" not in found)
        }

    def _write(self, rows: Sequence[Row]) -> list[str | None]:
        """Write rows in one transaction; split those of a batch that is refused. Returns why, for each row."""
        try:
            self._database.retries(lambda: self._transaction(rows))
        # OverflowError, ValueError: a driver's, for a value it cannot send.
        except (DBAPIError, OverflowError, ValueError) as error:
            if len(rows) == 1:
                return [reason(error)]
            middle = len(rows) // 2
            splitting = f"Splitting a batch of {len(rows):,} to find the rows that are refused: {reason(error)}"
            self._log.debug(splitting, phase=Phase.PUSH.value)
            return self._write(rows[:middle]) + self._write(rows[middle:])
        return [None] * len(rows)

    def _transaction(self, rows: Sequence[Row]) -> None:
        """Raises `Transient`, `ConnectorError`, or what the driver says of a row."""
        try:
            with self._database.engine.begin() as connection:
                # In their order: of two rows with one key the later one counts.
                for names, alike in groupby(rows, key=frozenset):
                    connection.execute(self._statement(names), list(alike))
        except DBAPIError as error:
            if meaning(error) == "row":
                raise
            raise passing_or_failure(error) from None

    def _statement(self, names: frozenset[str]) -> Executable:
        if names in self._statements:
            return self._statements[names]
        ordered = [name for name in self._columns if name in names]
        schema = self._destination.schema or None
        target = table(self._destination.table, *(column(name) for name in ordered), schema=schema)
        # The two dialects' inserts have `on_conflict_…` in common, but no common type that says so.
        insert: Any = _INSERT[self._database.dialect](target)
        key = self._destination.key
        changes = {name: insert.excluded[name] for name in ordered if name != key}
        if self._destination.mode == "upsert" and changes:
            insert = insert.on_conflict_do_update(index_elements=[key], set_=changes)
        elif self._destination.mode == "upsert":
            insert = insert.on_conflict_do_nothing(index_elements=[key])
        self._statements[names] = insert
        return self._statements[names]


def _value(value: Any, found: ReflectedColumn) -> Any:
    """A column of a list type takes a list; any other takes its JSON."""
    is_json = isinstance(value, dict) or (isinstance(value, list) and not isinstance(found["type"], ARRAY))
    return as_json(value).decode() if is_json else value
