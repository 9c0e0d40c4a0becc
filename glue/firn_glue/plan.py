"""The Spark expressions of one contract, and the accepted and rejected rows."""

from __future__ import annotations

from functools import cached_property, partial
from typing import Any

from pyspark.sql import Column as Expression
from pyspark.sql import DataFrame, Observation, SparkSession
from pyspark.sql import functions as F

from firn_glue.contract import Assignment, Contract
from firn_glue.header import Header
from firn_glue.rows import RAW_ROWS, object_rows
from firn_glue.rules import broken_rule, canonical, typed
from firn_glue.unique import Unique, unique_rows


class Plan:
    """The expressions of one contract and one CSV header.

    Each expression is built once, because every part of an expression needs a call to the JVM.
    """

    def __init__(self, spark: SparkSession, contract: Contract, header: Header | None) -> None:
        self._spark = spark
        self.contract = contract
        self._header = header
        columns = contract.columns
        self._unique = Unique(
            places=tuple(i for i, c in enumerate(columns) if c.unique),
            names=tuple(c.name for c in columns),
            max_unique=contract.max_unique,
        )

    def rows(self, source: Assignment) -> DataFrame:
        """Read an object as columns record, raw, rule and values v0, v1, ….

        rule is null for an accepted row.
        """
        contract = self.contract

        # Spark must read each partition to the end. Otherwise, Spark starts a new Python process
        # for every task.
        one = self._spark.sparkContext.parallelize([source], 1)
        rows = self._typed(self._frame(one.flatMap(partial(object_rows, contract))))
        if not self._unique.places:
            return rows
        checked = self._checked(rows)
        return self._values(self._texts(checked)).select("record", "raw", "rule", *self._names("v"))

    def _frame(self, rows: Any) -> DataFrame:  # noqa: ANN401 - an RDD
        return self._spark.createDataFrame(rows, RAW_ROWS, verifySchema=False)

    def _names(self, letter: str) -> list[str]:
        return [f"{letter}{i}" for i in range(len(self.contract.columns))]

    def _typed(self, raw: DataFrame) -> DataFrame:
        rows = self._values(self._texts(raw))
        kept = ["texts", "wrong"] if self._unique.places else []
        return rows.select("record", "raw", self._rule, *kept, *self._names("v"))

    @cached_property
    def _rule(self) -> Expression:
        """The first rule that a record breaks. Rules of the whole record come first."""
        rules = [
            broken_rule(F.col(f"t{i}"), wrong_kind(i), F.col(f"v{i}"), c)
            for i, c in enumerate(self.contract.columns)
        ]
        return F.coalesce(F.col("rule"), *rules).alias("rule")

    def _texts(self, raw: DataFrame) -> DataFrame:
        """Add the columns t0, t1, …: the values as texts; null for a missing value."""
        names = ["record", "raw", "rule", "texts", "wrong"]
        if self._header is not None:
            delimiter = self.contract.delimiter
            if delimiter in ".$|()[{^?*+\\":
                delimiter = "\\" + delimiter
            is_plain = F.col("rule").isNull() & F.col("texts").isNull()
            split = F.when(is_plain, F.split("raw", delimiter, -1))
            raw = raw.select(*names, split.alias("fields"))
        return raw.select(*names, *self._text_columns)

    @cached_property
    def _text_columns(self) -> list[Expression]:
        if self._header is None:
            texts = [F.col("texts")[i] for i in range(len(self.contract.columns))]
        else:
            texts = [self._text(i, place) for i, place in enumerate(self._header.places)]
        return [t.alias(f"t{i}") for i, t in enumerate(texts)]

    def _text(self, i: int, place: int | None) -> Expression:
        if place is None:
            return F.lit(None).cast("string")
        field = F.col("fields")[place]
        nulls = ["", *sorted(self.contract.null_values)]
        plain = F.when(~field.isin(nulls), field)
        return F.when(F.col("texts").isNotNull(), F.col("texts")[i]).otherwise(plain)

    def _values(self, rows: DataFrame) -> DataFrame:
        """Add the columns v0, v1, …: the typed values."""
        return rows.select("*", *self._value_columns)

    @cached_property
    def _value_columns(self) -> list[Expression]:
        columns = enumerate(self.contract.columns)
        return [typed(F.col(f"t{i}"), c).alias(f"v{i}") for i, c in columns]

    def _checked(self, rows: DataFrame) -> DataFrame:
        """Check the unique columns in the order of the records."""
        columns = self.contract.columns
        values = [canonical(F.col(f"v{i}"), columns[i]) for i in self._unique.places]
        needed = rows.select("record", "raw", "rule", "texts", "wrong", *values)
        return self._frame(needed.rdd.mapPartitions(partial(unique_rows, self._unique)))


def wrong_kind(i: int) -> Expression:
    """Return whether value i has a wrong kind. The Python generator decides the kind."""
    return F.coalesce(F.col("wrong").substr(i + 1, 1) == "1", F.lit(False))


def data_of(rows: DataFrame, contract: Contract, object_id: str) -> DataFrame:
    """Return the accepted rows in the stored form."""
    values = [F.col(f"v{i}").alias(c.name) for i, c in enumerate(contract.columns)]
    origin = [F.lit(object_id).alias("_firn_object"), F.col("record").alias("_firn_record")]
    return rows.where("rule is null").select(*values, *origin)


def rejected(rows: DataFrame) -> DataFrame:
    """Return the records that break a rule.

    The observation keeps Spark from moving the filter before the typed values. A moved filter
    would compute every value twice: one million records took four times as long.
    """
    observed = rows.observe(Observation(), F.count("*"))
    return observed.where("rule is not null and record > 0")


BROKEN_RECORDS = "record bigint, rule string, raw string"
"""The columns of rejects on the driver."""


def rejects_of(rows: DataFrame, object_id: str) -> DataFrame:
    """Return the rejected rows in the stored form."""
    return stored_rejects(rejected(rows), object_id)


def stored_rejects(broken: DataFrame, object_id: str) -> DataFrame:
    """Return rejects in the stored form. The line is null, because Spark has no line."""
    return broken.select(
        F.lit(object_id).alias("_firn_object"),
        F.col("record").alias("_firn_record"),
        F.lit(None).cast("bigint").alias("line"),
        "rule",
        "raw",
    )
