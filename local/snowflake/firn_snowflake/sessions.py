"""The state of a session beside its DuckDB connection: parameters, transaction, timeout, cancel."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from fakesnow.conn import FakeSnowflakeConnection

from firn_snowflake import errors
from firn_snowflake.parameters import Parameters

_numbers = itertools.count(1)
_sessions: dict[FakeSnowflakeConnection, Session] = {}
_default_lock_timeout = 30.0


class Transaction(Enum):
    """The state of a session's transaction. ROLLBACK ends ABORTED; COMMIT too, with an error."""

    NONE = "none"
    OPEN = "open"
    ABORTED = "aborted"


@dataclass(eq=False)
class Session:
    """One login. Its statements run in sequence, each under statement_lock."""

    connection: FakeSnowflakeConnection
    parameters: Parameters
    number: int = field(default_factory=lambda: next(_numbers))
    role: str = ""
    """The role of the login or of the last USE ROLE, in stored form; empty without a role."""
    transaction: Transaction = Transaction.NONE
    abort_reason: str = ""
    writing: bool = False
    """True from the first write on: DuckDB has an open transaction for this session."""
    waiting_for: tuple[str, ...] | None = None
    """The table whose lock the running statement waits for."""
    statement_lock: threading.RLock = field(default_factory=threading.RLock)
    _idle_since: float | None = field(default_factory=time.monotonic)
    _stopped: errors.ProgrammingError | None = None

    @property
    def duck(self) -> Any:  # noqa: ANN401 - DuckDB's stubs are incomplete
        """The DuckDB connection."""
        return self.connection._duck_conn

    @property
    def autocommit(self) -> bool:
        """True if a write outside BEGIN commits at its end."""
        return self.parameters.flag("AUTOCOMMIT")

    def idle_seconds(self) -> float:
        """Return the seconds since the end of the last statement; 0 during a statement."""
        since = self._idle_since
        return 0.0 if since is None else time.monotonic() - since

    def stop(self, reason: errors.ProgrammingError) -> None:
        """End the running statement with an error, during its work or its wait for a lock.

        Stock fakesnow answers an abort-request, and the statement continues.
        """
        if self._idle_since is None:
            self._stopped = reason
            self.duck.interrupt()

    def check_stopped(self) -> None:
        """Raise the error given to stop(), if stop() was called during this statement."""
        if self._stopped is not None:
            raise self._stopped

    @contextmanager
    def running(self) -> Iterator[None]:
        """Surround one statement: one at a time, with STATEMENT_TIMEOUT_IN_SECONDS.

        Stock fakesnow has no time limit. Snowflake ends the statement with 000630 (57014),
        /sql-reference/parameters. The wait for a lock counts, there and here.
        """
        with self.statement_lock:
            self._idle_since, self._stopped = None, None
            limit = self.parameters.seconds("STATEMENT_TIMEOUT_IN_SECONDS")
            timer = threading.Timer(limit, self._time_out, [limit]) if 0 < limit < 86400 else None
            if timer:
                timer.daemon = True
                timer.start()
            try:
                yield
            except Exception:
                self.check_stopped()
                raise
            finally:
                if timer:
                    timer.cancel()
                self._idle_since = time.monotonic()

    def _time_out(self, limit: float) -> None:
        text = f"Statement reached its statement or warehouse timeout of {limit:g} second(s)"
        self.stop(errors.failure(errors.TIMED_OUT, "57014", f"{text} and was canceled."))


def configure(lock_timeout_seconds: float) -> None:
    """Set LOCK_TIMEOUT for sessions without a value of their own."""
    global _default_lock_timeout
    _default_lock_timeout = lock_timeout_seconds


def create(connection: FakeSnowflakeConnection, at_login: Mapping[str, object]) -> Session:
    """Create the session of a new login."""
    session = Session(connection, Parameters(at_login, _default_lock_timeout))
    _sessions[connection] = session
    return session


def get_or_create(connection: FakeSnowflakeConnection) -> Session:
    """Return the session of a connection; a connection without a login gets a new session."""
    return _sessions.get(connection) or create(connection, {})


def remove(session: Session) -> None:
    """Remove an ended session."""
    _sessions.pop(session.connection, None)


def list_all() -> list[Session]:
    """Return all open sessions."""
    return list(_sessions.values())
