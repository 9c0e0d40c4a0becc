"""The measured engines: the command of each engine, and the covered part of the job."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BENCH = ROOT / "bench"
BUILD = ROOT / "build" / "bench"
PYTHON = ROOT / "build" / "venv" / "bench" / "bin" / "python"
GO_ENGINE = BUILD / "bin" / "engine"
CONTRACT = BENCH / "orders.odcs.yaml"

GOGC = "50"
"""The setting of the deployed function (infra/stack/functions.go)."""

WHOLE = "yes: good rows, rejects with record, line, rule and text, receipt"
NO_LINES = "good rows and rejects; no line, and no record for a broken value"
SQL = {
    "good": ("good only", "no: good rows only"),
    "both": ("good + rejects", f"{NO_LINES}; reads the file twice"),
    "once": ("good + rejects, one pass", f"{NO_LINES}; holds the rows in memory"),
}
"""The title and the coverage of each SQL file."""


@dataclass(frozen=True)
class Engine:
    """One engine with one set of settings."""

    name: str
    title: str
    command: Sequence[str]
    """The command line. `{input}` and `{output}` are replaced by paths."""
    coverage: str
    """The covered part of the job, as text for the report."""
    environment: Mapping[str, str] = field(default_factory=dict)
    slow: bool = False
    """Whether the engine runs in the first round only."""
    needs: Path = PYTHON
    """A needed file. Without the file, the engine is skipped."""
    most_rows: int = 10_000_000
    """The largest file for the engine, in records. On larger files, the engine is skipped."""

    def arguments(self, source: Path, output: Path) -> list[str]:
        """Return the command line for a file."""
        return [part.format(input=source, output=output) for part in self.command]


def go(level: int, processors: int) -> Engine:
    """Return the Go engine at a zstd level. Level 0 is the engine's own default."""
    flags = ["-zstd", str(level)] if level else []
    return Engine(
        f"go_z{level}_p{processors}",
        f"Go, zstd {level or 'default'}, {processors} core{'s' if processors > 1 else ''}",
        [str(GO_ENGINE), "-contract", str(CONTRACT), "-input", "{input}", "-output", "{output}"]
        + flags,
        WHOLE,
        {"GOMAXPROCS": str(processors), "GOGC": GOGC},
    )


def duckdb(sql: str, level: int, threads: int) -> Engine:
    """Return DuckDB with one of the committed SQL files: "good", "both" or "once"."""
    return Engine(
        f"duckdb_{sql}_z{level}_t{threads}",
        f"DuckDB, {SQL[sql][0]}, zstd {level}, {threads} thread{'s' if threads > 1 else ''}",
        [str(PYTHON), str(BENCH / "engines" / "duckdb_sql.py"), "{input}", "{output}"]
        + [str(BENCH / f"duckdb_{sql}.sql"), "--threads", str(threads), "--level", str(level)],
        SQL[sql][1],
        slow=threads > 1 or sql == "once",
    )


POLARS = Engine(
    "polars",
    "polars, zstd 1, 1 thread",
    [str(PYTHON), str(BENCH / "engines" / "polars_scan.py"), "{input}", "{output}"],
    "no: no rejects; a fifth of the broken rows is kept: long rows, cut decimals, second 60",
    {"POLARS_MAX_THREADS": "1"},
    slow=True,
)

DLT = Engine(
    "dlt",
    "dlt, filesystem and Parquet",
    [str(PYTHON), str(BENCH / "engines" / "dlt_pipeline.py"), "{input}", "{output}"],
    "no: texts only, no rules, no rejects; the reader drops rows of the wrong width",
    {"RUNTIME__DLTHUB_TELEMETRY": "false", "DO_NOT_TRACK": "1"},
    slow=True,
    most_rows=1_000_000,
)

SPARK = Engine(
    "spark",
    "Spark, the script of the Glue job, 2 threads, zstd 3",
    [str(BENCH / "engines" / "glue.sh"), "{input}", "{output}"],
    "yes: good rows, rejects with record, rule and text, receipt",
    slow=True,
    needs=ROOT / "build" / "venv" / "glue" / "bin" / "python",
    most_rows=1_000_000,
)
