"""The engines that are measured: how each is run, and what part of the job it does."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BENCH = ROOT / "bench"
BUILD = ROOT / "build" / "bench"
PYTHON = ROOT / "build" / "venv" / "bench" / "bin" / "python"
ENGINE = BUILD / "bin" / "engine"
CONTRACT = BENCH / "orders.odcs.yaml"

GOGC = "50"
"""Go's own setting in the deployed function: infra/stack/functions.go."""

WHOLE = "yes: good rows, rejects with record, line, rule and text, receipt"
NO_LINES = "good rows and rejects; no line, and no record for a broken value"
SQL = {
    "good": ("good only", "no: good rows only"),
    "both": ("good + rejects", f"{NO_LINES}; reads the file twice"),
    "once": ("good + rejects, one pass", f"{NO_LINES}; holds the rows in memory"),
}
"""What each SQL file is called, and what it does."""


@dataclass(frozen=True)
class Contender:
    """One engine with one setting."""

    name: str
    title: str
    command: Sequence[str]
    """`{input}` and `{output}` in it are replaced by paths."""
    does: str
    """What of the job it does, for people."""
    environment: Mapping[str, str] = field(default_factory=dict)
    slow: bool = False
    """Runs in one round only."""
    needs: Path = PYTHON
    """It isn't run where this is missing."""
    most_rows: int = 10_000_000
    """It isn't run on larger files."""

    def arguments(self, source: Path, output: Path) -> list[str]:
        """Return the command line for a file."""
        return [part.format(input=source, output=output) for part in self.command]


def go(level: int, processors: int) -> Contender:
    """Return the Go engine at a zstd level (0: its own)."""
    flags = ["-zstd", str(level)] if level else []
    return Contender(
        f"go_z{level}_p{processors}",
        f"Go, zstd {level or 'default'}, {processors} core{'s' if processors > 1 else ''}",
        [str(ENGINE), "-contract", str(CONTRACT), "-input", "{input}", "-output", "{output}"]
        + flags,
        WHOLE,
        {"GOMAXPROCS": str(processors), "GOGC": GOGC},
    )


def duckdb(sql: str, level: int, threads: int) -> Contender:
    """Return DuckDB with one of the committed SQL files: "good", "both" or "once"."""
    return Contender(
        f"duckdb_{sql}_z{level}_t{threads}",
        f"DuckDB, {SQL[sql][0]}, zstd {level}, {threads} thread{'s' if threads > 1 else ''}",
        [str(PYTHON), str(BENCH / "engines" / "duckdb_sql.py"), "{input}", "{output}"]
        + [str(BENCH / f"duckdb_{sql}.sql"), "--threads", str(threads), "--level", str(level)],
        SQL[sql][1],
        slow=threads > 1 or sql == "once",
    )


POLARS = Contender(
    "polars",
    "polars, zstd 1, 1 thread",
    [str(PYTHON), str(BENCH / "engines" / "polars_scan.py"), "{input}", "{output}"],
    "no: no rejects; of the broken rows it keeps a fifth: long ones, decimals cut, second 60",
    {"POLARS_MAX_THREADS": "1"},
    slow=True,
)

DLT = Contender(
    "dlt",
    "dlt, filesystem and Parquet",
    [str(PYTHON), str(BENCH / "engines" / "dlt_pipeline.py"), "{input}", "{output}"],
    "no: texts only, no rules, no rejects; rows of the wrong width vanish, as its reader was told",
    {"RUNTIME__DLTHUB_TELEMETRY": "false", "DO_NOT_TRACK": "1"},
    slow=True,
    most_rows=1_000_000,
)

SPARK = Contender(
    "spark",
    "Spark, the script of the Glue job, 2 threads, zstd 3",
    [str(BENCH / "engines" / "glue.sh"), "{input}", "{output}"],
    "yes: good rows, rejects with record, rule and text, receipt",
    slow=True,
    needs=ROOT / "build" / "venv" / "glue" / "bin" / "python",
    most_rows=1_000_000,
)
