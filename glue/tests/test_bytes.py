"""Stored bytes: compression, byte order marks, encodings, key endings."""

import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from firn_glue import decoding
from firn_glue.contract import Assignment, Contract
from firn_glue.refusal import Refused
from firn_glue.storage import StoredObject

CONTRACT = Contract("shop.order", "1.0.0", "csv", ())
PLAIN = b"a,b\n" + b"1,2\n" * 10


def stored(folder: Path, body: bytes, key: str = "in.csv") -> StoredObject:
    """Write an object into a bucket below a folder, and open the object."""
    bucket = folder / "landing"
    bucket.mkdir(exist_ok=True)
    (bucket / key).write_bytes(body)
    landed = {"bucket": "landing", "key": key}
    root = f"file://{folder}/"
    source = Assignment(landed, "id", 0, "1", "landing", key, root, "curated", "", None)
    return StoredObject(source)


def text(folder: Path, body: bytes, key: str, contract: Contract = CONTRACT) -> bytes:
    """Return the whole text of an object."""
    return b"".join(decoding.open_text(stored(folder, body, key), key, contract))


def test_gzip_members_are_joined(tmp_path: Path) -> None:
    body = gzip.compress(PLAIN) + gzip.compress(b"") + gzip.compress(b"3,4\n")
    assert text(tmp_path, body, "in.csv.gz") == PLAIN + b"3,4\n"


@pytest.mark.parametrize(
    "body",
    [
        gzip.compress(PLAIN)[:-1],
        gzip.compress(PLAIN)[:12],
        gzip.compress(PLAIN) + b"junk",
        gzip.compress(PLAIN) + b"\x1f",
        gzip.compress(PLAIN)[:-8] + bytes(8),
        PLAIN,
        zlib.compress(PLAIN),
    ],
)
def test_damaged_gzip_is_refused(tmp_path: Path, body: bytes) -> None:
    with pytest.raises(Refused) as refused:
        text(tmp_path, body, "in.csv.gz")
    assert refused.value.code == "bad_compression"


def test_decompression_bomb_is_refused_before_full_decompression(
    tmp_path: Path, monkeypatch: object
) -> None:
    monkeypatch.setattr(decoding, "MAX_UNPACKED", 1 << 21)
    blocks = decoding.open_text(
        stored(tmp_path, gzip.compress(bytes(1 << 24)), "in.csv.gz"), "in.csv.gz", CONTRACT
    )
    size = 0
    with pytest.raises(Refused, match="unpacks to more than 200 times"):
        for block in blocks:
            size += len(block)
    assert size <= 1 << 22


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"\xff\xfea\0", "bad_encoding"),
        (b"\xfe\xff\0a", "bad_encoding"),
        (gzip.compress(PLAIN), "bad_compression"),
        (b"\x28\xb5\x2f\xfd", "bad_compression"),
    ],
)
def test_bytes_that_are_not_text_are_refused(tmp_path: Path, body: bytes, code: str) -> None:
    with pytest.raises(Refused) as refused:
        text(tmp_path, body, "in.csv")
    assert refused.value.code == code


def test_one_byte_order_mark_is_removed(tmp_path: Path) -> None:
    assert text(tmp_path, b"\xef\xbb\xbf" * 2 + b"a", "in.csv") == b"\xef\xbb\xbfa"


def test_latin1_and_windows1252_become_utf8(tmp_path: Path) -> None:
    latin1 = CONTRACT._replace(encoding="latin-1")
    windows = CONTRACT._replace(encoding="windows-1252")
    assert text(tmp_path, b"M\xfcnchen \x80", "in.csv", latin1) == "München \x80".encode()
    assert text(tmp_path, b"\x80 \x81", "in.csv", windows) == "€ \ufffd".encode()
    with pytest.raises(Refused, match="mark of UTF-8, but its contract says latin-1"):
        text(tmp_path, b"\xef\xbb\xbfa", "in.csv", latin1)


def test_key_ending_decides_the_compression() -> None:
    assert decoding.compression_of("a/b.CSV", "csv") == ""
    assert decoding.compression_of("a.b/c.jsonl.gz", "ndjson") == "gzip"
    for key in ("a/b.ndjson", "a.csv/b", "b.csv.gz.gz", "b.csv.zip"):
        with pytest.raises(Refused, match="the key ends in"):
            decoding.compression_of(key, "csv")
    with pytest.raises(Refused, match="zstd"):
        decoding.compression_of("b.csv.zst", "csv")


def test_content_hash_covers_the_stored_bytes(tmp_path: Path) -> None:
    source = stored(tmp_path, b"abc")
    blocks: Iterator[bytes] = iter(source.read, b"")
    assert b"".join(blocks) == b"abc"
    assert source.content_hash() == (
        "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    )
