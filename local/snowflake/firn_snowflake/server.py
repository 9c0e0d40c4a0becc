"""The process: fakesnow with every patch, on one port of 127.0.0.1."""

from __future__ import annotations

import errno
import logging
import shutil
import signal
import socket
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from types import FrameType

import anyio.to_thread
import duckdb
import fakesnow.server as stock
import uvicorn
from fakesnow.instance import FakeSnow
from fakesnow.transforms import stage
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from firn_snowflake import (
    account_usage,
    catalog,
    copying,
    errors,
    execution,
    login,
    queries,
    sessions,
    statements,
    transactions,
    types,
)
from firn_snowflake.revocations import Revocations
from firn_snowflake.settings import Settings
from firn_snowflake.storage import Objects
from firn_snowflake.users import Users

HOST = "127.0.0.1"
_THREADS = 256


class StartError(Exception):
    """The server can't start; the message contains the solution."""


def serve(settings: Settings) -> None:
    """Run until SIGTERM or SIGINT, and delete fakesnow's files in the temporary folder.

    Raises:
        StartError: another process uses the port or the data directory.
    """
    listener = _listen(settings.port)
    fake = build(settings)
    config = uvicorn.Config(
        _app(), log_level=settings.log_level, timeout_graceful_shutdown=2, access_log=False
    )
    try:
        _Server(config).run(sockets=[listener])
    finally:
        fake.duck_conn.close()
        shutil.rmtree(stage.LOCAL_BUCKET_PATH, ignore_errors=True)


def build(settings: Settings) -> FakeSnow:
    """Create the FakeSnow of this process, with every patch, and open the databases on disk."""
    logging.getLogger("sqlglot").setLevel(logging.ERROR)
    types.install()
    objects = Objects(settings)
    copying.install(objects)
    catalog.install()
    if settings.data_dir:
        settings.data_dir.mkdir(parents=True, exist_ok=True)
    fake = FakeSnow(db_path=settings.data_dir)
    objects.register(fake.duck_conn)
    account_usage.create(fake.duck_conn)
    users = Users(settings.data_dir)
    execution.install(fake, users, Revocations(), catalog.Catalog(settings.data_dir))
    login.install(users)
    sessions.configure(settings.lock_timeout_seconds)
    transactions.LOCKS.idle_limit_seconds = settings.idle_blocker_seconds
    stock.parse_one = statements.parse_one
    stock.shared_fs = fake
    _attach(fake, settings)
    return fake


def _attach(fake: FakeSnow, settings: Settings) -> None:
    """Open every database of the data directory.

    Stock fakesnow opens a database at the first login with its name. After a restart, a statement
    that names another database fails.
    """
    for file in sorted(settings.data_dir.glob("*.db")) if settings.data_dir else []:
        try:
            fake.connect(file.stem).close()
        except duckdb.IOException as error:
            text = f"can't open {file}: {error}\nAnother process uses this file: "
            advice = "stop that process, or set FS_DB_PATH to another directory."
            raise StartError(text + advice) from error


def _listen(port: int) -> socket.socket:
    # asyncio sets TCP_NODELAY only on sockets with an explicit protocol. Without TCP_NODELAY an
    # answer waits for a delayed acknowledgement, 40 ms on Linux.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, port))
    except OSError as error:
        listener.close()
        if error.errno not in (errno.EADDRINUSE, errno.EACCES):
            raise
        text = f"port {port} on {HOST} can't be used ({error.strerror}): "
        raise StartError(f"{text}stop the other program, or set another FS_PORT.") from error
    return listener


def _app() -> Starlette:
    async def ready(_: Request) -> JSONResponse:
        return JSONResponse({"ready": True})

    async def success(_: Request) -> JSONResponse:
        return JSONResponse({"success": True})

    post = ["POST"]
    routes = [
        Route("/", ready),
        Route("/session/v1/login-request", login.login, methods=post),
        Route("/session/token-request", login.renew, methods=post),
        Route("/session", login.session, methods=post),
        Route("/queries/v1/query-request", queries.query, methods=post),
        Route("/queries/v1/abort-request", login.abort, methods=post),
        Route("/telemetry/send", success, methods=post),
    ]
    replaced = {route.path for route in routes}
    kept = [route for route in stock.routes if route.path not in replaced]
    return Starlette(routes=routes + kept, lifespan=_lifespan)


@asynccontextmanager
async def _lifespan(_: Starlette) -> AsyncIterator[None]:
    """Provide threads for waiting statements, and end all statements when the server stops.

    Stock fakesnow has the 40 threads of anyio. If 40 statements wait for a lock, the COMMIT that
    releases the lock has no thread.
    """
    anyio.to_thread.current_default_thread_limiter().total_tokens = _THREADS
    yield
    for session in sessions.list_all():
        session.stop(errors.failure(errors.CANCELED, "57014", "The server is shutting down"))


class _Server(uvicorn.Server):
    """uvicorn with a ready line; a signal is a normal end."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        for listener in sockets or []:
            host, port = listener.getsockname()
            print(f"snowflake stand-in ready on http://{host}:{port}", flush=True)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        def stop(_signal: int, _frame: FrameType | None) -> None:
            self.should_exit = True

        before = {s: signal.signal(s, stop) for s in (signal.SIGTERM, signal.SIGINT)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def main(settings: Settings) -> int:
    """Serve, and return the exit code: 1 if the server couldn't start."""
    try:
        serve(settings)
    except StartError as error:
        print(f"firn_snowflake: {error}", file=sys.stderr)
        return 1
    return 0
