"""Table locks: UPDATE, DELETE and MERGE keep each other out until the transaction ends."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from firn_snowflake import errors
from firn_snowflake.sessions import Session

Key = tuple[str, ...]
"""Database, schema, table: names as Snowflake stores them."""

MOST_WAITING = 20
"""Statements that may wait on one table; the next one is refused (000625)."""

_TICK_SECONDS = 0.1


class TableLocks:
    """Who may write which table.

    Stock fakesnow has no locks: DuckDB's snapshots let two transactions update one table, and the
    second gets HTTP 500 only when both touch one row; two MERGEs that insert the same key both
    succeed. Snowflake: a table's lock is held by UPDATE, DELETE and MERGE until COMMIT or
    ROLLBACK, waiters give up after LOCK_TIMEOUT, a deadlock is broken by refusing the newest
    statement (/sql-reference/transactions). INSERT and COPY take no lock there, so none here.
    """

    def __init__(self, abort_idle: Callable[[Session, float], bool]) -> None:
        """Make an empty set of locks.

        Args:
            abort_idle: abort a session's transaction if it has been idle for that many seconds,
                and say whether it was; it must release the locks.
        """
        self.idle_limit_seconds = 300.0
        self._abort_idle = abort_idle
        self._changed = threading.Condition()
        self._holders: dict[Key, Session] = {}
        self._waiting: dict[Key, int] = {}

    def take(self, session: Session, key: Key) -> None:
        """Wait until the table is the session's.

        Raises:
            ProgrammingError: 000625 (57014) after LOCK_TIMEOUT seconds (0: at once), when 20
                others wait, or on a deadlock; what stop() said when the statement was stopped.
        """
        deadline = time.monotonic() + session.parameters.seconds("LOCK_TIMEOUT")
        with self._changed:
            if self._is_free(session, key):
                self._holders[key] = session
                return
            if self._waiting.get(key, 0) >= MOST_WAITING:
                raise errors.locked(f"{MOST_WAITING} statements wait for {_name(key)} already.")
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
        """Give up every lock of the session."""
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
        left = deadline - time.monotonic()
        if left <= 0:
            waited = session.parameters.get("LOCK_TIMEOUT")
            raise errors.locked(
                f"{_name(key)} is locked by session {self._holders[key].number}, "
                f"LOCK_TIMEOUT is {waited} s."
            )
        self._changed.wait(min(left, _TICK_SECONDS))

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
