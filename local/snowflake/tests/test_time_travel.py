"""Dropped tables: DROP TABLE, UNDROP TABLE, SHOW TABLES HISTORY, retention (Time Travel)."""

from __future__ import annotations

from pathlib import Path

import pytest
from fakesnow.instance import FakeSnow
from snowflake.connector.errors import DatabaseError, ProgrammingError

from conftest import Run, runner, start
from firn_snowflake import time_travel
from firn_snowflake.catalog import Catalog


@pytest.mark.gap
def test_undropped_table_has_rows_and_columns_of_before(run: Run) -> None:
    """The page is /sql-reference/sql/undrop-table."""
    run("create table t (k varchar not null, n number(5,2) default 3) comment = 'it''s'")
    run("insert into t (k) values ('a''b')")
    run("drop table t")
    assert run("undrop table raw.t") == [("Table T successfully restored.",)]
    assert run("select k, n::varchar from t") == [("a'b", "3.00")]
    assert run("select comment from information_schema.tables where table_name = 'T'") == [
        ("it's",)
    ]
    run("insert into t (k) values ('c')")
    with pytest.raises(DatabaseError) as caught:
        run("insert into t (n) values (1)")
    assert caught.value.errno == 100072


@pytest.mark.gap
def test_newest_dropped_version_comes_back_first(run: Run) -> None:
    for n in (1, 2):
        run(f"create table t as select {n} as n")
        run("drop table if exists t")
    run("undrop table t")
    assert run("select n from t") == [(2,)]
    run("alter table t rename to newer")
    run("undrop table t")
    assert run("select n from t") == [(1,)]


@pytest.mark.gap
def test_undrop_of_existing_or_unknown_table_fails(run: Run) -> None:
    run("create table t (n number)")
    with pytest.raises(ProgrammingError) as caught:
        run("undrop table t")
    assert (caught.value.errno, "already exists" in str(caught.value)) == (2002, True)
    with pytest.raises(ProgrammingError) as caught:
        run("undrop table never")
    assert (caught.value.errno, "did not exist or was purged" in str(caught.value)) == (2003, True)


@pytest.mark.gap
def test_history_has_dropped_versions(run: Run) -> None:
    """The page is /sql-reference/sql/show-tables, parameter HISTORY."""
    run("create table kept (n number)")
    run("create table gone (n number)")
    run("drop table gone")
    for statement in ("show tables history in schema raw", "show tables history"):
        shown = {row[3]: row[4] for row in run(statement)}
        assert set(shown) == {"KEPT", "GONE"}
        assert shown["KEPT"] is None
        assert shown["GONE"] is not None
    assert [row[1] for row in run("show tables in schema raw")] == ["KEPT"]


@pytest.mark.gap
@pytest.mark.parametrize("scope", ["table t", "schema raw", "database {database}"])
def test_retention_of_zero_days_keeps_nothing(run: Run, scope: str) -> None:
    """The page is /user-guide/data-time-travel."""
    ((database,),) = run("select current_database()")
    run("create table t (n number)")
    run(f"alter {scope.format(database=database)} set data_retention_time_in_days = 0")
    run("drop table t")
    with pytest.raises(ProgrammingError):
        run("undrop table t")
    assert run("show tables history in schema raw") == []


@pytest.mark.gap
def test_new_table_of_dropped_name_has_default_retention(run: Run) -> None:
    for create in ("create table t (n number)", "create or replace table t (n number)"):
        run(create)
        run("alter table t set data_retention_time_in_days = 0")
    run("drop table t")
    run("create table t as select 7 as n")
    run("drop table t")
    run("undrop table t")
    assert run("select n from t") == [(7,)]


def test_failed_drop_keeps_nothing() -> None:
    connection = FakeSnow().connect("D", "RAW")
    connection.cursor().execute("create table t (n number)")
    with pytest.raises(RuntimeError), Catalog(None).changes("drop table t", connection):
        raise RuntimeError
    shown = time_travel.answer("show tables history", connection)
    assert shown
    rows = connection.cursor().execute(shown).fetchall()
    assert [(row[3], row[4]) for row in rows] == [("T", None)]


def test_failed_replacement_keeps_comment(run: Run) -> None:
    run("create table t (n number) comment = 'first'")
    with pytest.raises(DatabaseError):
        run("create or replace table t as select no_column from t")
    assert run("select comment from information_schema.tables where table_name = 'T'") == [
        ("first",)
    ]


def test_dropped_table_survives_restart(tmp_path: Path) -> None:
    server = start({"FS_DB_PATH": str(tmp_path)})
    run = runner(server.connect("KEPT"))
    run("create table t as select 7 as n")
    run("drop table t")
    assert server.stop() == 0
    server = start({"FS_DB_PATH": str(tmp_path)})
    run = runner(server.connect("KEPT"))
    run("undrop table t")
    assert run("select n from t") == [(7,)]
    assert server.stop() == 0


@pytest.mark.gap
@pytest.mark.parametrize(
    ("kind", "create"),
    [("stage", "url = 's3://curated/'"), ("file format", "type = parquet")],
)
def test_dropped_stage_or_format_is_missing(run: Run, kind: str, create: str) -> None:
    """The pages are /sql-reference/sql/drop-stage and /sql-reference/sql/drop-file-format."""
    run(f"create {kind} raw.x {create}")
    assert run(f"drop {kind} raw.x") == [("X successfully dropped.",)]
    assert run(f"show {kind}s in schema raw") == []
    assert run(f"drop {kind} if exists raw.x") == [("X successfully dropped.",)]
    with pytest.raises(ProgrammingError) as caught:
        run(f"drop {kind} raw.x")
    assert caught.value.errno == 2003


@pytest.mark.gap
def test_views_show_their_comment(run: Run) -> None:
    """The page is /sql-reference/sql/show-views."""

    def comments() -> list[tuple[str, str]]:
        return [(row[1], row[6]) for row in run("show views in schema raw")]

    run("create view v comment = 'it''s' as select 1 as n")
    assert comments() == [("V", "it's")]
    run("create or replace view v as select 2 as n")
    assert comments() == [("V", "")]
