"""Statements that stock fakesnow refuses or answers incorrectly."""

from __future__ import annotations

import datetime
import decimal
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from snowflake.connector.errors import DatabaseError

from conftest import Connect, Run, runner


@pytest.mark.gap
@pytest.mark.parametrize(
    "sql",
    [
        "create warehouse if not exists firn warehouse_size=xsmall auto_suspend=60",
        "alter warehouse firn set statement_timeout_in_seconds=600",
        "create role if not exists loader",
        "create user if not exists l type=service workload_identity=(type=AWS arn='arn:x')",
        "grant select on future tables in schema raw to role loader",
        "revoke usage on schema raw from role loader",
        "create resource monitor m with credit_quota=10 triggers on 90 percent do suspend",
        "create network policy p allowed_ip_list=('192.0.2.1')",
        "create storage integration if not exists s type=external_stage storage_provider='S3' "
        "enabled=true storage_aws_role_arn='arn:x' storage_allowed_locations=('s3://curated/')",
        "create resource monitor if not exists m with credit_quota = 50 triggers "
        "on 80 percent do notify on 100 percent do suspend on 110 percent do suspend_immediate",
        "grant ownership on future views in schema raw to role admin",
        "grant database role snowflake.usage_viewer to role admin",
        "use secondary roles none",
        "alter session set query_tag = 'firn', timezone = 'UTC'",
        "alter session unset query_tag",
    ],
)
def test_account_statements_succeed_without_effect(run: Run, sql: str) -> None:
    assert run(f"/* a leading comment */ {sql}") == [("Statement executed successfully.",)]


@pytest.mark.gap
@pytest.mark.parametrize(
    "columns",
    [
        "k varchar primary key, n number(38,0)",
        "k varchar, n number(38,0), primary key (k)",
        "k varchar, n number(38,0), constraint one unique (k)",
        "k varchar unique, n number(38,0)",
    ],
)
def test_keys_are_not_enforced(run: Run, columns: str) -> None:
    run(f"create table t ({columns})")
    run("insert into t values ('a', 1), ('a', 2)")
    assert run("select count(*) from t") == [(2,)]


@pytest.mark.gap
def test_sums_are_exact(run: Run) -> None:
    run("create table t (amount number(12,2))")
    run("insert into t select 0.10 from table(generator(rowcount => 1000))")
    assert run("select sum(amount) from t") == [(decimal.Decimal("100.00"),)]


@pytest.mark.gap
def test_to_timestamp_ltz_accepts_numbers_and_texts(run: Run) -> None:
    run("create table t (ms number(38,0))")
    run("insert into t values (1763978400123)")
    timestamp = datetime.datetime(2025, 11, 24, 10, 0, 0, 123000, datetime.UTC)
    assert run("select to_timestamp_ltz(ms, 3) from t") == [(timestamp,)]
    assert run(
        "select to_timestamp_ltz('2025-11-24 10:00:00.123'), to_timestamp_ltz(1763978400)"
    ) == [(timestamp, timestamp.replace(microsecond=0))]


def test_json_path_returns_value(run: Run) -> None:
    assert run(
        """select column1:a.b[1]::number, column1:c::varchar
        from (select parse_json('{"a": {"b": [1, 2]}, "c": "x"}') as column1)"""
    ) == [(2, "x")]


@pytest.mark.parametrize(
    "sql",
    [
        "create schema if not exists managed with managed access",
        "use role admin",
        "alter schema raw enable managed access",
        "alter schema raw set comment = 'raw rows'",
        "create file format if not exists raw.parquet type = parquet "
        "use_vectorized_scanner = true null_if = () comment = 'x'",
        "create stage if not exists raw.curated url = 's3://curated/' storage_integration = s "
        "file_format = (format_name = 'raw.parquet') comment = 'x'",
        "create schema if not exists kept data_retention_time_in_days=7 comment='raw rows'",
        "create or replace transient table t copy grants cluster by (a) as (select 1 as a)",
        "create or replace view v copy grants as select 1 as a",
        "create or replace secure view v copy grants comment='it''s' as (select 1 as a)",
        "create table if not exists t (a varchar not null comment 'x') comment = 'it''s'",
    ],
)
def test_ddl_of_firn_and_dbt_succeeds(run: Run, sql: str) -> None:
    ((status,),) = run(sql)
    assert "success" in status


def test_alter_table_adds_and_widens_columns(run: Run) -> None:
    run("create table t (a varchar(10) not null)")
    run("alter table t add column if not exists b number(38,0), c timestamp_ltz")
    run("alter table t add column if not exists b number(38,0)")
    run("alter table t alter column a set data type varchar(20)")
    run("insert into t (a, b) values ('x', 1)")
    assert run("select a, b, c from t") == [("x", 1, None)]


@pytest.mark.gap
def test_current_timestamp_is_start_of_statement(run: Run) -> None:
    run("create table t (seen timestamp_ltz)")
    run("begin")
    run("insert into t select current_timestamp()")
    between = datetime.datetime.now(datetime.UTC)
    run("insert into t select current_timestamp()")
    run("commit")
    first, second = run("select seen from t order by seen")
    assert first[0] < between < second[0]


@pytest.mark.gap
def test_ctas_keeps_not_null_and_defaults(run: Run) -> None:
    run(
        "create table t (k varchar(10) not null, seq number(38,0), author varchar default 'none') "
        "as select '~lock', 0, 'x'"
    )
    run("insert into t (k) values ('a')")
    assert run("select author from t where k = 'a'") == [("none",)]
    with pytest.raises(DatabaseError) as caught:
        run("insert into t (seq) values (1)")
    assert caught.value.errno == 100072


@pytest.mark.gap
def test_temporary_table_with_schema_is_created(run: Run) -> None:
    run("create or replace temporary table raw.t as select 1 as n")
    assert run("select n from raw.t") == [(1,)]


def test_concurrent_create_if_not_exists_succeeds(connect: Connect) -> None:
    """No gap: after stock fakesnow's HTTP 500 a driver repeats the request and succeeds."""
    sessions = [runner(connect()) for _ in range(4)]
    with ThreadPoolExecutor(len(sessions)) as pool:
        for number in range(10):
            create = f"create table if not exists t{number} as select '~lock'::varchar as k"
            list(pool.map(lambda run, sql=create: run(sql), sessions))
            assert sessions[0](f"select k from t{number}") == [("~lock",)]


@pytest.mark.gap
def test_view_over_account_usage_is_empty(run: Run) -> None:
    run(
        "create view cost comment = 'a day' as "
        "select to_date(convert_timezone('UTC', start_time)) as day, sum(credits_used) as credits "
        "from snowflake.account_usage.warehouse_metering_history group by 1"
    )
    assert run("select day, credits from cost") == []
    assert run("select query_tag from snowflake.account_usage.query_attribution_history") == []


@pytest.mark.gap
def test_table_comment_with_apostrophe_is_stored(run: Run) -> None:
    run("create table t (n number(38,0))")
    run("comment on table t is 'one dataset''s rows'")
    run("alter table t alter column n comment 'the number'")
    ((found,),) = run("select comment from information_schema.tables where table_name = 'T'")
    assert found == "one dataset's rows"


@pytest.mark.gap
def test_columns_with_names_reserved_in_duckdb_work(run: Run) -> None:
    run("create table t (at number(38,0), summarize varchar)")
    run("insert into t (at, summarize) values (1, 'x')")
    assert run("select at, summarize from t where at = 1") == [(1, "x")]


@pytest.mark.gap
def test_context_functions_return_constants(run: Run) -> None:
    assert run("select current_role(), current_warehouse(), current_account()") == [
        ("SYSADMIN", "LOCAL", "LOCAL")
    ]


@pytest.mark.gap
def test_show_parameters_returns_session_value(connect: Connect) -> None:
    run = runner(connect(QUERY_TAG="load 1"))
    ((name, value, *_),) = run("show parameters like 'query_tag' in session")
    assert (name, value) == ("QUERY_TAG", "load 1")


def test_insert_with_binds_adds_several_rows(run: Run) -> None:
    run("create table t (k varchar, n number(38,0), seen timestamp_ltz)")
    now = datetime.datetime(2026, 11, 24, 10, tzinfo=datetime.UTC)
    rows = [("a", 1, now), ("b", None, None)]
    run("insert into t values (?, ?, ?), (?, ?, ?)", *[value for row in rows for value in row])
    run("insert into t select column1, column2, null from values (?, ?), (?, ?)", "c", 3, "d", 4)
    assert run("select * from t order by k") == [*rows, ("c", 3, None), ("d", 4, None)]


def test_delete_with_time_range_removes_matching_rows(run: Run) -> None:
    run("create table t (k varchar, seen timestamp_ltz)")
    run(
        "insert into t select column1, column2::timestamp_ltz from values "
        "('a', '2026-11-24 10:00:00'), ('b', '2026-11-24 11:00:00'), ('c', '2026-11-24 12:00:00')"
    )
    start = datetime.datetime(2026, 11, 24, 10, 30, tzinfo=datetime.UTC)
    end = datetime.datetime(2026, 11, 24, 12, tzinfo=datetime.UTC)
    assert run("delete from t where seen >= ? and seen < ?", start, end) == [(1,)]
    assert run("select k from t order by k") == [("a",), ("c",)]


@pytest.mark.parametrize(
    ("sql", "number", "state"),
    [
        pytest.param("create or alter table t (n number)", 2, "0A000", marks=pytest.mark.gap),
        ("select * from raw.missing at(offset => -60)", None, None),
        pytest.param("select missing from raw.t", 904, "42000", marks=pytest.mark.gap),
        pytest.param("create table raw.t (n number)", 2002, "42710", marks=pytest.mark.gap),
        pytest.param("insert into raw.t values ('abc')", 100038, "22018", marks=pytest.mark.gap),
        pytest.param("insert into raw.t values (null)", 100072, "22000", marks=pytest.mark.gap),
        pytest.param("select 1; select 2", 8, "0A000", marks=pytest.mark.gap),
        ("call raw.procedure()", None, None),
        pytest.param("select interval '1 day'", 2, "0A000", marks=pytest.mark.gap),
    ],
)
def test_invalid_statement_fails_at_once(
    run: Run, sql: str, number: int | None, state: str | None
) -> None:
    run("create table t (n number(38,0) not null)")
    before = time.monotonic()
    with pytest.raises(DatabaseError) as caught:
        run(sql)
    assert time.monotonic() - before < 1, "a driver repeats HTTP 500"
    assert number is None or (caught.value.errno, caught.value.sqlstate) == (number, state)
    assert run("select 1") == [(1,)]


@pytest.mark.gap
@pytest.mark.parametrize(
    "condition",
    [
        "(a, b) in (select 1, 2)",
        "(a, b) not in (select 1, 2)",
        "a = 3 or a in (select 1)",
    ],
)
def test_subquery_with_columns_or_under_or_is_refused(run: Run, condition: str) -> None:
    run("create table t (a int, b int)")
    with pytest.raises(DatabaseError) as raised:
        run(f"select * from t where {condition}")
    assert raised.value.errno == 2031
    assert run("select * from t where a in (select 1) and b not in (select 2)") == []
    assert run("select * from t where a = 3 or a in (1, 2)") == []
