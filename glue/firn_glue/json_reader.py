"""A JSON reader with the strict rules of the Go engine."""

from __future__ import annotations

import json
import re
from typing import Any

MAX_DEPTH = 64
"""The deepest allowed nesting of objects and arrays in a record. The record has depth 1."""


class Number(str):
    """A JSON number in its original text."""

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
"""The accepted kinds of JSON value of each type: s string, r whole record, o object or array,
n number, b boolean."""


class JsonReader:
    """A strict reader by RFC 8259, with unique names and without lone surrogates."""

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
        """Return the value and "", "json" for invalid JSON or "duplicate" for a repeated name."""
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
        """Return the text of the value at the end of the steps; None without such a value.

        Args:
            text: Valid JSON.
            at: The position of the first value, without whitespace before the value.
            steps: The steps of a JSON pointer from the first value.
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
    """Return the position of the next character that isn't whitespace."""
    return WHITESPACE.match(text, at).end()


def is_encodable(value: Any) -> bool:  # noqa: ANN401 - any JSON value
    """Return whether all strings of the value are free of lone surrogates."""
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
    """Return the nesting depth of brackets outside of strings. The text can be invalid JSON.

    0 for a text with at most MAX_DEPTH opening brackets.
    """
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
    """Return the nesting depth of a value's objects and arrays; 0 for another value."""
    deep, level = 0, [value]
    while level := [v for v in level if isinstance(v, dict | list)]:
        deep += 1
        level = [v for part in level for v in (part.values() if isinstance(part, dict) else part)]
    return deep


def is_structure(reader: JsonReader, text: str) -> bool:
    """Return whether a CSV value is one valid JSON object or array."""
    if nesting(text) > MAX_DEPTH:
        return False
    value, broken = reader.read(text)
    return not broken and isinstance(value, dict | list)
