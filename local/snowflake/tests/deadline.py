"""Polls and background calls with a time limit."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

LIMIT_SECONDS = 15.0


def until(condition: Callable[[], Any], event: str, limit: float = LIMIT_SECONDS) -> Any:  # noqa: ANN401
    """Poll until the condition is true, and return its value."""
    end = time.monotonic() + limit
    pause = threading.Event()
    while not (value := condition()):
        assert time.monotonic() < end, f"not within {limit} s: {event}"
        pause.wait(0.01)
    return value


class Background:
    """A call in a thread; result() returns its value or raises its error."""

    def __init__(self, call: Callable[[], Any]) -> None:
        self._call = call
        self._value: Any = None
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._value = self._call()
        except BaseException as error:
            self._error = error

    @property
    def is_running(self) -> bool:
        """True until the call has ended."""
        return self._thread.is_alive()

    def result(self, limit: float = LIMIT_SECONDS) -> Any:  # noqa: ANN401
        """Wait for the end of the call."""
        self._thread.join(limit)
        assert not self._thread.is_alive(), f"not done within {limit} s"
        if self._error:
            raise self._error
        return self._value
