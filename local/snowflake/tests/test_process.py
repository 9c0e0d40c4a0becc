"""The process: ready line, busy port, bad settings, signals, what is left after a kill."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from conftest import HERE, Server, runner, start


def failed_start(**environment: str) -> subprocess.CompletedProcess[str]:
    """Start a server that must not start."""
    return subprocess.run(
        [sys.executable, "-m", "firn_snowflake"],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(HERE.parent), **environment},
        capture_output=True,
        text=True,
        timeout=30,
    )


def test_a_busy_port_is_one_clear_line() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = failed_start(FS_PORT=str(port))
    assert done.returncode == 1
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert f"port {port}" in line
    assert "FS_PORT" in line


def test_every_wrong_setting_is_named() -> None:
    done = failed_start(FS_PORT="high", FS_IDLE_BLOCKER_SECONDS="-1", FS_LOG_LEVEL="loud")
    assert done.returncode == 1
    for name in ("FS_PORT", "FS_IDLE_BLOCKER_SECONDS", "FS_LOG_LEVEL"):
        assert name in done.stderr


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data directory that isn't there yet."""
    return tmp_path / "snowflake"


def fill(server: Server) -> None:
    """Commit one row, leave another one uncommitted."""
    run = runner(server.connect("KEPT"))
    run("create table t (n number(38,0))")
    run("insert into t values (1)")
    run("begin")
    run("insert into t values (2)")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGKILL, -9), (signal.SIGTERM, 0)])
def test_committed_rows_survive(data: Path, number: signal.Signals, code: int) -> None:
    server = start({"FS_DB_PATH": str(data)})
    fill(server)
    server.process.send_signal(number)
    assert server.process.wait(timeout=20) == code
    again = start({"FS_DB_PATH": str(data)})
    run = runner(again.connect("ANOTHER"))
    assert run("select n from kept.raw.t") == [(1,)], "databases are open before any login"
    assert again.stop() == 0


def test_a_data_directory_in_use_is_named(data: Path) -> None:
    server = start({"FS_DB_PATH": str(data)})
    fill(server)
    done = failed_start(FS_PORT="0", FS_DB_PATH=str(data))
    assert done.returncode == 1
    assert "FS_DB_PATH" in done.stderr
    assert "Traceback" not in done.stderr
    assert server.stop() == 0
