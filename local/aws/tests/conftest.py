"""Fixtures: the mended server, or with --stock the stock one, on which every gap must show."""

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

from servers import MENDED, PACKAGE, STOCK, Cloud, running

MENDED_UPSTREAM = "stock has mended this: drop our patch"

_numbers = itertools.count(1)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--stock",
        action="store_true",
        help="run the gap tests on stock ministack, where each must fail",
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
                reason=MENDED_UPSTREAM,
                raises=(AssertionError, ClientError, BotoCoreError, pytest.fail.Exception),
            )
        )


@dataclass(frozen=True)
class Inbox:
    """The running mail sink."""

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
    """Command that starts the server under test."""
    return STOCK if request.config.getoption("--stock") else MENDED


@pytest.fixture(scope="session")
def cloud(
    command: list[str], inbox: Inbox, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Cloud]:
    """The server that most tests share."""
    more = {
        "SMTP_HOST": f"127.0.0.1:{inbox.port}",
        "MS_SNAPSHOT_S": "0.5",
        "MS_METRICS_S": "0.2",
        "MS_GLUE_MINUTE_S": "1",
        "MS_GLUE_RUNNER": sys.executable,
        "FIRN_LAMBDA_PASS": "PASSED_ON, AND_THIS",
        "PASSED_ON": "yes",
        "OF_THE_SHELL": "leaks",
    }
    with running(Cloud(command, tmp_path_factory.mktemp("cloud"), more)) as server:
        yield server


@pytest.fixture
def own_cloud(command: list[str], tmp_path: Path) -> Iterator[Callable[..., Cloud]]:
    """Make a server of the test's own, which it may kill and start again."""
    made: list[Cloud] = []

    def make(**more: str) -> Cloud:
        settings = {"MS_SNAPSHOT_S": "0.3", "MS_GLUE_RUNNER": sys.executable, **more}
        made.append(Cloud(command, tmp_path / f"cloud{len(made)}", settings))
        return made[-1]

    yield make
    for server in made:
        if server.process and server.process.poll() is None:
            server.stop(signal.SIGKILL)


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    """A name of the test's own that suits any resource."""
    readable = re.sub(r"[^a-z0-9]+", "-", request.node.name.removeprefix("test_").lower())
    return f"t{next(_numbers)}-{readable[:36]}".strip("-")
