"""Names of objects in statements."""

from __future__ import annotations

import re

from fakesnow.conn import FakeSnowflakeConnection

_PART = r'(?:"[^"]+"|[\w$]+)'
NAME = rf"{_PART}(?:\.{_PART}){{0,2}}"
"""A pattern for a name with up to three parts."""

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


def select_rows(columns: list[str], rows: list[list[str | None]]) -> str:
    """Return a SELECT of texts, in Snowflake's SQL, with lower-case names of columns."""
    names = ", ".join(f'"{column}"' for column in columns)
    lines = [", ".join(literal(value) for value in row) for row in rows or [[""] * len(columns)]]
    values = ", ".join(f"({line})" for line in lines)
    condition = "" if rows else " where false"
    return f"select {names} from (values {values}) as shown ({names}){condition}"
