"""Output files. Spark's file systems write Parquet, and the S3 client writes small files."""

from __future__ import annotations

from typing import Any

from botocore.exceptions import ClientError
from pyspark.sql import DataFrame, SparkSession

from firn_glue.contract import Assignment
from firn_glue.refusal import SourceChangedError
from firn_glue.storage import StoredObject, local_path, s3_client

FILE_ROWS = 5_000_000
"""The most rows of one Parquet file. Snowflake recommends files of 100 to 250 MB
(docs.snowflake.com, data-load-considerations-prepare)."""


class Files:
    """Writes, lists and deletes files through Spark's file systems."""

    def __init__(self, spark: SparkSession) -> None:
        self._jvm = spark._jvm
        self._conf = spark._jsc.hadoopConfiguration()

    def write(self, rows: DataFrame, folder: str) -> None:
        """Write rows as Parquet in their order. Earlier files in the folder are deleted."""
        rows.write.mode("overwrite").option("maxRecordsPerFile", FILE_ROWS).parquet(folder)

    def delete(self, folder: str) -> None:
        """Delete a folder. A missing folder is no error."""
        self._system(folder).delete(self._path(folder), True)

    def parquet(self, folder: str, key_prefix: str) -> list[dict[str, Any]]:
        """List the Parquet files of a folder in the form of a receipt."""
        found = [
            {
                "key": key_prefix + status.getPath().getName(),
                "rows": self._rows(status.getPath()),
                "bytes": status.getLen(),
            }
            for status in self._system(folder).listStatus(self._path(folder))
            if status.getPath().getName().endswith(".parquet")
        ]
        return sorted(found, key=lambda file: file["key"])

    def mark_times(self, folder: str, columns: list[str]) -> None:
        """Set the logical type TIME on columns of microseconds. Spark 3.5 can't write TIME.

        Each file is replaced by a copy with equal pages and another footer.
        """
        system = self._system(folder)
        for status in list(system.listStatus(self._path(folder))):
            path = status.getPath()
            if path.getName().endswith(".parquet"):
                target = self._path(f"{folder}/timed-{path.getName()}")
                self._copy_with_times(path, target, columns)
                system.delete(path, False)

    def _copy_with_times(self, path: Any, target: Any, columns: list[str]) -> None:  # noqa: ANN401
        hadoop = self._jvm.org.apache.parquet.hadoop
        reader = hadoop.ParquetFileReader.open(self._input(path))
        schema = reader.getFileMetaData().getSchema()
        reader.close()
        mode = hadoop.ParquetFileWriter.Mode.OVERWRITE
        writer = hadoop.ParquetFileWriter(
            self._conf, self._with_times(schema, columns), target, mode
        )
        writer.start()
        writer.appendFile(self._input(path))
        writer.end(self._jvm.java.util.HashMap())

    def _with_times(self, schema: Any, columns: list[str]) -> Any:  # noqa: ANN401 - py4j
        types = self._jvm.org.apache.parquet.schema
        micros = types.LogicalTypeAnnotation.TimeUnit.MICROS
        annotation = types.LogicalTypeAnnotation.timeType(False, micros)
        int64 = types.PrimitiveType.PrimitiveTypeName.INT64
        fields = self._jvm.java.util.ArrayList()
        for name_and_type in schema.getFields():
            name = name_and_type.getName()
            if name in columns:
                builder = types.Types.primitive(int64, name_and_type.getRepetition())
                name_and_type = getattr(builder, "as")(annotation).named(name)
            fields.append(name_and_type)
        return types.MessageType(schema.getName(), fields)

    def _rows(self, path: Any) -> int:  # noqa: ANN401 - py4j
        reader = self._jvm.org.apache.parquet.hadoop.ParquetFileReader.open(self._input(path))
        try:
            return reader.getRecordCount()
        finally:
            reader.close()

    def _input(self, path: Any) -> Any:  # noqa: ANN401 - py4j
        return self._jvm.org.apache.parquet.hadoop.util.HadoopInputFile.fromPath(path, self._conf)

    def _path(self, uri: str) -> Any:  # noqa: ANN401 - py4j
        return self._jvm.org.apache.hadoop.fs.Path(uri)

    def _system(self, uri: str) -> Any:  # noqa: ANN401 - py4j
        return self._path(uri).getFileSystem(self._conf)


class Buckets:
    """Reads manifests, checks source objects and writes receipts."""

    def __init__(self, root: str, region: str | None) -> None:
        self._root = root
        self._client = s3_client(region) if root.startswith("s3") else None

    def read(self, bucket: str, key: str) -> bytes:
        """Return the bytes of a small file."""
        if self._client is None:
            return local_path(self._root, bucket, key).read_bytes()
        return self._client.get_object(Bucket=bucket, Key=key)["Body"].read()

    def open(self, source: Assignment) -> StoredObject:
        """Open an object's bytes."""
        return StoredObject(source, self._client)

    def put(self, bucket: str, key: str, body: bytes) -> None:
        """Write a small file. On S3, a failed write leaves no file."""
        if self._client is None:
            path = local_path(self._root, bucket, key)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(body)
            return
        self._client.put_object(Bucket=bucket, Key=key, Body=body)

    def identity(self, source: Assignment) -> tuple[str, ...]:
        """Return values that change when the bytes of the key change.

        Raises:
            SourceChangedError: The key has another version than the object, or no version.
        """
        if self._client is None:
            path = local_path(self._root, source.source_bucket, source.source_key)
            if not path.exists():
                raise SourceChangedError(source.uri)
            return str(path.stat().st_mtime_ns), str(path.stat().st_size)
        try:
            head = self._client.head_object(Bucket=source.source_bucket, Key=source.source_key)
        except ClientError as error:
            if error.response["ResponseMetadata"]["HTTPStatusCode"] == 404:
                raise SourceChangedError(source.uri) from error
            raise
        etag, version = head["ETag"].strip('"'), head.get("VersionId", "")
        if not source.is_copy:
            self._check_version(source, etag, version)
        return etag, version

    @staticmethod
    def _check_version(source: Assignment, etag: str, version: str) -> None:
        expected = source.object
        if expected.get("version") and version and expected["version"] != version:
            raise SourceChangedError(source.uri)
        if expected.get("etag") and expected["etag"] != etag:
            raise SourceChangedError(source.uri)
