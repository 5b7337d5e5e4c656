"""A database behind an address, through SQLAlchemy: how it is reached, its columns, and what its errors mean."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, TypeVar

from sqlalchemy import Engine, create_engine, exc, inspect, make_url
from sqlalchemy.engine.interfaces import ReflectedColumn
from sqlalchemy.exc import DBAPIError, OperationalError

from jobs.connectors.base import ConnectorError, Context, NotSignedIn, Unreachable
from jobs.connectors.retries import Retries, Transient
from jobs.services.model import SqlDestination, SqlSource
from synctail.model.sync import Phase

T = TypeVar("T")

_TIMEOUTS: dict[str, Any] = {
    "connect_timeout": 10,
    "application_name": "synctail",
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 60_000,
}

Meaning = Literal["transient", "system", "row"]

# SQLSTATEs of PostgreSQL (its manual, appendix A). Any other is about a row.
_TRANSIENT = ("08", "40001", "40P01", "53300", "55P03", "57P01", "57P02", "57P03", "57014")
_SYSTEM = ("25006", "28", "3D000", "3F000", "42501", "42601", "42703", "42P01", "42P10", "53", "58", "XX")
_WRONG = ("25006", "3D000", "3F000", "42")
_CREDENTIALS = r"authentication failed|no password supplied|pg_hba\.conf|role .* does not exist"
_LATER = r"starting up|shutting down|recovery|terminating|too many|connection slots"


class Database:
    """One source's or destination's. Connects when it is first used, not before."""

    def __init__(self, definition: SqlSource | SqlDestination, context: Context, phase: Phase, *, what: str) -> None:
        """Raises `ConnectorError` for an address that cannot be used. `what`: "source" or "destination"."""
        self._definition = definition
        self.engine = _engine(definition, context, what)
        self.dialect = self.engine.dialect.name
        self.retries = Retries(context, phase, name="The database")

    def close(self) -> None:
        self.engine.dispose()

    def columns(self) -> dict[str, ReflectedColumn]:
        """Those of the definition's table, by name. Raises `ConnectorError`, also where the key is not among them."""
        table, schema, key = self._definition.table, self._definition.schema or None, self._definition.key
        found = self.reach(lambda: inspect(self.engine).get_columns(table, schema))
        columns = {column["name"]: column for column in found}
        if key not in columns:
            raise ConnectorError(f"The table {table!r} has no column {key!r}, the service's key.")
        return columns

    def reach(self, act: Callable[[], T]) -> T:
        """What `act`, which connects, returns. Retries what may pass. Raises `ConnectorError`."""

        def once() -> T:
            try:
                return act()
            except DBAPIError as error:
                raise passing_or_failure(error) from None
            except exc.NoSuchTableError:
                missing = f"The database has no table {self._definition.table!r}"
                raise ConnectorError(f"{missing}. Create it, or correct the service.") from None
            except (exc.SQLAlchemyError, TypeError, ValueError) as error:  # TypeError: an argument the driver lacks
                raise Unreachable(f"The database cannot be reached: {reason(error)}") from None

        return self.retries(once)


def _engine(definition: SqlSource | SqlDestination, context: Context, what: str) -> Engine:
    try:
        url = make_url(definition.url)
        if definition.password:
            url = url.set(password=context.secret(definition.password.secret))
        # Time-outs, where the address does not set them itself.
        timeouts = _TIMEOUTS if url.get_dialect().driver == "psycopg" else {}
        engine = create_engine(url, connect_args={k: v for k, v in timeouts.items() if k not in url.query})
    except (exc.ArgumentError, exc.NoSuchModuleError, ImportError, ValueError) as error:
        raise ConnectorError(f"The {what}'s address cannot be used: {error}") from None
    path = url.database
    is_file = url.get_backend_name() == "sqlite" and path and path != ":memory:" and not path.startswith("file:")
    if path and is_file and not Path(path).is_file():
        # SQLite would create it, and the fault would look like a missing table.
        raise ConnectorError(f"There is no database {path!r}. Create it, or correct the service.")
    return engine


# --- what an error means ------------------------------------------------------------------------------------------


def meaning(error: DBAPIError) -> Meaning:  # noqa: PLR0911 - a table, in the order in which it is looked up
    """May it pass, is it about the database as a whole, or about the row?"""
    if error.connection_invalidated:
        return "transient"
    state = getattr(error.orig, "sqlstate", None)
    if isinstance(state, str):
        if state.startswith(_TRANSIENT):
            return "transient"
        return "system" if state.startswith(_SYSTEM) else "row"
    name = getattr(error.orig, "sqlite_errorname", None)
    if isinstance(name, str):
        if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
            return "transient"
        return "system" if isinstance(error, OperationalError) else "row"
    if not isinstance(error, OperationalError):
        return "row"
    # psycopg has no state for a connection that was never made, or was lost.
    return "system" if _turned_away(error) else "transient"


def passing_or_failure(error: DBAPIError) -> Transient | ConnectorError:
    """What to raise: worth a retry, or the end."""
    return Transient(reason(error)) if meaning(error) == "transient" else failure(error)


def failure(error: DBAPIError) -> ConnectorError:
    state = getattr(error.orig, "sqlstate", None) or ""
    said = reason(error)
    if state.startswith("28") or re.search(_CREDENTIALS, said):
        return NotSignedIn(f"The database refused the credentials: {said}")
    wrong = state.startswith(_WRONG) or getattr(error.orig, "sqlite_errorname", "") == "SQLITE_ERROR"
    later = isinstance(error, OperationalError) and not wrong and not _turned_away(error)
    kind = Unreachable if later else ConnectorError
    return kind(f"The database failed: {said}")


def _turned_away(error: DBAPIError) -> bool:
    """It answered an attempt to connect, and not with "later"."""
    said = str(error.orig)
    return bool("FATAL:" in said or re.search(_CREDENTIALS, said)) and not re.search(_LATER, said)


def reason(error: Exception) -> str:
    """The database's own words, without the statement and its parameters."""
    cause = getattr(error, "orig", None) or error
    lines = [line.strip() for line in str(cause).splitlines() if line.strip()]
    if lines and lines[0].endswith(":"):  # a list of what was tried
        return " ".join(lines)[:500]
    return lines[0] if lines else type(cause).__name__
