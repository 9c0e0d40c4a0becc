"""dbt as a process with a Python environment of its own."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import tempfile
from collections.abc import Callable

from firn_airflow.faults import Failure, Fault

# The time that dbt has to cancel its queries after the interrupt signal.
GRACE_SECONDS = 20
# The most lines of dbt's output in a fault's cause.
CAUSE_LINES = 12


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
        if code != 0:
            raise Failure(Fault(code="dbt_failed", cause=cause_of(code, lines), retryable=True))
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


def cause_of(code: int, lines: list[str]) -> str:
    """Return the cause of a failed build: the error lines of dbt's output, or the last lines."""
    messages = [line.partition("  ")[2] or line for line in lines if line.strip()]
    errors = [
        line.strip()
        for line in messages
        if "error in" in line.lower() or "failure in" in line.lower() or "Got " in line
    ]
    return (
        "\n".join((errors or messages[-CAUSE_LINES:])[:CAUSE_LINES])
        or f"dbt ended with code {code} and without output"
    )
