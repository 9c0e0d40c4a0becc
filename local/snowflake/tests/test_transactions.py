"""Transactions: begin, visible rows, and end."""

from __future__ import annotations

import pytest
from snowflake.connector.errors import DatabaseError

from conftest import Connect, Run, runner


@pytest.fixture
def table(run: Run) -> Run:
    """Create table T with one row, in a session of its own."""
    run("create table t (k varchar, n number(38,0))")
    run("insert into t values ('a', 1)")
    return run


@pytest.mark.parametrize(
    "begin",
    [
        "begin",
        "begin transaction",
        "begin work",
        """begin
/* {"app": "dbt"} */;""",
        pytest.param("begin name load_1", marks=pytest.mark.gap),
        pytest.param("start transaction", marks=pytest.mark.gap),
    ],
)
def test_every_form_of_begin_starts_transaction(table: Run, connect: Connect, begin: str) -> None:
    run = runner(connect())
    run(begin)
    run("insert into t values ('b', 2)")
    assert table("select count(*) from t") == [(1,)]
    run("/* before */ commit /* after */")
    assert table("select count(*) from t") == [(2,)]


@pytest.mark.gap
def test_begin_inside_transaction_is_ignored(table: Run) -> None:
    table("begin")
    table("insert into t values ('b', 2)")
    table("begin")
    table("rollback")
    assert table("select count(*) from t") == [(1,)]


def test_commit_and_rollback_without_transaction_succeed(table: Run) -> None:
    assert table("commit") == [("Statement executed successfully.",)]
    assert table("rollback") == [("Statement executed successfully.",)]


@pytest.mark.gap
def test_statement_sees_earlier_commits_of_others(table: Run, connect: Connect) -> None:
    run = runner(connect())
    run("begin")
    assert run("select n from t") == [(1,)]
    table("update t set n = 2")
    assert run("select n from t") == [(2,)], "read committed, not a snapshot"
    assert run("update t set n = n + 1") == [(1, 0)]
    run("commit")
    assert table("select n from t") == [(3,)]


@pytest.mark.gap
def test_ddl_commits_open_transaction(table: Run) -> None:
    table("begin")
    table("insert into t values ('b', 2)")
    table("create table other (n number(38,0))")
    table("rollback")
    assert table("select count(*) from t") == [(2,)]


@pytest.mark.gap
def test_merge_is_undone_by_rollback(table: Run) -> None:
    table("begin")
    table(
        "merge into t using (select 'a' as k, 5 as n union all select 'b', 6) s on t.k = s.k "
        "when matched then update set n = s.n when not matched then insert (k, n) values (k, n)"
    )
    assert table("select k, n from t order by k") == [("a", 5), ("b", 6)]
    table("rollback")
    assert table("select k, n from t") == [("a", 1)]


def test_failed_read_leaves_transaction_open(table: Run) -> None:
    table("begin")
    with pytest.raises(DatabaseError):
        table("select missing from t")
    table("insert into t values ('b', 2)")
    table("commit")
    assert table("select count(*) from t") == [(2,)]


@pytest.mark.gap
def test_abort_on_error_fails_statements_until_rollback(table: Run, connect: Connect) -> None:
    run = runner(connect(TRANSACTION_ABORT_ON_ERROR=True))
    run("begin")
    run("update t set n = 7")
    with pytest.raises(DatabaseError):
        run("select missing from t")
    for refused in ("select 1", "insert into t values ('b', 2)", "begin"):
        with pytest.raises(DatabaseError) as caught:
            run(refused)
        assert caught.value.errno == 90070
    assert table("update t set n = 8") == [(1, 0)], (
        "the locks of the aborted transaction are released"
    )
    run("rollback")
    assert run("select n from t") == [(8,)]


@pytest.mark.gap
def test_commit_of_aborted_transaction_commits_nothing(table: Run, connect: Connect) -> None:
    run = runner(connect())
    run("alter session set transaction_abort_on_error = true")
    run("begin")
    run("insert into t values ('b', 2)")
    with pytest.raises(DatabaseError):
        run("select missing from t")
    with pytest.raises(DatabaseError) as caught:
        run("commit")
    assert caught.value.errno == 90070
    assert run("select count(*) from t") == [(1,)]


@pytest.mark.gap
def test_conversion_error_aborts_transaction(table: Run) -> None:
    table("begin")
    table("insert into t values ('b', 2)")
    with pytest.raises(DatabaseError) as caught:
        table("insert into t select 'c', 'x'::number")
    assert (caught.value.errno, caught.value.sqlstate) == (100038, "22018")
    with pytest.raises(DatabaseError) as caught:
        table("select 1")
    assert caught.value.errno == 90070
    table("rollback")
    assert table("select count(*) from t") == [(1,)]


@pytest.mark.gap
def test_closed_session_rolls_back(table: Run, connect: Connect) -> None:
    session = connect()
    run = runner(session)
    run("begin")
    run("update t set n = 9")
    session.close()
    assert table("update t set n = n + 1") == [(1, 0)]
    assert table("select n from t") == [(2,)]


def test_write_without_autocommit_begins_transaction(table: Run, connect: Connect) -> None:
    run = runner(connect())
    run("alter session set autocommit = false")
    run("update t set n = 3")
    assert table("select n from t") == [(1,)]
    run("alter session set autocommit = true")
    assert table("select n from t") == [(3,)]
