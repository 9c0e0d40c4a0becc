"""The conversion of stored bytes to UTF-8: gzip, encodings, and the ending of the key."""

from __future__ import annotations

import zlib
from collections.abc import Iterator

from firn_glue.contract import Contract
from firn_glue.refusal import Refused
from firn_glue.storage import BLOCK, StoredObject

MAX_RATIO = 200

MAX_UNPACKED = 1 << 30
"""An object is refused above MAX_RATIO times its size and MAX_UNPACKED bytes together."""


Blocks = Iterator[bytes]


def stored_blocks(stored: StoredObject) -> Blocks:
    """Yield the stored bytes."""
    while data := stored.read():
        yield data


def unpacked_blocks(stored: StoredObject) -> Blocks:
    """Yield the bytes of all gzip members.

    Raises:
        Refused: The data is damaged or unpacks to too many bytes. Earlier blocks can then be
            incomplete or wrong.
    """
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


def damaged(stored: StoredObject, cause: str) -> Refused:
    """Return the refusal of an object with damaged compression."""
    return Refused("bad_compression", f"after {stored.count} bytes: {cause}")


def zlib_cause(error: zlib.error) -> str:
    """Return the Go engine's text of a zlib error."""
    reason = str(error).rpartition(": ")[2]
    known = {"incorrect header check": "gzip: invalid header"}
    for check in ("incorrect data check", "incorrect length check"):
        known[check] = "gzip: invalid checksum"
    return known.get(reason, "gzip: " + reason)


def large_blocks(blocks: Blocks) -> Blocks:
    """Join blocks to blocks of at least BLOCK bytes; the last block can be smaller.

    Damage in a block is therefore reported before any record of the block.
    """
    parts, size = [], 0
    for block in blocks:
        parts.append(block)
        size += len(block)
        if size >= BLOCK:
            yield b"".join(parts)
            parts, size = [], 0
    if parts:
        yield b"".join(parts)


BOM_UTF8 = b"\xef\xbb\xbf"
BOMS_UTF16 = (b"\xff\xfe", b"\xfe\xff")
MAGICS = {"gzip": b"\x1f\x8b", "zstd": b"\x28\xb5\x2f\xfd"}
CODECS = {"latin-1": "latin-1", "windows-1252": "cp1252"}


def text_blocks(blocks: Blocks, encoding: str) -> Blocks:
    """Yield the text as UTF-8, without one byte order mark at the start.

    A byte without a meaning in the encoding becomes U+FFFD, which rejects the record.

    Raises:
        Refused: The first bytes are UTF-16, gzip or zstd, or UTF-8 with another encoding in the
            contract.
    """
    first = next(blocks, b"")
    if first.startswith(BOMS_UTF16):
        raise Refused("bad_encoding", "it begins with the mark of UTF-16")
    for name, magic in MAGICS.items():
        if first.startswith(magic):
            raise Refused("bad_compression", f"its bytes are {name}, which its name doesn't say")
    if encoding == "utf-8":
        yield first.removeprefix(BOM_UTF8)
        yield from blocks
        return
    if first.startswith(BOM_UTF8):
        raise Refused(
            "bad_encoding",
            f"it begins with the mark of UTF-8, but its contract says {encoding}",
        )
    yield first.decode(CODECS[encoding], "replace").encode()
    for block in blocks:
        yield block.decode(CODECS[encoding], "replace").encode()


ENDINGS = {"csv": (".csv", ".tsv", ".txt"), "ndjson": (".ndjson", ".jsonl")}


def compression_of(key: str, file_format: str) -> str:
    """Return "gzip" or "", by the ending of the key. The content isn't read.

    Raises:
        Refused: The ending is zstd or doesn't fit the contract's format.
    """
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


def open_text(stored: StoredObject, key: str, contract: Contract) -> Blocks:
    """Open the text of an object as blocks of UTF-8. A block has about 1 MiB or more."""
    packed = compression_of(key, contract.format) == "gzip"
    plain = unpacked_blocks(stored) if packed else stored_blocks(stored)
    return text_blocks(large_blocks(plain), contract.encoding)
