"""Tasks that start after the load of the saved state, once or at an interval."""

import logging
import threading
import time
from collections.abc import Awaitable, Callable
from typing import Any

log = logging.getLogger("firn.aws")

Task = Callable[[], None]
Application = Callable[..., Awaitable[None]]
Channel = Callable[..., Awaitable[Any]]

_on_start: list[Task] = []


def on_start(task: Task) -> None:
    """Run the task once, after the server has loaded its state and before the first request."""
    _on_start.append(task)


def run_every(seconds: float, task: Task, name: str) -> None:
    """Run the task every `seconds` seconds from the start on; an error is logged.

    The task runs again after an error.
    """

    def repeat() -> None:
        while True:
            time.sleep(seconds)
            try:
                task()
            except Exception:
                log.exception("%s failed, next attempt in %s s", name, seconds)

    on_start(lambda: threading.Thread(target=repeat, name=name, daemon=True).start())


def with_start_tasks(application: Application) -> Application:
    """Wrap the ASGI application: the tasks run at the end of its start-up."""

    async def with_tasks(scope: dict[str, Any], receive: Channel, send: Channel) -> None:
        async def send_after_tasks(message: dict[str, Any]) -> None:
            if message["type"] == "lifespan.startup.complete":
                for task in _on_start:
                    task()
            await send(message)

        await application(scope, receive, send_after_tasks if scope["type"] == "lifespan" else send)

    return with_tasks
