"""The options of a COPY that fakesnow lacks or reads incorrectly."""

from __future__ import annotations

import datetime
from dataclasses import dataclass, field

import fakesnow.copy_into as stock
import sqlglot
from sqlglot import exp

from firn_snowflake import errors

MAX_FILES = 1000
"""The maximum number of names in FILES (/sql-reference/sql/copy-into-table)."""

_TIMESTAMPTZ = exp.DataType.build("timestamptz")
"""Built once: the parser is slow with the name of a type."""

_WITHOUT_EFFECT = {
    "ENFORCE_LENGTH",
    "LOAD_UNCERTAIN_FILES",
    "PURGE",
    "RETURN_FAILED_ONLY",
    "SIZE_LIMIT",
    "TRUNCATECOLUMNS",
}


@dataclass
class CopyOptions:
    """The options of a COPY beyond the options that fakesnow reads.

    LOAD_UNCERTAIN_FILES has no effect, because the load history here never expires. PURGE has no
    effect, because the bucket manages the files of firn's stages.
    """

    force: bool = False
    pattern: str | None = None
    metadata: dict[str, str] = field(default_factory=dict)
    """INCLUDE_METADATA: column to METADATA$ name, both upper case."""

    @classmethod
    def extract(cls, tree: exp.Copy) -> CopyOptions:
        """Read the options and remove them from the tree; fakesnow reads the others."""
        options, rest = cls(), []
        for option in tree.args.get("params") or []:
            name = option.this.name.upper()
            if name == "PATTERN":
                options.pattern = option.expression.name
            elif name == "FILES" and option.find(exp.Literal) is None:
                text = "SQL compilation error: FILES contains no name"
                raise errors.failure(errors.SYNTAX, "42000", text)
            elif name == "INCLUDE_METADATA":
                options.metadata = _metadata_pairs(option)
            elif name == "FORCE":
                options.force = option.expression is None or _is_true(option.expression)
            elif name not in _WITHOUT_EFFECT:
                rest.append(option)
        tree.set("params", rest)
        return options

    def check_files(self, files: list[str]) -> None:
        """Raise an error for a list of names that Snowflake refuses."""
        if len(files) > MAX_FILES:
            text = f"SQL compilation error: FILES has {len(files)} names, at most {MAX_FILES}"
            raise errors.failure(errors.SYNTAX, "42000", text)

    def add_metadata(self, insert: exp.Expression, key: str, started: datetime.datetime) -> None:
        """Fill the columns of INCLUDE_METADATA, and METADATA$ names in the SELECT form.

        Stock fakesnow has neither (/user-guide/querying-metadata). A column without a counterpart
        in the table is an error.
        """
        select = insert.expression
        source = select.args["from_"].this.this
        remaining = dict(self.metadata)
        for column in select.expressions:
            if (kind := remaining.pop(column.alias.upper(), None)) is not None:
                column.set("this", _metadata_value(kind, source, key, started))
        if remaining:
            text = f"SQL compilation error: no column {', '.join(remaining)} for INCLUDE_METADATA"
            raise errors.failure(errors.INVALID_IDENTIFIER, "42000", text)
        for column in list(select.find_all(exp.Column)):
            if column.name.upper().startswith("METADATA$"):
                column.replace(_metadata_value(column.name.upper(), source, key, started))


def _metadata_pairs(option: exp.Expression) -> dict[str, str]:
    value = option.args.get("expression")
    pairs = option.expressions or (value.expressions or [value.this] if value else [])
    return {p.this.name.upper(): p.expression.sql().upper() for p in pairs}


def _is_true(value: exp.Expression) -> bool:
    return value.sql().upper() == "TRUE"


def _metadata_value(
    kind: str, source: exp.Expression, key: str, started: datetime.datetime
) -> exp.Expression:
    if kind == "METADATA$FILENAME":
        return exp.Literal.string(key)
    if kind == "METADATA$START_SCAN_TIME":
        return exp.cast(exp.Literal.string(started.isoformat(sep=" ")), _TIMESTAMPTZ.copy())
    if kind == "METADATA$FILE_ROW_NUMBER":
        numbered = stock.FileTypeHandler.make_eq("file_row_number", True)
        if not any(numbered == given for given in source.expressions):
            source.append("expressions", numbered)
        return sqlglot.parse_one("file_row_number + 1", read="duckdb")
    raise errors.failure(errors.UNSUPPORTED, "0A000", f"{kind} isn't supported by the stand-in")
