"""The machine and the versions of the engines, for the report."""

import os
import platform
import subprocess
from pathlib import Path

from .engines import PYTHON, ROOT


def describe() -> dict[str, str]:
    """Return the machine's properties and the versions, by name."""
    return {
        "processor": f"{os.cpu_count()} x {processor()}",
        "memory": f"{memory() / 2**30:.0f} GiB",
        "system": f"{platform.system()} {platform.release()}, {platform.machine()}",
        "versions": ", ".join([go_version(), *go_modules(), *packages()]),
    }


def load() -> str:
    """Return the load averages of 1, 5 and 15 minutes."""
    return " ".join(f"{average:.2f}" for average in os.getloadavg())


def processor() -> str:
    """Return the kernel's name of the processor."""
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.machine()


def memory() -> int:
    """Return the machine's memory in bytes."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def go_version() -> str:
    """Return "Go 1.x.y"."""
    text = subprocess.run(["go", "env", "GOVERSION"], capture_output=True, text=True, check=True)
    return "Go " + text.stdout.strip().removeprefix("go")


def go_modules() -> list[str]:
    """Return the Go engine's main modules with their versions."""
    modules = ("parquet-go/parquet-go", "klauspost/compress")
    lines = (ROOT / "go.mod").read_text().split("\n")
    words = [line.split() for line in lines]
    return [
        f"{module.rsplit('/', 1)[1]} {parts[1]}"
        for module in modules
        for parts in words
        if len(parts) >= 2 and parts[0] == f"github.com/{module}"
    ]


def packages() -> list[str]:
    """Return the Python engines with their versions."""
    names = ("duckdb", "polars", "dlt", "pyarrow")
    program = "import importlib.metadata as m, sys; print(*(m.version(n) for n in sys.argv[1:]))"
    answer = subprocess.run(
        [str(PYTHON), "-c", program, *names], capture_output=True, text=True, check=True
    )
    return [f"{name} {version}" for name, version in zip(names, answer.stdout.split(), strict=True)]
