"""The second generator: unique columns, which need the order of the records."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from firn_glue.rows import Row


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
