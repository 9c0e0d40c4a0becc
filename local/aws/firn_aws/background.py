"""Work that starts once the saved state is loaded, and then repeats."""

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
    """Run the task once, when the server has loaded its state and before it serves."""
    _on_start.append(task)


def every(seconds: float, task: Task, name: str) -> None:
    """Run the task again and again from the start on; an error is logged, and it goes on."""

    def repeat() -> None:
        while True:
            time.sleep(seconds)
            try:
                task()
            except Exception:
                log.exception("%s failed, it is tried again in %s s", name, seconds)

    on_start(lambda: threading.Thread(target=repeat, name=name, daemon=True).start())


def with_start_tasks(application: Application) -> Application:
    """Wrap the ASGI application: the tasks run when its start-up is complete."""

    async def started(scope: dict[str, Any], receive: Channel, send: Channel) -> None:
        async def note_start(message: dict[str, Any]) -> None:
            if message["type"] == "lifespan.startup.complete":
                for task in _on_start:
                    task()
            await send(message)

        await application(scope, receive, note_start if scope["type"] == "lifespan" else send)

    return started
