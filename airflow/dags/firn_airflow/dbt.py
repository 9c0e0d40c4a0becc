"""dbt, as a process of its own environment."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import tempfile
from collections.abc import Callable

from firn_airflow.faults import Failure, Fault

# How long dbt may take to cancel its queries once it is told to end.
GRACE_SECONDS = 20
# How many lines of an error are the cause.
CAUSE_LINES = 12


class Process:
    """One `dbt build`. Builds that run side by side share no folder."""

    def __init__(self, dbt: str, project: str, select: str, say: Callable[[str], None]) -> None:
        self.dbt = dbt
        self.project = project
        self.select = select
        self.say = say
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
        """Build, and say every line that dbt says.

        Returns:
            dbt's last words.

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
                self.say(lines[-1])
            code = self.process.wait()
        if code != 0:
            raise Failure(Fault(code="dbt_failed", cause=cause_of(code, lines), retried=True))
        return next(
            (words for line in reversed(lines) if (words := line.partition("Done. ")[2])), ""
        )

    def end(self) -> None:
        """End dbt and what it started."""
        if self.process is None or self.process.poll() is not None:
            return
        os.killpg(self.process.pid, signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(GRACE_SECONDS)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)


def environment() -> dict[str, str]:
    """Return what dbt may see: nothing of Airflow's, whose variables hold secrets."""
    own = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("AIRFLOW", "_AIRFLOW", "PYTHON"))
    }
    return own | {"DBT_SEND_ANONYMOUS_USAGE_STATS": "false", "NO_COLOR": "1"}


def cause_of(code: int, lines: list[str]) -> str:
    """Return the lines of a failed build that say why."""
    told = [line.partition("  ")[2] or line for line in lines if line.strip()]
    faults = [
        line.strip()
        for line in told
        if "error in" in line.lower() or "failure in" in line.lower() or "Got " in line
    ]
    return (
        "\n".join((faults or told[-CAUSE_LINES:])[:CAUSE_LINES])
        or f"dbt ended with {code} and said nothing"
    )
