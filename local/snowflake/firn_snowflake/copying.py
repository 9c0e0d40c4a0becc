"""COPY INTO a table."""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable
from typing import Any

import duckdb
import fakesnow.copy_into as stock
import fakesnow.cursor as cursor
import fakesnow.info_schema as info_schema
from fakesnow.transforms import stage
from sqlglot import exp

from firn_snowflake import errors
from firn_snowflake.copy_options import CopyOptions
from firn_snowflake.storage import Objects

_COLUMNS = {
    "file": "varchar",
    "status": "varchar",
    "rows_parsed": "bigint",
    "rows_loaded": "bigint",
    "error_limit": "bigint",
    "errors_seen": "bigint",
    "first_error": "varchar",
    "first_error_line": "bigint",
    "first_error_character": "bigint",
    "first_error_column_name": "varchar",
}
NOTHING_TO_LOAD = "select 'Copy executed with 0 files processed.' as status"


def install(objects: Objects) -> None:
    """Install this module's COPY in fakesnow, and add a version to its load history."""
    cursor.copy_into = make_copy_into(objects)
    history = info_schema.SQL_CREATE_LOAD_HISTORY_TABLE
    history.template = history.template.replace(
        "ERROR_LIMIT INTEGER\n", "ERROR_LIMIT INTEGER,\n    FILE_TAG VARCHAR\n"
    )
    _patch_truncate()


def make_copy_into(objects: Objects) -> Callable[..., str]:
    """Return a COPY INTO that reads the version of each file from `objects`."""

    def copy_into(
        duck: Any,  # noqa: ANN401
        database: str | None,
        schema: str | None,
        tree: exp.Copy,
        table_stages: stage.TableStages,
        params: Any = None,  # noqa: ANN401
    ) -> str:
        """Load the files that the table lacks, and return the SELECT of the result rows.

        Stock fakesnow treats FORCE=FALSE as TRUE, and refuses PATTERN, INCLUDE_METADATA and
        LOAD_UNCERTAIN_FILES. A new version of a loaded file is skipped, and errors don't name the
        file. Snowflake's COPY: /sql-reference/sql/copy-into-table. The result has one row a file.
        """
        return _Copy(duck, database, schema, tree, table_stages, params, objects).run()

    return copy_into


class _Copy:
    """One COPY statement."""

    def __init__(
        self,
        duck: Any,  # noqa: ANN401
        database: str | None,
        schema: str | None,
        tree: exp.Copy,
        table_stages: stage.TableStages,
        params: Any,  # noqa: ANN401
        objects: Objects,
    ) -> None:
        self.options = CopyOptions.extract(tree)
        self.duck, self.tree, self.params, self.objects = duck, tree, params, objects
        self.stock = stock._params(tree, params, duck, database, schema)
        self.table = stock._extract_table(tree.this)
        self.database = self.table.catalog or database
        self.schema = self.table.db or schema
        self.stages = table_stages
        self.default_schema = (database, schema)

    def run(self) -> str:
        self._check_table()
        listed = bool(self.stock.files)
        rows: list[tuple[Any, ...]] = []
        loaded: list[tuple[Any, ...]] = []
        for url, tag in self.objects.with_tags(self._urls()):
            if not self.options.force and self._is_loaded(url, tag):
                if listed:
                    rows.append(_skipped_row(url))
                continue
            started = datetime.datetime.now(datetime.UTC)
            count = self._load(url, started)
            rows.append(_loaded_row(url, count))
            loaded.append(self._history_row(url, tag, count, started))
        if loaded:
            marks = ", ".join("?" * len(loaded[0]))
            self.duck.executemany(f"insert into {self._load_history} values ({marks})", loaded)
        sql = _result_sql(rows) if rows else NOTHING_TO_LOAD
        self.duck.execute(sql)
        return sql

    @property
    def _load_history(self) -> str:
        return f'"{self.database}"._fs_information_schema._fs_load_history'

    def _urls(self) -> list[str]:
        source = stock._from_source(self.tree)
        if source.startswith("@"):
            source = stock.stage_url_from_var(
                source[1:], self.duck, *self.default_schema, self.stages, self.table
            )
        if self.stock.files:
            self.options.check_files(self.stock.files)
            return stock._source_urls(source, self.stock.files)
        urls = stock._source_glob(source, self.duck)
        pattern = self.options.pattern
        return [u for u in urls if pattern is None or re.fullmatch(pattern, _key(u))]

    def _check_table(self) -> None:
        """Refuse a missing table with 002003 (42S02), like every other statement.

        Stock fakesnow finds the fault during the load of the first file, and reports the file.
        """
        try:
            self.duck.execute(
                f'select 1 from "{self.database}"."{self.schema}"."{self.table.name}" limit 0'
            )
        except duckdb.CatalogException as error:
            text = f"Object '{self.table.name}' does not exist or not authorized."
            raise errors.failure(errors.NOT_FOUND, "42S02", text) from error

    def _is_loaded(self, url: str, tag: str) -> bool:
        """Return true if the table contains this version of the file.

        Snowflake compares name and ETag, and keeps the history for 64 days
        (/user-guide/data-load-considerations-load). The history here never expires.
        """
        self.duck.execute(
            f"select 1 from {self._load_history} where file_name = ? and file_tag = ? "
            "and table_name = ? and schema_name = ? limit 1",
            [url, tag, self.table.name, self.schema],
        )
        return self.duck.fetchone() is not None

    def _load(self, url: str, started: datetime.datetime) -> int:
        try:
            (insert,) = stock._inserts(self.tree, self.stock, [url], self._parquet(url))
            self.options.add_metadata(insert, _key(url), started)
            self.duck.execute(insert.sql(dialect="duckdb"), self.params)
            return int(self.duck.fetchall()[0][0])
        except (duckdb.Error, OSError) as error:
            raise _with_file_name(error, url) from error

    def _parquet(self, url: str) -> stock.ParquetLoadInfo | None:
        is_parquet = isinstance(self.stock.file_format, stock.ReadParquet)
        if not is_parquet or isinstance(self.tree.args["files"][0], exp.Subquery):
            return None
        names = {url: stock._get_parquet_column_names(url, self.duck)}
        columns = stock._describe_table(self.table, self.duck, self.database, self.schema)
        if self.stock.match_by_column_name is not stock.MatchByColumnName.NONE:
            targets = [name.upper() for name, _ in columns]
            return stock.ParquetLoadInfo(names, target_columns=targets)
        if [kind for _, kind in columns] != ["JSON"]:
            text = "SQL compilation error: PARQUET needs one VARIANT column or MATCH_BY_COLUMN_NAME"
            raise errors.failure(2019, "0A000", text)
        return stock.ParquetLoadInfo(names, is_single_variant=True)

    def _history_row(
        self, url: str, tag: str, count: int, started: datetime.datetime
    ) -> tuple[Any, ...]:
        no_errors = (None, None, None, None)
        names = (self.schema, url, self.table.name)
        return (*names, started.isoformat(), "LOADED", count, count, *no_errors, 0, 1, tag)


def _with_file_name(error: Exception, url: str) -> errors.ProgrammingError:
    """Return an error with the name of the file, in Snowflake's form: "File '...', line ..."."""
    known = errors.translate(error, "COPY INTO")
    number, state, text = known.errno or errors.UNSUPPORTED, known.sqlstate, str(known.raw_msg)
    if number == errors.UNSUPPORTED:
        number, state = errors.FILE_UNREADABLE, "22000"
        text = f"The file can't be read or its columns don't fit: {error}"
    return errors.failure(number, state or "22000", f"{text}\n  File '{_key(url)}', line 1")


def _key(url: str) -> str:
    """Return the path inside the bucket: the value of METADATA$FILENAME and PATTERN."""
    return url.split("/", 3)[3] if "://" in url else url


def _loaded_row(url: str, count: int) -> tuple[Any, ...]:
    return (stock._result_file_name(url), "LOADED", count, count, 1, 0, None, None, None, None)


def _skipped_row(url: str) -> tuple[Any, ...]:
    name, reason = stock._result_file_name(url), "File was loaded before."
    return (name, "LOAD_SKIPPED", 0, 0, None, 1, reason, None, None, None)


def _result_sql(rows: list[tuple[Any, ...]]) -> str:
    names = ", ".join(f"{name}::{kind} as {name}" for name, kind in _COLUMNS.items())
    values = ", ".join(
        "(" + ", ".join(exp.convert(v).sql(dialect="duckdb") for v in row) + ")" for row in rows
    )
    return f"select {names} from (values {values}) as t({', '.join(_COLUMNS)})"


def _patch_truncate() -> None:
    """Let TRUNCATE clear the load history of the table; DELETE keeps the history.

    Stock fakesnow keeps the history, so files can't be loaded again. Snowflake deletes the history
    (/sql-reference/sql/truncate-table).
    """
    inner = cursor.FakeSnowflakeCursor._execute

    def run(self: cursor.FakeSnowflakeCursor, tree: exp.Expression, params: Any = None) -> None:  # noqa: ANN401
        if isinstance(tree, exp.TruncateTable):
            table = tree.expressions[0]
            catalog = table.catalog or self._conn.database
            self._duck_conn.execute(
                f'delete from "{catalog}"._fs_information_schema._fs_load_history '
                "where table_name = ? and schema_name = ?",
                [table.name, table.db or self._conn.schema],
            )
        inner(self, tree, params)

    cursor.FakeSnowflakeCursor._execute = run  # type: ignore[method-assign]
