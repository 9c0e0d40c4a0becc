"""Grants: GRANT, REVOKE, SHOW GRANTS and SHOW FUTURE GRANTS (/sql-reference/sql/show-grants)."""

from __future__ import annotations

from pathlib import Path

import pytest

from conftest import Run, runner, start


def to_role(run: Run, role: str) -> list[tuple[str, str, str]]:
    """Return privilege, kind and name of each grant, without the database."""
    rows = [(row[1], row[2], row[3]) for row in run(f"show grants to role {role}")]
    ((database,),) = run("select current_database()")
    return [(privilege, on, name.removeprefix(f"{database}.")) for privilege, on, name in rows]


@pytest.fixture
def role(run: Run) -> str:
    """The name of a role that no other test uses."""
    ((database,),) = run("select current_database()")
    return f"R_{database}"


@pytest.mark.gap
@pytest.mark.parametrize(
    ("grant", "row"),
    [
        ("select on table raw.t", ("SELECT", "TABLE", "RAW.T")),
        ("usage on schema raw", ("USAGE", "SCHEMA", "RAW")),
        ("usage on stage raw.curated", ("USAGE", "STAGE", "RAW.CURATED")),
        ("ownership on file format raw.p", ("OWNERSHIP", "FILE_FORMAT", "RAW.P")),
        ("usage on warehouse w", ("USAGE", "WAREHOUSE", "W")),
        ("monitor on resource monitor m", ("MONITOR", "RESOURCE_MONITOR", "M")),
        ("usage on integration i", ("USAGE", "INTEGRATION", "I")),
        ("ownership on user u", ("OWNERSHIP", "USER", "U")),
        ("role other", ("USAGE", "ROLE", "OTHER")),
        (
            "database role snowflake.usage_viewer",
            ("USAGE", "DATABASE_ROLE", "SNOWFLAKE.USAGE_VIEWER"),
        ),
    ],
)
def test_granted_privilege_is_shown_until_revoked(
    run: Run, role: str, grant: str, row: tuple[str, str, str]
) -> None:
    run("create table t (n number)")
    run("create stage curated url='s3://b/'")
    run(f"grant {grant} to role {role}")
    assert to_role(run, role) == [row]
    run(f"revoke {grant} from role {role}")
    assert to_role(run, role) == []


@pytest.mark.gap
def test_grant_on_all_tables_covers_existing_tables(run: Run, role: str) -> None:
    run("create table a (n number)")
    run("create view v as select n from a")
    run(f"grant select, update on all tables in schema raw to role {role}")
    run("create table b (n number)")
    assert to_role(run, role) == [("SELECT", "TABLE", "RAW.A"), ("UPDATE", "TABLE", "RAW.A")]


@pytest.mark.gap
def test_future_grant_covers_new_objects(run: Run, role: str) -> None:
    """The page is /user-guide/security-access-control-configure."""
    run("create table before (n number)")
    run(f"grant select on future tables in schema raw to role {role}")
    run(f"grant ownership on future views in schema raw to role {role}")
    run("create table if not exists before (n number)")
    run("create table if not exists t (n number)")
    run("create or replace view v as select n from t")
    assert to_role(run, role) == [("OWNERSHIP", "VIEW", "RAW.V"), ("SELECT", "TABLE", "RAW.T")]
    rows = [(row[1], row[2], row[4], row[5]) for row in run("show future grants in schema raw")]
    assert rows == [("OWNERSHIP", "VIEW", "ROLE", role), ("SELECT", "TABLE", "ROLE", role)]


@pytest.mark.gap
def test_replaced_view_keeps_grants_only_with_copy_grants(run: Run, role: str) -> None:
    """The page is /sql-reference/sql/create-view."""
    run("create view v as select 1 as n")
    run(f"grant select on view v to role {role}")
    run("create or replace view v copy grants as select 2 as n")
    assert to_role(run, role) == [("SELECT", "VIEW", "RAW.V")]
    run("create or replace view v as select 3 as n")
    assert to_role(run, role) == []


@pytest.mark.gap
def test_grants_follow_rename_and_end_with_drop(run: Run, role: str) -> None:
    run("create table t (n number)")
    run(f"grant select on table t to role {role}")
    run("alter table t rename to hidden")
    assert to_role(run, role) == [("SELECT", "TABLE", "RAW.HIDDEN")]
    run("drop table hidden")
    assert to_role(run, role) == []
    run("undrop table hidden")
    assert to_role(run, role) == []


@pytest.mark.gap
def test_object_has_one_owner(run: Run, role: str) -> None:
    run("create table t (n number)")
    run(f"grant ownership on table t to role {role}_1")
    run(f"grant ownership on table t to role {role}_2 copy current grants")
    assert [(row[1], row[5]) for row in run("show grants on table t")] == [
        ("OWNERSHIP", f"{role}_2")
    ]


@pytest.mark.gap
def test_grants_of_user_have_role(run: Run, role: str) -> None:
    """The page is /release-notes/bcr-bundles/2025_01/bcr-1803."""
    run(f"grant role loader to user u_{role}")
    assert [(row[3], row[4]) for row in run(f"show grants to user u_{role}")] == [
        ("LOADER", "LOADER")
    ]


def test_grants_survive_restart(tmp_path: Path) -> None:
    server = start({"FS_DB_PATH": str(tmp_path)})
    run = runner(server.connect("KEPT"))
    run("grant usage on schema raw to role r")
    run("grant select on future tables in schema raw to role r")
    assert server.stop() == 0
    server = start({"FS_DB_PATH": str(tmp_path)})
    run = runner(server.connect("KEPT"))
    run("create table t (n number)")
    assert to_role(run, "R") == [("SELECT", "TABLE", "RAW.T"), ("USAGE", "SCHEMA", "RAW")]
    assert server.stop() == 0
