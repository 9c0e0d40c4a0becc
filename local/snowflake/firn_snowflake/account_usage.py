"""The views of SNOWFLAKE.ACCOUNT_USAGE that firn's own views read.

Stock fakesnow has no such database, so a view over ACCOUNT_USAGE fails. The stand-in measures no
usage: the tables here have the documented columns and no row. A test may insert rows.
"""

from __future__ import annotations

from duckdb import DuckDBPyConnection

_METERING = """
    start_time timestamptz, end_time timestamptz,
    warehouse_id decimal(38,0), warehouse_name varchar,
    credits_used double, credits_used_compute double, credits_used_cloud_services double
"""
"""/sql-reference/account-usage/warehouse_metering_history"""

_ATTRIBUTION = """
    query_id varchar, parent_query_id varchar, root_query_id varchar,
    warehouse_id decimal(38,0), warehouse_name varchar,
    query_hash varchar, query_parameterized_hash varchar, query_tag varchar, user_name varchar,
    start_time timestamptz, end_time timestamptz,
    credits_attributed_compute double, credits_used_query_acceleration double
"""
"""/sql-reference/account-usage/query_attribution_history"""


def create(duck: DuckDBPyConnection) -> None:
    """Create the database SNOWFLAKE in memory, with or without a data directory."""
    duck.execute("attach ':memory:' as SNOWFLAKE")
    duck.execute("create schema SNOWFLAKE.ACCOUNT_USAGE")
    for name, columns in (
        ("WAREHOUSE_METERING_HISTORY", _METERING),
        ("QUERY_ATTRIBUTION_HISTORY", _ATTRIBUTION),
    ):
        duck.execute(f"create table SNOWFLAKE.ACCOUNT_USAGE.{name} ({columns})")
