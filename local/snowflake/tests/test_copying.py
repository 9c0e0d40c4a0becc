"""COPY INTO, as firn's loader writes it."""

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
    """Write a Parquet object under the test's prefix and give its name; the table T is made."""
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
    """The loader's statement."""
    files = ", ".join(f"'{name}'" for name in names)
    return f"""
        copy into t from @curated files=({files})
        file_format=(type=parquet use_vectorized_scanner=true null_if=())
        match_by_column_name=case_insensitive
        include_metadata=(_FIRN_LOADED_AT=METADATA$START_SCAN_TIME)
        on_error=abort_statement force={force} load_uncertain_files=true {options}"""


def by_status(rows: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """Name, status and rows loaded of each file."""
    return [(row[0].rsplit("/", 1)[1], row[1], row[3]) for row in rows]


@pytest.mark.gap
def test_every_type_arrives(run: Run, put: Put) -> None:
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
    assert first[10] is None, "a column that the file lacks is NULL, not the default"


def test_result_columns_by_name(connect: Connect, put: Put) -> None:
    with connect().cursor() as cursor:
        cursor.execute(copy(put("a.parquet"), put("b.parquet", 3)).replace("t from", "raw.t from"))
        names = [column.name for column in cursor.description]
        assert names[:4] == ["file", "status", "rows_parsed", "rows_loaded"]
        assert names[6] == "first_error"
        assert [row[3] for row in cursor.fetchall()] == [2, 3]


@pytest.mark.gap
def test_a_loaded_file_is_skipped_and_force_repeats_it(run: Run, put: Put) -> None:
    names = (put("a.parquet"), put("b.parquet"))
    run(copy(names[0]))
    assert by_status(run(copy(*names))) == [
        ("a.parquet", "LOAD_SKIPPED", 0),
        ("b.parquet", "LOADED", 2),
    ]
    assert by_status(run(copy(names[0], force=True))) == [("a.parquet", "LOADED", 2)]
    assert run("select count(*) from t") == [(6,)]


@pytest.mark.gap
def test_a_skipped_row_says_why(run: Run, put: Put) -> None:
    run(copy(put("a.parquet")))
    ((_, status, parsed, loaded, _, _, why, *_),) = run(copy("a.parquet"))
    assert (status, parsed, loaded, why) == ("LOAD_SKIPPED", 0, 0, "File was loaded before.")


@pytest.mark.gap
def test_a_new_version_of_a_file_is_another_file(run: Run, put: Put) -> None:
    run(copy(put("a.parquet")))
    put("a.parquet", 3)
    assert by_status(run(copy("a.parquet"))) == [("a.parquet", "LOADED", 3)]


def test_a_missing_file_is_an_error_that_names_it(run: Run, put: Put) -> None:
    with pytest.raises(DatabaseError, match=r"nope\.parquet") as caught:
        run(copy("nope.parquet"))
    assert (caught.value.errno, caught.value.sqlstate) == (91016, "22000")


@pytest.mark.gap
def test_a_copy_is_atomic(run: Run, put: Put) -> None:
    with pytest.raises(DatabaseError) as caught:
        run(copy(put("a.parquet"), "nope.parquet"))
    assert caught.value.errno == 91016
    assert run("select count(*) from t") == [(0,)]


@pytest.mark.gap
def test_null_in_a_not_null_column_names_the_file(run: Run, put: Put) -> None:
    put("a.parquet")
    put("bad.parquet", _firn_object=pa.array([None, "x"], pa.string()))
    with pytest.raises(DatabaseError, match=r"bad\.parquet") as caught:
        run(copy("a.parquet", "bad.parquet"))
    assert (caught.value.errno, caught.value.sqlstate) == (100072, "22000")


@pytest.mark.gap
def test_a_file_that_is_no_parquet_names_itself(s3: Any, run: Run, put: Put) -> None:
    put("a.parquet")
    prefix = "test_a_file_that_is_no_parquet_names_itself"
    s3.put_object(Bucket=BUCKET, Key=f"{prefix}/junk.parquet", Body=b"not a parquet file")
    with pytest.raises(DatabaseError, match=r"junk\.parquet"):
        run(copy("a.parquet", "junk.parquet"))


@pytest.mark.gap
def test_rollback_gives_rows_and_files_back(run: Run, put: Put) -> None:
    put("a.parquet")
    run("begin")
    assert by_status(run(copy("a.parquet"))) == [("a.parquet", "LOADED", 2)]
    run("rollback")
    assert run("select count(*) from t") == [(0,)]
    assert by_status(run(copy("a.parquet"))) == [("a.parquet", "LOADED", 2)]


@pytest.mark.gap
def test_create_if_not_exists_keeps_the_load_history(run: Run, put: Put) -> None:
    run(copy(put("a.parquet")))
    ((status,),) = run(f"create table if not exists t ({COLUMNS})")
    assert "already exists" in status
    assert by_status(run(copy("a.parquet"))) == [("a.parquet", "LOAD_SKIPPED", 0)]


@pytest.mark.gap
@pytest.mark.parametrize(
    ("forget", "status"), [("truncate table t", "LOADED"), ("delete from t", "LOAD_SKIPPED")]
)
def test_truncate_drops_the_load_history_and_delete_keeps_it(
    run: Run, put: Put, forget: str, status: str
) -> None:
    run(copy(put("a.parquet")))
    run(forget)
    ((_, found, *_),) = run(copy("a.parquet"))
    assert found == status


def test_nothing_to_load_has_another_shape(connect: Connect, put: Put) -> None:
    with connect().cursor() as cursor:
        cursor.execute(
            "copy into t from @curated file_format=(type=parquet) "
            "match_by_column_name=case_insensitive"
        )
        assert [column.name for column in cursor.description] == ["status"]
        assert cursor.fetchall() == [("Copy executed with 0 files processed.",)]


@pytest.mark.gap
def test_pattern_is_about_the_key(run: Run, put: Put) -> None:
    put("a.parquet")
    put("b.parquet")
    rows = run(
        "copy into t from @curated pattern='.*/b[.]parquet' file_format=(type=parquet) "
        "match_by_column_name=case_insensitive"
    )
    assert by_status(rows) == [("b.parquet", "LOADED", 2)]


@pytest.mark.gap
def test_file_name_and_row_number(run: Run, put: Put) -> None:
    put("a.parquet")
    run("create table m (_firn_object varchar, f varchar, n number(38,0))")
    run(
        "copy into m from @curated files=('a.parquet') file_format=(type=parquet) "
        "match_by_column_name=case_insensitive "
        "include_metadata=(f=METADATA$FILENAME, n=METADATA$FILE_ROW_NUMBER)"
    )
    key = "test_file_name_and_row_number/a.parquet"
    assert run("select f, n from m order by n") == [(key, 1), (key, 2)]


def test_files_of_one_form_keep_their_names_and_columns(run: Run, put: Put) -> None:
    names = [put("a.parquet"), put("it's.parquet"), put("b.parquet", 3)]
    other = put("other.parquet", extra=pa.array(["x", "y"]))
    run("alter table t add column f varchar")
    options = "include_metadata=(f=METADATA$FILENAME, _FIRN_LOADED_AT=METADATA$START_SCAN_TIME)"
    listed = [name.replace("'", "''") for name in (*names, other)]
    statement = copy(*listed).replace(
        "include_metadata=(_FIRN_LOADED_AT=METADATA$START_SCAN_TIME)", options
    )
    assert [row[3] for row in run(statement)] == [2, 2, 3, 2]
    prefix = "test_files_of_one_form_keep_their_names_and_columns"
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
def test_at_most_a_thousand_names(run: Run, put: Put) -> None:
    with pytest.raises(DatabaseError, match="1000") as caught:
        run(copy(*(f"{n}.parquet" for n in range(1001))))
    assert caught.value.errno == 1003


@pytest.mark.gap
def test_no_names_are_not_every_file(run: Run, put: Put) -> None:
    put("a.parquet")
    with pytest.raises(DatabaseError, match="001003"):
        run(copy())
    assert run("select count(*) from t") == [(0,)]


@pytest.mark.gap
def test_a_table_that_is_not_there_is_no_file_at_fault(run: Run, put: Put) -> None:
    statement = copy(put("a.parquet")).replace("into t ", "into nowhere ")
    with pytest.raises(DatabaseError, match="002003") as refused:
        run(statement)
    assert refused.value.sqlstate == "42S02"


@pytest.mark.gap
def test_a_small_file_is_read_once(run: Run, put: Put, caplog: pytest.LogCaptureFixture) -> None:
    name = put("a.parquet")
    with caplog.at_level("INFO", "werkzeug"):
        run(copy(name))
    asked = [r.getMessage() for r in caplog.records if f"/{name}" in r.getMessage()]
    assert len([line for line in asked if '"GET ' in line]) == 1, asked


def test_files_of_one_copy_are_read_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    objects = Objects(Settings())
    all_at_once = threading.Barrier(READ_AHEAD)

    def tag(url: str) -> str:
        all_at_once.wait(timeout=10)
        return url.upper()

    monkeypatch.setattr(objects, "tag", tag)
    names = [chr(ord("a") + n) for n in range(2 * READ_AHEAD)]
    assert list(objects.tagged(names)) == [(name, name.upper()) for name in names]


def test_one_missing_file_among_many_is_named(run: Run, put: Put) -> None:
    names = [put(f"{n}.parquet") for n in range(READ_AHEAD + 2)]
    with pytest.raises(DatabaseError, match="gone.parquet"):
        run(copy(*names[:5], "gone.parquet", *names[5:]))
    assert run("select count(*) from t") == [(0,)]
    assert len(run(copy(*names))) == len(names)
