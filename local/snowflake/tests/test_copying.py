"""COPY INTO in the form of firn's loader."""

from __future__ import annotations

import datetime
import decimal
import io
import threading
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from snowflake.connector.errors import DatabaseError

from conftest import BUCKET, Connect, Run
from firn_snowflake.settings import Settings
from firn_snowflake.storage import READ_AHEAD, Objects

COLUMNS = """
    _firn_object varchar not null, _firn_record number(38,0) not null,
    _firn_loaded_at timestamp_ltz, amount number(12,2), day date, clock time,
    seen timestamp_ltz, ok boolean, ratio float, name varchar, extra varchar default 'none'
"""
SEEN = datetime.datetime(2026, 11, 24, 10, 0, 0, 123456, datetime.UTC)
Put = Callable[..., str]


@pytest.fixture
def put(s3: Any, run: Run, request: pytest.FixtureRequest) -> Put:
    """Create table T, and return a function that writes a Parquet object and returns its name."""
    prefix = request.node.originalname
    run(f"create table t ({COLUMNS})")
    run(f"create or replace stage curated url='s3://{BUCKET}/{prefix}/'")

    def write(name: str, rows: int = 2, **columns: pa.Array) -> str:
        table = {
            "_firn_object": pa.array([name] * rows),
            "_firn_record": pa.array(range(rows), pa.int64()),
            "AMOUNT": pa.array([decimal.Decimal("1.10")] * rows, pa.decimal128(12, 2)),
            "day": pa.array([datetime.date(2026, 11, 24)] * rows),
            "clock": pa.array([datetime.time(1, 2, 3, 4)] * rows, pa.time64("us")),
            "seen": pa.array([SEEN] * rows, pa.timestamp("us", "UTC")),
            "ok": pa.array([True] * rows),
            "ratio": pa.array([0.5] * rows, pa.float64()),
            "name": pa.array(["", None][:rows] + ["x"] * (rows - 2), pa.string()),
            "unknown": pa.array([1] * rows),
        }
        body = io.BytesIO()
        pq.write_table(pa.table(table | columns), body, compression="zstd")
        s3.put_object(Bucket=BUCKET, Key=f"{prefix}/{name}", Body=body.getvalue())
        return name

    return write


def copy(*names: str, force: bool = False, options: str = "") -> str:
    """Return the statement of the loader."""
    files = ", ".join(f"'{name}'" for name in names)
    return f"""
        copy into t from @curated files=({files})
        file_format=(type=parquet use_vectorized_scanner=true null_if=())
        match_by_column_name=case_insensitive
        include_metadata=(_FIRN_LOADED_AT=METADATA$START_SCAN_TIME)
        on_error=abort_statement force={force} load_uncertain_files=true {options}"""


def by_status(rows: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """Return name, status and number of loaded rows of each file."""
    return [(row[0].rsplit("/", 1)[1], row[1], row[3]) for row in rows]


@pytest.mark.gap
def test_every_type_is_loaded(run: Run, put: Put) -> None:
    before = datetime.datetime.now(datetime.UTC)
    assert by_status(run(copy(put("a.parquet")))) == [("a.parquet", "LOADED", 2)]
    first, second = run("select * from t order by _firn_record")
    assert first[:2] == ("a.parquet", 0)
    assert before <= first[2] <= datetime.datetime.now(datetime.UTC)
    assert first[3:9] == (
        decimal.Decimal("1.10"),
        datetime.date(2026, 11, 24),
        datetime.time(1, 2, 3, 4),
        SEEN,
        True,
        0.5,
    )
    assert (first[9], second[9]) == ("", None)
    assert first[10] is None, "a column missing from the file is NULL, not the default"


def test_copy_result_has_documented_columns(connect: Connect, put: Put) -> None:
    with connect().cursor() as cursor:
        cursor.execute(copy(put("a.parquet"), put("b.parquet", 3)).replace("t from", "raw.t from"))
        names = [column.name for column in cursor.description]
        assert names[:4] == ["file", "status", "rows_parsed", "rows_loaded"]
        assert names[6] == "first_error"
        assert [row[3] for row in cursor.fetchall()] == [2, 3]


@pytest.mark.gap
def test_loaded_file_is_skipped_without_force(run: Run, put: Put) -> None:
    names = (put("a.parquet"), put("b.parquet"))
    run(copy(names[0]))
    assert by_status(run(copy(*names))) == [
        ("a.parquet", "LOAD_SKIPPED", 0),
        ("b.parquet", "LOADED", 2),
    ]
    assert by_status(run(copy(names[0], force=True))) == [("a.parquet", "LOADED", 2)]
    assert run("select count(*) from t") == [(6,)]


@pytest.mark.gap
def test_skipped_file_has_reason(run: Run, put: Put) -> None:
    run(copy(put("a.parquet")))
    ((_, status, parsed, loaded, _, _, reason, *_),) = run(copy("a.parquet"))
    assert (status, parsed, loaded, reason) == ("LOAD_SKIPPED", 0, 0, "File was loaded before.")


@pytest.mark.gap
def test_new_version_of_file_is_loaded(run: Run, put: Put) -> None:
    run(copy(put("a.parquet")))
    put("a.parquet", 3)
    assert by_status(run(copy("a.parquet"))) == [("a.parquet", "LOADED", 3)]


def test_missing_file_is_named_in_error(run: Run, put: Put) -> None:
    with pytest.raises(DatabaseError, match=r"missing\.parquet") as caught:
        run(copy("missing.parquet"))
    assert (caught.value.errno, caught.value.sqlstate) == (91016, "22000")


@pytest.mark.gap
def test_failed_copy_loads_nothing(run: Run, put: Put) -> None:
    with pytest.raises(DatabaseError) as caught:
        run(copy(put("a.parquet"), "missing.parquet"))
    assert caught.value.errno == 91016
    assert run("select count(*) from t") == [(0,)]


@pytest.mark.gap
def test_null_in_not_null_column_names_file(run: Run, put: Put) -> None:
    put("a.parquet")
    put("bad.parquet", _firn_object=pa.array([None, "x"], pa.string()))
    with pytest.raises(DatabaseError, match=r"bad\.parquet") as caught:
        run(copy("a.parquet", "bad.parquet"))
    assert (caught.value.errno, caught.value.sqlstate) == (100072, "22000")


@pytest.mark.gap
def test_file_other_than_parquet_is_named_in_error(s3: Any, run: Run, put: Put) -> None:
    put("a.parquet")
    prefix = "test_file_other_than_parquet_is_named_in_error"
    s3.put_object(Bucket=BUCKET, Key=f"{prefix}/junk.parquet", Body=b"not a parquet file")
    with pytest.raises(DatabaseError, match=r"junk\.parquet"):
        run(copy("a.parquet", "junk.parquet"))


@pytest.mark.gap
def test_rollback_removes_rows_and_load_history(run: Run, put: Put) -> None:
    put("a.parquet")
    run("begin")
    assert by_status(run(copy("a.parquet"))) == [("a.parquet", "LOADED", 2)]
    run("rollback")
    assert run("select count(*) from t") == [(0,)]
    assert by_status(run(copy("a.parquet"))) == [("a.parquet", "LOADED", 2)]


@pytest.mark.gap
def test_create_if_not_exists_keeps_load_history(run: Run, put: Put) -> None:
    run(copy(put("a.parquet")))
    ((status,),) = run(f"create table if not exists t ({COLUMNS})")
    assert "already exists" in status
    assert by_status(run(copy("a.parquet"))) == [("a.parquet", "LOAD_SKIPPED", 0)]


@pytest.mark.gap
@pytest.mark.parametrize(
    ("statement", "status"), [("truncate table t", "LOADED"), ("delete from t", "LOAD_SKIPPED")]
)
def test_truncate_clears_load_history_and_delete_keeps_history(
    run: Run, put: Put, statement: str, status: str
) -> None:
    run(copy(put("a.parquet")))
    run(statement)
    ((_, found, *_),) = run(copy("a.parquet"))
    assert found == status


def test_copy_without_files_returns_status_only(connect: Connect, put: Put) -> None:
    with connect().cursor() as cursor:
        cursor.execute(
            "copy into t from @curated file_format=(type=parquet) "
            "match_by_column_name=case_insensitive"
        )
        assert [column.name for column in cursor.description] == ["status"]
        assert cursor.fetchall() == [("Copy executed with 0 files processed.",)]


@pytest.mark.gap
def test_pattern_matches_key(run: Run, put: Put) -> None:
    put("a.parquet")
    put("b.parquet")
    rows = run(
        "copy into t from @curated pattern='.*/b[.]parquet' file_format=(type=parquet) "
        "match_by_column_name=case_insensitive"
    )
    assert by_status(rows) == [("b.parquet", "LOADED", 2)]


@pytest.mark.gap
def test_include_metadata_fills_file_name_and_row_number(run: Run, put: Put) -> None:
    put("a.parquet")
    run("create table m (_firn_object varchar, f varchar, n number(38,0))")
    run(
        "copy into m from @curated files=('a.parquet') file_format=(type=parquet) "
        "match_by_column_name=case_insensitive "
        "include_metadata=(f=METADATA$FILENAME, n=METADATA$FILE_ROW_NUMBER)"
    )
    key = "test_include_metadata_fills_file_name_and_row_number/a.parquet"
    assert run("select f, n from m order by n") == [(key, 1), (key, 2)]


def test_files_with_different_columns_keep_names_and_values(run: Run, put: Put) -> None:
    names = [put("a.parquet"), put("it's.parquet"), put("b.parquet", 3)]
    other = put("other.parquet", extra=pa.array(["x", "y"]))
    run("alter table t add column f varchar")
    options = "include_metadata=(f=METADATA$FILENAME, _FIRN_LOADED_AT=METADATA$START_SCAN_TIME)"
    listed = [name.replace("'", "''") for name in (*names, other)]
    statement = copy(*listed).replace(
        "include_metadata=(_FIRN_LOADED_AT=METADATA$START_SCAN_TIME)", options
    )
    assert [row[3] for row in run(statement)] == [2, 2, 3, 2]
    prefix = "test_files_with_different_columns_keep_names_and_values"
    found = run("select distinct _firn_object, f, extra from t order by _firn_object, extra")
    assert found == [
        ("a.parquet", f"{prefix}/a.parquet", None),
        ("b.parquet", f"{prefix}/b.parquet", None),
        ("it's.parquet", f"{prefix}/it's.parquet", None),
        ("other.parquet", f"{prefix}/other.parquet", "x"),
        ("other.parquet", f"{prefix}/other.parquet", "y"),
    ]
    ((before,),) = run("select count(*) from t where _firn_loaded_at < '2026-01-01'")
    assert before == 0


@pytest.mark.gap
def test_more_than_a_thousand_names_are_refused(run: Run, put: Put) -> None:
    with pytest.raises(DatabaseError, match="1000") as caught:
        run(copy(*(f"{n}.parquet" for n in range(1001))))
    assert caught.value.errno == 1003


@pytest.mark.gap
def test_empty_file_list_is_refused(run: Run, put: Put) -> None:
    put("a.parquet")
    with pytest.raises(DatabaseError, match="001003"):
        run(copy())
    assert run("select count(*) from t") == [(0,)]


@pytest.mark.gap
def test_missing_table_is_reported_instead_of_file(run: Run, put: Put) -> None:
    statement = copy(put("a.parquet")).replace("into t ", "into missing ")
    with pytest.raises(DatabaseError, match="002003") as refused:
        run(statement)
    assert refused.value.sqlstate == "42S02"


@pytest.mark.gap
def test_small_file_is_read_once(run: Run, put: Put, caplog: pytest.LogCaptureFixture) -> None:
    name = put("a.parquet")
    with caplog.at_level("INFO", "werkzeug"):
        run(copy(name))
    requests = [r.getMessage() for r in caplog.records if f"/{name}" in r.getMessage()]
    assert len([line for line in requests if '"GET ' in line]) == 1, requests


def test_files_of_one_copy_are_read_in_parallel(monkeypatch: pytest.MonkeyPatch) -> None:
    objects = Objects(Settings())
    barrier = threading.Barrier(READ_AHEAD)

    def tag(url: str) -> str:
        barrier.wait(timeout=10)
        return url.upper()

    monkeypatch.setattr(objects, "tag", tag)
    names = [chr(ord("a") + n) for n in range(2 * READ_AHEAD)]
    assert list(objects.with_tags(names)) == [(name, name.upper()) for name in names]


def test_missing_file_among_many_is_named_in_error(run: Run, put: Put) -> None:
    names = [put(f"{n}.parquet") for n in range(READ_AHEAD + 2)]
    with pytest.raises(DatabaseError, match="missing.parquet"):
        run(copy(*names[:5], "missing.parquet", *names[5:]))
    assert run("select count(*) from t") == [(0,)]
    assert len(run(copy(*names))) == len(names)
