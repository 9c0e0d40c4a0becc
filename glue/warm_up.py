"""Do what every run does, on ten rows: `archive.sh` keeps the classes that it loads."""

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
WRITTEN_WITHIN_SECONDS = 120
ROW = "A{0},{0},{0}.50,0.{0},2026-01-0{1},2026-01-0{1}T00:00:00Z,true\n"
REJECT = "broken,-1,x,x,x,x,x\n"


def manifest(root: Path) -> str:
    """Write one object of good rows and a reject, and the manifest that names it."""
    names = [column["name"] for column in CONTRACT["columns"]]
    columns = [c | {"header": c["name"], "path": f"/{c['name']}"} for c in CONTRACT["columns"]]
    key = "warm/up/rows.csv"
    source = root / "landing" / key
    source.parent.mkdir(parents=True)
    rows = "".join(ROW.format(i, i + 1) for i in range(9))
    source.write_text(",".join(names) + "\n" + rows + REJECT, encoding="utf-8")
    landed = {"bucket": "landing", "key": key, "version": "1", "size": source.stat().st_size}
    said = {
        "curated_bucket": "curated",
        "contract": CONTRACT | {"columns": columns},
        "objects": [
            {"object": landed, "object_id": "0" * 32, "attempt": "00-01-warm", "source": landed}
        ],
    }
    path = root / "curated" / "_glue" / "warm.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(said), encoding="utf-8")
    return f"file://{path}"


def touch_s3(spark: SparkSession) -> None:
    """Load what reads S3; nobody answers, and nobody need."""
    java: Any = spark._jvm  # noqa: SLF001 - PySpark has no other way to Hadoop
    path = java.org.apache.hadoop.fs.Path("s3://warm/up")
    settings = spark.sparkContext._jsc.hadoopConfiguration()  # noqa: SLF001 - as above
    try:
        path.getFileSystem(settings).exists(path)
    except Py4JError:
        return


def end_java() -> None:
    """Wait for Java's end, at which it writes the archive; a run doesn't."""
    gateway: Any = SparkContext._gateway  # noqa: SLF001 - PySpark has no other way to it
    gateway.shutdown()
    gateway.proc.stdin.close()
    gateway.proc.wait(WRITTEN_WITHIN_SECONDS)


def main() -> None:
    """Warm up."""
    with tempfile.TemporaryDirectory() as folder:
        uri = manifest(Path(folder))
        touch_s3(job.session())
        job.run([uri])
    end_java()


if __name__ == "__main__":
    main()
