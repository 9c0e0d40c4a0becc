"""The header of a CSV file."""

from __future__ import annotations

import json
from dataclasses import dataclass

from firn_glue.contract import Contract
from firn_glue.records import decoded
from firn_glue.refusal import Refused

UNKNOWN_COLUMN = "a column that the contract doesn't have"


@dataclass(frozen=True)
class Header:
    """The positions of the contract's columns in a CSV file."""

    width: int
    places: tuple[int | None, ...]
    """The field index of each contract column; None for a column that the file lacks."""
    extra: tuple[str, ...]
    """The names of columns that aren't in the contract."""
    absent: tuple[str, ...]
    """The names of the contract's columns that the file lacks."""


def read_header(names: list[bytes], contract: Contract) -> Header:
    """Compare a header with the contract, by the rules of internal/engine/row, NewFields.

    Raises:
        Refused: The header has a name twice, lacks a required column, or isn't a header of the
            contract.
    """
    places: dict[str, int] = {}
    wanted = [c.header for c in contract.columns]
    for i, raw in enumerate(names):
        name, is_valid = decoded(raw)
        if not is_valid:
            raise Refused("bad_encoding", f"the name of column {i + 1} isn't UTF-8")
        if name in places:
            # Only a name of the contract is in the cause: the first line may be a record.
            known = f"column {quoted(name)}" if name in wanted else UNKNOWN_COLUMN
            raise Refused(
                "bad_header", f"{known} occurs twice, as column {places[name] + 1} and {i + 1}"
            )
        places[name] = i
    extra = tuple(name for name in places if name not in wanted)
    absent = tuple(c.name for c in contract.columns if c.header not in places)
    if absent:
        check_absent(contract, places, extra)
    return Header(len(names), tuple(places.get(name) for name in wanted), extra, absent)


def check_absent(contract: Contract, places: dict[str, int], extra: tuple[str, ...]) -> None:
    """Refuse a header without a required column, and a first line that is no header."""
    missing = [c for c in contract.columns if c.header not in places]
    required = ", ".join(quoted(c.header) for c in missing if c.required)
    if required:
        raise Refused("bad_header", f"columns that the contract requires are missing: {required}")
    if len(missing) == len(contract.columns):
        raise Refused("bad_header", "no name in the first line is a column of the contract")
    if any("\r" in name or "\n" in name for name in extra):
        raise Refused(
            "bad_header",
            "columns are missing, and a name has a line end inside: lines must end in LF or CRLF",
        )


def quoted(name: str) -> str:
    """Return a name in double quotes, for an error."""
    return json.dumps(name, ensure_ascii=False)
