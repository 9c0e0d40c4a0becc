"""From stored bytes to UTF-8: gzip, encodings, what the key promises."""

from __future__ import annotations

import zlib
from collections.abc import Iterator

from firn_glue.contract import Contract
from firn_glue.refusal import Refused
from firn_glue.storage import BLOCK, Stored

MAX_RATIO = 200

MAX_UNPACKED = 1 << 30
"""An object that unpacks to more than both is taken for a bomb."""


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
