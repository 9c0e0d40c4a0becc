"""One session: engines in alternation on one file, and the comparison of the outputs."""

import datetime
import json
import os
import shutil
import subprocess
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from . import engines, machine
from .engines import BUILD, Engine
from .measure import EngineFailedError, Measurement, measure
from .prepare import Source

OUTPUTS = BUILD / "out"

MAIN = [
    engines.go(1, 1),
    engines.duckdb("good", 1, 1),
    engines.duckdb("both", 1, 1),
    engines.go(3, 1),
    engines.duckdb("good", 3, 1),
    engines.duckdb("both", 3, 1),
]
OTHERS = [
    engines.go(1, 2),
    engines.duckdb("once", 1, 1),
    engines.duckdb("good", 1, 2),
    engines.duckdb("both", 1, 2),
    engines.POLARS,
    engines.DLT,
    engines.SPARK,
]
SMALL = [engines.go(1, 1), engines.duckdb("both", 1, 1), engines.DLT, engines.SPARK]
"""The engines on the small file. dlt and Spark are too slow for the large file."""


@dataclass
class Results:
    """All results of a session, with JSON types only. A saved session can be rendered again."""

    rows: int
    bytes: int
    account: dict[str, Any]
    machine: dict[str, str]
    load_before: str
    began: str
    load_after: str = ""
    ended: str = ""
    runs: dict[str, list[dict[str, float]]] = field(default_factory=dict)
    sizes: dict[str, dict[str, int]] = field(default_factory=dict)
    pairs: list[dict[str, float]] = field(default_factory=list)
    comparisons: dict[str, dict[str, Any]] = field(default_factory=dict)
    memory: dict[str, Any] = field(default_factory=dict)
    small: dict[str, Any] = field(default_factory=dict)
    """The results of the session on the small file; empty without such a session."""
    differences: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """Return everything, for JSON."""
        return asdict(self)


def load(path: Path) -> Results:
    """Read a saved session."""
    return Results(**json.loads(path.read_text()))


def start(source: Source) -> Results:
    """Start a session on a file, and delete earlier outputs."""
    shutil.rmtree(OUTPUTS, ignore_errors=True)
    return Results(
        source.rows,
        source.size,
        {**source.account, "path": str(source.path)},
        machine.describe(),
        machine.load(),
        now(),
    )


def finish(results: Results) -> None:
    """Record the load and the time at the end of a session."""
    results.load_after, results.ended = machine.load(), now()


def now() -> str:
    """Return the time, UTC, to the minute."""
    return datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC")


def choose(only: str | None, *, check: bool, quick: bool) -> list[Engine]:
    """Return the engines to run.

    Args:
        only: Prefixes of engine names, separated by commas; None for all engines.
        check: Whether only the comparison of rows is needed.
        quick: Whether to leave out Spark, which takes longer than all other engines together.
    """
    available = MAIN + OTHERS
    if only:
        return [e for e in available if e.name.startswith(tuple(only.split(",")))]
    if check:
        return MAIN[:3]
    return [e for e in available if not (quick and e is engines.SPARK)]


def alternate(results: Results, chosen: list[Engine], rounds: int) -> None:
    """Run all engines in rounds, so that another load on the machine affects all engines."""
    for round_number in range(rounds):
        for engine in chosen:
            if not (engine.slow and round_number > 0) and can_run(results, engine):
                record_run(results, engine)


def can_run(results: Results, engine: Engine) -> bool:
    """Return whether the engine is installed and suited to the size of the file."""
    return engine.needs.exists() and results.rows <= engine.most_rows


def record_run(results: Results, engine: Engine) -> None:
    """Run one engine, and record the measurement and the sizes of the files."""
    measured = run_engine(results, engine)
    results.runs.setdefault(engine.name, []).append(measured.as_dict())
    results.sizes[engine.name] = sizes(OUTPUTS / engine.name)


def run_engine(results: Results, engine: Engine) -> Measurement:
    """Run one engine with an empty output folder, and return the measurement."""
    output = OUTPUTS / engine.name
    shutil.rmtree(output, ignore_errors=True)
    command = engine.arguments(Path(results.account["path"]), output)
    measured = measure(command, engine.environment, BUILD / "log" / f"{engine.name}.log")
    print(
        f"{engine.title:52} {measured.cpu:8.2f} CPU s {measured.wall:8.2f} s "
        f"{measured.peak / 2**20:7.0f} MiB",
        flush=True,
    )
    return measured


def sizes(output: Path) -> dict[str, int]:
    """Return the sizes of the files with good rows and with rejects, in bytes."""
    files = [path for path in output.rglob("*.parquet") if "state" not in path.parts]
    rejects = [p for p in files if p.name.startswith("rejects") or p.parent.name == "rejects"]
    return {
        "good": sum(path.stat().st_size for path in files if path not in rejects),
        "rejects": sum(path.stat().st_size for path in rejects),
    }


def pair(results: Results, pairs: int) -> None:
    """Run the Go engine in pairs: on one core, then directly on two cores.

    The pairs aren't part of the other figures.
    """
    for _ in range(pairs):
        one = run_engine(results, engines.go(1, 1))
        two = run_engine(results, engines.go(1, 2))
        results.pairs.append({"one": one.wall, "two": two.wall})


def compare(results: Results) -> None:
    """Compare the outputs of Go, DuckDB and Spark in a process of its own."""
    names = [name for name in results.runs if name.startswith(("go_", "duckdb_", "spark"))]
    command = [str(engines.PYTHON), "-m", "run.compare", str(OUTPUTS), *names]
    environment = {**os.environ, "PYTHONPATH": str(engines.BENCH)}
    answer = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    if answer.returncode != 0:
        raise EngineFailedError(f"the comparison failed: {answer.stderr[-2000:]}")
    found = json.loads(answer.stdout)
    results.comparisons = found["comparisons"]
    results.differences = found["differences"] + account_differences(results, found["rules"])


def account_differences(results: Results, rules: dict[str, dict[str, int]]) -> list[str]:
    """Compare the Go engine's rejects with the generator's broken records, by rule."""
    want = results.account["by_rule"]
    return [
        f"{name} has the rejects {found}, but the generator wrote {want}"
        for name, found in rules.items()
        if found != want
    ]
