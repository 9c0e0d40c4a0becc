"""The second generator: the unique rule, which needs the order of the records."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from firn_glue.rows import Row


class Unique(NamedTuple):
    """The contract's settings for the unique rule.

    Attributes:
        places: The indexes of the unique columns.
        names: The names of all columns.
        max_unique: The last record number to check; 0 for no limit.
    """

    places: tuple[int, ...]
    names: tuple[str, ...]
    max_unique: int


def unique_rows(unique: Unique, rows: Iterable[Any]) -> Iterator[Row]:
    """Set the rule "unique" on rows that repeat a value of an earlier accepted row.

    Args:
        unique: The contract's settings.
        rows: Rows of record, raw, rule, texts, wrong and the text of each unique value. Equal
            values must have equal texts.

    Yields:
        The rows without the unique values.
    """
    seen: list[set[bytes]] = [set() for _ in unique.places]
    for record, raw, rule, texts, wrong, *values in rows:
        if record and not (unique.max_unique and record > unique.max_unique):
            digests = [None if v is None else digest(v) for v in values]
            rule = broken_unique(unique, seen, digests, rule) or rule
            if rule is None:
                for known, value in zip(seen, digests, strict=True):
                    if value is not None:
                        known.add(value)
        yield record, raw, rule, texts, wrong


def digest(value: str) -> bytes:
    """Return the hash of a value. Only the hash is kept in memory."""
    return hashlib.blake2b(value.encode(), digest_size=16).digest()


def broken_unique(
    unique: Unique, seen: list[set[bytes]], digests: list[bytes | None], rule: str | None
) -> str | None:
    """Return the unique rule of the first column with a repeated value; None without such a column.

    Only columns before the column of an already broken rule count.
    """
    limit = len(unique.names)
    if rule is not None:
        column = rule.partition(":")[0]
        limit = unique.names.index(column) if column in unique.names else 0
    for place, known, value in zip(unique.places, seen, digests, strict=True):
        if place < limit and value is not None and value in known:
            return unique.names[place] + ":unique"
    return None
