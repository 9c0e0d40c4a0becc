"""Names of objects in statements."""

from __future__ import annotations

import re

import pyarrow as pa
from fakesnow.conn import FakeSnowflakeConnection

_PART = r'(?:"[^"]+"|[\w$]+)'
NAME = rf"{_PART}(?:\.{_PART}){{0,2}}"
"""A pattern for a name with up to three parts."""

_SHOWN = "FIRN_SHOWN"
"""The rows of the last SHOW statement of a connection."""

Parts = tuple[str, ...]


def parts_of(name: str) -> Parts:
    """Return the parts of a name as stored: a part without quotes is upper case."""
    found = re.findall(_PART, name)
    return tuple(part[1:-1] if part.startswith('"') else part.upper() for part in found)


def in_schema(name: str, connection: FakeSnowflakeConnection) -> Parts:
    """Return database, schema and name of an object in a schema."""
    parts = parts_of(name)
    default = (connection.database or "", connection.schema or "")
    return (*default[: 3 - len(parts)], *parts)


def in_database(name: str, connection: FakeSnowflakeConnection) -> Parts:
    """Return database and name of a schema."""
    parts = parts_of(name)
    return parts if len(parts) > 1 else (connection.database or "", *parts)


def quote(parts: Parts) -> str:
    """Return the name for DuckDB."""
    return ".".join(f'"{part}"' for part in parts)


def literal(value: str | None) -> str:
    """Return a text as SQL; null for None."""
    return "null" if value is None else "'" + value.replace("'", "''") + "'"


def select_rows(
    columns: list[str], rows: list[list[str | None]], connection: FakeSnowflakeConnection
) -> str:
    """Store rows of texts for this connection, and return the SELECT of these rows.

    A SELECT with the texts themselves would take the parser two milliseconds a row.
    """
    values = {
        name: pa.array([row[i] for row in rows], pa.string()) for i, name in enumerate(columns)
    }
    connection._duck_conn.register(_SHOWN, pa.table(values))
    names = ", ".join(f'"{column}"' for column in columns)
    return f"select {names} from temp.main.{_SHOWN}"
