"""Hold outputs against each other: `python -m run.compare FOLDER NAME...`, JSON out.

The first Go output and each kind of DuckDB output are compared row by row, both ways; all
others by fingerprints (number of rows, and the exclusive or and the sum of all rows' hashes).
"""

import json
import sys
from pathlib import Path
from typing import Any

import duckdb

FIRST_ID = 1_000_000_000
"""order_id of record n is this + n (bench/orders)."""

ENCODINGS = {"PLAIN", "RLE", "RLE_DICTIONARY"}
"""All that a file of ours may hold."""

COLUMNS = (
    "order_id, customer_id, ordered_at, amount, quantity, status, country, is_gift, ship_date, note"
)


class Outputs:
    """The files below one folder, by engine."""

    def __init__(self, folder: Path) -> None:
        """Open a database for the comparison; it may spill beside the outputs."""
        self.folder = folder
        settings = {"threads": 2, "temp_directory": str(folder.parent / "tmp")}
        self.connection = duckdb.connect(config=settings)
        self.connection.execute("set TimeZone = 'UTC'")

    def one(self, query: str) -> tuple[Any, ...]:
        """Return a query's only row."""
        row = self.connection.execute(query).fetchone()
        if row is None:
            raise RuntimeError(f"no row: {query}")
        return row

    def files(self, name: str, what: str) -> str:
        """Return the pattern of an output's files of "data" or "rejects"."""
        pattern = f"**/{what}-*.parquet"
        if name.startswith("duckdb_"):
            pattern = "good.parquet" if what == "data" else "rejects.parquet"
        elif name == "spark":
            pattern = f"**/{what}/*.parquet"
        return f"read_parquet('{self.folder}/{name}/{pattern}')"

    def good(self, name: str) -> str:
        """Return the query of an output's good rows, without firn's own columns."""
        return f"select {COLUMNS} from {self.files(name, 'data')}"

    def rejects(self, name: str) -> str:
        """Return the query of an output's rejects.

        DuckDB knows the record of what its reader refuses, the rule and the text of all, and
        writes ? for a byte that is no UTF-8.
        """
        if name.startswith("duckdb_"):
            return f"select rule, record, raw from {self.files(name, 'rejects')}"
        return (
            "select rule, case when rule like '_row:%' then _firn_record end as record, "
            f"replace(raw, chr(65533), '?') as raw from {self.files(name, 'rejects')}"
        )

    def fingerprint(self, query: str) -> tuple[Any, ...]:
        """Return what is equal for equal rows, in whatever order."""
        return self.one(
            f"select count(*), bit_xor(hash(r)), sum(hash(r)::hugeint) from ({query}) as r"
        )

    def differences(self, first: str, second: str) -> dict[str, int]:
        """Count the rows that only one side has, each as often as it has more of them."""
        return {
            "rows": self.one(f"select count(*) from ({first})")[0],
            "only_go": self.one(f"select count(*) from ({first} except all {second})")[0],
            "only_duckdb": self.one(f"select count(*) from ({second} except all {first})")[0],
        }

    def own_faults(self, name: str) -> list[str]:
        """Return what is wrong with a Go output in itself."""
        wrong = self.one(
            f"select count(*) from {self.files(name, 'data')} "
            f"where order_id - {FIRST_ID} <> _firn_record"
        )[0]
        found = self.connection.execute(
            "select distinct unnest(string_split(encodings, ', ')) "
            f"from parquet_metadata('{self.folder}/{name}/**/*.parquet')"
        ).fetchall()
        foreign = sorted({str(row[0]) for row in found} - ENCODINGS)
        faults = [f"{name} gives {wrong} rows a wrong record number"] if wrong else []
        return faults + [f"{name} has encoding {encoding}" for encoding in foreign]

    def rules(self, name: str) -> dict[str, int]:
        """Return how many rows a Go output rejects, by rule."""
        return dict(
            self.connection.execute(
                f"select rule, count(*) from ({self.rejects(name)}) group by rule"
            ).fetchall()
        )


def compare(folder: Path, names: list[str]) -> dict[str, Any]:
    """Compare the outputs of one session."""
    outputs = Outputs(folder)
    engines = [name for name in names if name.startswith("go_")]
    others = [name for name in names if name.startswith("duckdb_")]
    result: dict[str, Any] = {
        "comparisons": {},
        "differences": [fault for name in engines for fault in outputs.own_faults(name)],
        "rules": {name: outputs.rules(name) for name in engines},
    }
    if engines and others:
        row_by_row(outputs, engines[0], others, result)
    fingerprints(outputs, names, result)
    return result


def row_by_row(outputs: Outputs, engine: str, others: list[str], result: dict[str, Any]) -> None:
    """Compare the first Go output with the first DuckDB output that has rejects, or the first."""
    other = next((name for name in others if "_both_" in name), others[0])
    pairs = {"good": (outputs.good(engine), outputs.good(other))}
    if "_both_" in other:
        pairs["rejects"] = (outputs.rejects(engine), outputs.rejects(other))
    for what, queries in pairs.items():
        found = outputs.differences(*queries)
        result["comparisons"][f"{what} rows: {engine}, {other}"] = found
        if found["only_go"] or found["only_duckdb"]:
            result["differences"].append(f"{what} rows of {engine} and {other} differ: {found}")


def fingerprints(outputs: Outputs, names: list[str], result: dict[str, Any]) -> None:
    """Compare all outputs with the first."""
    good = {name: outputs.fingerprint(outputs.good(name)) for name in names}
    rejects = {
        name: outputs.fingerprint(outputs.rejects(name))
        for name in names
        if not name.startswith("duckdb_good")
    }
    for what, prints in (("good", good), ("rejects", rejects)):
        distinct = set(prints.values())
        result["comparisons"][f"{what} rows, fingerprints"] = {
            "outputs": len(prints),
            "distinct": len(distinct),
        }
        if len(distinct) > 1:
            result["differences"].append(f"the {what} rows have fingerprints {prints}")


if __name__ == "__main__":
    print(json.dumps(compare(Path(sys.argv[1]), sys.argv[2:])))
