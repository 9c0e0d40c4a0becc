"""HTTP: one server, in C where it parses."""

from typing import Any

import hypercorn.asyncio
import uvicorn
from hypercorn.config import Config

from .background import Application
from .patching import replace

DRAIN_SECONDS = 2
"""How long requests may go on after SIGTERM."""


def apply() -> None:
    """Install the mend of this module."""
    replace(hypercorn.asyncio, "serve", _serve)


async def _serve(application: Application, config: Config, **_: Any) -> None:  # noqa: ANN401
    """Serve with uvicorn and httptools what stock 1.5.33 serves with hypercorn and h11.

    Those are Python throughout, and took a third of the processor time of a small request. The
    stand-in is one interpreter, so that time is missing to every function that runs beside it.
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
