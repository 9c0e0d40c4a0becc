"""A real Airflow with scheduler, DAG processor and API server, as in `airflow standalone`.

The log servers don't run, because log servers listen on every address. The
triggerer doesn't run, because no task is deferred.
"""

from __future__ import annotations

import os
import signal
import socket
import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any

import psutil

from laptop import until

BIN = Path(sys.executable).parent
PARTS = {
    "api-server": ("api-server", "--host", "127.0.0.1", "--workers", "1"),
    "dag-processor": ("dag-processor",),
    "scheduler": ("scheduler", "--skip-serve-logs"),
}
# The most tries of a backfill. SQLite refuses some backfills ("database is locked"), and
# a refused backfill has no effect.
ATTEMPTS = 5
# The scheduler removes a backfill without runs after 2 minutes.
BACKFILL_SECONDS = 300


class Airflow:
    """An Airflow with a folder and a database (SQLite) of its own."""

    def __init__(self, home: Path, dags: Path) -> None:
        home.mkdir(parents=True)
        self.home = home
        port = free_port()
        own = {
            "AIRFLOW_HOME": str(home),
            "AIRFLOW__CORE__DAGS_FOLDER": str(dags),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
            "AIRFLOW__CORE__PARALLELISM": "4",
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
            "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"http://127.0.0.1:{port}/execution/",
            "AIRFLOW__API__PORT": str(port),
            "AIRFLOW__API__BASE_URL": f"http://127.0.0.1:{port}",
            "AIRFLOW__API_AUTH__JWT_SECRET": "of the tests",
            "AIRFLOW__SCHEDULER__ENABLE_HEALTH_CHECK": "False",
            # A new scheduler adopts the tasks of a killed scheduler after seconds, not 5 minutes.
            "AIRFLOW__SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": "10",
            "AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_THRESHOLD": "15",
            "PATH": f"{BIN}:{os.environ['PATH']}",
        }
        self.environment = os.environ | own
        self.port = port
        self.parts: dict[str, subprocess.Popen[bytes]] = {}

    def start(self) -> None:
        """Start all processes that don't run."""
        for name, arguments in PARTS.items():
            if name in self.parts:
                continue
            with (self.home / f"{name}.log").open("ab") as log:
                self.parts[name] = subprocess.Popen(
                    [BIN / "airflow", *arguments], env=self.environment, stdout=log, stderr=log
                )
            if name == "api-server":
                until("the API server answers", lambda: answers(self.port))

    def kill(self, name: str) -> None:
        """Kill one process and its children without a shutdown, as a power cut would."""
        end(self.parts.pop(name), signal.SIGKILL)

    def stop(self) -> None:
        """End all processes."""
        for name in list(self.parts):
            end(self.parts.pop(name), signal.SIGTERM)

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run one of Airflow's commands."""
        return subprocess.run(
            [BIN / "airflow", *arguments],
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )

    def must(self, *arguments: str) -> None:
        """Run one of Airflow's commands, and check its success."""
        done = self.command(*arguments)
        assert done.returncode == 0, done.stdout + done.stderr

    def backfill(self, dag_id: str, start: datetime, end: datetime, at_once: int) -> None:
        """Create a backfill of the days from start to end, again if SQLite was locked.

        Airflow refuses a second backfill of a DAG while an earlier backfill counts as running.
        The scheduler marks a backfill as completed up to 30 seconds after the last run.
        """
        for _ in range(ATTEMPTS):
            until(
                "the earlier backfills are completed",
                lambda: not self.running_backfills(dag_id),
                BACKFILL_SECONDS,
            )
            done = self.command(
                *("backfill", "create", "--dag-id", dag_id, "--reprocess-behavior", "failed"),
                *("--from-date", f"{start:%Y-%m-%d}", "--to-date", f"{end:%Y-%m-%d}"),
                *("--max-active-runs", str(at_once)),
            )
            if done.returncode == 0:
                return
            assert "database is locked" in done.stdout + done.stderr, done.stdout + done.stderr
        raise AssertionError(f"the database was locked {ATTEMPTS} times")

    def rows(self, sql: str, *values: str) -> list[tuple[Any, ...]]:
        """Return the rows of a query on Airflow's database."""
        uri = f"file:{self.home / 'airflow.db'}?mode=ro"
        with closing(sqlite3.connect(uri, uri=True, timeout=30)) as database:
            return database.execute(sql, values).fetchall()

    def running_backfills(self, dag_id: str) -> list[tuple[Any, ...]]:
        """Return the backfills of a DAG that count as running."""
        return self.rows(
            "select id from backfill where dag_id = ? and completed_at is null", dag_id
        )

    def runs(self, dag_id: str, kind: str) -> dict[str, str]:
        """Return the states of a DAG's runs, by the first day of the data interval."""
        sql = (
            "select date(data_interval_start), state from dag_run where dag_id = ? and run_type = ?"
        )
        return dict(self.rows(sql, dag_id, kind))

    def task(self, dag_id: str, day: datetime, task_id: str) -> str:
        """Return the state of a task on a day; empty without a state."""
        sql = (
            "select t.state from task_instance t join dag_run r using (dag_id, run_id)"
            " where dag_id = ? and date(r.data_interval_start) = ? and t.task_id = ?"
        )
        return next(
            (state or "" for (state,) in self.rows(sql, dag_id, f"{day:%Y-%m-%d}", task_id)), ""
        )

    def logs(self, task_id: str) -> str:
        """Return all logs of a task."""
        files = (self.home / "logs").rglob(f"*task_id={task_id}/*.log")
        return "\n".join(file.read_text(encoding="utf-8") for file in sorted(files))


def free_port() -> int:
    """Return a free port."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def answers(port: int) -> bool:
    """Return whether a server listens on a port."""
    with socket.socket() as client:
        client.settimeout(1)
        return client.connect_ex(("127.0.0.1", port)) == 0


def end(process: subprocess.Popen[bytes], how: signal.Signals) -> None:
    """End a process and its children."""
    family = psutil.Process(process.pid).children(recursive=True) if process.poll() is None else []
    process.send_signal(how)
    if how is signal.SIGKILL:
        for child in family:
            kill(child)
    try:
        process.wait(30)
    except subprocess.TimeoutExpired:
        process.kill()
    for child in psutil.wait_procs(family, timeout=20)[1]:
        kill(child)


def kill(process: psutil.Process) -> None:
    """Kill a process, if the process still runs."""
    try:
        process.kill()
    except psutil.NoSuchProcess:
        return
