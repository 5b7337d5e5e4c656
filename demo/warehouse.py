"""The demo's destination: a SQLite database whose tables refuse wrong rows in words a person can read.

Makes what is missing and changes nothing that is there; rows are the syncs' business.
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
    """The database below `data`, made if it is not there."""
    path = data.resolve() / FILE_NAME
    with closing(sqlite3.connect(path)) as database:
        # Kept in the file: someone who looks at the tables does not hold up the sync that writes them.
        database.execute("PRAGMA journal_mode = WAL")
        database.executescript(SCHEMA)
    return path
