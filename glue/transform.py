"""Transform the objects of one manifest to typed Parquet, rejects and receipts, on Spark.

The engine for objects that the Lambda function can't hold. It gives the same rows, rejects and
refusals as the Go engine (internal/transform); the cases of testdata/conformance hold both.

How it works, for each object, in one Spark task that streams:

1. A Python generator reads the stored bytes once: it hashes them, unpacks gzip, converts the
   encoding and cuts records exactly as the Go reader does, so that quotes, line ends, sizes and
   damage are judged by the same rules. Spark's own CSV reader guesses at several of them.
   Its last row is no record: it says how the object ended (its hash, or why it is refused).
2. Column expressions in the JVM split plain records, type the values and find the first broken
   rule in column order. Python passes values only for records with quotes, for NDJSON and for JSON
   columns, which it parses strictly.
3. Unique columns need the order of the records, so a second Python generator follows.
4. Accepted rows are written with an Observation that counts; rejects take a second scan, only if
   there are any. The receipt is written last.

It runs as a Glue 5.1 job (Spark 3.5, Python 3.11, s3://), and without Glue (run_local.sh
transform.py --manifest file:///… or s3://…): all settings of the file system come from outside.

A Glue job has one script. Everything else is in the package firn_glue, which Glue puts on the
Python path of driver and executors (--extra-py-files). In the order in which an object meets them:

- contract, job: what the manifest says, and the run; engine: what becomes of one object
- storage, texts: its bytes, and the text in them
- records, csv_records, header: its records; json_reader, documents: JSON and its values
- rows, unique: the two generators
- patterns, rules, plan: Spark's expressions for types and rules
- outputs: Parquet, rejects, receipts; refusal: what refuses an object

Arguments: --manifest URI: internal/work/manifest.go. Several, parted by commas, for tests.

A refused object gets a receipt that says so. An object that was overwritten gets none: the sender
takes it back. What breaks otherwise is raised at the end, after the other objects are done.
"""

from __future__ import annotations

import argparse
import logging
import sys

from firn_glue.job import run


def main() -> None:
    """Read the arguments; Glue's own are left alone."""
    logging.basicConfig(level=logging.WARNING, stream=sys.stdout, format="%(message)s")
    logging.getLogger("firn.glue").setLevel(logging.INFO)
    parser = argparse.ArgumentParser(description="Transform the objects of a manifest.")
    parser.allow_abbrev = False
    parser.add_argument("--manifest", required=True)
    arguments, _ = parser.parse_known_args()
    run(arguments.manifest.split(","))


if __name__ == "__main__":
    main()
