"""Snowflake's transactions on DuckDB, a database with snapshots.

DuckDB's transaction begins late: before the first write, after its lock is held. A transaction
without a write therefore sees in each statement the earlier commits of other sessions (READ
COMMITTED). The first write sees the commit of the lock's previous holder.
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
"""Function that runs one SQL text on the session's cursor."""


def run(session: Session, statement: Statement, execute: Execute) -> Any:  # noqa: ANN401
    """Run one statement with the rules of the session's transaction.

    Raises:
        ProgrammingError: 090070 in an aborted transaction; otherwise the statement's own error.
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
    """Commit the open transaction, and release the locks in every case.

    Raises:
        ProgrammingError: 090070 for an aborted transaction, whose writes are lost. Snowflake
            doesn't document the answer of COMMIT in this state. An error is the safer choice.
    """
    try:
        _refuse_aborted(session)
        if session.writing:
            session.duck.commit()
    except duckdb.Error:
        _roll_back_writes(session)
        raise
    finally:
        _end_transaction(session)


def rollback(session: Session) -> None:
    """Undo the open transaction. Without a transaction nothing happens, as in Snowflake."""
    _roll_back_writes(session)
    _end_transaction(session)


def abort_idle(session: Session, limit_seconds: float) -> bool:
    """Abort the transaction of an idle session that blocks another session.

    Without this limit the transaction of a killed client would stay open without an end. Stock
    fakesnow has no locks. Snowflake aborts a transaction after five idle minutes if another
    transaction waits (/sql-reference/transactions). Returns true after an abort.
    """
    if session.idle_seconds() < limit_seconds or not session.statement_lock.acquire(blocking=False):
        return False
    try:
        if session.idle_seconds() < limit_seconds or session.transaction is not Transaction.OPEN:
            return False
        _abort(session, f"idle for over {limit_seconds:g} s while another session waited")
        return True
    finally:
        session.statement_lock.release()


LOCKS = TableLocks(abort_idle)
"""The locks of this process."""


def _begin(session: Session, execute: Execute) -> Any:  # noqa: ANN401
    """Mark the transaction as open; BEGIN in an open transaction has no effect.

    The page is /sql-reference/transactions. Stock fakesnow passes a second BEGIN to DuckDB, which
    returns an error. BEGIN NAME and START TRANSACTION are syntax errors there.
    """
    session.transaction = Transaction.OPEN
    return execute(SUCCESS)


def _read(session: Session, statement: Statement, execute: Execute) -> Any:  # noqa: ANN401
    try:
        return execute(statement.sql)
    except Exception:
        _handle_failure(session)
        raise


def _write(session: Session, statement: Statement, execute: Execute) -> Any:  # noqa: ANN401
    """Run DML in a DuckDB transaction; without BEGIN the statement has its own transaction.

    Stock fakesnow runs each part of a MERGE and each file of a COPY in a separate transaction, so a
    failure can leave partial results. In Snowflake a statement is atomic.
    """
    commits_itself = session.transaction is Transaction.NONE and session.autocommit
    if session.transaction is Transaction.NONE and not commits_itself:
        session.transaction = Transaction.OPEN
    try:
        if key := statement.locked_table(session.connection.database, session.connection.schema):
            LOCKS.acquire(session, key)
        if not session.writing:
            session.duck.begin()
            session.writing = True
        result = execute(statement.sql)
        if commits_itself:
            commit(session)
        return result
    except Exception:
        if commits_itself:
            rollback(session)
        else:
            _handle_failure(session)
        raise


def _handle_failure(session: Session) -> None:
    """Apply the effect of a failed statement to the transaction.

    In Snowflake the transaction stays open. With TRANSACTION_ABORT_ON_ERROR every later statement
    fails until COMMIT or ROLLBACK (/sql-reference/parameters). DuckDB invalidates its transaction
    after most run-time errors and has no savepoints. Here such an error aborts the transaction with
    any value of the parameter.
    """
    if session.transaction is not Transaction.OPEN:
        return
    if session.parameters.flag("TRANSACTION_ABORT_ON_ERROR"):
        _abort(session, "a statement failed and TRANSACTION_ABORT_ON_ERROR is set")
    elif session.writing and _is_invalid(session):
        _abort(session, "a statement failed, and the stand-in can't keep the earlier writes")


def _is_invalid(session: Session) -> bool:
    try:
        session.duck.execute("select 1")
    except duckdb.Error:
        return True
    return False


def _abort(session: Session, reason: str) -> None:
    _roll_back_writes(session)
    _end_transaction(session)
    session.transaction, session.abort_reason = Transaction.ABORTED, reason


def _refuse_aborted(session: Session) -> None:
    if session.transaction is Transaction.ABORTED:
        text = f"The transaction was aborted: {session.abort_reason}. Send ROLLBACK."
        raise errors.failure(errors.TRANSACTION_ABORTED, "25000", text)


def _roll_back_writes(session: Session) -> None:
    if session.writing:
        session.writing = False
        session.duck.rollback()


def _end_transaction(session: Session) -> None:
    session.writing = False
    session.transaction = Transaction.NONE
    LOCKS.release(session)
