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

It runs as a Glue 5.1 job (Spark 3.5, Python 3.11, s3://), and without Glue (python transform.py
--manifest file:///… or s3://…): all settings of the file system come from outside.

Arguments: --manifest URI: internal/work/manifest.go. Several, parted by commas, for tests.

A refused object gets a receipt that says so. An object that was overwritten gets none: the sender
takes it back. What breaks otherwise is raised at the end, after the other objects are done.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import json
import logging
import re
import sys
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from fractions import Fraction
from functools import cached_property, partial
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple
from urllib.parse import unquote

import boto3
from botocore.exceptions import BotoCoreError, ClientError
from pyspark.sql import Column as Expression
from pyspark.sql import DataFrame, Observation, SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T

log = logging.getLogger("firn.glue")

MAX_RECORD = 16 << 20
"""Bytes of the longest record, without its line end. A longer one refuses the object."""

MAX_DEPTH = 64
"""How deep objects and arrays of a record may nest; the record itself is depth 1."""

MAX_RATIO = 200
MAX_UNPACKED = 1 << 30
"""An object that unpacks to more than both is taken for a bomb."""

MAX_EXTRA = 100
"""How many members that the contract doesn't have are named."""

MAX_FIRST_REJECTS = 10
MAX_INDEX = 1 << 16
BLOCK = 1 << 20
TRIES = 5
"""How often a read that breaks off is resumed."""

FILE_ROWS = 5_000_000
"""Rows of one Parquet file. Snowflake loads files of 100 to 250 MB best
(docs.snowflake.com, data-load-considerations-prepare)."""

ROW_GROUP_BYTES = 32 << 20

HINTS = {
    "bad_header": "Compare the file's first line with the contract's columns, then put the"
    " corrected file again.",
    "bad_encoding": "Write the file as UTF-8 and put it again.",
    "bad_quoting": "Mend the quotes at the named record and put the file again.",
    "bad_compression": "The compressed file is damaged or isn't what its name says; put it again.",
    "record_too_long": "Split the record, or look for a quote that was never closed, and put the"
    " file again.",
    "empty_object": "The file has no header line; put the complete file again.",
    "too_many_rejects": "Look at the first rejects; mend the file, or raise firn.maxRejectRatio in"
    " the contract.",
    "unsupported_format": "Name the file .csv, .ndjson, or either with .gz, as its contract says.",
}
"""What to do about a refusal, by its code; the words of internal/fault."""


# ---------------------------------------------------------------------------------------------
# The manifest


class ContractColumn(NamedTuple):
    """One column of a contract: internal/contract/portable.go. Bounds are texts."""

    name: str
    header: str
    path: str
    type: str
    precision: int = 0
    scale: int = 0
    required: bool = False
    unique: bool = False
    format: str = ""
    format_pattern: str = ""
    pattern: str = ""
    min_length: int | None = None
    max_length: int | None = None
    minimum: str = ""
    maximum: str = ""
    exclusive_minimum: str = ""
    exclusive_maximum: str = ""
    enum: tuple[str, ...] = ()


class Contract(NamedTuple):
    """A contract as it travels in a manifest."""

    dataset: str
    version: str
    format: str
    columns: tuple[ContractColumn, ...]
    delimiter: str = ","
    encoding: str = "utf-8"
    null_values: frozenset[str] = frozenset()
    max_reject_ratio: float = 0.05
    max_rejects: int = 10
    max_unique: int = 4_000_000
    """Records with a higher number take no part in unique; 0 for no bound."""

    @classmethod
    def read(cls, said: dict[str, Any]) -> Contract:
        """Take what this engine knows of the JSON form; names that it doesn't know are left."""
        known = {name: said[name] for name in cls._fields if said.get(name) is not None}
        fields = ContractColumn._fields
        known["columns"] = tuple(
            ContractColumn(**{name: c[name] for name in fields if c.get(name) is not None})
            for c in said["columns"]
        )
        known["null_values"] = frozenset(said.get("null_values") or ())
        return cls(**known)


class Assignment(NamedTuple):
    """One object of a manifest, and where it is read from and written to."""

    object: dict[str, Any]
    object_id: str
    generation: int
    attempt: str
    source_bucket: str
    source_key: str
    root: str
    """What bucket names are appended to: "s3://", or a folder's URI."""
    curated_bucket: str
    prefix: str
    """Of the keys in the curated bucket."""
    region: str | None

    @property
    def uri(self) -> str:
        """The object's name for people."""
        return f"s3://{self.object['bucket']}/{self.object['key']}"

    @property
    def is_copy(self) -> bool:
        """Whether the bytes are read from another key than the object's own."""
        said = (self.object["bucket"], self.object["key"])
        return said != (self.source_bucket, self.source_key)

    def folder(self, name: str) -> str:
        """Return the URI of a folder of output files."""
        return f"{self.root}{self.curated_bucket}/{self.prefix}{name}"


def assignments(manifest: dict[str, Any], root: str, region: str | None) -> list[Assignment]:
    """List a manifest's objects."""
    home = manifest["contract"]["dataset"].replace(".", "/", 1)
    return [
        Assignment(
            object=said["object"],
            object_id=said["object_id"],
            generation=said.get("generation", 0),
            attempt=said["attempt"],
            source_bucket=said["source"]["bucket"],
            source_key=said["source"]["key"],
            root=root,
            curated_bucket=manifest["curated_bucket"],
            prefix=f"{home}/{said['object_id']}/{said['attempt']}/",
            region=region,
        )
        for said in manifest["objects"]
    ]


# ---------------------------------------------------------------------------------------------
# Refusals


class Refused(Exception):  # noqa: N818 - it is an outcome, not an error of the engine
    """The object breaks its contract as a whole. Code and hint are those of internal/fault."""

    def __init__(self, code: str, cause: str, hint: str = "") -> None:
        super().__init__(cause)
        self.code = code
        self.cause = cause
        self.hint = hint or HINTS[code]


class SourceChangedError(Exception):
    """The key no longer holds the version that was asked for."""


class EngineError(Exception):
    """What fails the run: one sentence that names the object."""


# ---------------------------------------------------------------------------------------------
# Bytes


class Stored:
    """The stored bytes of one object: hashed, counted, and resumed where a read breaks off."""

    def __init__(self, source: Assignment, client: Any = None) -> None:  # noqa: ANN401 - boto3
        self._source = source
        self._client = client
        self._hash = hashlib.sha256()
        self.count = 0
        """Bytes read so far."""
        self._etag = ""
        self._stream = self._open()

    def read(self) -> bytes:
        """Return the next bytes; none at the end."""
        for attempt in range(TRIES):
            try:
                data = self._stream.read(BLOCK)
                break
            except (BotoCoreError, OSError):
                if attempt == TRIES - 1:
                    raise
                self._stream = self._open()
        self._hash.update(data)
        self.count += len(data)
        return data

    def content_hash(self) -> str:
        """Return "sha256:" and hex over what was read."""
        return "sha256:" + self._hash.hexdigest()

    def close(self) -> None:
        """Give the connection back."""
        self._stream.close()

    def _open(self) -> BinaryIO:
        source = self._source
        if not source.root.startswith("s3"):
            stream = open(local(source.root, source.source_bucket, source.source_key), "rb")  # noqa: SIM115
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
                return open("/dev/null", "rb")  # noqa: SIM115 - it broke off after the last byte
            raise
        self._etag = answer["ETag"].strip('"')
        return answer["Body"]


def s3_client(region: str | None) -> Any:  # noqa: ANN401 - boto3 has no types
    """Return a client with the settings of the environment or of the job's role."""
    return boto3.client("s3", region_name=region)


def local(root: str, bucket: str, key: str) -> Path:
    """Return the file of a key where buckets are folders."""
    return Path(unquote(root.removeprefix("file://"))) / bucket / key


Blocks = Iterator[bytes]


def stored_blocks(stored: Stored) -> Blocks:
    """Give the bytes as they are."""
    while data := stored.read():
        yield data


def unpacked_blocks(stored: Stored) -> Blocks:
    """Give the bytes of all gzip members. They are whole only if this ends without Refused."""
    count, pending, member = 0, b"", None
    while True:
        if not pending:
            pending = stored.read()
        if not pending:
            break
        member = member or zlib.decompressobj(wbits=31)
        try:
            plain = member.decompress(pending, BLOCK)
        except zlib.error as error:
            raise damaged(stored, zlib_cause(error)) from error
        if member.eof:
            pending, member = member.unused_data, None
        else:
            pending = member.unconsumed_tail
        count += len(plain)
        if count > MAX_UNPACKED and count > MAX_RATIO * (stored.count - len(pending)):
            raise Refused(
                "bad_compression",
                f"it unpacks to more than {MAX_RATIO} times its size: {count} bytes from"
                f" {stored.count - len(pending)} so far",
            )
        if plain:
            yield plain
    if member is not None:
        raise damaged(stored, "the compressed data ends too early, or something follows it")


def damaged(stored: Stored, cause: str) -> Refused:
    """Say that an object's packing is broken."""
    return Refused("bad_compression", f"after {stored.count} bytes: {cause}")


def zlib_cause(error: zlib.error) -> str:
    """Return zlib's reason without its number and "while decompressing data"."""
    reason = str(error).rpartition(": ")[2]
    known = {"incorrect header check": "gzip: invalid header"}
    for check in ("incorrect data check", "incorrect length check"):
        known[check] = "gzip: invalid checksum"
    return known.get(reason, "gzip: " + reason)


def filled(blocks: Blocks) -> Blocks:
    """Give blocks of at least BLOCK bytes but for the last: damage in a block comes before it."""
    parts, size = [], 0
    for block in blocks:
        parts.append(block)
        size += len(block)
        if size >= BLOCK:
            yield b"".join(parts)
            parts, size = [], 0
    if parts:
        yield b"".join(parts)


MARK_UTF8 = b"\xef\xbb\xbf"
MARKS_UTF16 = (b"\xff\xfe", b"\xfe\xff")
MAGICS = {"gzip": b"\x1f\x8b", "zstd": b"\x28\xb5\x2f\xfd"}
CODECS = {"latin-1": "latin-1", "windows-1252": "cp1252"}


def text_blocks(blocks: Blocks, encoding: str) -> Blocks:
    """Give the text as UTF-8 without one byte order mark.

    A byte that the encoding doesn't define becomes U+FFFD, which rejects its record. Bytes that
    are no text by their first bytes are refused.
    """
    first = next(blocks, b"")
    if first.startswith(MARKS_UTF16):
        raise Refused("bad_encoding", "it begins with the mark of UTF-16")
    for name, magic in MAGICS.items():
        if first.startswith(magic):
            raise Refused("bad_compression", f"its bytes are {name}, which its name doesn't say")
    if encoding == "utf-8":
        yield first.removeprefix(MARK_UTF8)
        yield from blocks
        return
    if first.startswith(MARK_UTF8):
        raise Refused(
            "bad_encoding",
            f"it begins with the mark of UTF-8, but its contract says {encoding}",
        )
    yield first.decode(CODECS[encoding], "replace").encode()
    for block in blocks:
        yield block.decode(CODECS[encoding], "replace").encode()


ENDINGS = {"csv": (".csv", ".tsv", ".txt"), "ndjson": (".ndjson", ".jsonl")}


def compression_of(key: str, file_format: str) -> str:
    """Tell from a key whether its object is gzip. Nothing is guessed from content."""
    name = key.rpartition("/")[2].lower()
    if name.endswith(".zst") and name[:-4].endswith(ENDINGS[file_format]):
        raise Refused(
            "unsupported_format",
            "the object is zstd, which the engine on Glue can't read",
            "Pack the file as .gz, or leave firn.engine to auto or lambda.",
        )
    plain = name.removesuffix(".gz")
    if plain.endswith(ENDINGS[file_format]):
        return "gzip" if name.endswith(".gz") else ""
    dot = key.rfind(".")
    ending = key[dot:] if dot > key.rfind("/") else ""
    raise Refused(
        "unsupported_format",
        f'the key ends in "{ending}"; its contract says {file_format}, so it must end in'
        f" {', '.join(ENDINGS[file_format])}, with or without .gz or .zst",
    )


def open_text(stored: Stored, key: str, contract: Contract) -> Blocks:
    """Open the text of an object as blocks of UTF-8, of 1 MiB each or more."""
    packed = compression_of(key, contract.format) == "gzip"
    plain = unpacked_blocks(stored) if packed else stored_blocks(stored)
    return text_blocks(filled(plain), contract.encoding)


# ---------------------------------------------------------------------------------------------
# Records


class Record(NamedTuple):
    """One record: its raw text, legible, and whether it was well-formed UTF-8 without U+FFFD.

    fields are a CSV record's values where it has quotes; None where the raw text splits.
    """

    raw: str
    is_valid: bool
    fields: list[str] | None = None


REPLACEMENT = "\ufffd"


def decoded(text: bytes) -> tuple[str, bool]:
    """Return the text, each ill-formed sequence as one U+FFFD, and whether there was none.

    A U+FFFD in the text counts too: some program has already replaced what it couldn't read.
    """
    try:
        said = text.decode()
    except UnicodeDecodeError:
        return text.decode(errors="replace"), False
    return said, REPLACEMENT not in said


def without_return(line: Any) -> Any:  # noqa: ANN401 - str or bytes
    """Drop one carriage return from the end of a line."""
    return line[:-1] if line[-1:] in ("\r", b"\r") else line


def plain_lines(part: bytes) -> Iterator[Record]:
    """Give the lines of a part that ends with a line end or the object, but for blank ones."""
    lines: Iterable[str]
    said, is_valid = decoded(part)
    if is_valid:
        lines = said.split("\n")
        if "\r" in said:
            lines = map(without_return, lines)
        for line in lines:
            if line:
                yield Record(line, True)
        return
    for raw in map(without_return, part.split(b"\n")):
        if raw:
            yield Record(*decoded(raw))


def too_long(name: str, line: int) -> Refused:
    """Say that a record is longer than any may be."""
    return Refused(
        "record_too_long", f"{name} (line {line}): it is longer than {MAX_RECORD >> 20} MiB"
    )


class Ndjson:
    """Reads one record a line. It doesn't look into the record."""

    def __init__(self, blocks: Blocks) -> None:
        self._blocks = blocks
        self._line = 1
        self.number = 0

    def records(self) -> Iterator[Record]:
        """Give the records; an object without any byte is refused."""
        rest, is_empty = b"", True
        for block in self._blocks:
            is_empty = is_empty and not block
            end = block.rfind(b"\n") + 1
            if end:
                yield from self._part(rest + block[:end])
                rest = block[end:]
            else:
                rest += block
            if len(rest) > MAX_RECORD + 2:
                raise too_long(f"record {self.number + 1}", self._line)
        if is_empty:
            raise Refused(
                "empty_object",
                "the object holds no byte",
                "The file is empty; put the complete file again.",
            )
        yield from self._part(rest)

    def _part(self, part: bytes) -> Iterator[Record]:
        if len(part) <= MAX_RECORD:
            for record in plain_lines(part):
                self.number += 1
                yield record
            self._line += part.count(b"\n")
            return
        for line in part.split(b"\n"):
            raw = without_return(line)
            if len(raw) > MAX_RECORD:
                raise too_long(f"record {self.number + 1}", self._line)
            if raw:
                self.number += 1
                yield Record(*decoded(raw))
            self._line += 1


QUOTE = ord('"')
TEXT_AFTER_QUOTE = "there is text after a closing quote"
OPEN_QUOTE = "its quote is never closed"


class BadQuoteError(Exception):
    """A record's quotes refuse the object; at is where."""

    def __init__(self, cause: str, at: int) -> None:
        super().__init__(cause)
        self.at = at


class Cut(NamedTuple):
    """Where a record's raw text ends, where the next record begins, and its values."""

    raw_end: int
    following: int
    fields: list[bytes]


class Csv:
    r"""Cuts records as RFC 4180 defines them, and strictly so, as internal/transform/reader does.

    "\n" ends a record, one "\r" before it is dropped, a quote counts only as the first byte of a
    field, and text after a closing quote refuses the object. A line without a byte is no record.
    """

    def __init__(self, blocks: Blocks, delimiter: str) -> None:
        self._blocks = blocks
        self._delimiter = delimiter.encode()
        self._buffer = b""
        self._at = 0
        self._is_last = False
        self._line = 1
        self._in_header = True
        self.number = 0

    def header(self) -> list[bytes]:
        """Read the first record, once and first: the column names."""
        cut = self._next()
        if cut is None:
            raise Refused("empty_object", "the object holds no header line")
        self._in_header = False
        self.number = 0
        return cut[1]

    def records(self) -> Iterator[Record]:
        """Give the records after the header."""
        while True:
            yield from self._plain_part()
            while record := self._quoted_line():
                yield record
            cut = self._next()
            if cut is None:
                return
            raw, fields = cut
            said, is_valid = decoded(raw)
            yield Record(said, is_valid, [f.decode() for f in fields] if is_valid else None)

    def _plain_part(self) -> Iterator[Record]:
        """Give the lines up to the first that has a quote, or to the last whole one."""
        while True:
            quote = self._buffer.find(b'"', self._at)
            end = quote if quote >= 0 else len(self._buffer)
            if quote >= 0 or not self._is_last:
                end = self._buffer.rfind(b"\n", self._at, end) + 1
            if end > self._at:
                part = self._buffer[self._at : end]
                if len(part) > MAX_RECORD and max(map(len, part.split(b"\n"))) > MAX_RECORD:
                    return
                for record in plain_lines(part):
                    self.number += 1
                    yield record
                self._at = end
                self._line += part.count(b"\n")
            if quote >= 0 or self._is_last or not self._more():
                return

    def _quoted_line(self) -> Record | None:
        """Cut a record of one line with quotes by the csv module, which is much faster than _cut.

        None where it isn't sure to give the same: the line may be no whole record, and strict
        means that the module raises where a quote doesn't close or text follows it.
        """
        end = self._buffer.find(b"\n", self._at)
        line = without_return(self._buffer[self._at : end]) if end >= 0 else b""
        if b'"' not in line or b"\r" in line or len(line) > MAX_RECORD:
            return None
        raw, is_valid = decoded(line)
        try:
            fields = next(csv.reader((raw,), delimiter=self._delimiter.decode(), strict=True))
        except csv.Error:
            return None
        self._at = end + 1
        self._line += 1
        self.number += 1
        return Record(raw, is_valid, fields)

    def _next(self) -> tuple[bytes, list[bytes]] | None:
        """Cut the next record that isn't blank; None at the end."""
        while True:
            try:
                cut = self._cut()
            except BadQuoteError as error:
                if error.at - self._at > MAX_RECORD + 2:
                    raise too_long(self._name(), self._line) from error
                raise Refused(
                    "bad_quoting", f"{self._name()} (line {self._line}): {error}"
                ) from error
            if cut is not None:
                start, self._at = self._at, cut.following
                if cut.raw_end - start > MAX_RECORD:
                    raise too_long(self._name(), self._line)
                self._line += self._buffer.count(b"\n", start, self._at)
                if cut.raw_end > start:
                    self.number += 1
                    return self._buffer[start : cut.raw_end], cut.fields
            elif self._is_last:
                return None
            elif len(self._buffer) - self._at > MAX_RECORD + 2:
                raise too_long(self._name(), self._line)
            else:
                self._more()

    def _name(self) -> str:
        return "the header" if self._in_header else f"record {self.number + 1}"

    def _more(self) -> bool:
        block = next(self._blocks, None)
        self._buffer = self._buffer[self._at :] + (block or b"")
        self._at = 0
        self._is_last = block is None
        return not self._is_last

    def _cut(self) -> Cut | None:
        """Cut the record that begins here; None if the buffer ends before it does."""
        buffer, end, at = self._buffer, len(self._buffer), self._at
        if at == end:
            return None
        fields: list[bytes] = []
        while True:
            is_quoted = at < end and buffer[at] == QUOTE
            following = self._quoted(at, fields) if is_quoted else self._bare(at, fields)
            if following < 0:
                return None
            at = following
            if at < end and buffer[at : at + 1] == self._delimiter:
                at += 1
                continue
            return self._after_quote(at, fields) if is_quoted else self._after_bare(at, fields)

    def _bare(self, at: int, fields: list[bytes]) -> int:
        """Append the field and return where it ends; -1 if the buffer ends before."""
        line = self._buffer.find(b"\n", at)
        end = line if line >= 0 else len(self._buffer)
        delimiter = self._buffer.find(self._delimiter, at, end)
        if delimiter >= 0:
            end = delimiter
        elif line < 0 and not self._is_last:
            return -1
        fields.append(self._buffer[at:end])
        return end

    def _quoted(self, opening: int, fields: list[bytes]) -> int:
        """Append the field and return the place after its closing quote; -1 as in _bare."""
        buffer, end, at = self._buffer, len(self._buffer), opening + 1
        while True:
            quote = buffer.find(b'"', at)
            if quote < 0:
                if self._is_last:
                    raise BadQuoteError(OPEN_QUOTE, end)
                return -1
            if quote + 1 == end and not self._is_last:
                return -1
            if quote + 1 == end or buffer[quote + 1] != QUOTE:
                break
            at = quote + 2
        fields.append(buffer[opening + 1 : quote].replace(b'""', b'"'))
        return quote + 1

    def _after_bare(self, at: int, fields: list[bytes]) -> Cut:
        last = fields[-1]
        following = min(at + 1, len(self._buffer))
        if last.endswith(b"\r"):
            fields[-1] = last[:-1]
            at -= 1
        return Cut(at, following, fields)

    def _after_quote(self, at: int, fields: list[bytes]) -> Cut | None:
        rest = self._buffer[at : at + 2]
        if not rest.startswith(b"\r"):
            if rest and not rest.startswith(b"\n"):
                raise BadQuoteError(TEXT_AFTER_QUOTE, at)
            return Cut(at, at + len(rest[:1]), fields)
        if rest == b"\r" and not self._is_last:
            return None
        if rest in (b"\r", b"\r\n"):
            return Cut(at, at + len(rest), fields)
        raise BadQuoteError(TEXT_AFTER_QUOTE, at)


# ---------------------------------------------------------------------------------------------
# The header of a CSV file


@dataclass(frozen=True)
class Header:
    """Where the contract's columns stand in a CSV file."""

    width: int
    places: tuple[int, ...]
    """By contract column: the field's index."""
    extra: tuple[str, ...]
    """The names that the contract doesn't have."""


def read_header(names: list[bytes], contract: Contract) -> Header:
    """Hold a header against the contract: a column twice or a missing one refuses the object."""
    places: dict[str, int] = {}
    for i, raw in enumerate(names):
        name, is_valid = decoded(raw)
        if not is_valid:
            raise Refused("bad_encoding", f"the name of column {i + 1} isn't UTF-8")
        if name in places:
            raise Refused(
                "bad_header",
                f"column {quoted(name)} stands twice, as column {places[name] + 1} and {i + 1}",
            )
        places[name] = i
    missing = [quoted(c.header) for c in contract.columns if c.header not in places]
    if missing:
        raise Refused(
            "bad_header",
            f"columns that the contract requires are missing: {', '.join(missing)}",
        )
    wanted = [c.header for c in contract.columns]
    extra = tuple(name for name in places if name not in wanted)
    return Header(len(names), tuple(places[name] for name in wanted), extra)


def quoted(name: str) -> str:
    """Quote a name for people."""
    return json.dumps(name, ensure_ascii=False)


# ---------------------------------------------------------------------------------------------
# JSON


class Number(str):
    """A JSON number as written."""

    __slots__ = ()


WHITESPACE = re.compile(r"[ \t\n\r]*")
BRACKET = re.compile(r'"(?:[^"\\]|\\.)*+(?:"|\Z)|[\[{]|[\]}]', re.DOTALL)
SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")

ACCEPTED = {
    "string": "sr",
    "json": "or",
    "integer": "n",
    "decimal": "n",
    "double": "n",
    "boolean": "b",
    "date": "s",
    "timestamp": "s",
    "time": "s",
}
"""The kinds of JSON value that a type may be read from: string, record, object or array, number,
boolean."""


class JsonReader:
    """A strict reader: RFC 8259, unique names, no lone surrogates."""

    def __init__(self) -> None:
        self._has_duplicate = False
        self._decoder = json.JSONDecoder(
            object_pairs_hook=self._object,
            parse_int=Number,
            parse_float=Number,
            parse_constant=self._constant,
        )
        self._scan = self._decoder.scan_once

    def read(self, text: str) -> tuple[Any, str]:
        """Return the value, and "json" or "duplicate" if it isn't sound."""
        self._has_duplicate = False
        try:
            value, end = self._scan(text, WHITESPACE.match(text).end())
        except (ValueError, StopIteration, RecursionError):
            return None, "json"
        if WHITESPACE.match(text, end).end() != len(text):
            return None, "json"
        if SURROGATE.search(text) and not is_encodable(value):
            return None, "json"
        return value, "duplicate" if self._has_duplicate else ""

    def span(self, text: str, at: int, steps: tuple[str, ...]) -> str | None:
        """Return the text of the value that the steps lead to from the value at a place.

        The text must be sound JSON; whitespace before the value must be skipped.
        """
        if not steps:
            return text[at : self._scan(text, at)[1]]
        is_object = text[at] == "{"
        if not is_object and text[at] != "[":
            return None
        index, at = 0, skip(text, at + 1)
        while text[at] not in "]}":
            name = str(index)
            if is_object:
                name, at = self._scan(text, at)
                at = skip(text, skip(text, at) + 1)
            if name == steps[0]:
                return self.span(text, at, steps[1:])
            at = skip(text, self._scan(text, at)[1])
            if text[at] == ",":
                at = skip(text, at + 1)
            index += 1
        return None

    def _object(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        members = dict(pairs)
        if len(members) < len(pairs):
            self._has_duplicate = True
        return members

    @staticmethod
    def _constant(name: str) -> None:
        raise ValueError(name)


def skip(text: str, at: int) -> int:
    """Return the place of the next character that is no whitespace."""
    return WHITESPACE.match(text, at).end()


def is_encodable(value: Any) -> bool:  # noqa: ANN401 - any JSON value
    """Report whether no text of the value has half of a surrogate pair."""
    match value:
        case dict():
            return all(is_encodable(k) and is_encodable(v) for k, v in value.items())
        case list():
            return all(map(is_encodable, value))
        case str():
            return not any("\ud800" <= c <= "\udfff" for c in value)
        case _:
            return True


def nesting(text: str) -> int:
    """Return how deep brackets outside of strings nest. The text need not be JSON."""
    if text.count("{") + text.count("[") <= MAX_DEPTH:
        return 0
    depth = deepest = 0
    for match in BRACKET.finditer(text):
        if match[0] in "[{":
            depth += 1
            deepest = max(deepest, depth)
        elif match[0] in "]}":
            depth -= 1
    return deepest


def depth(value: Any) -> int:  # noqa: ANN401 - any JSON value
    """Return how deep the objects and arrays of a value nest; 0 for another value."""
    deep, level = 0, [value]
    while level := [v for v in level if isinstance(v, dict | list)]:
        deep += 1
        level = [v for part in level for v in (part.values() if isinstance(part, dict) else part)]
    return deep


def is_structure(reader: JsonReader, text: str) -> bool:
    """Report whether a CSV value is one JSON object or array that keeps a record's rules."""
    if nesting(text) > MAX_DEPTH:
        return False
    value, broken = reader.read(text)
    return not broken and isinstance(value, dict | list)


def pointer_steps(pointer: str) -> tuple[str, ...]:
    """Split a JSON pointer and undo its escapes (RFC 6901, section 4)."""
    if not pointer:
        return ()
    parts = pointer.removeprefix("/").split("/")
    return tuple(part.replace("~1", "/").replace("~0", "~") for part in parts)


def follow(value: Any, steps: tuple[str, ...]) -> Any:  # noqa: ANN401 - any JSON value
    """Return the value that the steps lead to; None if there is none. Digits lead into arrays."""
    for step in steps:
        match value:
            case dict():
                value = value.get(step)
            case list():
                value = element(value, step)
            case _:
                return None
    return value


def element(values: list[Any], step: str) -> Any:  # noqa: ANN401 - any JSON value
    """Return an array's element by its index without leading zeros."""
    if not (step.isascii() and step.isdigit()) or len(step) > 1 and step[0] == "0":
        return None
    index = int(step)
    return values[index] if index < min(len(values), MAX_INDEX) else None


class Values(NamedTuple):
    """A record's values in the contract's order, and a "1" for each that isn't of its kind.

    An empty text stands for a value of a wrong kind.
    """

    texts: list[str | None]
    wrong: str


class Document:
    """Finds the values of NDJSON records by JSON pointer."""

    def __init__(self, contract: Contract) -> None:
        self._reader = JsonReader()
        self._columns = [(pointer_steps(c.path), c.type) for c in contract.columns]
        self._known = {steps[0] for steps, _ in self._columns if steps}
        self._extra: dict[str, None] = {}
        self._is_whole = any(not steps for steps, _ in self._columns)

    def extra(self) -> list[str]:
        """Name the top-level members that no pointer leads to; none if a column holds all."""
        return [] if self._is_whole else sorted(self._extra)

    def values(self, raw: str) -> tuple[Values | None, str]:
        """Return the record's values, or the rule that the record as a whole breaks."""
        record, broken = self._reader.read(raw)
        if nesting(raw) > MAX_DEPTH:
            if not broken and isinstance(record, dict):
                self._note_until_deep(record)
            return None, "_row:depth"
        if broken == "json":
            return None, "_row:json"
        if not isinstance(record, dict):
            return None, "_row:object"
        if broken:
            return None, "_row:duplicate"
        self._note(record)
        texts, wrong = [], []
        for steps, column_type in self._columns:
            text, kind = self._value(raw, record, steps, column_type)
            is_wrong = text is not None and kind not in ACCEPTED[column_type]
            texts.append("" if is_wrong else text)
            wrong.append("1" if is_wrong else "0")
        return Values(texts, "".join(wrong)), ""

    def _note_until_deep(self, record: dict[str, Any]) -> None:
        """Note the members up to the one that is too deep: the Go engine goes no further."""
        for name, value in record.items():
            self._note({name: value})
            if depth(value) >= MAX_DEPTH:
                return

    def _note(self, record: dict[str, Any]) -> None:
        if record.keys() <= self._known:
            return
        for name in record:
            if len(self._extra) < MAX_EXTRA and name not in self._known:
                self._extra[name] = None

    def _value(
        self, raw: str, record: dict[str, Any], steps: tuple[str, ...], column_type: str
    ) -> tuple[str | None, str]:
        if not steps:
            return raw, "r"
        match follow(record, steps):
            case None:
                return None, ""
            case Number() as number:
                return str(number), "n"
            case str() as text:
                return text, "s"
            case bool() as flag:
                return "true" if flag else "false", "b"
            case _ if column_type == "json":
                return self._reader.span(raw, skip(raw, 0), steps), "o"
            case _:
                return "", "o"


# ---------------------------------------------------------------------------------------------
# The first generator: rows for Spark

RAW_ROWS = T.StructType(
    [
        T.StructField("record", T.LongType(), False),
        T.StructField("raw", T.StringType(), False),
        T.StructField("rule", T.StringType()),
        T.StructField("texts", T.ArrayType(T.StringType())),
        T.StructField("wrong", T.StringType()),
    ]
)
"""Record number (0 for the last row, which is no record), raw text, the rule that the record as a
whole breaks, and values where Spark doesn't split the raw text itself."""

END_RULE = "_end"

Row = tuple[int, str, str | None, list[str | None] | None, str | None]


def open_csv(stored: Stored, key: str, contract: Contract) -> tuple[Csv, Header]:
    """Open a CSV object and hold its header against the contract."""
    reader = Csv(open_text(stored, key, contract), contract.delimiter)
    return reader, read_header(reader.header(), contract)


def csv_rows(reader: Csv, header: Header, contract: Contract) -> Iterator[Row]:
    """Give a row a record."""
    delimiter, commas = contract.delimiter, header.width - 1
    has_json = any(c.type == "json" for c in contract.columns)
    values = partial(csv_values, JsonReader(), header, contract)
    for number, (raw, is_valid, fields) in enumerate(reader.records(), 1):
        if not is_valid:
            yield number, raw, "_row:utf8", None, None
        elif fields is None:
            if raw.count(delimiter) != commas:
                yield number, raw, "_row:columns", None, None
            elif has_json:
                yield number, raw, None, *values(raw.split(delimiter))
            else:
                yield number, raw, None, None, None
        elif len(fields) != header.width:
            yield number, raw, "_row:columns", None, None
        else:
            yield number, raw, None, *values(fields)


def csv_values(reader: JsonReader, header: Header, contract: Contract, fields: list[str]) -> Values:
    """Pick the contract's values; empty ones and the contract's null values are none."""
    nulls = contract.null_values
    texts: list[str | None] = []
    for place in header.places:
        text = fields[place]
        texts.append(None if text == "" or text in nulls else text)
    wrong = [
        "1" if c.type == "json" and text is not None and not is_structure(reader, text) else "0"
        for c, text in zip(contract.columns, texts, strict=True)
    ]
    return Values(texts, "".join(wrong))


def ndjson_rows(reader: Ndjson, document: Document) -> Iterator[Row]:
    """Give a row a record."""
    for number, (raw, is_valid, _) in enumerate(reader.records(), 1):
        if not is_valid:
            yield number, raw, "_row:utf8", None, None
            continue
        values, broken = document.values(raw)
        if values is None:
            yield number, raw, broken, None, None
        else:
            yield number, raw, None, *values


def object_rows(contract: Contract, source: Assignment) -> Iterator[Row]:
    """Give a row a record, and a last one that says how the object ended."""
    stored = Stored(source)  # in a task: nothing of the driver's reaches it
    document = Document(contract)
    extra: Callable[[], list[str]] = document.extra
    end: dict[str, Any] = {}
    try:
        if contract.format == "csv":
            reader, header = open_csv(stored, source.object["key"], contract)
            extra = partial(list, header.extra)
            yield from csv_rows(reader, header, contract)
        else:
            text = open_text(stored, source.object["key"], contract)
            yield from ndjson_rows(Ndjson(text), document)
        end["content_hash"] = stored.content_hash()
    except Refused as refused:
        end = {"code": refused.code, "cause": refused.cause, "hint": refused.hint}
    end["extra_columns"] = extra()
    yield 0, json.dumps(end), END_RULE, None, None


# ---------------------------------------------------------------------------------------------
# The second generator: unique columns


class Unique(NamedTuple):
    """What the check of unique columns needs to know of a contract."""

    places: tuple[int, ...]
    names: tuple[str, ...]
    """Of all columns."""
    max_unique: int


def unique_rows(unique: Unique, rows: Iterable[Any]) -> Iterator[Row]:
    """Add the rule "unique" where an accepted row had the value before.

    A row is record, raw, rule, texts, wrong and the text of each unique value in the one form that
    equal values have. Only values of accepted rows are remembered.
    """
    seen: list[set[bytes]] = [set() for _ in unique.places]
    for record, raw, rule, texts, wrong, *values in rows:
        if record and not (unique.max_unique and record > unique.max_unique):
            digests = [None if v is None else digest(v) for v in values]
            rule = repeated(unique, seen, digests, rule) or rule
            if rule is None:
                for known, value in zip(seen, digests, strict=True):
                    if value is not None:
                        known.add(value)
        yield record, raw, rule, texts, wrong


def digest(value: str) -> bytes:
    """Return what is remembered of a value."""
    return hashlib.blake2b(value.encode(), digest_size=16).digest()


def repeated(
    unique: Unique, seen: list[set[bytes]], digests: list[bytes | None], rule: str | None
) -> str | None:
    """Name the first unique column before the broken one whose value was seen."""
    limit = len(unique.names)
    if rule is not None:
        column = rule.partition(":")[0]
        limit = unique.names.index(column) if column in unique.names else 0
    for place, known, value in zip(unique.places, seen, digests, strict=True):
        if place < limit and value is not None and value in known:
            return unique.names[place] + ":unique"
    return None


# ---------------------------------------------------------------------------------------------
# Column expressions

DATE = r"(?!0000)[0-9]{4}-[0-9]{2}-[0-9]{2}"
CLOCK = r"([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]{1,6})?"
FORMS = {
    "integer": r"-?[0-9]{1,19}",
    "double": r"-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?",
    "date": DATE,
    "timestamp": f"{DATE}T{CLOCK}Z",
    "time": CLOCK,
}
"""What a text must look like, beside what its cast takes: the days of a month, 64 bits."""

WORD = "[0-9A-Za-z_]"
SPACE = r"\t\n\f\r "
TRANSLATED = {
    "s": f"[{SPACE}]",
    "S": f"[^{SPACE}]",
    "b": f"(?:(?<={WORD})(?!{WORD})|(?<!{WORD})(?={WORD}))",
    "B": f"(?:(?<={WORD})(?={WORD})|(?<!{WORD})(?!{WORD}))",
}
"""Escapes that Java takes for other characters than RE2 does, outside of a class."""

MULTILINE = re.compile(r"\(\?[a-z]*m")


def java_pattern(pattern: str) -> str:
    """Return a pattern of RE2 as java.util.regex takes it, for the whole text.

    Lines end at line feeds only, and case is that of Unicode. What can't be said in both is
    refused by the contract (internal/contract, differs).
    """
    parts: list[str] = []
    in_class, i = False, 0
    while i < len(pattern):
        c = pattern[i]
        if c == "\\" and i + 1 < len(pattern):
            escaped = pattern[i + 1]
            i += 2
            if escaped == "Q":
                end = pattern.find("\\E", i)
                end = len(pattern) if end < 0 else end
                parts.append(re.escape(pattern[i:end]))
                i = end + 2
            elif in_class:
                parts.append(SPACE if escaped == "s" else "\\" + escaped)
            else:
                parts.append(TRANSLATED.get(escaped, "\\" + escaped))
            continue
        if c == "[":
            in_class = True
        elif c == "]":
            in_class = False
        elif c == "$" and not in_class and not MULTILINE.search(pattern):
            c = r"\z"
        parts.append(c)
        i += 1
    return rf"\A(?du:{''.join(parts)})\z"


def matches(text: Expression, pattern: str) -> Expression:
    """Report whether the whole text matches a pattern of RE2."""
    return text.rlike(java_pattern(pattern))


def decimal_form(c: ContractColumn) -> str:
    """Return what a decimal must look like. Without whole digits there is a single zero."""
    whole = c.precision - c.scale
    digits = f"[0-9]{{1,{whole}}}" if whole else "0"
    return f"-?{digits}" + (rf"(\.[0-9]{{1,{c.scale}}})?" if c.scale else "")


def whole(form: str) -> str:
    """Anchor a form: "$" would match before a last line end."""
    return rf"\A(?:{form})\z"


LARGEST = sys.float_info.max


def typed(text: Expression, c: ContractColumn) -> Expression:
    """Return the value of a text; null if it isn't of the column's type."""
    match c.type:
        case "string" | "json":
            return text
        case "boolean":
            return F.when(text == "true", True).when(text == "false", False)
        case "decimal":
            cast = text.cast(T.DecimalType(c.precision, c.scale))
            return F.when(text.rlike(whole(decimal_form(c))), cast)
        case "double":
            value = text.cast("double")
            return F.when(
                text.rlike(whole(FORMS[c.type])),
                F.when(value.between(-LARGEST, LARGEST), value),
            )
        case "time":
            return F.when(text.rlike(whole(FORMS[c.type])), microseconds(text))
        case _:
            name = {"integer": "bigint"}.get(c.type, c.type)
            return F.when(text.rlike(whole(FORMS[c.type])), text.cast(name))


def microseconds(text: Expression) -> Expression:
    """Return the microseconds since midnight of a time that is well formed."""
    hours, minutes = text.substr(1, 2).cast("bigint"), text.substr(4, 2).cast("bigint")
    seconds = hours * 3600 + minutes * 60 + text.substr(7, 2).cast("bigint")
    fraction = F.rpad(text.substr(10, 6), 6, "0").cast("bigint")
    return seconds * 1_000_000 + fraction


def canonical(value: Expression, c: ContractColumn) -> Expression:
    """Return the text that equal values, and only they, have."""
    match c.type:
        case "date":
            return F.unix_date(value).cast("string")
        case "timestamp":
            return F.unix_micros(value).cast("string")
        case _:
            return value.cast("string")


def broken_rule(
    text: Expression, wrong: Expression, value: Expression, c: ContractColumn
) -> Expression:
    """Return the first rule of a column that is broken, but for unique; null for none."""

    def rule(name: str) -> Expression:
        return F.lit(f"{c.name}:{name}")

    broken = F.when(text.isNull(), rule("required") if c.required else F.lit(None))
    broken = broken.when(wrong | value.isNull(), rule(c.type))
    if c.type == "string":
        broken = broken.when(F.instr(text, "\0") > 0, rule("nul"))
    if c.min_length is not None:
        broken = broken.when(F.length(text) < c.min_length, rule("minLength"))
    if c.max_length is not None:
        broken = broken.when(F.length(text) > c.max_length, rule("maxLength"))
    if c.format_pattern:
        broken = broken.when(~matches(text, c.format_pattern), rule("format"))
    if c.pattern:
        broken = broken.when(~matches(text, c.pattern), rule("pattern"))
    if c.enum:
        broken = broken.when(~text.isin(list(c.enum)), rule("enum"))
    for name, breaks in bounds(value, c):
        broken = broken.when(breaks, rule(name))
    return broken


def bounds(value: Expression, c: ContractColumn) -> Iterator[tuple[str, Expression]]:
    """Give the bounds of a column in the order of checking, as what breaks them."""
    limits = (
        ("minimum", c.minimum),
        ("maximum", c.maximum),
        ("exclusiveMinimum", c.exclusive_minimum),
        ("exclusiveMaximum", c.exclusive_maximum),
    )
    for name, text in limits:
        if text and c.type == "double":
            yield name, breaks_double(value, name, float(text))
        elif text:
            yield name, breaks_exact(value, name, Fraction(text), c)


def breaks_double(value: Expression, name: str, limit: float) -> Expression:
    """Compare as IEEE 754 does."""
    match name:
        case "minimum":
            return value < limit
        case "maximum":
            return value > limit
        case "exclusiveMinimum":
            return value <= limit
        case _:
            return value >= limit


def breaks_exact(value: Expression, name: str, limit: Fraction, c: ContractColumn) -> Expression:
    """Compare with the smallest or largest number of the column's scale that the limit allows."""
    scale = c.scale if c.type == "decimal" else 0
    scaled = limit * 10**scale
    floor = scaled.numerator // scaled.denominator
    ceiling = -(-scaled.numerator // scaled.denominator)
    allowed = {
        "minimum": ceiling,
        "exclusiveMinimum": floor + 1,
        "maximum": floor,
        "exclusiveMaximum": ceiling - 1,
    }[name]
    largest = 10**c.precision - 1 if c.type == "decimal" else 2**63 - 1
    smallest = -largest if c.type == "decimal" else -(2**63)
    is_low = name in ("minimum", "exclusiveMinimum")
    if not smallest <= allowed <= largest:
        return F.lit(allowed > largest if is_low else allowed < smallest)
    if c.type == "integer":
        exact = F.lit(allowed).cast("bigint")
    else:
        exact = F.lit(unscaled(allowed, scale)).cast(T.DecimalType(c.precision, c.scale))
    return value < exact if is_low else value > exact


def unscaled(number: int, scale: int) -> str:
    """Return number / 10^scale, written out."""
    digits = f"{abs(number):0{scale + 1}d}"
    point = len(digits) - scale
    sign = "-" if number < 0 else ""
    return f"{sign}{digits[:point]}" + (f".{digits[point:]}" if scale else "")


# ---------------------------------------------------------------------------------------------
# DataFrames


class Plan:
    """The expressions of one contract, and of one CSV header.

    Each is made once: to make it is a call to the JVM for every part of it.
    """

    def __init__(self, spark: SparkSession, contract: Contract, header: Header | None) -> None:
        self._spark = spark
        self.contract = contract
        self._header = header
        columns = contract.columns
        self._unique = Unique(
            places=tuple(i for i, c in enumerate(columns) if c.unique),
            names=tuple(c.name for c in columns),
            max_unique=contract.max_unique,
        )

    def rows(self, source: Assignment) -> DataFrame:
        """Read an object as record, raw, rule (null for an accepted row) and values v0, v1, …."""
        contract = self.contract

        # Each partition has to be read to its end, or Spark starts a new Python for every task.
        one = self._spark.sparkContext.parallelize([source], 1)
        rows = self._typed(self._frame(one.flatMap(partial(object_rows, contract))))
        if not self._unique.places:
            return rows
        checked = self._checked(rows)
        return self._values(self._texts(checked)).select("record", "raw", "rule", *self._names("v"))

    def _frame(self, rows: Any) -> DataFrame:  # noqa: ANN401 - an RDD
        return self._spark.createDataFrame(rows, RAW_ROWS, verifySchema=False)

    def _names(self, letter: str) -> list[str]:
        return [f"{letter}{i}" for i in range(len(self.contract.columns))]

    def _typed(self, raw: DataFrame) -> DataFrame:
        rows = self._values(self._texts(raw))
        kept = ["texts", "wrong"] if self._unique.places else []
        return rows.select("record", "raw", self._rule, *kept, *self._names("v"))

    @cached_property
    def _rule(self) -> Expression:
        """The first rule that a record breaks, as a whole or in a column."""
        rules = [
            broken_rule(F.col(f"t{i}"), wrong_kind(i), F.col(f"v{i}"), c)
            for i, c in enumerate(self.contract.columns)
        ]
        return F.coalesce(F.col("rule"), *rules).alias("rule")

    def _texts(self, raw: DataFrame) -> DataFrame:
        """Add t0, t1, …: the values as texts; null for none."""
        names = ["record", "raw", "rule", "texts", "wrong"]
        if self._header is not None:
            delimiter = self.contract.delimiter
            if delimiter in ".$|()[{^?*+\\":
                delimiter = "\\" + delimiter
            is_plain = F.col("rule").isNull() & F.col("texts").isNull()
            split = F.when(is_plain, F.split("raw", delimiter, -1))
            raw = raw.select(*names, split.alias("fields"))
        return raw.select(*names, *self._picked)

    @cached_property
    def _picked(self) -> list[Expression]:
        if self._header is None:
            texts = [F.col("texts")[i] for i in range(len(self.contract.columns))]
        else:
            texts = [self._text(i, place) for i, place in enumerate(self._header.places)]
        return [t.alias(f"t{i}") for i, t in enumerate(texts)]

    def _text(self, i: int, place: int) -> Expression:
        field = F.col("fields")[place]
        nulls = ["", *sorted(self.contract.null_values)]
        plain = F.when(~field.isin(nulls), field)
        return F.when(F.col("texts").isNotNull(), F.col("texts")[i]).otherwise(plain)

    def _values(self, rows: DataFrame) -> DataFrame:
        """Add v0, v1, …: the typed values."""
        return rows.select("*", *self._typed_texts)

    @cached_property
    def _typed_texts(self) -> list[Expression]:
        columns = enumerate(self.contract.columns)
        return [typed(F.col(f"t{i}"), c).alias(f"v{i}") for i, c in columns]

    def _checked(self, rows: DataFrame) -> DataFrame:
        """Check unique columns, in the order of the records."""
        columns = self.contract.columns
        values = [canonical(F.col(f"v{i}"), columns[i]) for i in self._unique.places]
        needed = rows.select("record", "raw", "rule", "texts", "wrong", *values)
        return self._frame(needed.rdd.mapPartitions(partial(unique_rows, self._unique)))


def wrong_kind(i: int) -> Expression:
    """Report whether Python found the ith value to be of a wrong kind."""
    return F.coalesce(F.col("wrong").substr(i + 1, 1) == "1", F.lit(False))


def data_of(rows: DataFrame, contract: Contract, object_id: str) -> DataFrame:
    """Return the accepted rows as they are stored."""
    values = [F.col(f"v{i}").alias(c.name) for i, c in enumerate(contract.columns)]
    origin = [F.lit(object_id).alias("_firn_object"), F.col("record").alias("_firn_record")]
    return rows.where("rule is null").select(*values, *origin)


def rejected(rows: DataFrame) -> DataFrame:
    """Return the records that break a rule.

    What is observed stops Spark from pushing the filter below it, where the rule's expression would
    hold a copy of every value's: a million records took four times as long.
    """
    held = rows.observe(Observation(), F.count("*"))
    return held.where("rule is not null and record > 0")


def rejects_of(rows: DataFrame, object_id: str) -> DataFrame:
    """Return the rejected rows as they are stored: Spark knows no line."""
    return rejected(rows).select(
        F.lit(object_id).alias("_firn_object"),
        F.col("record").alias("_firn_record"),
        F.lit(None).cast("bigint").alias("line"),
        "rule",
        "raw",
    )


# ---------------------------------------------------------------------------------------------
# Files


class Files:
    """Writes, lists and deletes files by Spark's own file systems."""

    def __init__(self, spark: SparkSession) -> None:
        self._jvm = spark._jvm
        self._conf = spark._jsc.hadoopConfiguration()

    def write(self, rows: DataFrame, folder: str) -> None:
        """Write rows as Parquet in their order. Whatever is in the folder is replaced."""
        rows.write.mode("overwrite").option("maxRecordsPerFile", FILE_ROWS).parquet(folder)

    def delete(self, folder: str) -> None:
        """Delete a folder; one that isn't there is no error."""
        self._system(folder).delete(self._path(folder), True)

    def parquet(self, folder: str, key_prefix: str) -> list[dict[str, Any]]:
        """List the files of a folder as a receipt does."""
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
        """Give columns of microseconds the logical type TIME, which Spark 3.5 can't write.

        The pages stay as they are: each file is copied under another footer.
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
    """Reads manifests, looks at sources and puts receipts."""

    def __init__(self, root: str, region: str | None) -> None:
        self._root = root
        self._client = s3_client(region) if root.startswith("s3") else None

    def read(self, bucket: str, key: str) -> bytes:
        """Return the bytes of a small file."""
        if self._client is None:
            return local(self._root, bucket, key).read_bytes()
        return self._client.get_object(Bucket=bucket, Key=key)["Body"].read()

    def open(self, source: Assignment) -> Stored:
        """Open an object's bytes."""
        return Stored(source, self._client)

    def put(self, bucket: str, key: str, body: bytes) -> None:
        """Put a small file, whole or not at all."""
        if self._client is None:
            path = local(self._root, bucket, key)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(body)
            return
        self._client.put_object(Bucket=bucket, Key=key, Body=body)

    def identity(self, source: Assignment) -> tuple[str, ...]:
        """Return what tells whether a key still holds the same bytes.

        Raises:
            SourceChangedError: it holds another version than the object, or nothing.
        """
        if self._client is None:
            path = local(self._root, source.source_bucket, source.source_key)
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
            self._compare(source, etag, version)
        return etag, version

    @staticmethod
    def _compare(source: Assignment, etag: str, version: str) -> None:
        said = source.object
        if said.get("version") and version and said["version"] != version:
            raise SourceChangedError(source.uri)
        if said.get("etag") and said["etag"] != etag:
            raise SourceChangedError(source.uri)


# ---------------------------------------------------------------------------------------------
# One object


@dataclass
class Tally:
    """What became of an object's records, and how it ended."""

    read: int = 0
    written: int = 0
    rejected: int = 0
    first: list[dict[str, Any]] = field(default_factory=list)
    end: dict[str, Any] = field(default_factory=dict)
    data: list[dict[str, Any]] = field(default_factory=list)
    rejects: list[dict[str, Any]] = field(default_factory=list)
    unchecked: list[str] = field(default_factory=list)


class Engine:
    """Transforms objects by one contract."""

    def __init__(self, spark: SparkSession, buckets: Buckets, contract: Contract) -> None:
        self._spark = spark
        self._buckets = buckets
        self._contract = contract
        self._files = Files(spark)
        self._plans: dict[Header | None, Plan] = {}

    def transform(self, source: Assignment) -> str:
        """Transform one object and return its outcome.

        Raises:
            EngineError: something broke that is no property of the object's bytes.
        """
        started = datetime.now(UTC)
        try:
            before = self._buckets.identity(source)
            try:
                tally, refused = self._attempt(source)
            except Exception:
                self._check_identity(source, before)
                raise
            self._check_identity(source, before)
            return self._finish(source, tally, refused, started)
        except SourceChangedError:
            say("source changed", source)
            return "changed"
        except Exception as error:
            log.exception("%s failed", source.uri)
            raise EngineError(f"{source.uri}: {sentence(error)}") from error

    def _check_identity(self, source: Assignment, before: tuple[str, ...]) -> None:
        if self._buckets.identity(source) != before:
            raise SourceChangedError(source.uri)

    def _attempt(self, source: Assignment) -> tuple[Tally, Refused | None]:
        """Write what the object holds, or nothing if it is refused."""
        tally = Tally()
        refused: Refused | None = None
        try:
            self._write(source, tally)
        except Refused as reason:
            refused = reason
            tally.written, tally.data, tally.rejects = 0, [], []
            for folder in ("data", "rejects"):
                self._files.delete(source.folder(folder))
        return tally, refused

    def _write(self, source: Assignment, tally: Tally) -> None:
        plan = self._plan(self._header(source, tally))
        rows = plan.rows(source)
        self._write_data(rows, source, tally)
        if tally.end.get("code"):
            end = tally.end
            raise Refused(end["code"], end["cause"], end["hint"])
        tally.unchecked = unchecked(self._contract, tally.read)
        self._check_rejects(rows, tally)
        tally.data = self._listed(source, "data", tally.written)
        if tally.rejected:
            self._write_rejects(rows, source, tally)
            tally.rejects = self._listed(source, "rejects", tally.rejected)

    def _plan(self, header: Header | None) -> Plan:
        """Return the plan of a header, the same one for objects that begin alike."""
        if header not in self._plans:
            self._plans[header] = Plan(self._spark, self._contract, header)
        return self._plans[header]

    def _header(self, source: Assignment, tally: Tally) -> Header | None:
        """Read a CSV object's header. What refuses the object by its start is found here."""
        if self._contract.format != "csv":
            compression_of(source.object["key"], self._contract.format)
            return None
        with closing(self._buckets.open(source)) as stored:
            _, header = open_csv(stored, source.object["key"], self._contract)
        tally.end["extra_columns"] = list(header.extra)
        return header

    def _write_data(self, rows: DataFrame, source: Assignment, tally: Tally) -> None:
        is_record = F.col("record") > 0
        account = Observation()
        observed = rows.observe(
            account,
            F.count(F.when(is_record, 1)).alias("read"),
            F.count(F.when(is_record, F.col("rule"))).alias("rejected"),
            F.max(F.when(~is_record, F.col("raw"))).alias("end"),
        )
        data = data_of(observed, self._contract, source.object_id)
        self._files.write(data, source.folder("data"))
        found = account.get
        tally.read, tally.rejected = found["read"], found["rejected"]
        tally.written = tally.read - tally.rejected
        tally.end = json.loads(found["end"])
        times = [c.name for c in self._contract.columns if c.type == "time"]
        if times and tally.written:
            self._files.mark_times(source.folder("data"), times)

    def _write_rejects(self, rows: DataFrame, source: Assignment, tally: Tally) -> None:
        rejects = rejects_of(rows, source.object_id)
        first = F.concat_ws(" ", F.col("_firn_record").cast("string"), F.col("rule"))
        numbered = rejects.select("*", F.monotonically_increasing_id().alias("n"))
        account = Observation()
        observed = numbered.observe(
            account,
            F.array_join(F.collect_list(F.when(F.col("n") < MAX_FIRST_REJECTS, first)), "\n").alias(
                "first"
            ),
        )
        self._files.write(observed.drop("n"), source.folder("rejects"))
        for line in account.get["first"].splitlines():
            record, rule = line.split(" ", 1)
            tally.first.append({"record": int(record), "rule": rule})

    def _check_rejects(self, rows: DataFrame, tally: Tally) -> None:
        """Refuse an object with more rejects than its contract tolerates by number and share."""
        contract = self._contract
        share = tally.rejected / max(tally.read, 1)
        if tally.rejected <= contract.max_rejects or share <= contract.max_reject_ratio:
            return
        broken = rejected(rows).select("record", "rule")
        tally.first, by_rule = broken.rdd.mapPartitions(tallied).collect()
        rule, count = min(by_rule.items(), key=lambda item: (-item[1], item[0]))
        raise Refused(
            "too_many_rejects",
            f"{tally.rejected} of {tally.read} rows ({100 * share:.1f} %) break the contract,"
            f" which tolerates {contract.max_rejects} and"
            f" {100 * contract.max_reject_ratio:.1f} %; {count} break {rule}",
        )

    def _listed(self, source: Assignment, name: str, rows: int) -> list[dict[str, Any]]:
        """List the files of a folder, of which there is none without rows."""
        if not rows:
            self._files.delete(source.folder(name))
            return []
        files = self._files.parquet(source.folder(name), f"{source.prefix}{name}/")
        found = sum(file["rows"] for file in files)
        if found != rows:
            raise EngineError(f"its {name} files hold {found} rows, {rows} were counted")
        return files

    def _finish(
        self, source: Assignment, tally: Tally, refused: Refused | None, started: datetime
    ) -> str:
        """Write the receipt, last of all."""
        outcome = "refused" if refused else "accepted"
        receipt = {
            "object": source.object,
            "dataset": self._contract.dataset,
            "object_id": source.object_id,
            "contract": self._contract.version,
            "generation": source.generation,
            "attempt": source.attempt,
            "engine": "glue",
            "outcome": outcome,
            **({"code": refused.code, "cause": refused.cause} if refused else {}),
            **({"hint": refused.hint} if refused else {}),
            "rows_read": tally.read,
            "rows_written": tally.written,
            "rows_rejected": tally.rejected,
            "data": tally.data,
            "rejects": tally.rejects,
            **some("first_rejects", tally.first),
            **some("extra_columns", tally.end.get("extra_columns")),
            **some("unchecked", tally.unchecked),
            "content_hash": tally.end.get("content_hash", ""),
            "started_at": instant(started),
            "finished_at": instant(datetime.now(UTC)),
        }
        body = json.dumps(receipt, indent=2, ensure_ascii=False).encode()
        self._buckets.put(source.curated_bucket, source.prefix + "receipt.json", body)
        counts = {name: receipt[name] for name in ("rows_read", "rows_written", "rows_rejected")}
        say("object " + outcome, source, **counts, **some("code", refused and refused.code))
        return outcome


def tallied(rows: Iterable[Any]) -> Iterator[Any]:
    """Give the first rejects, then how often each rule is broken."""
    first: list[dict[str, Any]] = []
    by_rule: Counter[str] = Counter()
    for record, rule in rows:
        by_rule[rule] += 1
        if len(first) < MAX_FIRST_REJECTS:
            first.append({"record": record, "rule": rule})
    yield first
    yield dict(by_rule)


def unchecked(contract: Contract, records: int) -> list[str]:
    """Name the rules that the object was too long for."""
    limit = contract.max_unique
    if not limit or records <= limit:
        return []
    return [f"{c.name}:unique after record {limit}" for c in contract.columns if c.unique]


def some(name: str, value: Any) -> dict[str, Any]:  # noqa: ANN401 - any JSON value
    """Return the member only if there is something to say."""
    return {name: value} if value else {}


def instant(moment: datetime) -> str:
    """Return a moment as RFC 3339."""
    return moment.isoformat().replace("+00:00", "Z")


def sentence(error: BaseException) -> str:
    """Return what an error says on one line: a Java error's own cause, not its stack."""
    java = getattr(error, "java_exception", None)
    while java is not None and java.getCause() is not None:
        java = java.getCause()
    text = java.toString() if java is not None else f"{type(error).__name__}: {error}"
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    named = [line for line in lines if re.match(r"[\w.]*(Error|Exception)\b", line)]
    return (named[-1:] or lines[:1] or [type(error).__name__])[0][:500]


def say(message: str, source: Assignment, **more: Any) -> None:  # noqa: ANN401 - any JSON value
    """Log one line of JSON. Never a row's content."""
    log.info(
        json.dumps({"msg": message, "object_id": source.object_id, "object": source.uri, **more})
    )


# ---------------------------------------------------------------------------------------------
# The run


def session() -> SparkSession:
    """Start Spark with what the result depends on; all else is set from outside."""
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
    """Split a manifest's URI into root, bucket and key: what is before _glue/ is the bucket."""
    before, _, name = uri.rpartition("/_glue/")
    root, _, bucket = before.rpartition("/")
    return root + "/", bucket, "_glue/" + name


def run(uris: list[str]) -> None:
    """Transform all objects of the manifests, a few at a time.

    Raises:
        EngineError: the first failure, after the other objects were tried.
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
        raise EngineError(str(failure)) from None  # its stack was logged, and ends otherwise


def main() -> None:
    """Read the arguments; Glue's own are left alone."""
    logging.basicConfig(level=logging.WARNING, stream=sys.stdout, format="%(message)s")
    log.setLevel(logging.INFO)
    parser = argparse.ArgumentParser(description="Transform the objects of a manifest.")
    parser.allow_abbrev = False
    parser.add_argument("--manifest", required=True)
    arguments, _ = parser.parse_known_args()
    run(arguments.manifest.split(","))


if __name__ == "__main__":
    main()
