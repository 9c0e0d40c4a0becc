"""Time Travel for dropped tables: DROP TABLE, UNDROP TABLE and SHOW TABLES HISTORY.

Stock fakesnow deletes the rows at DROP TABLE, refuses UNDROP and ignores HISTORY. Here a dropped
table moves to a hidden table of its database, and survives a restart there. A table that CREATE OR
REPLACE replaced can't be restored here. The retention never ends here, unless it is 0 days.
"""

from __future__ import annotations

import itertools
import json
import re
import time
from typing import Any

from fakesnow.conn import FakeSnowflakeConnection

from firn_snowflake import errors
from firn_snowflake.names import (
    NAME,
    Parts,
    in_database,
    in_schema,
    literal,
    parts_of,
    quote,
    select_rows,
)

_DROP = re.compile(
    rf"drop\s+table\s+(?:if\s+exists\s+)?(?P<name>{NAME})(?:\s+(?:cascade|restrict))?$", re.I
)
_UNDROP = re.compile(rf"undrop\s+table\s+(?P<name>{NAME})$", re.I)
_HISTORY = re.compile(
    rf"show\s+tables\s+history(?:\s+in(?:\s+schema)?\s+(?P<schema>{NAME}))?$", re.I
)
_RETENTION = re.compile(
    rf"alter\s+(?P<kind>table|schema|database)\s+(?:if\s+exists\s+)?(?P<name>{NAME})\s+set\b.*?"
    r"\bdata_retention_time_in_days\s*=\s*(?P<days>\d+)",
    re.I | re.S,
)
_HIDDEN_SCHEMA = "_fs_information_schema"
_LIST = "_firn_dropped"
# The numbers of dropped tables. A number read from the list would be the same in two
# sessions at once. The start is the time in microseconds, so that numbers also increase
# after a restart with the same database.
_numbers = itertools.count(time.time_ns() // 1000)
_TABLE_COMMENTS = "_fs_global._fs_information_schema._fs_tables_ext"
_OF_TABLE = "ext_table_catalog = ? and ext_table_schema = ? and ext_table_name = ?"

_retention_days: dict[Parts, int] = {}


def set_retention(text: str, connection: FakeSnowflakeConnection) -> None:
    """Store DATA_RETENTION_TIME_IN_DAYS of a table, a schema or a database.

    With 0 days a dropped object can't be restored (/user-guide/data-time-travel). Stock fakesnow
    ignores the parameter. The values end with the process.
    """
    if match := _RETENTION.match(text):
        resolve = {"table": in_schema, "schema": in_database}.get(match["kind"].lower())
        name = resolve(match["name"], connection) if resolve else parts_of(match["name"])
        _retention_days[name] = int(match["days"])


def forget_retention(name: Parts) -> None:
    """Delete the stored days of a dropped or new object, and of all objects inside."""
    for stored in list(_retention_days):
        if stored[: len(name)] == name:
            _retention_days.pop(stored, None)


def keep_dropped(text: str, connection: FakeSnowflakeConnection) -> tuple[Parts, int] | None:
    """Before DROP TABLE: keep the definition and the rows of the table for UNDROP TABLE.

    Returns the name and the number of the kept table; None if nothing is kept.
    """
    match = _DROP.match(text)
    if not match:
        return None
    table, duck = in_schema(match["name"], connection), connection._duck_conn
    created = duck.execute(
        "select sql from duckdb_tables() where not temporary "
        "and database_name = ? and schema_name = ? and table_name = ?",
        list(table),
    ).fetchone()
    if created is None or _days_of(table) == 0:
        return None
    listed = quote((table[0], _HIDDEN_SCHEMA, _LIST))
    duck.execute(
        f"create table if not exists {listed} (number bigint, schema_name varchar, "
        "table_name varchar, definition varchar, dropped_on timestamptz)"
    )
    number = next(_numbers)
    duck.execute(f"create table {_hidden(table, number)} as from {quote(table)}")
    duck.execute(
        f"insert into {listed} values (?, ?, ?, ?, now())",
        [number, table[1], table[2], json.dumps(_definition(table, created[0], duck))],
    )
    return table, number


def delete_kept(table: Parts, number: int, connection: FakeSnowflakeConnection) -> None:
    """Delete a kept table, after its UNDROP or after a failed DROP."""
    duck = connection._duck_conn
    duck.execute(f"drop table {_hidden(table, number)}")
    listed = quote((table[0], _HIDDEN_SCHEMA, _LIST))
    duck.execute(f"delete from {listed} where number = ?", [number])


def answer(text: str, connection: FakeSnowflakeConnection) -> str | None:
    """Run UNDROP TABLE or SHOW TABLES HISTORY, and return the SELECT of its answer.

    None for any other statement. The pages are /sql-reference/sql/undrop-table and
    /sql-reference/sql/show-tables.

    Raises:
        ProgrammingError: 002002 if the table exists, 002003 without a dropped version.
    """
    if match := _UNDROP.match(text):
        return _undrop(in_schema(match["name"], connection), connection)
    if match := _HISTORY.match(text):
        schema = match["schema"]
        if schema is None:
            schema = f'"{connection.schema}"'
        return _history(in_database(schema, connection), connection)
    return None


def _undrop(table: Parts, connection: FakeSnowflakeConnection) -> str:
    """Restore the newest dropped version.

    The page of UNDROP doesn't mention the grants of the table. Here no grant comes back.
    """
    duck = connection._duck_conn
    if exists(table, connection):
        raise errors.failure(errors.EXISTS, "42710", f"Object '{table[2]}' already exists.")
    versions = [row for row in _dropped(table[:2], connection) if row[1] == table[2]]
    if not versions:
        text = f"SQL compilation error:\nTable {table[2]} did not exist or was purged."
        raise errors.failure(errors.NOT_FOUND, "02000", text)
    number, _, definition, _ = versions[-1]
    for statement in json.loads(definition):
        duck.execute(statement)
    duck.execute(f"insert into {quote(table)} from {_hidden(table, number)}")
    delete_kept(table, number, connection)
    return f"select {literal(f'Table {table[2]} successfully restored.')} as status"


def _history(schema: Parts, connection: FakeSnowflakeConnection) -> str:
    current = connection._duck_conn.execute(
        "select table_name from duckdb_tables() where not temporary "
        "and database_name = ? and schema_name = ? order by table_name",
        list(schema),
    ).fetchall()
    rows = [(name, None) for (name,) in current]
    rows += [(name, when.isoformat()) for _, name, _, when in _dropped(schema, connection)]
    values = [["TABLE", schema[0], schema[1], name, dropped_on] for name, dropped_on in rows]
    columns = ["kind", "database_name", "schema_name", "name", "dropped_on"]
    return select_rows(columns, values, connection)


def _dropped(schema: Parts, connection: FakeSnowflakeConnection) -> list[tuple[Any, ...]]:
    """Return number, name, definition and time of each dropped table of a schema, in order."""
    if not exists((schema[0], _HIDDEN_SCHEMA, _LIST), connection):
        return []
    return connection._duck_conn.execute(
        "select number, table_name, definition, dropped_on from "
        f"{quote((schema[0], _HIDDEN_SCHEMA, _LIST))} where schema_name = ? order by number",
        [schema[1]],
    ).fetchall()


def exists(name: Parts, connection: FakeSnowflakeConnection) -> bool:
    """Return true for an existing table or view."""
    found = connection._duck_conn.execute(
        "select 1 from (select database_name, schema_name, table_name from duckdb_tables() "
        "union all select database_name, schema_name, view_name from duckdb_views()) "
        "where database_name = ? and schema_name = ? and table_name = ?",
        list(name),
    ).fetchone()
    return found is not None


def _definition(table: Parts, created: str, duck: Any) -> list[str]:  # noqa: ANN401
    """Return the statements that create the table without rows, with its comments."""
    statements = [f"create table {quote(table)}{created[created.index('(') :]}"]
    columns = duck.execute(
        "select column_name, comment from duckdb_columns() where comment is not null "
        "and database_name = ? and schema_name = ? and table_name = ?",
        list(table),
    ).fetchall()
    for column, comment in columns:
        name = quote((*table, column))
        statements.append(f"comment on column {name} is {literal(comment)}")
    comment = duck.execute(
        f"select comment from {_TABLE_COMMENTS} where {_OF_TABLE}", list(table)
    ).fetchone()
    if comment:
        values = ", ".join(literal(value) for value in (*table, comment[0]))
        statements.append(f"insert or replace into {_TABLE_COMMENTS} values ({values})")
    return statements


def take_comment(name: Parts, connection: FakeSnowflakeConnection) -> str | None:
    """Delete the comment of a dropped or replaced object, and return it; None without a comment.

    Stock fakesnow gives the comment to the next object of the name.
    """
    deleted = connection._duck_conn.execute(
        f"delete from {_TABLE_COMMENTS} where {_OF_TABLE} returning comment", list(name)
    ).fetchone()
    return deleted[0] if deleted else None


def put_comment(name: Parts, comment: str, connection: FakeSnowflakeConnection) -> None:
    """Store the comment of an object."""
    connection._duck_conn.execute(
        f"insert or replace into {_TABLE_COMMENTS} values (?, ?, ?, ?)", [*name, comment]
    )


def _days_of(table: Parts) -> int:
    for name in (table, table[:2], table[:1]):
        if name in _retention_days:
            return _retention_days[name]
    return 1


def _hidden(table: Parts, number: int) -> str:
    return quote((table[0], _HIDDEN_SCHEMA, f"{_LIST}_{number}"))
