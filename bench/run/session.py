"""One session: engines in alternation on one file, and their outputs held against each other."""

import datetime
import json
import os
import shutil
import subprocess
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from . import contenders, machine
from .contenders import BUILD, Contender
from .measure import EngineFailedError, Measurement, measure
from .prepare import Source

OUTPUTS = BUILD / "out"

MAIN = [
    contenders.go(1, 1),
    contenders.duckdb("good", 1, 1),
    contenders.duckdb("both", 1, 1),
    contenders.go(3, 1),
    contenders.duckdb("good", 3, 1),
    contenders.duckdb("both", 3, 1),
]
OTHERS = [
    contenders.go(1, 2),
    contenders.duckdb("once", 1, 1),
    contenders.duckdb("good", 1, 2),
    contenders.duckdb("both", 1, 2),
    contenders.POLARS,
    contenders.DLT,
    contenders.SPARK,
]
SMALL = [contenders.go(1, 1), contenders.duckdb("both", 1, 1), contenders.DLT, contenders.SPARK]
"""What runs on a small file where the large one is too much for some."""


@dataclass
class Results:
    """All that a session found; JSON all through, so that a report can be made again."""

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
    """The session on a small file, as this one; empty if there was none."""
    differences: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """Return everything, for JSON."""
        return asdict(self)


def load(path: Path) -> Results:
    """Read a session that was saved."""
    return Results(**json.loads(path.read_text()))


def start(source: Source) -> Results:
    """Begin a session on a file."""
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
    """End the session."""
    results.load_after, results.ended = machine.load(), now()


def now() -> str:
    """Return the time, UTC, to the minute."""
    return datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC")


def choose(only: str | None, *, check: bool, quick: bool) -> list[Contender]:
    """Return the engines to run: those whose names start so, what equality needs, or all.

    A quick session does without Spark, which alone takes longer than all others.
    """
    everyone = MAIN + OTHERS
    if only:
        return [c for c in everyone if c.name.startswith(tuple(only.split(",")))]
    if check:
        return MAIN[:3]
    return [c for c in everyone if not (quick and c is contenders.SPARK)]


def alternate(results: Results, chosen: list[Contender], rounds: int) -> None:
    """Run all engines once, then all again, so that what disturbs one disturbs all."""
    for round_number in range(rounds):
        for contender in chosen:
            if not (contender.slow and round_number > 0) and can_run(results, contender):
                once(results, contender)


def can_run(results: Results, contender: Contender) -> bool:
    """Return whether the engine is installed and made for files of this size."""
    return contender.needs.exists() and results.rows <= contender.most_rows


def once(results: Results, contender: Contender) -> None:
    """Run one engine and note what it took and wrote."""
    took = take(results, contender)
    results.runs.setdefault(contender.name, []).append(took.as_dict())
    results.sizes[contender.name] = sizes(OUTPUTS / contender.name)


def take(results: Results, contender: Contender) -> Measurement:
    """Run one engine into an empty folder and return what it took."""
    output = OUTPUTS / contender.name
    shutil.rmtree(output, ignore_errors=True)
    command = contender.arguments(Path(results.account["path"]), output)
    took = measure(command, contender.environment, BUILD / "log" / f"{contender.name}.log")
    print(
        f"{contender.title:52} {took.cpu:8.2f} CPU s {took.wall:8.2f} s "
        f"{took.peak / 2**20:7.0f} MiB",
        flush=True,
    )
    return took


def sizes(output: Path) -> dict[str, int]:
    """Return the bytes of the good and of the rejected rows' files."""
    files = [path for path in output.rglob("*.parquet") if "state" not in path.parts]
    rejects = [p for p in files if p.name.startswith("rejects") or p.parent.name == "rejects"]
    return {
        "good": sum(path.stat().st_size for path in files if path not in rejects),
        "rejects": sum(path.stat().st_size for path in rejects),
    }


def pair(results: Results, pairs: int) -> None:
    """Run the Go engine on one core and on two, one right after the other.

    These runs count for nothing else: no other engine has its turn between them.
    """
    for _ in range(pairs):
        one, two = take(results, contenders.go(1, 1)), take(results, contenders.go(1, 2))
        results.pairs.append({"one": one.wall, "two": two.wall})


def compare(results: Results) -> None:
    """Hold every Go output against every DuckDB output of the session."""
    names = [name for name in results.runs if name.startswith(("go_", "duckdb_", "spark"))]
    command = [str(contenders.PYTHON), "-m", "run.compare", str(OUTPUTS), *names]
    environment = {**os.environ, "PYTHONPATH": str(contenders.BENCH)}
    answer = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    if answer.returncode != 0:
        raise EngineFailedError(f"compare: {answer.stderr[-2000:]}")
    found = json.loads(answer.stdout)
    results.comparisons = found["comparisons"]
    results.differences = found["differences"] + account_differences(results, found["rules"])


def account_differences(results: Results, rules: dict[str, dict[str, int]]) -> list[str]:
    """Hold what the Go engine rejected against what the generator broke."""
    want = results.account["by_rule"]
    return [
        f"{name} rejects {found}, the generator broke {want}"
        for name, found in rules.items()
        if found != want
    ]
