"""How CSV is cut into records."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from typing import NamedTuple

from firn_glue.records import MAX_RECORD, Record, decoded, plain_lines, too_long, without_return
from firn_glue.refusal import Refused
from firn_glue.texts import Blocks

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
    r"""Cuts records as RFC 4180 defines them, and strictly so, as internal/engine/reader does.

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
