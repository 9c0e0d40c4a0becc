"""Run one program and say what it took, by the kernel's account of the child."""

import ctypes
import os
import re
import resource
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

STARTED = re.compile(r"^start-up ([0-9.]+) CPU s$", re.MULTILINE)
"""What an engine prints when its interpreter and its modules are loaded and the job begins."""


PR_SET_CHILD_SUBREAPER = 36
ORPHAN_SECONDS = 20


class EngineFailedError(RuntimeError):
    """A program that ended with another code than 0; the text ends with its last words."""


@dataclass(frozen=True)
class Measurement:
    """What one run took. The runner itself must stay small: a child's peak can't be below its."""

    cpu: float
    """User and system seconds, of the program and of the children it waited for, without
    what it says that its start took."""
    wall: float
    """Seconds."""
    peak: int
    """Bytes resident at most at one time: VmHWM, which wait4 gives as ru_maxrss in KiB; of
    several processes, that of the largest."""

    def as_dict(self) -> dict[str, float]:
        """Return the fields, for JSON."""
        return asdict(self)


def measure(
    command: Sequence[str], environment: Mapping[str, str], log: Path, *, alone: bool = True
) -> Measurement:
    """Run a command to its end; its output goes to the log.

    Alone says that this process has no other child: then what the command leaves behind is
    waited for, and counts.

    Raises:
        EngineFailedError: it ended with another code than 0.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    base = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    with log.open("wb") as output:
        began = time.monotonic()
        child = subprocess.Popen(
            command, env={**base, **environment}, stdout=output, stderr=subprocess.STDOUT
        )
        _, status, usage = os.wait4(child.pid, 0)
        wall = time.monotonic() - began
    usages = [usage, *orphans()] if alone else [usage]
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode != 0:
        raise EngineFailedError(
            f"{' '.join(command)} ended with code {child.returncode}: {last_words(log)}"
        )
    started = STARTED.search(log.read_text(errors="replace"))
    cpu = sum(one.ru_utime + one.ru_stime for one in usages)
    peak = max(one.ru_maxrss for one in usages)
    return Measurement(cpu - (float(started[1]) if started else 0), wall, peak * 1024)


def adopt_orphans() -> None:
    """Become the parent of what a child leaves behind, such as the JVM of Spark (man 2 prctl).

    Raises:
        OSError: the kernel refuses.
    """
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl")


def orphans() -> Iterator[resource.struct_rusage]:
    """Wait for what a child left behind and give what each took; leave what doesn't end."""
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


def last_words(log: Path) -> str:
    """Return the last lines of a log."""
    return "\n".join(log.read_text(errors="replace").strip().splitlines()[-5:])
