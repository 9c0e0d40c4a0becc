"""Run one program and measure time and memory, by the kernel's resource usage of the child."""

import ctypes
import os
import re
import resource
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

START_UP = re.compile(r"^start-up ([0-9.]+) CPU s$", re.MULTILINE)
"""The line that an engine prints between the import of its modules and the job."""


PR_SET_CHILD_SUBREAPER = 36
ORPHAN_SECONDS = 20


class EngineFailedError(RuntimeError):
    """The error of a program with an exit code other than 0. The text ends with the last output."""


@dataclass(frozen=True)
class Measurement:
    """Time and memory of one run.

    The runner must stay small, because a child's peak is at least the runner's memory at the start.
    """

    cpu: float
    """User and system seconds of the program and its children, without the start-up time that the
    program prints."""
    wall: float
    """Seconds from start to end."""
    peak: int
    """The most resident bytes at one time (VmHWM; wait4 returns ru_maxrss in KiB). With several
    processes, the peak of the largest process."""

    def as_dict(self) -> dict[str, float]:
        """Return the fields, for JSON."""
        return asdict(self)


def measure(
    command: Sequence[str], environment: Mapping[str, str], log: Path, *, alone: bool = True
) -> Measurement:
    """Run a command to its end, and write the output to a log.

    Args:
        command: The command line.
        environment: The environment variables, beside PATH and HOME.
        log: The log file.
        alone: Whether this process has no other child. The processes that the command leaves
            behind are then waited for and measured too.

    Raises:
        EngineFailedError: The command ended with a code other than 0.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    base = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    with log.open("wb") as output:
        start = time.monotonic()
        child = subprocess.Popen(
            command, env={**base, **environment}, stdout=output, stderr=subprocess.STDOUT
        )
        _, status, usage = os.wait4(child.pid, 0)
        wall = time.monotonic() - start
    usages = [usage, *orphans()] if alone else [usage]
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode != 0:
        raise EngineFailedError(
            f"{' '.join(command)} ended with code {child.returncode}: {last_lines(log)}"
        )
    start_up = START_UP.search(log.read_text(errors="replace"))
    cpu = sum(u.ru_utime + u.ru_stime for u in usages)
    peak = max(u.ru_maxrss for u in usages)
    return Measurement(cpu - (float(start_up[1]) if start_up else 0), wall, peak * 1024)


def adopt_orphans() -> None:
    """Become the parent of orphaned processes, such as Spark's JVM (man 2 prctl).

    Raises:
        OSError: The kernel refuses.
    """
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl")


def orphans() -> Iterator[resource.struct_rusage]:
    """Wait for orphaned processes and yield their usage. Processes that don't end are left out."""
    deadline = time.monotonic() + ORPHAN_SECONDS
    while time.monotonic() < deadline:
        try:
            pid, _, usage = os.wait4(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid:
            yield usage
        else:
            time.sleep(0.05)


def last_lines(log: Path) -> str:
    """Return the last five lines of a log."""
    return "\n".join(log.read_text(errors="replace").strip().splitlines()[-5:])
