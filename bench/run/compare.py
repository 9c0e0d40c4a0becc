"""Compare outputs: `python -m run.compare FOLDER NAME...`. The result is JSON.

The first Go output and one DuckDB output are compared row by row in both directions. All
outputs are compared by fingerprints: number of rows, and exclusive or and sum of the rows' hashes.
"""

import json
import sys
from pathlib import Path
from typing import Any

import duckdb

FIRST_ID = 1_000_000_000
"""The order_id of record n is FIRST_ID + n (bench/orders)."""

ENCODINGS = {"PLAIN", "RLE", "RLE_DICTIONARY"}
"""The allowed encodings in a Go output."""

COLUMNS = (
    "order_id, customer_id, ordered_at, amount, quantity, status, country, is_gift, ship_date, note"
)


class Outputs:
    """The outputs in one folder, by engine."""

    def __init__(self, folder: Path) -> None:
        """Open a database for the comparison, with temporary files beside the outputs."""
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

    def files(self, name: str, kind: str) -> str:
        """Return the SQL expression of an output's files. The kind is "data" or "rejects"."""
        pattern = f"**/{kind}-*.parquet"
        if name.startswith("duckdb_"):
            pattern = "good.parquet" if kind == "data" else "rejects.parquet"
        elif name == "spark":
            pattern = f"**/{kind}/*.parquet"
        return f"read_parquet('{self.folder}/{name}/{pattern}')"

    def good(self, name: str) -> str:
        """Return the query of an output's good rows, without firn's own columns."""
        return f"select {COLUMNS} from {self.files(name, 'data')}"

    def rejects(self, name: str) -> str:
        """Return the query of an output's rejects.

        DuckDB's rejects have rule and text. Only rejects of DuckDB's reader have the record
        number. DuckDB writes ? for a byte that isn't UTF-8.
        """
        if name.startswith("duckdb_"):
            return f"select rule, record, raw from {self.files(name, 'rejects')}"
        return (
            "select rule, case when rule like '_row:%' then _firn_record end as record, "
            f"replace(raw, chr(65533), '?') as raw from {self.files(name, 'rejects')}"
        )

    def fingerprint(self, query: str) -> tuple[Any, ...]:
        """Return the fingerprint of a query's rows. The order of the rows has no effect."""
        return self.one(
            f"select count(*), bit_xor(hash(r)), sum(hash(r)::hugeint) from ({query}) as r"
        )

    def differences(self, first: str, second: str) -> dict[str, int]:
        """Count the rows of the first query, and the surplus rows of each query."""
        return {
            "rows": self.one(f"select count(*) from ({first})")[0],
            "only_go": self.one(f"select count(*) from ({first} except all {second})")[0],
            "only_duckdb": self.one(f"select count(*) from ({second} except all {first})")[0],
        }

    def faults(self, name: str) -> list[str]:
        """Return the faults of one Go output: wrong record numbers and foreign encodings."""
        wrong = self.one(
            f"select count(*) from {self.files(name, 'data')} "
            f"where order_id - {FIRST_ID} <> _firn_record"
        )[0]
        found = self.connection.execute(
            "select distinct unnest(string_split(encodings, ', ')) "
            f"from parquet_metadata('{self.folder}/{name}/**/*.parquet')"
        ).fetchall()
        foreign = sorted({str(row[0]) for row in found} - ENCODINGS)
        faults = [f"{name} has a wrong record number in {wrong} rows"] if wrong else []
        return faults + [f"{name} has the foreign encoding {encoding}" for encoding in foreign]

    def rules(self, name: str) -> dict[str, int]:
        """Return the number of rejects in a Go output, by rule."""
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
        "differences": [fault for name in engines for fault in outputs.faults(name)],
        "rules": {name: outputs.rules(name) for name in engines},
    }
    if engines and others:
        row_by_row(outputs, engines[0], others, result)
    fingerprints(outputs, names, result)
    return result


def row_by_row(outputs: Outputs, engine: str, others: list[str], result: dict[str, Any]) -> None:
    """Compare the first Go output with the first DuckDB output with rejects.

    Without such an output, the first DuckDB output is compared.
    """
    other = next((name for name in others if "_both_" in name), others[0])
    pairs = {"good": (outputs.good(engine), outputs.good(other))}
    if "_both_" in other:
        pairs["rejects"] = (outputs.rejects(engine), outputs.rejects(other))
    for kind, queries in pairs.items():
        found = outputs.differences(*queries)
        result["comparisons"][f"{kind} rows: {engine}, {other}"] = found
        if found["only_go"] or found["only_duckdb"]:
            result["differences"].append(f"{kind} rows of {engine} and {other} differ: {found}")


def fingerprints(outputs: Outputs, names: list[str], result: dict[str, Any]) -> None:
    """Compare all outputs by their fingerprints."""
    good = {name: outputs.fingerprint(outputs.good(name)) for name in names}
    rejects = {
        name: outputs.fingerprint(outputs.rejects(name))
        for name in names
        if not name.startswith("duckdb_good")
    }
    for kind, prints in (("good", good), ("rejects", rejects)):
        distinct = set(prints.values())
        result["comparisons"][f"{kind} rows, fingerprints"] = {
            "outputs": len(prints),
            "distinct": len(distinct),
        }
        if len(distinct) > 1:
            result["differences"].append(f"the fingerprints of the {kind} rows differ: {prints}")


if __name__ == "__main__":
    print(json.dumps(compare(Path(sys.argv[1]), sys.argv[2:])))
