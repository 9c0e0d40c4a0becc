"""Transactions as Snowflake has them, on a database that has snapshots instead.

DuckDB's transaction is begun late, right before the first write and after its lock is held. So a
transaction that has only read sees, in each statement, what others committed before it (READ
COMMITTED), and the first write sees what the lock's former holder committed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import duckdb

from firn_snowflake import errors
from firn_snowflake.locks import TableLocks
from firn_snowflake.sessions import Session, Transaction
from firn_snowflake.statements import SUCCESS, Kind, Statement

Execute = Callable[[str], Any]
"""Runs one SQL text on the session's cursor."""


def run(session: Session, statement: Statement, execute: Execute) -> Any:  # noqa: ANN401
    """Run one statement under the rules of the session's transaction.

    Raises:
        ProgrammingError: 090070 in an aborted transaction; otherwise the statement's own.
    """
    match statement.kind:
        case Kind.COMMIT:
            commit(session)
            return execute(SUCCESS)
        case Kind.ROLLBACK:
            rollback(session)
            return execute(SUCCESS)
    _refuse_aborted(session)
    match statement.kind:
        case Kind.BEGIN:
            return _begin(session, execute)
        case Kind.DDL:
            commit(session)
            return execute(statement.sql)
        case Kind.WRITE:
            return _write(session, statement, execute)
        case _:
            return _read(session, statement, execute)


def commit(session: Session) -> None:
    """Commit what is open, and give the locks back whatever happens.

    Raises:
        ProgrammingError: 090070 if the transaction was aborted: nothing is committed. Snowflake
            doesn't document what COMMIT answers then; success would be the worse guess.
    """
    try:
        _refuse_aborted(session)
        if session.writing:
            session.duck.commit()
    except duckdb.Error:
        _undo(session)
        raise
    finally:
        _close(session)


def rollback(session: Session) -> None:
    """Undo what is open; without a transaction it does nothing, as in Snowflake."""
    _undo(session)
    _close(session)


def abort_idle(session: Session, limit_seconds: float) -> bool:
    """Abort the transaction of a session that sits idle and blocks another one.

    Stock fakesnow (no locks) and the table locks alone would leave a killed client's transaction
    open for ever. Snowflake aborts one that has been idle for five minutes and blocks another
    (/sql-reference/transactions). Returns whether it was aborted.
    """
    if session.idle_seconds() < limit_seconds or not session.statement_lock.acquire(blocking=False):
        return False
    try:
        if session.idle_seconds() < limit_seconds or session.transaction is not Transaction.OPEN:
            return False
        _abort(session, f"it sat idle for over {limit_seconds:g} s and blocked another one")
        return True
    finally:
        session.statement_lock.release()


LOCKS = TableLocks(abort_idle)
"""The locks of this process."""


def _begin(session: Session, execute: Execute) -> Any:  # noqa: ANN401
    """BEGIN in an open transaction is ignored (/sql-reference/transactions).

    Stock fakesnow passes it to DuckDB, which refuses, and can't parse BEGIN NAME and START
    TRANSACTION.
    """
    session.transaction = Transaction.OPEN
    return execute(SUCCESS)


def _read(session: Session, statement: Statement, execute: Execute) -> Any:  # noqa: ANN401
    try:
        return execute(statement.sql)
    except Exception:
        _failed(session)
        raise


def _write(session: Session, statement: Statement, execute: Execute) -> Any:  # noqa: ANN401
    """Run DML in a DuckDB transaction, which is its own when the session has none.

    Stock fakesnow runs the parts of a MERGE, and the files of a COPY, as transactions of their
    own, so a failure half-way leaves half of them. In Snowflake a statement is atomic.
    """
    alone = session.transaction is Transaction.NONE and session.autocommit
    if session.transaction is Transaction.NONE and not alone:
        session.transaction = Transaction.OPEN
    try:
        if key := statement.locked_table(session.connection.database, session.connection.schema):
            LOCKS.take(session, key)
        if not session.writing:
            session.duck.begin()
            session.writing = True
        result = execute(statement.sql)
        if alone:
            commit(session)
        return result
    except Exception:
        if alone:
            rollback(session)
        else:
            _failed(session)
        raise


def _failed(session: Session) -> None:
    """Decide what a failed statement does to the transaction.

    Snowflake keeps it open, unless TRANSACTION_ABORT_ON_ERROR is set; then every statement fails
    until COMMIT or ROLLBACK (/sql-reference/parameters). DuckDB invalidates its transaction on
    most run-time errors and has no savepoints, so here those abort too, whatever the parameter.
    """
    if session.transaction is not Transaction.OPEN:
        return
    if session.parameters.flag("TRANSACTION_ABORT_ON_ERROR"):
        _abort(session, "a statement failed and TRANSACTION_ABORT_ON_ERROR is set")
    elif session.writing and _is_invalid(session):
        _abort(session, "a statement failed and the stand-in can't keep what came before it")


def _is_invalid(session: Session) -> bool:
    try:
        session.duck.execute("select 1")
    except duckdb.Error:
        return True
    return False


def _abort(session: Session, reason: str) -> None:
    _undo(session)
    _close(session)
    session.transaction, session.abort_reason = Transaction.ABORTED, reason


def _refuse_aborted(session: Session) -> None:
    if session.transaction is Transaction.ABORTED:
        text = f"The transaction was aborted: {session.abort_reason}. Send ROLLBACK."
        raise errors.failure(errors.TRANSACTION_ABORTED, "25000", text)


def _undo(session: Session) -> None:
    if session.writing:
        session.writing = False
        session.duck.rollback()


def _close(session: Session) -> None:
    session.writing = False
    session.transaction = Transaction.NONE
    LOCKS.release(session)
