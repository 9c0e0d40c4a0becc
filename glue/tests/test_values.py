"""What a value is: JSON, pointers, patterns, bounds, unique."""

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
def test_sound_json(text: str) -> None:
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
def test_unsound_json(text: str) -> None:
    assert JsonReader().read(text)[1] == "json"


def test_a_name_twice_is_told_at_any_depth() -> None:
    reader = JsonReader()
    assert reader.read('{"a":[{"b":1,"\\u0062":2}]}')[1] == "duplicate"
    assert reader.read("{}")[1] == ""


@pytest.mark.parametrize(
    ("pointer", "span"),
    [("/o", '{ "x":[1 , "]"] }'), ("/o/x", '[1 , "]"]'), ("/o/x/1", '"]"'), ("/o/x/01", None)],
)
def test_the_text_of_a_structure_is_as_written(pointer: str, span: str | None) -> None:
    text = '{"a":"}", "o" : { "x":[1 , "]"] }}'
    assert JsonReader().span(text, 0, pointer_steps(pointer)) == span


def test_values_are_found_by_pointer() -> None:
    columns = (
        ContractColumn("a", "a", "/a", "string"),
        ContractColumn("b", "b", "/b~1/0", "integer"),
        ContractColumn("c", "c", "/c", "json"),
        ContractColumn("d", "d", "/d", "boolean"),
    )
    document = Document(Contract("shop.order", "1.0.0", "ndjson", columns))
    said = document.values('{"a":5,"b/":[1.0],"c":[ 1 ],"d":null,"z":1}')
    assert said == ((["", "1.0", "[ 1 ]", None], "1000"), "")
    assert document.extra() == ["z"]
    assert document.values("[]") == (None, "_row:object")
    assert document.values("[" * 65) == (None, "_row:depth")
    assert document.values('{"a":1,"a":2}') == (None, "_row:duplicate")


def test_a_record_that_is_too_deep_names_its_members_up_to_there() -> None:
    document = Document(Contract("shop.order", "1.0.0", "ndjson", ()))
    deep = "[" * 64 + "]" * 64
    assert document.values(f'{{"x":[1],"y":{deep},"z":1}}') == (None, "_row:depth")
    assert document.extra() == ["x", "y"]
    assert document.values('{"a":' * 100_000 + "1" + "}" * 100_000) == (None, "_row:depth")


def test_brackets_in_texts_dont_nest() -> None:
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
def test_patterns_mean_in_java_what_they_mean_in_re2(pattern: str, java: str) -> None:
    assert java_pattern(pattern) == java


def test_unscaled_numbers_are_written_out() -> None:
    assert unscaled(-5, 2) == "-0.05"
    assert unscaled(1234, 0) == "1234"
    assert unscaled(10**37, 38) == "0.1" + "0" * 37


def test_only_values_of_accepted_rows_are_remembered() -> None:
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


def test_a_manifest_uri_names_root_and_bucket() -> None:
    assert split_uri("s3://b/_glue/1.json") == ("s3://", "b", "_glue/1.json")
    assert split_uri("file:///x/b/_glue/1.json") == ("file:///x/", "b", "_glue/1.json")
