"""Run the transform on ten rows, to load the classes of every run for `archive.sh`."""

import json
import tempfile
from pathlib import Path
from typing import Any

from py4j.protocol import Py4JError
from pyspark import SparkContext
from pyspark.sql import SparkSession

from firn_glue import job

CONTRACT: dict[str, Any] = {
    "dataset": "warm.up",
    "version": "1.0.0",
    "format": "csv",
    "delimiter": ",",
    "encoding": "utf-8",
    "max_reject_ratio": 1,
    "max_rejects": 10,
    "max_unique": 1000,
    "columns": [
        {"name": "id", "type": "string", "required": True, "pattern": "[A-Z][0-9]"},
        {"name": "number", "type": "integer", "minimum": "0"},
        {"name": "amount", "type": "decimal", "precision": 5, "scale": 2, "minimum": "0"},
        {"name": "ratio", "type": "double", "maximum": "10"},
        {"name": "day", "type": "date"},
        {"name": "at", "type": "timestamp"},
        {"name": "yes", "type": "boolean"},
    ],
}
ARCHIVE_SECONDS = 120
ROW = "A{0},{0},{0}.50,0.{0},2026-01-0{1},2026-01-0{1}T00:00:00Z,true\n"
REJECT = "broken,-1,x,x,x,x,x\n"


def manifest(root: Path) -> str:
    """Write an object with good rows and a reject, and its manifest. Return the manifest's URI."""
    names = [column["name"] for column in CONTRACT["columns"]]
    columns = [c | {"header": c["name"], "path": f"/{c['name']}"} for c in CONTRACT["columns"]]
    key = "warm/up/rows.csv"
    source = root / "landing" / key
    source.parent.mkdir(parents=True)
    rows = "".join(ROW.format(i, i + 1) for i in range(9))
    source.write_text(",".join(names) + "\n" + rows + REJECT, encoding="utf-8")
    landed = {"bucket": "landing", "key": key, "version": "1", "size": source.stat().st_size}
    document = {
        "curated_bucket": "curated",
        "contract": CONTRACT | {"columns": columns},
        "objects": [
            {"object": landed, "object_id": "0" * 32, "attempt": "00-01-warm", "source": landed}
        ],
    }
    path = root / "curated" / "_glue" / "warm.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(document), encoding="utf-8")
    return f"file://{path}"


def load_s3_classes(spark: SparkSession) -> None:
    """Load the classes of the S3 file system by one request. The request fails without a server."""
    java: Any = spark._jvm  # noqa: SLF001 - PySpark has no other way to Hadoop
    path = java.org.apache.hadoop.fs.Path("s3://warm/up")
    settings = spark.sparkContext._jsc.hadoopConfiguration()  # noqa: SLF001 - as above
    try:
        path.getFileSystem(settings).exists(path)
    except Py4JError:
        return


def stop_java() -> None:
    """Stop Java, and wait until Java has written the archive of classes."""
    gateway: Any = SparkContext._gateway  # noqa: SLF001 - PySpark has no other way to it
    gateway.shutdown()
    gateway.proc.stdin.close()
    gateway.proc.wait(ARCHIVE_SECONDS)


def main() -> None:
    """Run the transform once."""
    with tempfile.TemporaryDirectory() as folder:
        uri = manifest(Path(folder))
        load_s3_classes(job.session())
        job.run([uri])
    stop_java()


if __name__ == "__main__":
    main()
