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

KEPT_SECONDS = 5.0
"""How long an object that was read stays in memory; a COPY asks S3 whether it is the newest."""

READ_AHEAD = 8
"""How many files of one COPY are read at a time."""

LARGEST_KEPT = 16 << 20
"""Bytes; a larger object is streamed at each opening."""


class _Kept(NamedTuple):
    at: float
    body: bytes | None
    info: dict[str, Any]


class ReadOnceS3(s3fs.S3FileSystem):
    """s3fs that reads a small object once and answers DuckDB's next openings from memory.

    Stock fakesnow counts on DuckDB's httpfs extension, which isn't to be had for this version
    without a download. Through plain s3fs a COPY opens each file three or four times, 60 ms a file.
    """

    _objects: dict[str, _Kept]
    _lock: threading.Lock

    def __init__(self, **options: Any) -> None:  # noqa: ANN401
        super().__init__(**options)
        self._objects, self._lock = {}, threading.Lock()

    def kept(self, path: str) -> _Kept:
        """The object's facts, and its body if it is small. FileNotFoundError if it isn't there."""
        path, now = self._strip_protocol(path), time.monotonic()
        with self._lock:
            found = self._objects.get(path)
        if found and now - found.at < KEPT_SECONDS:
            return found
        fresh = _Kept(now, *self.read(path))
        with self._lock:
            stale = [k for k, v in self._objects.items() if now - v.at >= KEPT_SECONDS]
            for key in stale:
                del self._objects[key]
            self._objects[path] = fresh
        return fresh

    async def _read(self, path: str) -> tuple[bytes | None, dict[str, Any]]:
        """The body of a small object and the facts of any, by one request where s3fs sends three.

        FileNotFoundError if it isn't there.
        """
        bucket, key, _ = self.split_path(path)
        if not key:
            raise FileNotFoundError(path)
        answer = await self._call_s3("get_object", Bucket=bucket, Key=key)
        size = answer["ContentLength"]
        async with answer["Body"] as stream:
            body = await stream.read() if size <= LARGEST_KEPT else None
        facts = {name: answer[name] for name in ("ETag", "LastModified")}
        return body, {"name": path, "type": "file", "size": size, **facts}

    read = sync_wrapper(_read)

    def newest(self, path: str) -> _Kept:
        """As kept, but asks S3 whether the object was written anew since it was read."""
        path = self._strip_protocol(path)
        with self._lock:
            found = self._objects.get(path)
        if found and self.info(path, refresh=True).get("ETag") != found.info.get("ETag"):
            with self._lock:
                self._objects.pop(path, None)
        return self.kept(path)

    def open(self, path: str, mode: str = "rb", **options: Any) -> IO[bytes]:  # noqa: ANN401
        """Open for reading from memory where possible."""
        if mode in ("r", "rb") and "*" not in path:
            kept = self.kept(path)
            if kept.body is not None:
                return io.BytesIO(kept.body)
        return super().open(path, mode, **options)

    def size(self, path: str) -> int:
        """Bytes."""
        return int(self.kept(path).info["size"])

    def modified(self, path: str) -> Any:  # noqa: ANN401 - s3fs leaves it open too
        """The time of the last change."""
        return self.kept(path).info["LastModified"]

    def glob(self, path: str, **options: Any) -> list[str]:  # noqa: ANN401
        """List what matches; a plain name needs no listing."""
        if any(sign in path for sign in "*?["):
            return list(super().glob(path, **options))
        try:
            self.kept(path)
        except FileNotFoundError:
            return []
        return [self._strip_protocol(path)]


class Objects:
    """The files behind stages: where DuckDB finds them, and which version is there."""

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
        """Let DuckDB open s3:// addresses, in this connection and every cursor of it."""
        if self._s3:
            duck.register_filesystem(self._s3)

    def tag(self, url: str) -> str:
        """What tells one version of a file from another: its ETag, or a local file's time and size.

        Raises:
            ProgrammingError: 091016 if it isn't there or may not be read.
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

    def tagged(self, urls: Iterable[str]) -> Iterator[tuple[str, str]]:
        """Each file with its tag; some are read ahead at a time, as a warehouse's threads do.

        Stock fakesnow reads one file after the other. In Snowflake the files of a COPY are loaded
        in parallel (/user-guide/data-load-considerations-prepare).

        Raises:
            ProgrammingError: as tag, for the first file that isn't there.
        """
        with ThreadPoolExecutor(READ_AHEAD) as readers:
            remaining = iter(urls)
            while some := list(islice(remaining, READ_AHEAD)):
                yield from zip(some, readers.map(self.tag, some), strict=True)

    def _s3_tag(self, url: str) -> str:
        if not self._s3:
            raise PermissionError("S3_ENDPOINT isn't set, and real S3 is never asked")
        return str(self._s3.newest(url).info.get("ETag", ""))
