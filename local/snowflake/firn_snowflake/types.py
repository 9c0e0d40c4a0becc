"""Types and values between DuckDB and a driver."""

from __future__ import annotations

import json

import fakesnow.arrow as arrow
import fakesnow.info_schema as info_schema
import fakesnow.rowtype as rowtypes
import fakesnow.server as server
import fakesnow.transforms.transforms as transforms
import pyarrow as pa
import pyarrow.compute as pc
from fakesnow.rowtype import ColumnInfo

_EXTRA_TYPES = {
    "FLOAT": "real",
    "SMALLINT": "fixed",
    "TIMESTAMP WITH TIME ZONE": "timestamp_ltz",
    "TIMESTAMP_MS": "timestamp_ntz",
    "TIMESTAMP_S": "timestamp_ntz",
    "TINYINT": "fixed",
    "UINTEGER": "fixed",
    "USMALLINT": "fixed",
    "UTINYINT": "fixed",
    "UUID": "text",
}


def install() -> None:
    """Install this module's functions in fakesnow, before a FakeSnow is created."""
    rowtypes.duckdb_to_sf_type = _TypeNames(rowtypes.duckdb_to_sf_type)
    arrow.timestamp_to_sf_struct = timestamp_structs
    server.to_sf = result_table
    inner = server.from_binding
    server.from_binding = lambda bind: None if bind.get("value") is None else inner(bind)
    _patch_ltz()


class _TypeNames(dict[str, str]):
    """The map from DuckDB's type names to Snowflake's type names.

    Stock fakesnow lacks lists, structs, maps and small numbers: a result with such a type is HTTP
    500. DuckDB has one type for TIMESTAMP_LTZ and TIMESTAMP_TZ, and stock fakesnow shows TZ. firn's
    tables contain only LTZ (/sql-reference/data-types-datetime), so the type here is LTZ.
    """

    def get(self, name: str, default: str | None = None) -> str | None:  # type: ignore[override]
        if name.endswith("]"):
            return "array"
        if name.startswith(("STRUCT", "MAP")):
            return "object"
        return _EXTRA_TYPES.get(name) or super().get(name, default)


def _patch_ltz() -> None:
    """Show TIMESTAMP_LTZ in DESCRIBE TABLE and INFORMATION_SCHEMA.COLUMNS too."""
    view = info_schema.SQL_CREATE_GLOBAL_INFORMATION_SCHEMA_COLUMNS_VIEW
    info_schema.SQL_CREATE_GLOBAL_INFORMATION_SCHEMA_COLUMNS_VIEW = view.replace(
        "TIMESTAMP_TZ", "TIMESTAMP_LTZ"
    )
    describe = transforms.SQL_DESCRIBE_TABLE
    describe.template = describe.template.replace("TIMESTAMP_TZ", "TIMESTAMP_LTZ")


def timestamp_structs(column: pa.Array | pa.ChunkedArray) -> pa.Array:
    """Return a timestamp column as the struct of seconds and nanoseconds that drivers read.

    Stock fakesnow loses the nulls, so a NULL becomes 1970-01-01. Every unit is read as microseconds
    there.
    """
    column = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    missing = pc.is_null(column)
    column = pc.fill_null(column, pa.scalar(0, column.type))
    micros = column.cast(pa.timestamp("us", column.type.tz), safe=False).cast(pa.int64())
    seconds = pc.floor(pc.divide(micros.cast(pa.float64()), 1e6)).cast(pa.int64())
    nanos = pc.multiply(pc.subtract(micros, pc.multiply(seconds, 1_000_000)), 1000)
    fields = [
        pa.field("epoch", pa.int64(), nullable=False),
        pa.field("fraction", pa.int32(), nullable=False),
    ]
    return pa.StructArray.from_arrays(
        [seconds, nanos.cast(pa.int32())], fields=fields, mask=missing
    )


_stock_result_table = arrow.to_sf


def result_table(table: pa.Table, columns: list[ColumnInfo]) -> pa.Table:
    """Return a result table in the types of a driver, with lists, structs and maps as JSON text.

    Stock fakesnow sends such values unchanged, and no driver can read these values.
    """
    if not table.num_columns:
        return _stock_result_table(table, columns)
    arrays = [_json(c) if pa.types.is_nested(c.type) else c for c in table.columns]
    return _stock_result_table(pa.Table.from_arrays(arrays, names=table.column_names), columns)


def _json(column: pa.ChunkedArray) -> pa.Array:
    values = [None if v is None else json.dumps(v, default=str) for v in column.to_pylist()]
    return pa.array(values, pa.string())
