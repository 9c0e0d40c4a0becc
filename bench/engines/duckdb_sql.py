"""Run a SQL file of the benchmark in DuckDB: INPUT OUTPUT SQL --threads N --level N."""

import argparse
import string
import time
from pathlib import Path

import duckdb


def main() -> None:
    """Run the file. The SQL writes good.parquet and, in some files, rejects.parquet."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("input", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("sql", type=Path)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--level", type=int, default=1, help="zstd level of the Parquet files")
    arguments = parser.parse_args()
    arguments.output.mkdir(parents=True, exist_ok=True)
    statements = string.Template(arguments.sql.read_text()).substitute(
        input=arguments.input, output=arguments.output, level=arguments.level
    )
    connection = duckdb.connect(config={"threads": arguments.threads, "memory_limit": "3GB"})
    connection.execute("set TimeZone = 'UTC'; set enable_progress_bar = false")
    print(f"start-up {time.process_time():.3f} CPU s")
    connection.execute(statements)


if __name__ == "__main__":
    main()
