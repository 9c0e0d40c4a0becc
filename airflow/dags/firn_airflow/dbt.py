"""dbt as a process with a Python environment of its own."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from firn_airflow.clean import REMOVED, cleaned
from firn_airflow.faults import Failure, Fault

# The time that dbt has to cancel its queries after the interrupt signal.
GRACE_SECONDS = 20
# The most lines of a fault's cause.
CAUSE_LINES = 12
# The states of a failed node (dbt's artifact run-results).
FAILED = ("error", "fail", "runtime error")
# The line with the place of the compiled statement, at the end of a message.
COMPILED_CODE = re.compile(r"\n\s*compiled code at [^\n]*$")
# Snowflake's number and state of an error, at the start of a line: "100038 (22018):".
ERROR_NUMBER = re.compile(r"^\s*(\d{6} \([0-9A-Z]{5}\)):", re.MULTILINE)


class Process:
    """One `dbt build`. Concurrent builds share no folder."""

    def __init__(self, dbt: str, project: str, select: str, log: Callable[[str], object]) -> None:
        """Prepare a build without starting dbt.

        Args:
            dbt: The path of the dbt command.
            project: The folder of the dbt project.
            select: The selection, separated by spaces; empty for the whole project.
            log: The function that gets each line of dbt's output.
        """
        self.dbt = dbt
        self.project = project
        self.select = select
        self.log = log
        self.process: subprocess.Popen[str] | None = None

    def command(self, scratch: str) -> list[str]:
        """Return the command line."""
        selection = ["--select", *self.select.split()] if self.select else []
        return [
            self.dbt, "build", *selection,
            "--project-dir", self.project, "--profiles-dir", self.project,
            "--target-path", f"{scratch}/target", "--log-path", f"{scratch}/logs",
            "--no-use-colors",
        ]  # fmt: skip

    def run(self) -> str:
        """Build, and log every line of dbt's output.

        Returns:
            dbt's summary, for example "PASS=12 ERROR=0"; empty without a summary.

        Raises:
            Failure: dbt failed.
        """
        with tempfile.TemporaryDirectory(prefix="firn-dbt-") as scratch:
            self.process = subprocess.Popen(
                self.command(scratch),
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                env=environment(),
                start_new_session=True,
            )
            lines = []
            for line in self.process.stdout or []:
                lines.append(line.rstrip())
                self.log(lines[-1])
            code = self.process.wait()
            results = results_of(Path(scratch) / "target" / "run_results.json")
        if code != 0:
            cause = cause_of(code, results, lines)
            raise Failure(Fault(code="dbt_failed", cause=cause, retryable=True))
        return next(
            (summary for line in reversed(lines) if (summary := line.partition("Done. ")[2])), ""
        )

    def end(self) -> None:
        """End dbt and its child processes."""
        if self.process is None or self.process.poll() is not None:
            return
        os.killpg(self.process.pid, signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(GRACE_SECONDS)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)


def environment() -> dict[str, str]:
    """Return dbt's environment variables, without Airflow's variables, which hold secrets."""
    own = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("AIRFLOW", "_AIRFLOW", "PYTHON"))
    }
    return own | {"DBT_SEND_ANONYMOUS_USAGE_STATS": "false", "NO_COLOR": "1"}


def results_of(file: Path) -> list[dict[str, Any]]:
    """Return the results of the nodes from dbt's run_results.json; empty without the file."""
    try:
        return json.loads(file.read_text(encoding="utf-8"))["results"]
    except (OSError, ValueError, KeyError):
        return []


def cause_of(code: int, results: list[dict[str, Any]], lines: list[str]) -> str:
    """Return the cause of a failed build, one line for each failed node.

    Without a failed node, the cause has the error lines of dbt's output. A database quotes
    values of rows in its messages, so the cause has names of nodes, states, numbers of results
    and cleaned messages only.
    """
    failed = [describe(result) for result in results if result.get("status") in FAILED]
    if failed:
        more = len(failed) - CAUSE_LINES
        return "\n".join(failed[:CAUSE_LINES] + [f"and {more} more"] * (more > 0))
    messages = [line.partition("  ")[2] or line for line in lines if line.strip()]
    errors = [line for line in messages if "error" in line.lower()]
    described = [cleaned(line) for line in (errors or messages)[-CAUSE_LINES:]]
    known = [line for line in described if line != REMOVED]
    return "\n".join([f"dbt ended with code {code} and without a failed node", *known])


def describe(result: dict[str, Any]) -> str:
    """Return the name, the state and the number of results of a failed node.

    For a node with an error, the text also has the number of the database's error and the
    cleaned message.
    """
    kind, _, name = result["unique_id"].partition(".")
    name = name.partition(".")[2].partition(".")[0]
    status, message = result["status"], result.get("message") or ""
    if status != "error":
        count = result.get("failures") or 0
        return f"{kind} {name}: {status}, {count} result{'s' * (count != 1)}"
    message = COMPILED_CODE.sub("", message)
    number = ERROR_NUMBER.search(message)
    if number:
        return f"{kind} {name}: error {number[1]}: {cleaned(message[number.end() :])}"
    return f"{kind} {name}: error: {cleaned(message)}"
