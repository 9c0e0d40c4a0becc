"""Transform the objects of one manifest to typed Parquet, rejects and receipts, on Spark.

The engine for objects that are too large for the Lambda function. The Go engine
(internal/transform) gives the same rows, rejects and refusals. The cases of testdata/conformance
test both engines.

For each object, one Spark task does these steps as a stream:

1. A Python generator reads the stored bytes once. The generator hashes and unpacks the bytes,
   converts the encoding and splits records by the rules of the Go reader. Spark's own CSV reader
   has other rules for quotes, line ends, sizes and damage. The generator's last row isn't a
   record: the row has the object's hash or its refusal.
2. Column expressions in the JVM split records without quotes, type the values and find the first
   broken rule in column order. The generator passes values only for CSV records with quotes, for
   NDJSON and for JSON columns, with a strict JSON parser.
3. A second Python generator checks unique columns, because unique needs the order of the records.
4. Spark writes the accepted rows and counts rows with an Observation. If rejects exist, a second
   scan writes the rejects. The receipt is written last.

The script runs as a Glue 5.1 job (Spark 3.5, Python 3.11, s3://), and without Glue by run_local.sh
transform.py --manifest with file:///… or s3://…. All settings of the file system come from outside.

A Glue job has one script. The rest of the code is in the package firn_glue. Glue puts the package
on the Python path of driver and executors (--extra-py-files). The modules, in the order of use:

- contract, job: the manifest and the run; engine: the transform of one object
- storage, decoding: the object's bytes and text
- records, csv_records, header: the records; json_reader, documents: JSON and its values
- rows, unique: the two generators
- patterns, rules, plan: Spark's expressions for types and rules
- outputs: Parquet, rejects, receipts; refusal: refusals and errors

Argument: --manifest URI (internal/work/manifest.go). Tests pass several URIs, separated by commas.

A refused object gets a receipt with the refusal. An overwritten or deleted object gets no receipt
and goes back to the transform function. Other errors are raised at the end, after all objects.
"""

from __future__ import annotations

import argparse
import logging
import sys

from firn_glue.job import run


def main() -> None:
    """Run the job. Glue's own arguments are ignored."""
    logging.basicConfig(level=logging.WARNING, stream=sys.stdout, format="%(message)s")
    logging.getLogger("firn.glue").setLevel(logging.INFO)
    parser = argparse.ArgumentParser(description="Transform the objects of a manifest.")
    parser.allow_abbrev = False
    parser.add_argument("--manifest", required=True)
    arguments, _ = parser.parse_known_args()
    run(arguments.manifest.split(","))


if __name__ == "__main__":
    main()
