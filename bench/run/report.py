"""The generated section of bench/README.md."""

from statistics import median
from typing import Any

from . import session
from .session import Results

TARGETS = (("good", 2.0), ("both", 3.5))
"""The least ratio of DuckDB's CPU seconds to the Go engine's CPU seconds, by job."""

WALL_TARGET = 0.6
"""The largest ratio of wall seconds with two cores to wall seconds with one core."""


def render(results: Results) -> str:
    """Return the section, without its markers."""
    parts = [head(results), verdicts(results), engines(results), sizes(results)]
    parts += [cores(results), memory(results), small(results), equality(results)]
    return "\n\n".join(part for part in parts if part)


def head(results: Results) -> str:
    """Return the measured file, the machine and the machine's load."""
    counts = [len(runs) for runs in results.runs.values()]
    return "\n".join(
        [
            f"Measured {results.began} to {results.ended}. The file: {results.rows:,} records, "
            f"{results.bytes / 1e6:,.0f} MB, {results.account['rejected']:,} of them broken. "
            f"Runs of each engine: {min(counts)} to {max(counts)}. The figures are medians.",
            "",
            "| machine | |",
            "| --- | --- |",
            *[f"| {name} | {value} |" for name, value in results.machine.items()],
            f"| load before, after | {results.load_before}; {results.load_after} |",
        ]
    )


def cpu(results: Results, name: str) -> float | None:
    """Return an engine's median CPU seconds; None without a run."""
    runs = results.runs.get(name)
    return median(run["cpu"] for run in runs) if runs else None


def reached(value: float, target: float, *, least: bool = True) -> str:
    """Return whether a figure reaches its target, as text. The target is a least or most value."""
    return "reached" if (value >= target if least else value <= target) else "**missed**"


def verdicts(results: Results) -> str:
    """Compare the ratios with the targets, at each zstd level."""
    rows = []
    for level in (1, 3):
        ours = cpu(results, f"go_z{level}_p1")
        for job, target in TARGETS:
            other = cpu(results, f"duckdb_{job}_z{level}_t1")
            if ours is None or other is None:
                continue
            ratio = other / ours
            title = "strict, good rows only" if job == "good" else "strict, with rejects"
            rows.append(
                f"| {title} | {level} | {other:.2f} | {ours:.2f} | {ratio:.2f} | {target} | "
                f"{reached(ratio, target)} |"
            )
    header = "| DuckDB's job, one thread | zstd | DuckDB CPU s | Go CPU s | ratio | target | |"
    return table("### Go against DuckDB", header, rows)


def small(results: Results) -> str:
    """Return the engines' figures on the small file."""
    if not results.small:
        return ""
    found = Results(**results.small)
    return engines(found, f"### On {found.rows:,} records, {found.bytes / 1e6:,.0f} MB")


def engines(results: Results, heading: str = "### All engines") -> str:
    """Return the figures of every engine that ran."""
    by_name = {engine.name: engine for engine in session.MAIN + session.OTHERS}
    rows = []
    for name, runs in results.runs.items():
        spent, wall = median(run["cpu"] for run in runs), median(run["wall"] for run in runs)
        peak = max(run["peak"] for run in runs)
        engine = by_name[name]
        rows.append(
            f"| {engine.title} | {spent:.2f} | {results.bytes / 1e6 / spent:.0f} | {wall:.2f} | "
            f"{peak / 2**20:.0f} | {len(runs)} | {engine.coverage} |"
        )
    title = "| engine | CPU s | MB/s a core | wall s | peak MiB | runs | does the whole job? |"
    return table(heading, title, rows)


def sizes(results: Results) -> str:
    """Return the sizes of each engine's files."""
    by_name = {engine.name: engine for engine in session.MAIN + session.OTHERS}
    rows = [
        f"| {by_name[name].title} | {size['good'] / 1e6:.1f} | {size['rejects'] / 1e6:.2f} |"
        for name, size in results.sizes.items()
    ]
    return table("### File sizes", "| engine | good rows, MB | rejects, MB |", rows)


def cores(results: Results) -> str:
    """Return the effect of a second core."""
    if not results.pairs:
        return ""
    rows = [
        f"| {number} | {pair['one']:.2f} | {pair['two']:.2f} | {pair['two'] / pair['one']:.2f} |"
        for number, pair in enumerate(results.pairs, 1)
    ]
    best = min(pair["two"] / pair["one"] for pair in results.pairs)
    verdict = reached(best, WALL_TARGET, least=False)
    text = f"\n\nBest of {len(rows)}: {best:.2f}; target at most {WALL_TARGET}: {verdict}."
    title = "| pair | one core, wall s | two cores, wall s | ratio |"
    return table("### Two cores", title, rows) + text


def memory(results: Results) -> str:
    """Return the figures of the runs from S3 to S3."""
    found = results.memory
    if not found:
        return ""
    rows = [
        f"| {run['processors']} | {run['cpu']:.2f} | {run['wall']:.2f} | "
        f"{run['own_peak'] / 2**20:.0f} | {found['limit'] >> 20} | "
        f"{reached(run['own_peak'], found['limit'], least=False)} |"
        for run in found["runs"]
    ]
    heading = f"### From S3 to S3, {found['bytes'] / 1e6:,.0f} MB"
    return table(heading, "| cores | CPU s | wall s | peak MiB | target MiB | |", rows)


def equality(results: Results) -> str:
    """Return the comparisons and the differences of the outputs."""
    rows = [f"| {pair} | {words(found)} |" for pair, found in results.comparisons.items()]
    verdict = "\n\nNo difference." if not results.differences else ""
    faults = "".join(f"\n\n**{difference}**" for difference in results.differences)
    return table("### Equality", "| compared | found |", rows) + verdict + faults


def words(found: dict[str, Any]) -> str:
    """Return counts with their names."""
    return ", ".join(f"{name.replace('_', ' ')} {value:,}" for name, value in found.items())


def table(heading: str, title: str, rows: list[str]) -> str:
    """Return a heading and a table; empty without rows.

    Numbers aren't aligned. A changed number therefore changes one line only.
    """
    if not rows:
        return ""
    rule = "| " + " | ".join("---" for _ in title.strip("| ").split(" | ")) + " |"
    return "\n".join([heading, "", title, rule, *rows])
