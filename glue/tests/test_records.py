"""The split of a text into records, for all block sizes."""

import random
from collections.abc import Iterator

import pytest

from firn_glue import csv_records, records
from firn_glue.csv_records import Csv
from firn_glue.records import Ndjson
from firn_glue.refusal import Refused

PIECES = ["a", "ü", ",", '"', '""', "\n", "\r", "\r\n", "1", "\n\n", '"x\n",']


def blocks_of(text: bytes, size: int) -> Iterator[bytes]:
    """Yield a text in blocks of a size."""
    yield from (text[i : i + size] for i in range(0, len(text), size))


def records_of(text: bytes, size: int) -> tuple[list[list[str]], str]:
    """Return a text's records and the cause of a refusal; "" without a refusal."""
    reader = Csv(blocks_of(text, size), ",")
    reader._in_header = False
    found = []
    try:
        for record in reader.records():
            found.append(record.fields or record.raw.split(","))
    except Refused as refused:
        return found, refused.cause
    return found, ""


def test_block_sizes_and_fast_paths_give_equal_records(monkeypatch: pytest.MonkeyPatch) -> None:
    chance = random.Random(1)
    texts = ["".join(chance.choices(PIECES, k=chance.randrange(20))).encode() for _ in range(5000)]
    found = [[records_of(text, size) for size in (1, 2, 3, 7, 100)] for text in texts]
    monkeypatch.setattr(Csv, "_quoted_line", lambda _: None)
    for text, answers in zip(texts, found, strict=True):
        slow = records_of(text, 100)
        assert all(answer == slow for answer in answers), text


@pytest.mark.parametrize(
    ("text", "records"),
    [
        (b"", []),
        (b"\n\r\n\n", []),
        (b"a,b\r\nc", [["a", "b"], ["c"]]),
        (b"a\r\r\n", [["a\r"]]),
        (b'"a\r\nb","c""d"\r\n', [["a\r\nb", 'c"d']]),
        (b'a"b,"c"\r', [['a"b', "c"]]),
        (b'""\n', [[""]]),
        (b"a,\n,", [["a", ""], ["", ""]]),
    ],
)
def test_csv_text_is_cut_into_records(text: bytes, records: list[list[str]]) -> None:
    assert records_of(text, 100) == (records, "")


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        (b'a\n\n"b"c\n', "record 2 (line 3): there is text after a closing quote"),
        (b'"a\n"\r,\n', "record 1 (line 1): there is text after a closing quote"),
        (b'a\n"b\nc\n', "record 2 (line 2): its quote is never closed"),
    ],
)
def test_bad_quotes_refuse_the_object(text: bytes, cause: str) -> None:
    assert records_of(text, 100)[1] == cause


def test_record_longer_than_the_limit_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (records, csv_records):
        monkeypatch.setattr(module, "MAX_RECORD", 10)
    for size in (1, 4, 100):
        assert records_of(b"1234567890\r\n", size) == ([["1234567890"]], "")
        for text in (b"12345678901\n", b'"123456789\n1234567890', b'a\n"1234567"\n12345678901'):
            assert "is longer than" in records_of(text, size)[1], text
        with pytest.raises(Refused, match=r"record 2 \(line 3\): it is longer"):
            list(Ndjson(blocks_of(b"1\n\n12345678901\n", size)).records())


def test_ill_formed_utf8_is_replaced_and_marked_invalid() -> None:
    text = b"a\xff\n\xf0\x9f\x98b\r\n\n\xef\xbf\xbd\nok"
    for size in (1, 100):
        found = [(r.raw, r.is_valid) for r in Ndjson(blocks_of(text, size)).records()]
        assert found == [
            ("a\ufffd", False),
            ("\ufffdb", False),
            ("\ufffd", False),
            ("ok", True),
        ]


def test_empty_object_is_refused() -> None:
    with pytest.raises(Refused, match="holds no byte"):
        list(Ndjson(iter([b""])).records())
    with pytest.raises(Refused, match="holds no header line"):
        Csv(iter([b"\n\r\n"]), ",").header()


@pytest.mark.parametrize(
    ("line", "quoted"),
    [
        (b'a,"NA"\n', [False, True]),
        (b'NA,"x"\n', [False, True]),
        (b'"",\n', [True, False]),
        (b'"",', [True, False]),
        (b'"x",y\n', None),
        (b"NA,\n", None),
    ],
)
def test_quotes_of_marked_texts_are_kept(line: bytes, quoted: list[bool] | None) -> None:
    for size in (1, 2, 100):
        reader = Csv(blocks_of(line, size), ",", frozenset({"", "NA"}))
        reader._in_header = False
        (record,) = reader.records()
        if quoted is not None or size == 100:
            assert record.quoted == quoted, (line, size)


def test_header_with_a_bare_cr_is_refused() -> None:
    for text in (b"a,b\r1,2\r", b'"a",b\rc\n'):
        with pytest.raises(Refused, match="has a CR inside and no quotes") as caught:
            Csv(blocks_of(text, 100), ",").header()
        assert caught.value.code == "bad_header"
    assert Csv(blocks_of(b'"a\rb",c\r\n', 100), ",").header() == [b"a\rb", b"c"]
