"""The S3 stand-in as DuckDB's file system."""

from __future__ import annotations

import io
import os
import threading
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import IO, Any, NamedTuple
from urllib.parse import unquote, urlparse

import s3fs
from duckdb import DuckDBPyConnection
from fsspec.asyn import sync_wrapper

from firn_snowflake import errors
from firn_snowflake.settings import Settings

CACHE_SECONDS = 5.0
"""The time that an object stays in memory, in seconds. A COPY checks for a newer version in S3."""

READ_AHEAD = 8
"""The number of files of one COPY that are read in parallel."""

MAX_CACHED_BYTES = 16 << 20
"""Size limit of an object in memory, in bytes. A larger object is streamed at each open."""


class _CachedObject(NamedTuple):
    at: float
    body: bytes | None
    info: dict[str, Any]


class ReadOnceS3(s3fs.S3FileSystem):
    """s3fs that reads a small object once and answers DuckDB's next opens from memory.

    Stock fakesnow uses DuckDB's httpfs extension. For this version the extension needs a download.
    With plain s3fs a COPY opens each file three or four times, 60 ms a file.
    """

    _objects: dict[str, _CachedObject]
    _lock: threading.Lock

    def __init__(self, **options: Any) -> None:  # noqa: ANN401
        super().__init__(**options)
        self._objects, self._lock = {}, threading.Lock()

    def cached_object(self, path: str) -> _CachedObject:
        """Return the properties of an object, and the body of a small object.

        FileNotFoundError for a missing object.
        """
        path, now = self._strip_protocol(path), time.monotonic()
        with self._lock:
            found = self._objects.get(path)
        if found and now - found.at < CACHE_SECONDS:
            return found
        fresh = _CachedObject(now, *self.read(path))
        with self._lock:
            stale = [k for k, v in self._objects.items() if now - v.at >= CACHE_SECONDS]
            for key in stale:
                del self._objects[key]
            self._objects[path] = fresh
        return fresh

    async def _read(self, path: str) -> tuple[bytes | None, dict[str, Any]]:
        """Return the body of a small object and the properties of any object, with one request.

        s3fs sends three requests. FileNotFoundError for a missing object.
        """
        bucket, key, _ = self.split_path(path)
        if not key:
            raise FileNotFoundError(path)
        answer = await self._call_s3("get_object", Bucket=bucket, Key=key)
        size = answer["ContentLength"]
        async with answer["Body"] as stream:
            body = await stream.read() if size <= MAX_CACHED_BYTES else None
        properties = {name: answer[name] for name in ("ETag", "LastModified")}
        return body, {"name": path, "type": "file", "size": size, **properties}

    read = sync_wrapper(_read)

    def newest(self, path: str) -> _CachedObject:
        """Return the same as `cached_object`, after a check in S3 for a newer version."""
        path = self._strip_protocol(path)
        with self._lock:
            found = self._objects.get(path)
        if found and self.info(path, refresh=True).get("ETag") != found.info.get("ETag"):
            with self._lock:
                self._objects.pop(path, None)
        return self.cached_object(path)

    def open(self, path: str, mode: str = "rb", **options: Any) -> IO[bytes]:  # noqa: ANN401
        """Open for reading, from memory where possible."""
        if mode in ("r", "rb") and "*" not in path:
            cached = self.cached_object(path)
            if cached.body is not None:
                return io.BytesIO(cached.body)
        return super().open(path, mode, **options)

    def size(self, path: str) -> int:
        """Return the size in bytes."""
        return int(self.cached_object(path).info["size"])

    def modified(self, path: str) -> Any:  # noqa: ANN401 - as in s3fs
        """Return the time of the last change."""
        return self.cached_object(path).info["LastModified"]

    def glob(self, path: str, **options: Any) -> list[str]:  # noqa: ANN401
        """Return the matching paths; a plain name needs no listing."""
        if any(wildcard in path for wildcard in "*?["):
            return list(super().glob(path, **options))
        try:
            self.cached_object(path)
        except FileNotFoundError:
            return []
        return [self._strip_protocol(path)]


class Objects:
    """The files of stages: their address for DuckDB, and their present version."""

    def __init__(self, settings: Settings) -> None:
        self._s3: ReadOnceS3 | None = None
        if settings.s3_endpoint:
            self._s3 = ReadOnceS3(
                key=settings.access_key,
                secret=settings.secret_key,
                token=settings.session_token,
                endpoint_url=settings.s3_endpoint,
                use_listings_cache=False,
                default_cache_type="readahead",
            )

    def register(self, duck: DuckDBPyConnection) -> None:
        """Let DuckDB open s3:// addresses, in this connection and all of its cursors."""
        if self._s3:
            duck.register_filesystem(self._s3)

    def tag(self, url: str) -> str:
        """Return the tag of a file's version: the ETag, or the time and size of a local file.

        Raises:
            ProgrammingError: 091016 for a missing file or missing rights.
        """
        address = urlparse(url)
        try:
            if address.scheme == "s3":
                return self._s3_tag(url)
            stat = os.stat(unquote(address.path))
            return f"{stat.st_mtime_ns}-{stat.st_size}"
        except OSError as error:
            text = f"Remote file '{url}' was not found or may not be read: {error}"
            raise errors.failure(errors.FILE_NOT_FOUND, "22000", text) from error

    def with_tags(self, urls: Iterable[str]) -> Iterator[tuple[str, str]]:
        """Return each file with its tag; READ_AHEAD files are read in parallel, as in a warehouse.

        Stock fakesnow reads one file after another. Snowflake loads the files of a COPY in parallel
        (/user-guide/data-load-considerations-prepare).

        Raises:
            ProgrammingError: as in `tag`, for the first missing file.
        """
        with ThreadPoolExecutor(READ_AHEAD) as readers:
            remaining = iter(urls)
            while group := list(islice(remaining, READ_AHEAD)):
                yield from zip(group, readers.map(self.tag, group), strict=True)

    def _s3_tag(self, url: str) -> str:
        if not self._s3:
            raise PermissionError("S3_ENDPOINT isn't set, and the stand-in never calls real S3")
        return str(self._s3.newest(url).info.get("ETag", ""))
