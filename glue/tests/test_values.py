"""Values: JSON, pointers, patterns, bounds, the unique rule."""

import pytest

from firn_glue.contract import Contract, ContractColumn
from firn_glue.documents import Document, pointer_steps
from firn_glue.job import split_uri
from firn_glue.json_reader import JsonReader, nesting
from firn_glue.patterns import java_pattern
from firn_glue.rules import unscaled
from firn_glue.unique import Unique, unique_rows


@pytest.mark.parametrize(
    "text",
    ["{}", " [1, 2.50e+3] ", '{"a":{"b":[null,true,"\\ud83d\\ude00"]}}', '"\\u0000"', "-0"],
)
def test_valid_json_is_accepted(text: str) -> None:
    assert JsonReader().read(text)[1] == ""


@pytest.mark.parametrize(
    "text",
    [
        *("", " ", "01", "+1", "1.", ".5", "NaN", "-Infinity", "tru", "{} {}", "[1,]", '{"a":1,}'),
        *(
            "{'a':1}",
            '"\t"',
            '"\\x"',
            '"\\ud800"',
            '{"\\udc00":1}',
            '["\\ude00\\ud83d"]',
            "\ufeff1",
        ),
        *("[1", '{"a"}', "\u00a01"),
    ],
)
def test_invalid_json_is_reported(text: str) -> None:
    assert JsonReader().read(text)[1] == "json"


def test_duplicate_name_at_any_depth_is_reported() -> None:
    reader = JsonReader()
    assert reader.read('{"a":[{"b":1,"\\u0062":2}]}')[1] == "duplicate"
    assert reader.read("{}")[1] == ""


@pytest.mark.parametrize(
    ("pointer", "span"),
    [("/o", '{ "x":[1 , "]"] }'), ("/o/x", '[1 , "]"]'), ("/o/x/1", '"]"'), ("/o/x/01", None)],
)
def test_text_of_a_structure_is_unchanged(pointer: str, span: str | None) -> None:
    text = '{"a":"}", "o" : { "x":[1 , "]"] }}'
    assert JsonReader().span(text, 0, pointer_steps(pointer)) == span


def test_json_pointers_find_values() -> None:
    columns = (
        ContractColumn("a", "a", "/a", "string"),
        ContractColumn("b", "b", "/b~1/0", "integer"),
        ContractColumn("c", "c", "/c", "json"),
        ContractColumn("d", "d", "/d", "boolean"),
    )
    document = Document(Contract("shop.order", "1.0.0", "ndjson", columns))
    values = document.values('{"a":5,"b/":[1.0],"c":[ 1 ],"d":null,"z":1}')
    assert values == ((["", "1.0", "[ 1 ]", None], "1000"), "")
    assert document.extra() == ["z"]
    assert document.values("[]") == (None, "_row:object")
    assert document.values("[" * 65) == (None, "_row:depth")
    assert document.values('{"a":1,"a":2}') == (None, "_row:duplicate")


def test_too_deep_record_names_members_up_to_the_deep_member() -> None:
    document = Document(Contract("shop.order", "1.0.0", "ndjson", ()))
    deep = "[" * 64 + "]" * 64
    assert document.values(f'{{"x":[1],"y":{deep},"z":1}}') == (None, "_row:depth")
    assert document.extra() == ["x", "y"]
    assert document.values('{"a":' * 100_000 + "1" + "}" * 100_000) == (None, "_row:depth")


def test_brackets_in_strings_dont_count_as_nesting() -> None:
    assert nesting('{"a":"' + "[" * 100 + '"}') == 1
    assert nesting('"\\"' + "[" * 100 + '"' + "[" * 65) == 65
    assert nesting("[" * 100_000) == 100_000


@pytest.mark.parametrize(
    ("pattern", "java"),
    [
        (r"a\sb", r"\A(?du:a[\t\n\f\r ]b)\z"),
        (r"[^\s]$", r"\A(?du:[^\t\n\f\r ]\z)\z"),
        (r"(?m)a$", r"\A(?du:(?m)a$)\z"),
        (r"\Qa.b\E+", r"\A(?du:a\.b+)\z"),
        (r"\\s", r"\A(?du:\\s)\z"),
    ],
)
def test_re2_pattern_is_translated_to_java(pattern: str, java: str) -> None:
    assert java_pattern(pattern) == java


def test_unscaled_number_is_written_with_its_decimal_point() -> None:
    assert unscaled(-5, 2) == "-0.05"
    assert unscaled(1234, 0) == "1234"
    assert unscaled(10**37, 38) == "0.1" + "0" * 37


def test_unique_compares_with_accepted_rows_only() -> None:
    unique = Unique(places=(0, 2), names=("a", "b", "c"), max_unique=6)
    rows = [
        (1, "", None, None, None, "x", "1"),
        (2, "", "b:integer", None, None, "y", "2"),
        (3, "", None, None, None, "y", None),
        (4, "", "b:integer", None, None, "x", "1"),
        (5, "", "a:required", None, None, None, "1"),
        (6, "", None, None, None, "z", "1"),
        (7, "", None, None, None, "x", "1"),
        (0, "{}", "_end", None, None, None, None),
    ]
    rules = [row[2] for row in unique_rows(unique, rows)]
    expected = [None, "b:integer", None, "a:unique", "a:required", "c:unique", None, "_end"]
    assert rules == expected


def test_manifest_uri_is_split_into_root_bucket_and_key() -> None:
    assert split_uri("s3://b/_glue/1.json") == ("s3://", "b", "_glue/1.json")
    assert split_uri("file:///x/b/_glue/1.json") == ("file:///x/", "b", "_glue/1.json")
