"""The demo's destination: a SQLite database whose tables refuse wrong rows with readable messages.

Creates what is missing and changes nothing else; syncs write the rows.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

FILE_NAME = "warehouse.db"

SCHEMA = """
CREATE TABLE IF NOT EXISTS orders (
    id TEXT PRIMARY KEY,
    number TEXT NOT NULL,
    created_at TEXT,
    updated_at TEXT,
    customer TEXT NOT NULL,
    currency TEXT,
    total NUMERIC NOT NULL,
    items TEXT,
    status TEXT NOT NULL,
    CONSTRAINT total_is_not_negative CHECK (total >= 0),
    CONSTRAINT customer_has_an_email CHECK (json_extract(customer, '$.email') IS NOT NULL)
);
CREATE TABLE IF NOT EXISTS products (
    id TEXT PRIMARY KEY,
    sku TEXT NOT NULL,
    name TEXT NOT NULL,
    price NUMERIC NOT NULL,
    stock INTEGER,
    category TEXT,
    updated_at TEXT,
    CONSTRAINT price_is_not_negative CHECK (price >= 0)
);
"""


def prepare(data: Path) -> Path:
    """The database below `data`, created if missing."""
    path = data.resolve() / FILE_NAME
    with closing(sqlite3.connect(path)) as database:
        # Stored in the file: reading the tables does not block the sync that writes them.
        database.execute("PRAGMA journal_mode = WAL")
        database.executescript(SCHEMA)
    return path
