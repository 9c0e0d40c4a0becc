"""The values of a contract's columns in a JSON record."""

from __future__ import annotations

from typing import Any, NamedTuple

from firn_glue.contract import Contract
from firn_glue.json_reader import ACCEPTED, MAX_DEPTH, JsonReader, Number, depth, nesting, skip

MAX_EXTRA = 100
"""The most members without a column that a receipt names."""

MAX_INDEX = 1 << 16


def pointer_steps(pointer: str) -> tuple[str, ...]:
    """Split a JSON pointer into steps without escapes (RFC 6901, section 4)."""
    if not pointer:
        return ()
    parts = pointer.removeprefix("/").split("/")
    return tuple(part.replace("~1", "/").replace("~0", "~") for part in parts)


def follow(value: Any, steps: tuple[str, ...]) -> Any:  # noqa: ANN401 - any JSON value
    """Return the value at the end of the steps; None without a value. Digits index arrays."""
    for step in steps:
        match value:
            case dict():
                value = value.get(step)
            case list():
                value = element(value, step)
            case _:
                return None
    return value


def element(values: list[Any], step: str) -> Any:  # noqa: ANN401 - any JSON value
    """Return an array's element; None if the step isn't an index or is out of range.

    An index is written in digits without leading zeros.
    """
    if not (step.isascii() and step.isdigit()) or len(step) > 1 and step[0] == "0":
        return None
    index = int(step)
    return values[index] if index < min(len(values), MAX_INDEX) else None


class Values(NamedTuple):
    """A record's values in the contract's order.

    wrong has one character for each value: "1" if the JSON value has a kind that the column's type
    doesn't accept, "0" otherwise. The text of a wrong value is empty.
    """

    texts: list[str | None]
    wrong: str


class Document:
    """Finds the column values of NDJSON records by JSON pointer."""

    def __init__(self, contract: Contract) -> None:
        self._reader = JsonReader()
        self._columns = [(pointer_steps(c.path), c.type) for c in contract.columns]
        self._known = {steps[0] for steps, _ in self._columns if steps}
        self._extra: dict[str, None] = {}
        self._is_whole = any(not steps for steps, _ in self._columns)

    def extra(self) -> list[str]:
        """Return the top-level members without a column; empty if a column has the whole record."""
        return [] if self._is_whole else sorted(self._extra)

    def values(self, raw: str) -> tuple[Values | None, str]:
        """Return the record's values and "", or None and the broken rule of the whole record."""
        record, broken = self._reader.read(raw)
        if nesting(raw) > MAX_DEPTH:
            if not broken and isinstance(record, dict):
                self._note_until_deep(record)
            return None, "_row:depth"
        if broken == "json":
            return None, "_row:json"
        if not isinstance(record, dict):
            return None, "_row:object"
        if broken:
            return None, "_row:duplicate"
        self._note(record)
        texts, wrong = [], []
        for steps, column_type in self._columns:
            text, kind = self._value(raw, record, steps, column_type)
            is_wrong = text is not None and kind not in ACCEPTED[column_type]
            texts.append("" if is_wrong else text)
            wrong.append("1" if is_wrong else "0")
        return Values(texts, "".join(wrong)), ""

    def _note_until_deep(self, record: dict[str, Any]) -> None:
        """Note the members up to the too deep member, because the Go engine stops there."""
        for name, value in record.items():
            self._note({name: value})
            if depth(value) >= MAX_DEPTH:
                return

    def _note(self, record: dict[str, Any]) -> None:
        if record.keys() <= self._known:
            return
        for name in record:
            if len(self._extra) < MAX_EXTRA and name not in self._known:
                self._extra[name] = None

    def _value(
        self, raw: str, record: dict[str, Any], steps: tuple[str, ...], column_type: str
    ) -> tuple[str | None, str]:
        if not steps:
            return raw, "r"
        match follow(record, steps):
            case None:
                return None, ""
            case Number() as number:
                return str(number), "n"
            case str() as text:
                return text, "s"
            case bool() as flag:
                return "true" if flag else "false", "b"
            case _ if column_type == "json":
                return self._reader.span(raw, skip(raw, 0), steps), "o"
            case _:
                return "", "o"
