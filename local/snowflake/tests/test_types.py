"""Types and values in the answers to a driver."""

from __future__ import annotations

import datetime
import json

import pytest

from conftest import Connect, Run

TIMESTAMP = datetime.datetime(1969, 12, 31, 23, 59, 59, 999999, datetime.UTC)


@pytest.mark.gap
def test_null_timestamps_stay_null(run: Run) -> None:
    run("create table t (a timestamp_ntz, b timestamp_ltz)")
    run("insert into t values (null, null), ('2026-11-24 10:00:00', ?)", TIMESTAMP)
    assert run("select * from t order by a nulls first") == [
        (None, None),
        (datetime.datetime(2026, 11, 24, 10), TIMESTAMP),
    ]


@pytest.mark.gap
def test_ltz_is_shown_as_ltz(run: Run, connect: Connect) -> None:
    run("create table t (seen timestamp_ltz not null, n number(38,0), amount number(12,2))")
    described = {row[0]: row[1] for row in run("describe table t")}
    assert described["SEEN"] == "TIMESTAMP_LTZ(9)"
    assert run("select data_type from information_schema.columns where column_name = 'SEEN'") == [
        ("TIMESTAMP_LTZ",)
    ]
    with connect().cursor() as cursor:
        cursor.execute("select seen from t")
        assert cursor.description[0].type_code == 6


@pytest.mark.gap
def test_lists_are_returned_as_json(run: Run) -> None:
    ((keys, none),) = run("""select object_keys(parse_json('{"a": 1, "b": 2}')), null::array""")
    assert (json.loads(keys), none) == (["a", "b"], None)


@pytest.mark.gap
def test_null_binds_insert_nulls(run: Run) -> None:
    run("create table t (a number(38,0), b varchar, c timestamp_ltz, d date)")
    run("insert into t values (?, ?, ?, ?)", None, None, None, None)
    assert run("select * from t") == [(None, None, None, None)]


def test_session_time_zone_applies_to_casts(connect: Connect) -> None:
    with connect(TIMEZONE="Asia/Tokyo").cursor() as cursor:
        cursor.execute("select '2026-11-24 10:00:00'::timestamp_ltz")
        ((timestamp,),) = cursor.fetchall()
    assert timestamp == datetime.datetime(2026, 11, 24, 1, tzinfo=datetime.UTC)
