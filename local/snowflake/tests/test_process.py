"""The process: ready line, busy port, invalid settings, signals, data after a kill."""

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
    """Run a server whose start must fail."""
    return subprocess.run(
        [sys.executable, "-m", "firn_snowflake"],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(HERE.parent), **environment},
        capture_output=True,
        text=True,
        timeout=30,
    )


def test_busy_port_is_reported_in_one_line() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        ended = failed_start(FS_PORT=str(port))
    assert ended.returncode == 1
    assert ended.stdout == ""
    (line,) = ended.stderr.splitlines()
    assert f"port {port}" in line
    assert "FS_PORT" in line


def test_every_invalid_setting_is_named() -> None:
    ended = failed_start(FS_PORT="high", FS_IDLE_BLOCKER_SECONDS="-1", FS_LOG_LEVEL="loud")
    assert ended.returncode == 1
    for name in ("FS_PORT", "FS_IDLE_BLOCKER_SECONDS", "FS_LOG_LEVEL"):
        assert name in ended.stderr


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data directory that doesn't exist yet."""
    return tmp_path / "snowflake"


def write_rows(server: Server) -> None:
    """Commit one row, and leave a second row uncommitted."""
    run = runner(server.connect("KEPT"))
    run("create table t (n number(38,0))")
    run("insert into t values (1)")
    run("begin")
    run("insert into t values (2)")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGKILL, -9), (signal.SIGTERM, 0)])
def test_committed_rows_survive_end_of_process(
    data: Path, number: signal.Signals, code: int
) -> None:
    server = start({"FS_DB_PATH": str(data)})
    write_rows(server)
    server.process.send_signal(number)
    assert server.process.wait(timeout=20) == code
    restarted = start({"FS_DB_PATH": str(data)})
    run = runner(restarted.connect("ANOTHER"))
    assert run("select n from kept.raw.t") == [(1,)], "databases are open before any login"
    assert restarted.stop() == 0


def test_data_directory_in_use_is_named(data: Path) -> None:
    server = start({"FS_DB_PATH": str(data)})
    write_rows(server)
    ended = failed_start(FS_PORT="0", FS_DB_PATH=str(data))
    assert ended.returncode == 1
    assert "FS_DB_PATH" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert server.stop() == 0
