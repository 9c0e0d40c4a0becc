"""Table locks: UPDATE, DELETE and MERGE exclude each other until the end of the transaction."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from firn_snowflake import errors
from firn_snowflake.sessions import Session

Key = tuple[str, ...]
"""Database, schema, table: names in Snowflake's stored form."""

MAX_WAITING = 20
"""The maximum number of statements that wait for one table; the next statement gets 000625."""

_TICK_SECONDS = 0.1


class TableLocks:
    """The sessions that may write each table.

    Stock fakesnow has no locks: DuckDB's snapshots let two transactions update one table. The
    second transaction gets HTTP 500 only for a common row, and two MERGEs that insert the same key
    both succeed.

    In Snowflake UPDATE, DELETE and MERGE hold the lock of the table until COMMIT or ROLLBACK. A
    waiting statement fails after LOCK_TIMEOUT, and a deadlock ends with an error of the newest
    statement (/sql-reference/transactions). INSERT and COPY acquire no lock, there or here.
    """

    def __init__(self, abort_idle: Callable[[Session, float], bool]) -> None:
        """Create an empty set of locks.

        Args:
            abort_idle: aborts a session's transaction after this many idle seconds. The function
                releases the locks, and returns true after an abort.
        """
        self.idle_limit_seconds = 300.0
        self._abort_idle = abort_idle
        self._changed = threading.Condition()
        self._holders: dict[Key, Session] = {}
        self._waiting: dict[Key, int] = {}

    def acquire(self, session: Session, key: Key) -> None:
        """Wait until the session holds the lock of the table.

        Raises:
            ProgrammingError: 000625 (57014) after LOCK_TIMEOUT seconds (0: at once), with 20 other
                waiting statements, or on a deadlock. After stop(), the error given to stop().
        """
        deadline = time.monotonic() + session.parameters.seconds("LOCK_TIMEOUT")
        with self._changed:
            if self._is_free(session, key):
                self._holders[key] = session
                return
            if self._waiting.get(key, 0) >= MAX_WAITING:
                raise errors.locked(f"{MAX_WAITING} statements wait for {_name(key)} already.")
            self._waiting[key] = self._waiting.get(key, 0) + 1
            session.waiting_for = key
            try:
                while not self._is_free(session, key):
                    self._wait(session, key, deadline)
                self._holders[key] = session
            finally:
                session.waiting_for = None
                self._waiting[key] -= 1

    def release(self, session: Session) -> None:
        """Release every lock of the session."""
        with self._changed:
            for key in [k for k, holder in self._holders.items() if holder is session]:
                del self._holders[key]
            self._changed.notify_all()

    def _is_free(self, session: Session, key: Key) -> bool:
        return self._holders.get(key, session) is session

    def _wait(self, session: Session, key: Key, deadline: float) -> None:
        session.check_stopped()
        if self._abort_idle(self._holders[key], self.idle_limit_seconds):
            return
        if self._is_deadlock(session, key):
            raise errors.locked(f"waiting for {_name(key)} would be a deadlock.")
        remaining = deadline - time.monotonic()
        if remaining <= 0:
            waited = session.parameters.get("LOCK_TIMEOUT")
            raise errors.locked(
                f"{_name(key)} is locked by session {self._holders[key].number}, "
                f"LOCK_TIMEOUT is {waited} s."
            )
        self._changed.wait(min(remaining, _TICK_SECONDS))

    def _is_deadlock(self, session: Session, key: Key | None) -> bool:
        seen: set[Key] = set()
        while key is not None and key not in seen and (holder := self._holders.get(key)):
            if holder is session:
                return True
            seen.add(key)
            key = holder.waiting_for
        return False


def _name(key: Key) -> str:
    return ".".join(key)
