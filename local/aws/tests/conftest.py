"""Fixtures: the patched server, or with --stock stock ministack, where each gap test must fail."""

import itertools
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from botocore.exceptions import BotoCoreError, ClientError

from servers import PACKAGE, PATCHED, STOCK, Cloud, running

GAP_CLOSED = "stock ministack no longer has this gap: remove our patch"

_numbers = itertools.count(1)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--stock",
        action="store_true",
        help="run only the gap tests, on stock ministack, where each test must fail",
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if not config.getoption("--stock"):
        return
    gaps = [item for item in items if item.get_closest_marker("gap")]
    config.hook.pytest_deselected(items=[item for item in items if item not in gaps])
    items[:] = gaps
    for item in gaps:
        item.add_marker(
            pytest.mark.xfail(
                strict=True,
                reason=GAP_CLOSED,
                raises=(AssertionError, ClientError, BotoCoreError, pytest.fail.Exception),
            )
        )


@dataclass(frozen=True)
class Inbox:
    """The running mail server."""

    port: int
    directory: Path


@pytest.fixture(scope="session")
def inbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Inbox]:
    directory = tmp_path_factory.mktemp("inbox")
    command = [sys.executable, "-m", "firn_aws.mail", "--port", "0", "--directory", str(directory)]
    with subprocess.Popen(command, cwd=PACKAGE, stdout=subprocess.PIPE, text=True) as process:
        ready = process.stdout.readline()
        try:
            yield Inbox(int(re.search(r":(\d+),", ready)[1]), directory)
        finally:
            process.send_signal(signal.SIGTERM)


@pytest.fixture(scope="session")
def command(request: pytest.FixtureRequest) -> list[str]:
    """The command that starts the server under test."""
    return STOCK if request.config.getoption("--stock") else PATCHED


@pytest.fixture(scope="session")
def cloud(
    command: list[str], inbox: Inbox, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Cloud]:
    """The server that most tests share."""
    extra = {
        "SMTP_HOST": f"127.0.0.1:{inbox.port}",
        "MS_SNAPSHOT_S": "0.5",
        "MS_METRICS_S": "0.2",
        "MS_GLUE_MINUTE_S": "1",
        "MS_GLUE_RUNNER": sys.executable,
        "FIRN_LAMBDA_PASS": "PASSED_ON, NOT_SET",
        "PASSED_ON": "yes",
        "SHELL_VARIABLE": "leaks",
    }
    with running(Cloud(command, tmp_path_factory.mktemp("cloud"), extra)) as server:
        yield server


@pytest.fixture
def new_cloud(command: list[str], tmp_path: Path) -> Iterator[Callable[..., Cloud]]:
    """Create a server for one test, which may kill and restart this server."""
    created: list[Cloud] = []

    def create(**extra: str) -> Cloud:
        settings = {"MS_SNAPSHOT_S": "0.3", "MS_GLUE_RUNNER": sys.executable, **extra}
        created.append(Cloud(command, tmp_path / f"cloud{len(created)}", settings))
        return created[-1]

    yield create
    for server in created:
        if server.process and server.process.poll() is None:
            server.stop(signal.SIGKILL)


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    """A resource name, unique for each test."""
    readable = re.sub(r"[^a-z0-9]+", "-", request.node.name.removeprefix("test_").lower())
    return f"t{next(_numbers)}-{readable[:36]}".strip("-")
