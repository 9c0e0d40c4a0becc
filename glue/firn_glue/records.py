"""Records, and the reader that splits NDJSON into records."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from firn_glue.decoding import Blocks
from firn_glue.refusal import Refused

MAX_RECORD = 16 << 20
"""The most bytes of a record without its line end. A longer record refuses the object."""


class Record(NamedTuple):
    """One record.

    Attributes:
        raw: The raw text, with U+FFFD for each ill-formed sequence.
        is_valid: Whether the bytes were well-formed UTF-8 without U+FFFD.
        fields: The values of a CSV record with quotes; None for other records. Spark splits the raw
            text of a CSV record without quotes.
        quoted: Whether each field was in quotes; None if the reader doesn't need this.
    """

    raw: str
    is_valid: bool
    fields: list[str] | None = None
    quoted: list[bool] | None = None


REPLACEMENT = "\ufffd"


def decoded(text: bytes) -> tuple[str, bool]:
    """Return the text with U+FFFD for each ill-formed sequence, and whether the text is valid.

    A text with U+FFFD in the source is invalid too, because an earlier program has replaced
    unreadable bytes.
    """
    try:
        decoded_text = text.decode()
    except UnicodeDecodeError:
        return text.decode(errors="replace"), False
    return decoded_text, REPLACEMENT not in decoded_text


def without_carriage_return(line: Any) -> Any:  # noqa: ANN401 - str or bytes
    """Remove one carriage return from the end of a line."""
    return line[:-1] if line[-1:] in ("\r", b"\r") else line


def unquoted_records(part: bytes) -> Iterator[Record]:
    """Yield a record for each line of a part, without blank lines.

    The part must end at a line end or at the end of the object.
    """
    lines: Iterable[str]
    text, is_valid = decoded(part)
    if is_valid:
        lines = text.split("\n")
        if "\r" in text:
            lines = map(without_carriage_return, lines)
        for line in lines:
            if line:
                yield Record(line, True)
        return
    for raw in map(without_carriage_return, part.split(b"\n")):
        if raw:
            yield Record(*decoded(raw))


def too_long(name: str, line: int) -> Refused:
    """Return the refusal of an object with a record above the limit."""
    return Refused(
        "record_too_long", f"{name} (line {line}): it is longer than {MAX_RECORD >> 20} MiB"
    )


class Ndjson:
    """Splits NDJSON into records, one record for each line. The JSON isn't checked."""

    def __init__(self, blocks: Blocks) -> None:
        self._blocks = blocks
        self._line = 1
        self.number = 0

    def records(self) -> Iterator[Record]:
        """Yield the records. An empty object is refused."""
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
            for record in unquoted_records(part):
                self.number += 1
                yield record
            self._line += part.count(b"\n")
            return
        for line in part.split(b"\n"):
            raw = without_carriage_return(line)
            if len(raw) > MAX_RECORD:
                raise too_long(f"record {self.number + 1}", self._line)
            if raw:
                self.number += 1
                yield Record(*decoded(raw))
            self._line += 1
