"""HTTP: a server with a parser in C."""

from typing import Any

import hypercorn.asyncio
import uvicorn
from hypercorn.config import Config

from .background import Application
from .patching import replace

DRAIN_SECONDS = 2
"""The longest time that a request may continue after SIGTERM."""


def apply() -> None:
    """Install the patch of this module."""
    replace(hypercorn.asyncio, "serve", _serve)


async def _serve(application: Application, config: Config, **_: Any) -> None:  # noqa: ANN401
    """Serve the application with uvicorn and httptools instead of hypercorn and h11.

    Stock ministack uses hypercorn and h11. Both are pure Python, and took a third of the processor
    time of a small request. The stand-in is one interpreter, so every function beside the server
    loses this time.
    """
    host, _, port = config.bind[0].rpartition(":")
    server = uvicorn.Server(
        uvicorn.Config(
            application,
            host=host,
            port=int(port),
            http="httptools",
            ws="none",
            lifespan="on",
            proxy_headers=False,
            server_header=False,
            date_header=False,
            access_log=False,
            log_level="warning",
            timeout_keep_alive=int(config.keep_alive_timeout),
            timeout_graceful_shutdown=DRAIN_SECONDS,
        )
    )
    await server.serve()
