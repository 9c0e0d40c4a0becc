"""REVOKE takes a privilege on one table, view or stage from a role, until GRANT."""

from __future__ import annotations

import io
from typing import Any

import pyarrow as pa
import pyarrow.parquet as parquet
import pytest
from snowflake.connector.errors import ProgrammingError

from conftest import BUCKET, Connect, Run, runner

ALL = "select, insert, update, delete"


@pytest.fixture
def admin(connect: Connect) -> Run:
    """Run statements as FIRN_ADMIN, with two tables, a view and a stage."""
    run = runner(connect(role="FIRN_ADMIN"))
    run("create or replace table one (n number(38,0))")
    run("create or replace table two (n number(38,0))")
    run("create or replace view shown as select n from one")
    run(f"create or replace stage files url='s3://{BUCKET}/grants/'")
    run("insert into one values (1)")
    return run


@pytest.fixture
def loader(connect: Connect, admin: Run) -> Run:
    """Run statements as FIRN_LOADER."""
    return runner(connect(role="FIRN_LOADER"))


def refusal(run: Run, sql: str) -> tuple[Any, Any, str]:
    """Return number, state and text of the error of a statement."""
    with pytest.raises(ProgrammingError) as caught:
        run(sql)
    error = caught.value
    prefix = f"{error.errno:06d} ({error.sqlstate}): "  # the connector adds both to the text
    return error.errno, error.sqlstate, str(error.msg).removeprefix(prefix)


def missing(kind: str, name: str) -> str:
    return f"SQL compilation error:\n{kind} '{name}' does not exist or not authorized."


MERGE = (
    "merge into one using two on one.n = two.n "
    "when matched then update set n = 1 when not matched then insert (n) values (2)"
)
MERGE_DELETE = "merge into one using two on one.n = two.n when matched then delete"


@pytest.mark.gap
@pytest.mark.parametrize(
    "sql",
    [
        "select * from one",
        "select * from two join one using (n)",
        "with c as (select n from one) select * from c",
        "select * from two where n in (select n from one)",
        "insert into one values (2)",
        "insert into one (n) select n from two",
        "insert into two select n from one",
        "update one set n = 2",
        "delete from one",
        MERGE,
        "copy into one from @files file_format = (type = parquet)",
        "copy into one (n) from (select $1:n from @files) file_format = (type = parquet)",
        "create table three as select n from one",
        "describe table one",
        "truncate table one",
        "drop table one",
    ],
)
def test_table_without_privilege_does_not_exist(admin: Run, loader: Run, sql: str) -> None:
    admin(f"revoke {ALL} on table one from role firn_loader")
    assert refusal(loader, sql) == (2003, "42S02", missing("Object", "ONE"))
    assert admin("select n from one") == [(1,)]


@pytest.mark.gap
def test_text_names_table_as_statement_does(admin: Run, loader: Run) -> None:
    admin("revoke all privileges on table raw.one from role FIRN_LOADER")
    ((database,),) = admin("select current_database()")
    for name in ("RAW.ONE", f"{database}.RAW.ONE"):
        assert refusal(loader, f"select * from {name.lower()}")[2] == missing("Object", name)


@pytest.mark.gap
def test_grant_gives_privileges_back(admin: Run, loader: Run) -> None:
    admin(f"revoke {ALL} on table one from role firn_loader")
    refusal(loader, "select n from one")
    admin(f"grant {ALL} on table one to role firn_loader")
    loader("insert into one values (2)")
    assert loader("select n from one order by n") == [(1,), (2,)]


@pytest.mark.gap
def test_grant_on_all_tables_of_schema_gives_privileges_back(admin: Run, loader: Run) -> None:
    admin(f"revoke {ALL} on table one from role firn_loader")
    admin("revoke select on view shown from role firn_loader")
    admin(f"grant {ALL} on all tables in schema raw to role firn_transformer")
    refusal(loader, "select n from one")
    admin(f"grant {ALL} on all tables in schema raw to role firn_loader")
    assert loader("select n from one") == [(1,)]
    refusal(loader, "select n from shown")


@pytest.mark.gap
@pytest.mark.parametrize(
    ("privilege", "refused", "allowed"),
    [
        ("select", "select n from one", "insert into one values (2)"),
        ("insert", "insert into one values (2)", "select n from one"),
        ("insert", MERGE, "update one set n = 2"),
        ("update", "update one set n = 2", "delete from one"),
        ("update", MERGE, "insert into one values (2)"),
        ("delete", "delete from one", "update one set n = 2"),
        ("delete", MERGE_DELETE, MERGE),
    ],
)
def test_single_revoked_privilege_is_refused(
    admin: Run, loader: Run, privilege: str, refused: str, allowed: str
) -> None:
    admin(f"revoke {privilege} on table one from role firn_loader")
    text = "SQL access control error:\nInsufficient privileges to operate on table 'ONE'"
    assert refusal(loader, refused) == (3001, "42501", text)
    loader(allowed)
    loader("describe table one")


@pytest.mark.gap
def test_view_hides_its_table(admin: Run, loader: Run) -> None:
    admin(f"revoke {ALL} on table one from role firn_loader")
    assert loader("select n from shown") == [(1,)]
    admin("revoke select on view shown from role firn_loader")
    admin("grant all on table one to role firn_loader")
    text = missing("Object", "SHOWN")
    assert refusal(loader, "select n from shown") == (2003, "42S02", text)
    assert loader("select n from one") == [(1,)]


@pytest.mark.gap
@pytest.mark.parametrize(
    "source", ["@files", "@raw.files/", "(select $1:n::number from @files)", "@RAW.FILES/a"]
)
def test_stage_without_privilege_does_not_exist(
    admin: Run, loader: Run, s3: Any, source: str
) -> None:
    file = io.BytesIO()
    parquet.write_table(pa.table({"N": [3]}), file)
    s3.put_object(Bucket=BUCKET, Key="grants/a.parquet", Body=file.getvalue())
    admin("revoke usage on stage files from role firn_loader")
    copy = (
        f"copy into one from {source} file_format = (type = parquet)"
        + " match_by_column_name = case_insensitive" * source.startswith("@")
    )
    number, state, text = refusal(loader, copy)
    assert (number, state) == (2003, "02000")
    assert text.upper() in {missing("STAGE", n).upper() for n in ("FILES", "RAW.FILES")}
    admin("grant usage on stage files to role firn_loader")
    loader(copy)
    assert loader("select n from one order by n") == [(1,), (3,)]


@pytest.mark.gap
def test_revoke_affects_only_its_role(admin: Run, loader: Run, connect: Connect) -> None:
    admin(f"revoke {ALL} on table one from role firn_loader")
    for role in (None, "FIRN_TRANSFORMER"):
        assert runner(connect(role=role))("select n from one") == [(1,)]
    loader("use role firn_transformer")
    assert loader("select n from one") == [(1,)]
    loader("use role firn_loader")
    refusal(loader, "select n from one")


@pytest.mark.gap
def test_refused_statement_keeps_transaction_open(admin: Run, loader: Run) -> None:
    admin(f"revoke {ALL} on table one from role firn_loader")
    loader("begin")
    loader("insert into two values (1)")
    refusal(loader, "update one set n = 2")
    loader("commit")
    assert admin("select n from two") == [(1,)]


@pytest.mark.gap
@pytest.mark.parametrize("kind", ["table", "view", "stage"])
def test_revoke_on_missing_object_is_refused(admin: Run, kind: str) -> None:
    number, _, text = refusal(admin, f"revoke all on {kind} unknown from role firn_loader")
    assert number == 2003
    assert text == missing("Stage" if kind == "stage" else "Object", "UNKNOWN")
