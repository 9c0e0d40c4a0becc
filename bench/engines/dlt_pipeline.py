"""The benchmark's job in dlt: INPUT OUTPUT. dlt writes texts to Parquet, without rules."""

import sys
import time
from collections.abc import Iterator
from pathlib import Path

import dlt
import pyarrow as pa
from dlt.destinations import filesystem
from pyarrow import csv


def orders(source: str) -> Iterator[pa.RecordBatch]:
    """Yield the rows as texts. Rows of another width are skipped, because pyarrow would stop."""
    with Path(source).open(encoding="utf-8") as file:
        names = file.readline().rstrip("\n").split(",")
    reader = csv.open_csv(
        source,
        read_options=csv.ReadOptions(block_size=16 << 20, use_threads=False),
        parse_options=csv.ParseOptions(
            newlines_in_values=True, invalid_row_handler=lambda row: "skip"
        ),
        convert_options=csv.ConvertOptions(
            check_utf8=False, column_types={name: pa.string() for name in names}
        ),
    )
    yield from reader


def main() -> None:
    """Run the pipeline. The files are below OUTPUT/bench/orders."""
    source, output = sys.argv[1], Path(sys.argv[2]).resolve()
    pipeline = dlt.pipeline(
        "bench",
        destination=filesystem(bucket_url=output.as_uri()),
        dataset_name="bench",
        pipelines_dir=str(output / "state"),
    )
    print(f"start-up {time.process_time():.3f} CPU s")
    pipeline.run(
        dlt.resource(orders(source), name="orders"),
        loader_file_format="parquet",
        write_disposition="replace",
    )


if __name__ == "__main__":
    main()
