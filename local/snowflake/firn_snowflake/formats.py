"""Snowflake's formats of dates and times (/sql-reference/date-time-input-output)."""

from __future__ import annotations

import re

_PARTS = {
    "YYYY": "%Y",
    "YY": "%y",
    "MMMM": "%B",
    "MON": "%b",
    "MM": "%m",
    "DD": "%d",
    "DY": "%a",
    "HH24": "%H",
    "HH12": "%I",
    "AM": "%p",
    "PM": "%p",
    "MI": "%M",
    "SS": "%S",
    "FF": "%n",
    "FF0": "",
    "FF3": "%g",
    "FF6": "%f",
    "FF9": "%n",
    "TZHTZM": "%z",
    "TZH:TZM": "%z",
}
_PART = re.compile("|".join(sorted(map(re.escape, _PARTS), key=len, reverse=True)), re.I)


def to_duckdb(text: str) -> str:
    """Return a format for DuckDB's strptime. Quotes around a literal part are removed."""
    return _PART.sub(lambda found: _PARTS[found[0].upper()], text.replace('"', ""))
