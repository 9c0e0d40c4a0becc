"""Objects of a schema: the effects of CREATE, DROP and RENAME beside DuckDB's own."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from fakesnow.conn import FakeSnowflakeConnection
from fakesnow.transforms import show

from firn_snowflake import errors, time_travel
from firn_snowflake.grants import Grants
from firn_snowflake.names import NAME, Parts, in_database, in_schema, literal, parts_of

_CREATE = re.compile(
    r"create\s+(?:or\s+replace\s+)?(?:transient\s+|secure\s+)*(?P<kind>table|view)\s+"
    rf"(?P<guard>if\s+not\s+exists\s+)?(?P<name>{NAME})",
    re.I,
)
_COPY_GRANTS = re.compile(r"[^']*\bcopy\s+grants\b", re.I)
_DROP = re.compile(
    rf"drop\s+(?P<kind>table|view|schema|database)\s+(?:if\s+exists\s+)?(?P<name>{NAME})", re.I
)
_RENAME = re.compile(
    rf"alter\s+(?P<kind>table|view)\s+(?:if\s+exists\s+)?(?P<old>{NAME})\s+"
    rf"rename\s+to\s+(?P<new>{NAME})$",
    re.I,
)
_DROP_FILES = re.compile(
    rf"drop\s+(?P<kind>stage|file\s+format)\s+(?P<guard>if\s+exists\s+)?(?P<name>{NAME})$", re.I
)
_FILE_TABLES = {"STAGE": "_fs_stages", "FILE FORMAT": "_fs_file_formats"}


def install() -> None:
    """Let SHOW VIEWS return the comment of each view.

    Stock fakesnow returns an empty comment. Snowflake's page: /sql-reference/sql/show-views.
    """
    show.SQL_CREATE_VIEW_SHOW_VIEWS = show.SQL_CREATE_VIEW_SHOW_VIEWS.replace(
        "'' as comment",
        "coalesce((select ext.comment from _fs_global._fs_information_schema._fs_tables_ext as ext "
        "where ext.ext_table_catalog = table_catalog and ext.ext_table_schema = table_schema "
        "and ext.ext_table_name = table_name), '') as comment",
    )


@dataclass(frozen=True)
class _New:
    """A table or view that a statement creates or replaces."""

    kind: str
    name: Parts
    keeps_grants: bool


def _new_object(text: str, connection: FakeSnowflakeConnection) -> _New | None:
    """Return the object of CREATE; None for another statement, or if IF NOT EXISTS finds it.

    With COPY GRANTS a replaced object keeps its grants (/sql-reference/sql/create-view).
    """
    match = _CREATE.match(text)
    if not match:
        return None
    name = in_schema(match["name"], connection)
    existed = time_travel.exists(name, connection)
    if existed and match["guard"]:
        return None
    return _New(match["kind"].upper(), name, existed and bool(_COPY_GRANTS.match(text)))


class Catalog:
    """The recorded grants and the dropped tables of all databases."""

    def __init__(self, directory: Path | None) -> None:
        self._grants = Grants(directory)

    def run_ignored(self, text: str, connection: FakeSnowflakeConnection) -> None:
        """Run the effect of a statement that is otherwise ignored: GRANT, REVOKE, retention."""
        self._grants.change(text, connection)
        time_travel.set_retention(text, connection)

    def answer(self, text: str, connection: FakeSnowflakeConnection) -> str | None:
        """Run a statement that stock fakesnow lacks, and return the SELECT of its answer.

        None for any other statement.

        Raises:
            ProgrammingError: 002003 for a missing stage or file format, and the errors of UNDROP.
        """
        if match := _DROP_FILES.match(text):
            return self._drop_files(match, connection)
        if shown := self._grants.answer(text, connection):
            return shown
        return time_travel.answer(text, connection)

    @contextmanager
    def changes(self, text: str, connection: FakeSnowflakeConnection) -> Iterator[None]:
        """Surround the run of a statement, and apply its further effects.

        After a failed statement, everything is as before.
        """
        kept = time_travel.keep_dropped(text, connection)
        new = _new_object(text, connection)
        comment = time_travel.take_comment(new.name, connection) if new else None
        try:
            yield
        except BaseException:
            if kept:
                time_travel.delete_kept(*kept, connection)
            if new and comment is not None:
                time_travel.put_comment(new.name, comment, connection)
            raise
        if new:
            time_travel.forget_retention(new.name)
        if new and not new.keeps_grants:
            self._grants.created(new.kind, new.name)
        elif match := _DROP.match(text):
            self._dropped(match, connection)
        elif match := _RENAME.match(text):
            names = (in_schema(match["old"], connection), in_schema(match["new"], connection))
            self._grants.renamed(match["kind"].upper(), *names)

    def _dropped(self, match: re.Match[str], connection: FakeSnowflakeConnection) -> None:
        kind = match["kind"].upper()
        if kind in ("TABLE", "VIEW"):
            name = in_schema(match["name"], connection)
            time_travel.take_comment(name, connection)
        elif kind == "SCHEMA":
            name = in_database(match["name"], connection)
        else:
            name = parts_of(match["name"])
        time_travel.forget_retention(name)
        self._grants.dropped(kind, name)

    def _drop_files(self, match: re.Match[str], connection: FakeSnowflakeConnection) -> str:
        """Drop a stage or a file format. Stock fakesnow answers a syntax error."""
        kind = " ".join(match["kind"].upper().split())
        name = in_schema(match["name"], connection)
        (count,) = connection._duck_conn.execute(
            f"delete from _fs_global._fs_information_schema.{_FILE_TABLES[kind]} "
            "where database_name = ? and schema_name = ? and name = ?",
            list(name),
        ).fetchone()
        self._grants.dropped(kind, name)
        if count == 0 and not match["guard"]:
            reason = f"{kind.capitalize()} '{'.'.join(name)}' does not exist or not authorized."
            raise errors.failure(errors.NOT_FOUND, "02000", f"SQL compilation error:\n{reason}")
        return f"select {literal(f'{name[2]} successfully dropped.')} as status"
