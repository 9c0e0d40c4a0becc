"""What a session is beyond its DuckDB connection: parameters, transaction, clock, cancel."""

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
    """Where a session stands. ABORTED waits for the ROLLBACK (or COMMIT) that closes it."""

    NONE = "none"
    OPEN = "open"
    ABORTED = "aborted"


@dataclass(eq=False)
class Session:
    """One login. Its statements run one after the other, each under statement_lock."""

    connection: FakeSnowflakeConnection
    parameters: Parameters
    number: int = field(default_factory=lambda: next(_numbers))
    transaction: Transaction = Transaction.NONE
    abort_reason: str = ""
    writing: bool = False
    """DuckDB has a transaction open for this session: true from the first write on."""
    waiting_for: tuple[str, ...] | None = None
    """The table whose lock the running statement waits for."""
    statement_lock: threading.RLock = field(default_factory=threading.RLock)
    _idle_since: float | None = field(default_factory=time.monotonic)
    _stopped: errors.ProgrammingError | None = None

    @property
    def duck(self) -> Any:  # noqa: ANN401 - DuckDB's stubs lack what is used here
        """The DuckDB connection."""
        return self.connection._duck_conn

    @property
    def autocommit(self) -> bool:
        """Whether a write outside BEGIN commits by itself."""
        return self.parameters.flag("AUTOCOMMIT")

    def idle_seconds(self) -> float:
        """How long no statement has been running; 0 while one is."""
        since = self._idle_since
        return 0.0 if since is None else time.monotonic() - since

    def stop(self, reason: errors.ProgrammingError) -> None:
        """End the running statement with an error, whether it computes or waits for a lock.

        Stock fakesnow answers an abort-request and lets the statement run on.
        """
        if self._idle_since is None:
            self._stopped = reason
            self.duck.interrupt()

    def check_stopped(self) -> None:
        """Raise what stop() said, if it was called during this statement."""
        if self._stopped is not None:
            raise self._stopped

    @contextmanager
    def running(self) -> Iterator[None]:
        """Frame of one statement: one at a time, with STATEMENT_TIMEOUT_IN_SECONDS.

        Stock fakesnow has no time limit. Snowflake ends the statement with 000630 (57014),
        /sql-reference/parameters; there as here the wait for a lock counts.
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
    """Set the LOCK_TIMEOUT of sessions that set none."""
    global _default_lock_timeout
    _default_lock_timeout = lock_timeout_seconds


def opened(connection: FakeSnowflakeConnection, at_login: Mapping[str, object]) -> Session:
    """Make the session of a new login."""
    session = Session(connection, Parameters(at_login, _default_lock_timeout))
    _sessions[connection] = session
    return session


def of(connection: FakeSnowflakeConnection) -> Session:
    """The session of a connection, made on the spot for one that didn't come through a login."""
    return _sessions.get(connection) or opened(connection, {})


def forget(session: Session) -> None:
    """Drop a session that has ended."""
    _sessions.pop(session.connection, None)


def every() -> list[Session]:
    """All sessions that are alive."""
    return list(_sessions.values())
