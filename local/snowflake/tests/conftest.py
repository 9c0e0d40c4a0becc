"""Fixtures: the stand-in as a separate process, an S3 server, and sessions of the Python connector.

``pytest --stock`` runs the tests marked ``gap`` on stock fakesnow. Each test must fail there.
"""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import pytest
import snowflake.connector
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from moto.server import ThreadedMotoServer
from snowflake.connector import SnowflakeConnection

HERE = Path(__file__).parent
BUCKET = "curated"
IDLE_BLOCKER_SECONDS = 1.0
GAP_CLOSED = "stock fakesnow no longer has this gap: remove our patch"
_databases = itertools.count(1)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add --stock."""
    parser.addoption(
        "--stock", action="store_true", help="run only the gap tests, on stock fakesnow"
    )


def pytest_configure(config: pytest.Config) -> None:
    """Register the mark."""
    config.addinivalue_line("markers", "gap: a difference from Snowflake in stock fakesnow 0.12.1")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """With --stock: select the gap tests, and convert their success to a failure."""
    if not config.getoption("--stock"):
        return
    gaps = [item for item in items if item.get_closest_marker("gap")]
    config.hook.pytest_deselected(items=[item for item in items if item not in gaps])
    items[:] = gaps
    for item in gaps:
        item.add_marker(pytest.mark.xfail(strict=True, reason=GAP_CLOSED))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReportOfFile, pytest.TestReportOfFile]:
    """With --stock: report a failed fixture as a failure; only a test proves a gap."""
    report = yield
    if item.config.getoption("--stock") and call.when == "setup" and call.excinfo:
        report.outcome = "failed"
        del report.wasxfail
    return report


@dataclass
class Server:
    """One running stand-in."""

    process: subprocess.Popen[str]
    port: int
    retry_seconds: int = 10
    """Seconds for which a driver repeats a failed request."""
    sessions: list[SnowflakeConnection] = field(default_factory=list)

    def connect(
        self, database: str, role: str | None = None, **parameters: object
    ) -> SnowflakeConnection:
        """Open a session in schema RAW, with this role and these session parameters."""
        session = snowflake.connector.connect(
            user="loader",
            password="x",
            account="local",
            host="127.0.0.1",
            port=self.port,
            protocol="http",
            database=database,
            schema="RAW",
            role=role,
            login_timeout=10,
            network_timeout=self.retry_seconds,
            session_parameters=parameters or None,
        )
        self.sessions.append(session)
        return session

    def connect_by_key(self, user: str, key: RSAPrivateKey) -> SnowflakeConnection:
        """Open a session of a user, with a key pair."""
        return snowflake.connector.connect(
            user=user,
            private_key=key,
            account="local",
            host="127.0.0.1",
            port=self.port,
            protocol="http",
            login_timeout=10,
            network_timeout=self.retry_seconds,
        )

    def stop(self) -> int:
        """Send SIGTERM and return the exit code."""
        self.process.terminate()
        return self.process.wait(timeout=20)


def start(environment: dict[str, str], module: list[str] | None = None) -> Server:
    """Start a server and wait for its ready line."""
    inherited = {k: v for k, v in os.environ.items() if k in ("PATH", "HOME")}
    process = subprocess.Popen(
        [sys.executable, *(module or ["-m", "firn_snowflake"])],
        env={**inherited, "PYTHONPATH": str(HERE.parent), "FS_PORT": "0", **environment},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    for line in process.stdout:
        if " ready on " in line:
            return Server(process, int(line.rsplit(":", 1)[1]))
    raise AssertionError(f"the server ended with {process.wait()} before it was ready")


@pytest.fixture(scope="session")
def s3() -> Iterator[Any]:
    """An S3 client for an S3 server in this process, with the bucket."""
    moto = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    moto.start()
    host, port = moto.get_host_and_port()
    client = boto3.client(
        "s3",
        endpoint_url=f"http://{host}:{port}",
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )
    client.create_bucket(Bucket=BUCKET)
    yield client
    moto.stop()


@pytest.fixture(scope="session")
def server(s3: Any, request: pytest.FixtureRequest) -> Iterator[Server]:
    """The server that all tests share; each test has a separate database."""
    stock = [str(HERE / "stock_server.py")] if request.config.getoption("--stock") else None
    running = start(
        {
            "S3_ENDPOINT": s3.meta.endpoint_url,
            "FS_IDLE_BLOCKER_SECONDS": str(IDLE_BLOCKER_SECONDS),
            "FS_LOG_LEVEL": "error",
        },
        stock,
    )
    running.retry_seconds = 2 if stock else 10
    yield running
    running.process.kill()
    running.process.wait()


Connect = Callable[..., SnowflakeConnection]
Rows = list[tuple[Any, ...]]


@pytest.fixture
def connect(server: Server) -> Iterator[Connect]:
    """Open sessions in this test's database, as in ``connect(role="LOADER", LOCK_TIMEOUT=1)``."""
    database = f"TEST{next(_databases)}"
    first = len(server.sessions)
    yield lambda **parameters: server.connect(database, **parameters)
    for session in server.sessions[first:]:
        if not session.is_closed():
            session.close()


Run = Callable[..., Rows]


def runner(session: SnowflakeConnection) -> Run:
    """Return ``run(sql, *binds)`` of a session, which returns rows; the server binds."""
    session._paramstyle = "qmark"

    def run(sql: str, *binds: object) -> Rows:
        with session.cursor() as cursor:
            cursor.execute(sql, binds or None)
            return list(cursor.fetchall())

    return run


@pytest.fixture
def run(connect: Connect) -> Run:
    """Run a statement in a session of this test."""
    return runner(connect())
