"""The stored bytes of an object."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import unquote

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from firn_glue.contract import Assignment
from firn_glue.refusal import SourceChangedError

BLOCK = 1 << 20

MAX_READ_TRIES = 5
"""The most tries of one read."""


class StoredObject:
    """The stored bytes of one object, with hash and count. A broken read is resumed."""

    def __init__(self, source: Assignment, client: Any = None) -> None:  # noqa: ANN401 - boto3
        self._source = source
        self._client = client
        self._hash = hashlib.sha256()
        self.count = 0
        """The number of bytes that were read."""
        self._etag = ""
        self._stream = self._open()

    def read(self) -> bytes:
        """Return the next bytes; b"" at the end."""
        for attempt in range(MAX_READ_TRIES):
            try:
                data = self._stream.read(BLOCK)
                break
            except (BotoCoreError, OSError):
                if attempt == MAX_READ_TRIES - 1:
                    raise
                self._stream = self._open()
        self._hash.update(data)
        self.count += len(data)
        return data

    def content_hash(self) -> str:
        """Return "sha256:" and the hex digest of the bytes that were read."""
        return "sha256:" + self._hash.hexdigest()

    def close(self) -> None:
        """Close the connection."""
        self._stream.close()

    def _open(self) -> BinaryIO:
        source = self._source
        if not source.root.startswith("s3"):
            stream = open(local_path(source.root, source.source_bucket, source.source_key), "rb")  # noqa: SIM115
            stream.seek(self.count)
            return stream
        wanted = {"Bucket": source.source_bucket, "Key": source.source_key}
        etag = self._etag or ("" if source.is_copy else source.object.get("etag", ""))
        if etag:
            wanted["IfMatch"] = f'"{etag}"'
        if self.count:
            wanted["Range"] = f"bytes={self.count}-"
        self._client = self._client or s3_client(source.region)
        try:
            answer = self._client.get_object(**wanted)
        except ClientError as error:
            if error.response["ResponseMetadata"]["HTTPStatusCode"] in (404, 412):
                raise SourceChangedError(source.uri) from error
            if self.count and error.response["ResponseMetadata"]["HTTPStatusCode"] == 416:
                return open("/dev/null", "rb")  # noqa: SIM115 - the read broke after the last byte
            raise
        self._etag = answer["ETag"].strip('"')
        return answer["Body"]


def s3_client(region: str | None) -> Any:  # noqa: ANN401 - boto3 has no types
    """Return an S3 client with the credentials of the environment or of the job's role."""
    return boto3.client("s3", region_name=region)


def local_path(root: str, bucket: str, key: str) -> Path:
    """Return the file of a key, if buckets are folders below a root "file://…"."""
    return Path(unquote(root.removeprefix("file://"))) / bucket / key
