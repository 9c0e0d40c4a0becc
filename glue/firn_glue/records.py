"""Records, and how NDJSON is cut into them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from firn_glue.refusal import Refused
from firn_glue.texts import Blocks

MAX_RECORD = 16 << 20
"""Bytes of the longest record, without its line end. A longer one refuses the object."""


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
