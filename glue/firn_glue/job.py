"""One Glue run: Spark, the manifests and their objects."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor

import boto3
from pyspark.sql import SparkSession

from firn_glue.contract import Assignment, Contract, assignments
from firn_glue.engine import Engine
from firn_glue.outputs import Buckets
from firn_glue.refusal import EngineError

ROW_GROUP_BYTES = 32 << 20


def session() -> SparkSession:
    """Start Spark with the settings that affect the result. Other settings come from outside."""
    spark = (
        SparkSession.builder.appName("firn-transform")
        .config("spark.sql.session.timeZone", "UTC")
        .config("spark.sql.ansi.enabled", "false")
        .config("spark.sql.parquet.outputTimestampType", "TIMESTAMP_MICROS")
        .config("spark.sql.parquet.compression.codec", "zstd")
        .config("spark.sql.parquet.writeLegacyFormat", "false")
        .config("spark.sql.parquet.datetimeRebaseModeInWrite", "CORRECTED")
        .config("spark.hadoop.mapreduce.fileoutputcommitter.marksuccessfuljobs", "false")
        .config("spark.hadoop.parquet.block.size", str(ROW_GROUP_BYTES))
        .getOrCreate()
    )
    spark.sparkContext.setLogLevel("ERROR")
    return spark


def split_uri(uri: str) -> tuple[str, str, str]:
    """Split a manifest's URI into root, bucket and key. The bucket is the part before /_glue/."""
    before, _, name = uri.rpartition("/_glue/")
    root, _, bucket = before.rpartition("/")
    return root + "/", bucket, "_glue/" + name


def run(uris: list[str]) -> None:
    """Transform all objects of the manifests, up to 8 objects at the same time.

    Raises:
        EngineError: The first failure, after all objects were tried.
    """
    region = boto3.session.Session().region_name
    spark = session()
    work: list[tuple[Engine, Assignment]] = []
    for uri in uris:
        root, bucket, key = split_uri(uri)
        buckets = Buckets(root, region)
        manifest = json.loads(buckets.read(bucket, key))
        engine = Engine(spark, buckets, Contract.read(manifest["contract"]))
        work += [(engine, source) for source in assignments(manifest, root, region)]
    workers = min(8, spark.sparkContext.defaultParallelism)
    with ThreadPoolExecutor(max_workers=workers) as pool:
        futures = [pool.submit(engine.transform, source) for engine, source in work]
    failures = [future.exception() for future in futures]
    spark.stop()
    for failure in filter(None, failures):
        raise EngineError(str(failure)) from None  # the log has the places
