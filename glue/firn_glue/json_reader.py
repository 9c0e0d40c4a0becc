"""JSON, read as strictly as the Go engine reads it."""

from __future__ import annotations

import json
import re
from typing import Any

MAX_DEPTH = 64
"""How deep objects and arrays of a record may nest; the record itself is depth 1."""


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
