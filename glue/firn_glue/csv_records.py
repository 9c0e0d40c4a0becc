"""The reader that splits CSV into records."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from typing import NamedTuple

from firn_glue.decoding import Blocks
from firn_glue.records import (
    MAX_RECORD,
    Record,
    decoded,
    too_long,
    unquoted_records,
    without_carriage_return,
)
from firn_glue.refusal import Refused

QUOTE = ord('"')
TEXT_AFTER_QUOTE = "there is text after a closing quote"
OPEN_QUOTE = "its quote is never closed"


class BadQuoteError(Exception):
    """Bad quotes that refuse the object. The attribute at is their position in the buffer."""

    def __init__(self, cause: str, at: int) -> None:
        super().__init__(cause)
        self.at = at


class SplitRecord(NamedTuple):
    """One split record: the end of the raw text, the start of the next record, the values.

    quoted has True for each value in quotes.
    """

    raw_end: int
    next_start: int
    fields: list[bytes]
    quoted: list[bool]


class Csv:
    r"""Splits CSV into records, strictly by RFC 4180, with the rules of internal/engine/reader.

    "\n" ends a record, and one "\r" before "\n" is dropped. A quote has a meaning only as the
    first byte of a field. Text after a closing quote refuses the object. An empty line is skipped.

    A record with quotes and with one of the texts in mark_quoted as a field has Record.quoted.
    """

    def __init__(
        self, blocks: Blocks, delimiter: str, mark_quoted: frozenset[str] = frozenset()
    ) -> None:
        self._blocks = blocks
        self._mark_quoted = mark_quoted
        self._delimiter = delimiter.encode()
        self._buffer = b""
        self._at = 0
        self._is_last = False
        self._line = 1
        self._in_header = True
        self.number = 0

    def header(self) -> list[bytes]:
        """Read the first record: the column names. Call this method once, before `records`.

        Raises:
            Refused: The object has no record, or a name without quotes has a CR inside: lines that
                end in CR alone would all be names of the header.
        """
        split = self._next()
        if split is None:
            raise Refused("empty_object", "the object holds no header line")
        for i, name in enumerate(split[1].fields):
            if b"\r" in name and not split[1].quoted[i]:
                raise Refused(
                    "bad_header",
                    f"the name of column {i + 1} has a CR inside and no quotes:"
                    " lines must end in LF or CRLF",
                )
        self._in_header = False
        self.number = 0
        return split[1].fields

    def records(self) -> Iterator[Record]:
        """Yield the records after the header."""
        while True:
            yield from self._unquoted_lines()
            while record := self._quoted_line():
                yield record
            split = self._next()
            if split is None:
                return
            raw, record = split
            text, is_valid = decoded(raw)
            fields = [f.decode() for f in record.fields] if is_valid else None
            yield Record(text, is_valid, fields, record.quoted)

    def _unquoted_lines(self) -> Iterator[Record]:
        """Yield whole lines before the first line with a quote; stop at a part with a long line."""
        while True:
            quote = self._buffer.find(b'"', self._at)
            end = quote if quote >= 0 else len(self._buffer)
            if quote >= 0 or not self._is_last:
                end = self._buffer.rfind(b"\n", self._at, end) + 1
            if end > self._at:
                part = self._buffer[self._at : end]
                if len(part) > MAX_RECORD and max(map(len, part.split(b"\n"))) > MAX_RECORD:
                    return
                for record in unquoted_records(part):
                    self.number += 1
                    yield record
                self._at = end
                self._line += part.count(b"\n")
            if quote >= 0 or self._is_last or not self._read_block():
                return

    def _quoted_line(self) -> Record | None:
        """Split a record of one line with quotes by the csv module, which is faster than _split.

        None if the result could differ from _split: the line isn't a whole record, the module
        reports bad quotes, or the quotes of a field matter. In strict mode, the module raises an
        error for an open quote and for text after a closing quote.
        """
        end = self._buffer.find(b"\n", self._at)
        line = without_carriage_return(self._buffer[self._at : end]) if end >= 0 else b""
        if b'"' not in line or b"\r" in line or len(line) > MAX_RECORD:
            return None
        raw, is_valid = decoded(line)
        try:
            fields = next(csv.reader((raw,), delimiter=self._delimiter.decode(), strict=True))
        except csv.Error:
            return None
        if not self._mark_quoted.isdisjoint(fields):
            return None
        self._at = end + 1
        self._line += 1
        self.number += 1
        return Record(raw, is_valid, fields)

    def _next(self) -> tuple[bytes, SplitRecord] | None:
        """Split the next record that isn't blank; return its raw text too. None at the end."""
        while True:
            try:
                split = self._split()
            except BadQuoteError as error:
                if error.at - self._at > MAX_RECORD + 2:
                    raise too_long(self._name(), self._line) from error
                raise Refused(
                    "bad_quoting", f"{self._name()} (line {self._line}): {error}"
                ) from error
            if split is not None:
                start, self._at = self._at, split.next_start
                if split.raw_end - start > MAX_RECORD:
                    raise too_long(self._name(), self._line)
                self._line += self._buffer.count(b"\n", start, self._at)
                if split.raw_end > start:
                    self.number += 1
                    return self._buffer[start : split.raw_end], split
            elif self._is_last:
                return None
            elif len(self._buffer) - self._at > MAX_RECORD + 2:
                raise too_long(self._name(), self._line)
            else:
                self._read_block()

    def _name(self) -> str:
        return "the header" if self._in_header else f"record {self.number + 1}"

    def _read_block(self) -> bool:
        block = next(self._blocks, None)
        self._buffer = self._buffer[self._at :] + (block or b"")
        self._at = 0
        self._is_last = block is None
        return not self._is_last

    def _split(self) -> SplitRecord | None:
        """Split the record at the current position; None if its end isn't in the buffer."""
        buffer, end, at = self._buffer, len(self._buffer), self._at
        if at == end:
            return None
        fields: list[bytes] = []
        quoted: list[bool] = []
        while True:
            is_quoted = at < end and buffer[at] == QUOTE
            quoted.append(is_quoted)
            read_field = self._quoted_field if is_quoted else self._unquoted_field
            at = read_field(at, fields)
            if at < 0:
                return None
            if at < end and buffer[at : at + 1] == self._delimiter:
                at += 1
                continue
            end_record = self._after_quoted if is_quoted else self._after_unquoted
            return end_record(at, fields, quoted)

    def _unquoted_field(self, at: int, fields: list[bytes]) -> int:
        """Append the field and return its end; -1 if the end isn't in the buffer."""
        line = self._buffer.find(b"\n", at)
        end = line if line >= 0 else len(self._buffer)
        delimiter = self._buffer.find(self._delimiter, at, end)
        if delimiter >= 0:
            end = delimiter
        elif line < 0 and not self._is_last:
            return -1
        fields.append(self._buffer[at:end])
        return end

    def _quoted_field(self, opening: int, fields: list[bytes]) -> int:
        """Append the field and return the position after the closing quote.

        -1 if the end of the field isn't in the buffer.
        """
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

    def _after_unquoted(self, at: int, fields: list[bytes], quoted: list[bool]) -> SplitRecord:
        last = fields[-1]
        next_start = min(at + 1, len(self._buffer))
        if last.endswith(b"\r"):
            fields[-1] = last[:-1]
            at -= 1
        return SplitRecord(at, next_start, fields, quoted)

    def _after_quoted(self, at: int, fields: list[bytes], quoted: list[bool]) -> SplitRecord | None:
        rest = self._buffer[at : at + 2]
        if not rest.startswith(b"\r"):
            if rest and not rest.startswith(b"\n"):
                raise BadQuoteError(TEXT_AFTER_QUOTE, at)
            return SplitRecord(at, at + len(rest[:1]), fields, quoted)
        if rest == b"\r" and not self._is_last:
            return None
        if rest in (b"\r", b"\r\n"):
            return SplitRecord(at, at + len(rest), fields, quoted)
        raise BadQuoteError(TEXT_AFTER_QUOTE, at)
