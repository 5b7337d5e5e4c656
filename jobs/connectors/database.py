"""A database behind an address, through SQLAlchemy: how it is opened, and what its errors mean."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Literal

from sqlalchemy import URL, Engine, create_engine, inspect, make_url
from sqlalchemy.engine.interfaces import ReflectedColumn
from sqlalchemy.exc import (
    ArgumentError,
    DBAPIError,
    NoSuchModuleError,
    NoSuchTableError,
    OperationalError,
    SQLAlchemyError,
)

from jobs.connectors.base import ConnectorError, Context, NotSignedIn, Unreachable
from jobs.connectors.retries import Retries, Transient
from jobs.services.model import SqlDestination, SqlSource
from synctail.model.sync import Phase

CONNECT_S = 10

Meaning = Literal["transient", "system", "row"]

# SQLSTATEs of PostgreSQL (its manual, appendix A). What is not named here speaks of a row.
_TRANSIENT = ("08", "40001", "40P01", "53300", "55P03", "57P01", "57P02", "57P03", "57014")
_SYSTEM = ("25006", "28", "3D000", "3F000", "42501", "42601", "42703", "42P01", "42P10", "53", "58", "XX")
_NOT_SIGNED_IN = ("28",)
_WRONG = ("25006", "3D000", "3F000", "42")
_CREDENTIALS = r"authentication failed|no password supplied|pg_hba\.conf|role .* does not exist"
_LATER = r"starting up|shutting down|recovery|terminating|too many|connection slots"


def open_engine(given: SqlSource | SqlDestination, context: Context, *, what: str) -> Engine:
    """No connection is made yet. Raises `ConnectorError`."""
    try:
        url = make_url(given.url)
        if given.password:
            url = url.set(password=context.secret(given.password.secret))
        engine = create_engine(url, connect_args=_connect_arguments(url))
    except (ArgumentError, NoSuchModuleError, ImportError, ValueError) as error:
        raise ConnectorError(f"The {what}'s address cannot be used: {error}") from None
    _see_that_it_is_there(url)
    return engine


def _connect_arguments(url: URL) -> dict[str, Any]:
    """Time-outs, where the address does not set them itself."""
    if url.get_dialect().driver != "psycopg":
        return {}
    wanted = {
        "connect_timeout": CONNECT_S,
        "application_name": "synctail",
        "keepalives_idle": 30,
        "keepalives_interval": 10,
        "keepalives_count": 3,
        "tcp_user_timeout": 60_000,
    }
    return {name: value for name, value in wanted.items() if name not in url.query}


def _see_that_it_is_there(url: URL) -> None:
    """SQLite would make the file, empty, and the fault would look like a missing table."""
    path = url.database
    if url.get_backend_name() != "sqlite" or not path or path == ":memory:" or path.startswith("file:"):
        return
    if not Path(path).is_file():
        raise ConnectorError(f"There is no database {path!r}. Make it, or correct the service.")


def columns_of(engine: Engine, given: SqlSource | SqlDestination, retries: Retries) -> dict[str, ReflectedColumn]:
    """Of its table. Raises `ConnectorError` where there is no such table, or the database cannot be reached."""

    table = given.table

    def columns() -> dict[str, ReflectedColumn]:
        try:
            return {column["name"]: column for column in inspect(engine).get_columns(table, given.schema or None)}
        except NoSuchTableError:
            raise ConnectorError(f"The database has no table {table!r}. Create it, or correct the service.") from None
        except DBAPIError as error:
            if meaning(error) == "transient":
                raise Transient(reason(error)) from None
            raise failure(error) from None
        except (SQLAlchemyError, TypeError, ValueError) as error:  # TypeError: an argument that the driver lacks
            raise Unreachable(f"The database cannot be reached: {reason(error)}") from None

    try:
        return retries(columns)
    except Transient as error:
        raise Unreachable(f"The database cannot be reached: {error}") from None


def meaning(error: DBAPIError) -> Meaning:  # noqa: PLR0911 - a table, in the order in which it is looked up
    """May it pass, does it mean the database as a whole, or the row?"""
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
    # psycopg has no state for a connection that was never made, or has gone.
    return "system" if _turned_away(error) else "transient"


def failure(error: DBAPIError) -> ConnectorError:
    state = getattr(error.orig, "sqlstate", None) or ""
    said = reason(error)
    if state.startswith(_NOT_SIGNED_IN) or re.search(_CREDENTIALS, said):
        return NotSignedIn(f"The database does not take the credentials: {said}")
    wrong = state.startswith(_WRONG) or getattr(error.orig, "sqlite_errorname", "") == "SQLITE_ERROR"
    later = isinstance(error, OperationalError) and not wrong and not _turned_away(error)
    kind = Unreachable if later else ConnectorError
    return kind(f"The database failed: {said}")


def _turned_away(error: DBAPIError) -> bool:
    """It answered a wish to connect, and not with "later"."""
    said = str(error.orig)
    return bool("FATAL:" in said or re.search(_CREDENTIALS, said)) and not re.search(_LATER, said)


def reason(error: Exception) -> str:
    """The database's own words, without the statement and its parameters."""
    cause = getattr(error, "orig", None) or error
    lines = [line.strip() for line in str(cause).splitlines() if line.strip()]
    if lines and lines[0].endswith(":"):  # a list of what was tried
        return " ".join(lines)[:500]
    return lines[0] if lines else type(cause).__name__


def retries(context: Context, phase: Phase) -> Retries:
    return Retries(context, phase, name="The database")
