"""The first generator: an object's rows for Spark."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from pyspark.sql import types as T

from firn_glue.contract import Assignment, Contract
from firn_glue.csv_records import Csv
from firn_glue.decoding import open_text
from firn_glue.documents import Document, Values
from firn_glue.header import Header, read_header
from firn_glue.json_reader import JsonReader, is_structure
from firn_glue.records import Ndjson
from firn_glue.refusal import Refused
from firn_glue.storage import StoredObject

RAW_ROWS = T.StructType(
    [
        T.StructField("record", T.LongType(), False),
        T.StructField("raw", T.StringType(), False),
        T.StructField("rule", T.StringType()),
        T.StructField("texts", T.ArrayType(T.StringType())),
        T.StructField("wrong", T.StringType()),
    ]
)
"""The columns of the first generator's rows.

- record: the record number; 0 for the last row, which isn't a record
- raw: the raw text
- rule: the rule that the whole record breaks; null without such a rule
- texts, wrong: the values (see documents.Values); null if Spark splits the raw text
"""

END_RULE = "_end"

Row = tuple[int, str, str | None, list[str | None] | None, str | None]


def open_csv(stored: StoredObject, key: str, contract: Contract) -> tuple[Csv, Header]:
    """Open a CSV object and compare its header with the contract."""
    marked = contract.null_values | {""} if contract.quoted_null == "value" else frozenset()
    reader = Csv(open_text(stored, key, contract), contract.delimiter, marked)
    return reader, read_header(reader.header(), contract)


def csv_rows(reader: Csv, header: Header, contract: Contract) -> Iterator[Row]:
    """Yield one row for each record."""
    delimiter, commas = contract.delimiter, header.width - 1
    has_json = any(c.type == "json" for c in contract.columns)
    values = partial(csv_values, JsonReader(), header, contract)
    for number, (raw, is_valid, fields, quoted) in enumerate(reader.records(), 1):
        if not is_valid:
            yield number, raw, "_row:utf8", None, None
        elif fields is None:
            if raw.count(delimiter) != commas:
                yield number, raw, "_row:columns", None, None
            elif has_json:
                yield number, raw, None, *values(raw.split(delimiter))
            else:
                yield number, raw, None, None, None
        elif len(fields) != header.width:
            yield number, raw, "_row:columns", None, None
        else:
            yield number, raw, None, *values(fields, quoted)


def csv_values(
    reader: JsonReader,
    header: Header,
    contract: Contract,
    fields: list[str],
    quoted: list[bool] | None = None,
) -> Values:
    """Return the values of the contract's columns.

    A value of a column that the file lacks is None. An empty text and a null text are None too, but
    not in quotes if the contract keeps quoted texts.
    """
    nulls = contract.null_values
    kept = quoted if contract.quoted_null == "value" else None
    texts: list[str | None] = []
    for place in header.places:
        if place is None:
            texts.append(None)
            continue
        text = fields[place]
        is_null = text == "" or text in nulls
        texts.append(None if is_null and not (kept and kept[place]) else text)
    wrong = [
        "1" if c.type == "json" and text is not None and not is_structure(reader, text) else "0"
        for c, text in zip(contract.columns, texts, strict=True)
    ]
    return Values(texts, "".join(wrong))


def ndjson_rows(reader: Ndjson, document: Document) -> Iterator[Row]:
    """Yield one row for each record."""
    for number, (raw, is_valid, *_) in enumerate(reader.records(), 1):
        if not is_valid:
            yield number, raw, "_row:utf8", None, None
            continue
        values, broken = document.values(raw)
        if values is None:
            yield number, raw, broken, None, None
        else:
            yield number, raw, None, *values


def object_rows(contract: Contract, source: Assignment) -> Iterator[Row]:
    """Yield one row for each record, and a last row with the object's hash or refusal."""
    stored = StoredObject(source)  # without the driver's client, which can't reach a Spark task
    document = Document(contract)
    extra: Callable[[], list[str]] = document.extra
    end: dict[str, Any] = {}
    try:
        if contract.format == "csv":
            reader, header = open_csv(stored, source.object["key"], contract)
            extra = partial(list, header.extra)
            yield from csv_rows(reader, header, contract)
        else:
            text = open_text(stored, source.object["key"], contract)
            yield from ndjson_rows(Ndjson(text), document)
        end["content_hash"] = stored.content_hash()
    except Refused as refused:
        end = {"code": refused.code, "cause": refused.cause, "hint": refused.hint}
    end["extra_columns"] = extra()
    yield 0, json.dumps(end), END_RULE, None, None
