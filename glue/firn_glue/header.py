"""The header of a CSV file."""

from __future__ import annotations

import json
from dataclasses import dataclass

from firn_glue.contract import Contract
from firn_glue.records import decoded
from firn_glue.refusal import Refused


@dataclass(frozen=True)
class Header:
    """The positions of the contract's columns in a CSV file."""

    width: int
    places: tuple[int, ...]
    """The field index of each contract column."""
    extra: tuple[str, ...]
    """The names of columns that aren't in the contract."""


def read_header(names: list[bytes], contract: Contract) -> Header:
    """Compare a header with the contract. A duplicate or missing column refuses the object."""
    places: dict[str, int] = {}
    for i, raw in enumerate(names):
        name, is_valid = decoded(raw)
        if not is_valid:
            raise Refused("bad_encoding", f"the name of column {i + 1} isn't UTF-8")
        if name in places:
            raise Refused(
                "bad_header",
                f"column {quoted(name)} occurs twice, as column {places[name] + 1} and {i + 1}",
            )
        places[name] = i
    missing = [quoted(c.header) for c in contract.columns if c.header not in places]
    if missing:
        raise Refused(
            "bad_header",
            f"columns that the contract requires are missing: {', '.join(missing)}",
        )
    wanted = [c.header for c in contract.columns]
    extra = tuple(name for name in places if name not in wanted)
    return Header(len(names), tuple(places[name] for name in wanted), extra)


def quoted(name: str) -> str:
    """Return a name in double quotes, for an error."""
    return json.dumps(name, ensure_ascii=False)
