"""The rejects that a refused object keeps, and the columns of a header."""

import json
import logging
from typing import Any
from unittest.mock import MagicMock

import pytest

from firn_glue.contract import Assignment, Contract, ContractColumn
from firn_glue.engine import (
    MAX_KEPT_REJECT_BYTES,
    Engine,
    check_new_columns,
    summarize_rejects,
)
from firn_glue.header import Header, read_header
from firn_glue.refusal import EngineError, Refused


@pytest.mark.parametrize(
    ("texts", "kept"),
    [
        ([], 0),
        (["x"] * 1000, 1000),
        (["x"] * 1001, 1000),
        (["x" * (MAX_KEPT_REJECT_BYTES + 1), "y"], 1),
        (["x" * (MAX_KEPT_REJECT_BYTES - 1), "y", "z"], 2),
        (["x", "ü" * (MAX_KEPT_REJECT_BYTES // 2), "z"], 1),
    ],
)
def test_kept_rejects_are_the_first_within_the_bounds(texts: list[str], kept: int) -> None:
    rows = [(i + 1, "n:integer", text) for i, text in enumerate(texts)]
    first, found, by_rule = summarize_rejects(rows)
    assert found == rows[:kept]
    assert first == [{"record": i + 1, "rule": "n:integer"} for i in range(min(len(texts), 10))]
    assert by_rule == ({"n:integer": len(texts)} if texts else {})


def contract(**settings: str) -> Contract:
    """Return a contract with the columns a (required), b and c."""
    columns = (
        ContractColumn("a", "A", "/a", "string", required=True),
        ContractColumn("b", "B", "/b", "string"),
        ContractColumn("c", "C", "/c", "string"),
    )
    return Contract("shop.order", "1.0.0", "csv", columns, **settings)


def test_absent_optional_columns_have_no_place() -> None:
    header = read_header([b"x", b"C", b"A"], contract())
    assert header == Header(3, (2, None, 1), ("x",), ("b",))


@pytest.mark.parametrize(
    ("names", "cause"),
    [
        ([b"B", b"C"], 'columns that the contract requires are missing: "A"'),
        ([b"A", b"B\rx"], "a name has a line end inside"),
        ([b"A", b"A", b"B"], 'column "A" occurs twice, as column 1 and 2'),
        ([b"A", b"x", b"x"], "a column that the contract doesn't have occurs twice, as column 2"),
    ],
)
def test_bad_headers_are_refused(names: list[bytes], cause: str) -> None:
    with pytest.raises(Refused, match=cause) as caught:
        read_header(names, contract())
    assert caught.value.code == "bad_header"


def test_new_columns_are_refused_if_the_contract_says_so() -> None:
    check_new_columns(contract(), ["x"])
    check_new_columns(contract(new_columns="refuse"), [])
    with pytest.raises(Refused, match=r'the contract doesn\'t have the columns "0", .* and 2 more'):
        check_new_columns(contract(new_columns="refuse"), [str(i) for i in range(12)])


CELL = "SSN078Log1120"
"""The value of a row."""


class JavaError(Exception):
    """An error of Spark, with a Java error as its cause."""

    def __init__(self) -> None:
        super().__init__(f"[CAST_INVALID_INPUT] The value {CELL!r} of the type ...")
        self.java_exception = JavaThrowable("org.apache.spark.SparkException", "java.lang.Error")


class JavaThrowable:
    """A Java error with the name of its class."""

    def __init__(self, name: str, *causes: str) -> None:
        self.name, self.causes = name, causes

    def getClass(self) -> "JavaThrowable":  # noqa: N802 - a name of Java
        return self

    def getName(self) -> str:  # noqa: N802
        return self.name

    def toString(self) -> str:  # noqa: N802
        return f"{self.name}: {CELL}"

    def getCause(self) -> "JavaThrowable | None":  # noqa: N802
        return JavaThrowable(*self.causes) if self.causes else None


class FailingBuckets:
    """Buckets whose error quotes a row."""

    def identity(self, source: Assignment) -> tuple[str, ...]:
        try:
            int(CELL)
        except ValueError as error:
            raise JavaError from error
        return (source.uri,)


def test_log_of_a_failure_has_types_and_places_only(caplog: pytest.LogCaptureFixture) -> None:
    spark: Any = MagicMock()
    buckets: Any = FailingBuckets()
    engine = Engine(spark, buckets, contract())
    entry = {"bucket": "landing", "key": "a.csv"}
    source = Assignment(entry, "o1", 0, "a", "landing", "a.csv", "s3://", "curated", "p/", None)
    with caplog.at_level(logging.INFO, logger="firn.glue"), pytest.raises(EngineError):
        engine.transform(source)
    line = json.loads(caplog.messages[0])
    assert line["msg"] == "object failed"
    assert line["object"] == "s3://landing/a.csv"
    assert line["types"] == [
        "JavaError",
        "org.apache.spark.SparkException",
        "java.lang.Error",
        "ValueError",
    ]
    assert line["places"][-1].endswith(" identity")
    assert CELL not in caplog.text
