"""The benchmark's job in streaming polars: INPUT OUTPUT. polars has no rejects."""

import sys
import time
from pathlib import Path

import polars as pl

TEXTS = ("customer_id", "status", "country", "note")
NAMES = ("order_id", "customer_id", "ordered_at", "amount", "quantity") + (
    "status",
    "country",
    "is_gift",
    "ship_date",
    "note",
)


def typed() -> dict[str, pl.Expr]:
    """Return the typed columns. A value with a wrong type is null."""
    column = {name: pl.col(name) for name in NAMES}
    gift = column["is_gift"]
    moment = column["ordered_at"].str.to_datetime(
        "%Y-%m-%dT%H:%M:%S%.fZ", time_unit="us", time_zone="UTC", strict=False
    )
    return {
        **{name: column[name] for name in TEXTS},
        "order_id": column["order_id"].cast(pl.Int64, strict=False),
        "ordered_at": moment,
        "amount": column["amount"].cast(pl.Decimal(12, 2), strict=False),
        "quantity": column["quantity"].cast(pl.Int64, strict=False),
        "is_gift": pl.when(gift == "true").then(True).when(gift == "false").then(False),
        "ship_date": column["ship_date"].str.to_date("%Y-%m-%d", strict=False),
    }


def fits_contract() -> pl.Expr:
    """Return whether a row fits the contract, as far as polars can check the rules."""
    value = {name: pl.col(f"typed_{name}") for name in NAMES}
    required = [value[name].is_not_null() for name in NAMES if name not in ("ship_date", "note")]
    statuses = ["new", "paid", "shipped", "delivered", "returned"]
    return pl.all_horizontal(
        *required,
        value["ship_date"].is_not_null() | pl.col("ship_date").is_null(),
        value["customer_id"].str.contains("^C[0-9]{8}$"),
        value["amount"] >= 0,
        value["quantity"].is_between(1, 1000),
        value["status"].is_in(statuses),
        value["country"].str.contains("^[A-Z]{2}$"),
    )


def main() -> None:
    """Write good.parquet."""
    source, output = sys.argv[1], Path(sys.argv[2])
    output.mkdir(parents=True, exist_ok=True)
    rows = pl.scan_csv(
        source,
        schema={name: pl.String() for name in NAMES},
        truncate_ragged_lines=True,
        encoding="utf8-lossy",
        low_memory=True,
    )
    columns = typed()
    rows = rows.with_columns(**{f"typed_{name}": columns[name] for name in NAMES})
    rows = rows.filter(fits_contract())
    rows = rows.select(pl.col(f"typed_{name}").alias(name) for name in NAMES)
    print(f"start-up {time.process_time():.3f} CPU s")
    rows.sink_parquet(output / "good.parquet", compression="zstd", compression_level=1)


if __name__ == "__main__":
    main()
