"""Table locks: waits, visible rows after a wait, timeouts and deadlocks."""

from __future__ import annotations

import time

import pytest
from snowflake.connector.errors import DatabaseError

from conftest import IDLE_BLOCKER_SECONDS, Connect, Run, Server, runner
from deadline import Background, until
from wire import Http

LOCK = "update t_loads set seq = seq + 1 where object = '~lock'"


@pytest.fixture
def ledger(run: Run) -> Run:
    """Create table T and its ledger with the lock row, in one statement like firn's DDL."""
    run("create table t (object varchar not null, n number(38,0))")
    run("create table t_loads (object varchar not null, seq number(38,0)) as select '~lock', 0")
    return run


def wait_until_blocked(waiter: Background) -> None:
    """Check that the statement is still running after a tenth of a second."""
    end = time.monotonic() + 0.1
    until(lambda: time.monotonic() > end or not waiter.is_running, "a tenth of a second")
    assert waiter.is_running, "the statement didn't wait for the lock"


@pytest.mark.gap
@pytest.mark.parametrize("end", ["commit", "rollback"])
def test_second_session_waits_and_sees_first_commit(
    ledger: Run, connect: Connect, end: str
) -> None:
    first, second = runner(connect()), runner(connect())
    first("begin")
    first(LOCK)
    first("insert into t_loads values ('a', 1)")
    second("begin")
    waiter = Background(lambda: second(LOCK))
    wait_until_blocked(waiter)
    first(end)
    assert waiter.result() == [(1, 0)]
    seen = second("select object from t_loads where object <> '~lock'")
    assert seen == ([("a",)] if end == "commit" else [])
    assert second("select seq from t_loads where object = '~lock'") == [
        (2 if end == "commit" else 1,)
    ]
    second("commit")


@pytest.mark.gap
@pytest.mark.parametrize(
    "statement",
    [
        LOCK,
        "delete from t_loads where object = 'a'",
        "merge into t_loads t using (select 'a' as o) s on t.object = s.o "
        "when not matched then insert (object, seq) values (s.o, 1)",
    ],
)
def test_write_fails_after_lock_timeout(ledger: Run, connect: Connect, statement: str) -> None:
    holder, other = runner(connect()), runner(connect(LOCK_TIMEOUT=0))
    holder("begin")
    holder(LOCK)
    with pytest.raises(DatabaseError, match="T_LOADS") as caught:
        other(statement)
    assert (caught.value.errno, caught.value.sqlstate) == (625, "57014")


@pytest.mark.gap
def test_lock_timeout_is_in_seconds(ledger: Run, connect: Connect) -> None:
    holder, other = runner(connect()), runner(connect())
    other("alter session set lock_timeout = 0.5")
    holder("begin")
    holder(LOCK)
    before = time.monotonic()
    with pytest.raises(DatabaseError) as caught:
        other(LOCK)
    assert caught.value.errno == 625
    assert 0.5 <= time.monotonic() - before < 5


def test_same_table_name_in_other_schema_is_not_locked(ledger: Run, connect: Connect) -> None:
    ledger("create schema other")
    ledger("create table other.t_loads as select * from raw.t_loads")
    holder, other = runner(connect()), runner(connect(LOCK_TIMEOUT=0))
    holder("begin")
    holder("update raw.t_loads set seq = 1")
    assert other("update other.t_loads set seq = 1") == [(1, 0)]


@pytest.mark.gap
def test_idle_blocker_is_aborted(ledger: Run, connect: Connect) -> None:
    idle, other = runner(connect()), runner(connect())
    idle("begin")
    idle(LOCK)
    before = time.monotonic()
    assert other(LOCK) == [(1, 0)]
    assert time.monotonic() - before >= IDLE_BLOCKER_SECONDS * 0.9
    with pytest.raises(DatabaseError, match="idle") as caught:
        idle("commit")
    assert caught.value.errno == 90070
    assert ledger("select seq from t_loads") == [(1,)]


@pytest.mark.gap
def test_idle_transaction_without_waiters_is_kept(ledger: Run, connect: Connect) -> None:
    idle, busy, other = runner(connect()), runner(connect()), runner(connect())
    idle("begin")
    idle("update t set n = 1")
    busy("begin")
    busy(LOCK)
    assert other(LOCK) == [(1, 0)], "the statement waits for the abort of the idle session"
    idle("commit")
    with pytest.raises(DatabaseError):
        busy("commit")


@pytest.mark.gap
def test_deadlock_is_refused(ledger: Run, connect: Connect) -> None:
    first, second = runner(connect()), runner(connect())
    for run, table in ((first, "t"), (second, "t_loads")):
        run("begin")
        run(f"delete from {table} where object = 'none'")
    waiter = Background(lambda: first("delete from t_loads where object = 'none'"))
    wait_until_blocked(waiter)
    with pytest.raises(DatabaseError, match="deadlock") as caught:
        second("delete from t where object = 'none'")
    assert caught.value.errno == 625
    second("rollback")
    assert waiter.result() == [(0,)]


@pytest.mark.gap
def test_commit_has_a_thread_with_forty_waiters(
    ledger: Run, connect: Connect, server: Server
) -> None:
    tables = ("t_loads", "u", "v")
    for table in tables[1:]:
        ledger(f"create table {table} as select * from t_loads")
    holder = runner(connect())
    ((database,),) = ledger("select current_database()")
    waiting = [(Http(server.port), table) for table in tables for _ in range(15)]
    for client, _ in waiting:
        client.login(database)
    holder("begin")
    for table in tables:
        holder(f"update {table} set seq = 0")
    waiters = [
        Background(lambda c=client, t=table: c.query(f"update {t} set seq = seq + 1"))
        for client, table in waiting
    ]
    for _ in range(20):
        assert holder("select 1") == [(1,)]
    assert all(waiter.is_running for waiter in waiters)
    holder("commit")
    assert all(waiter.result()["success"] for waiter in waiters)
    assert ledger("select seq from v") == [(15,)]


@pytest.mark.gap
def test_load_protocol_loads_each_object_once(ledger: Run, connect: Connect) -> None:
    def load(run: Run, objects: list[str]) -> None:
        for name in objects:
            run("begin")
            run(LOCK)
            if not run("select 1 from t_loads where object = ?", name):
                run("insert into t select ?, column1 from values (1), (2), (3)", name)
                run("insert into t_loads values (?, ?)", name, 3)
            run("commit")

    objects = [f"object {n}" for n in range(5)]
    sessions = [runner(connect()) for _ in range(4)]
    loaders = [Background(lambda run=run: load(run, objects)) for run in sessions]
    for loader in loaders:
        loader.result()
    assert ledger("select count(*), count(distinct object) from t") == [(15, 5)]
    assert ledger("select count(*), sum(seq) from t_loads where object <> '~lock'") == [(5, 15)]
    assert ledger("select seq from t_loads where object = '~lock'") == [(20,)]
