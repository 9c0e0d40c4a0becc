"""Login, session end, cancel and repeated requests, over HTTP for requests that no driver sends."""

from __future__ import annotations

import base64
import datetime
import json
import re
import uuid
from collections.abc import Callable, Iterator

import pytest
from snowflake.connector.errors import DatabaseError

from conftest import Connect, Run, Server, runner
from deadline import Background, until
from wire import Http


@pytest.fixture
def http(server: Server) -> Http:
    """A client before its login."""
    return Http(server.port)


def attestation(**changes: str) -> str:
    """Return a driver's attestation for AWS: a signed request for GetCallerIdentity, in base64."""
    headers = {
        "Authorization": "AWS4-HMAC-SHA256 Credential=AKIA/20261124/eu-west-1/sts/aws4_request",
        "X-Amz-Date": "20261124T100000Z",
        "X-Snowflake-Audience": "snowflakecomputing.com",
    }
    url = "https://sts.eu-west-1.amazonaws.com?Action=GetCallerIdentity&Version=2011-06-15"
    claim = {"url": changes.pop("url", url), "method": "POST", "headers": headers | changes}
    return base64.b64encode(json.dumps(claim).encode()).decode()


def test_workload_identity_can_log_in(http: Http) -> None:
    answer = http.login(AUTHENTICATOR="WORKLOAD_IDENTITY", PROVIDER="AWS", TOKEN=attestation())
    assert answer["success"]
    assert http.query("select 1")["success"]


@pytest.mark.gap
@pytest.mark.parametrize(
    ("provider", "token"),
    [
        ("AWS", ""),
        ("AWS", "not base64"),
        ("AWS", attestation(**{"X-Snowflake-Audience": "elsewhere"})),
        ("AWS", attestation(Authorization="none")),
        ("AWS", attestation(url="https://example.com/")),
        ("GCP", attestation()),
    ],
)
def test_malformed_workload_identity_is_refused(http: Http, provider: str, token: str) -> None:
    answer = http.login(AUTHENTICATOR="WORKLOAD_IDENTITY", PROVIDER=provider, TOKEN=token)
    assert (answer["success"], answer["code"]) == (False, "390100")


@pytest.mark.gap
def test_login_parameters_apply_to_session(connect: Connect) -> None:
    run = runner(connect(LOCK_TIMEOUT=7, ABORT_DETACHED_QUERY=True, SOMETHING_ELSE="x"))
    rows = {row[0]: row[1] for row in run("show parameters in session")}
    assert (rows["LOCK_TIMEOUT"], rows["ABORT_DETACHED_QUERY"]) == ("7", "true")
    assert rows["SOMETHING_ELSE"] == "x"


@pytest.mark.gap
def test_login_answer_has_fields_for_newer_drivers(http: Http) -> None:
    data = http.login()["data"]
    assert data["masterToken"]
    assert data["sessionId"] > 0
    assert http.post("/session/token-request", {"requestType": "RENEW"})["data"]["sessionToken"]


@pytest.mark.gap
def test_repeated_request_runs_once(http: Http) -> None:
    http.login()
    http.query("create or replace table t (n number(38,0))")
    name = str(uuid.uuid4())
    answers = [http.query("insert into t values (1)", name) for _ in range(2)]
    assert answers[0] == answers[1]
    rows = http.query("insert into t select n from t")["data"]["rowset"]
    assert rows == [["1"]]


@pytest.mark.gap
def test_unknown_session_is_reported_as_ended(http: Http) -> None:
    http.token = "from before the restart"
    answer = http.query("select 1")
    assert (answer["success"], answer["code"]) == (False, "390111")


@pytest.mark.gap
def test_error_has_query_id(http: Http) -> None:
    http.login()
    answer = http.query("select * from missing")
    assert uuid.UUID(answer["data"]["queryId"])


@pytest.mark.gap
def test_cancel_ends_running_statement(server: Server, http: Http) -> None:
    http.login()
    waiter = Background(lambda: http.query(SLOW))

    def is_cancelled() -> bool:
        http.post("/queries/v1/abort-request", {"requestId": "any"})
        return not waiter.is_running

    until(is_cancelled, "end of the statement")
    assert waiter.result()["code"] == "000604"
    assert http.query("select 1")["success"]


@pytest.mark.gap
def test_cancel_ends_wait_for_lock(http: Http, run: Run, connect: Connect, server: Server) -> None:
    other = Http(server.port)
    http.login()
    other.login()
    http.query("create or replace table w (n number(38,0))")
    http.query("begin")
    http.query("delete from w")
    waiter = Background(lambda: other.query("delete from w"))

    def is_cancelled() -> bool:
        http.query("select 1")
        other.post("/queries/v1/abort-request", {"requestId": "any"})
        return not waiter.is_running

    until(is_cancelled, "end of the wait")
    assert waiter.result()["code"] == "000604"


@pytest.mark.gap
def test_statement_ends_after_timeout(connect: Connect) -> None:
    run = runner(connect(STATEMENT_TIMEOUT_IN_SECONDS=1))
    with pytest.raises(DatabaseError, match="timeout of 1 second") as caught:
        run(SLOW)
    assert (caught.value.errno, caught.value.sqlstate) == (630, "57014")
    assert run("select 1") == [(1,)]


SLOW = """
    select count(*) from table(generator(rowcount => 2000000)) a
    cross join table(generator(rowcount => 1000)) b where random() > 2
"""


@pytest.fixture
def account(connect: Connect) -> Iterator[Callable[[str], None]]:
    """Set parameters of the account, as in ``account("timezone = 'UTC'")``, until the end."""
    run = runner(connect())
    names: list[str] = []

    def alter(assignments: str) -> None:
        run(f"alter account set {assignments}")
        names.extend(re.findall(r"(\w+)\s*=", assignments))

    yield alter
    run(f"alter account unset {', '.join(names)}")


@pytest.mark.gap
def test_account_parameter_is_default_of_new_session(
    connect: Connect, account: Callable[[str], None]
) -> None:
    before = runner(connect())
    account("timestamp_input_format = 'DD-MON-YYYY' autocommit = false")
    show = "show parameters like 'timestamp_input_format'"
    assert [runner(connect())(show)[0][1], before(show)[0][1]] == ["DD-MON-YYYY", "AUTO"]
    pinned = runner(connect(TIMESTAMP_INPUT_FORMAT="AUTO"))
    assert pinned(show)[0][1] == "AUTO"


@pytest.mark.gap
def test_timestamp_in_another_format_is_refused(connect: Connect) -> None:
    run = runner(connect(TIMESTAMP_INPUT_FORMAT="DD-MON-YYYY HH24:MI"))
    ((at,),) = run("select '24-NOV-2026 10:00'::timestamp_ntz")
    assert at == datetime.datetime(2026, 11, 24, 10)
    for statement in (
        "select cast(? as timestamp_ltz)",
        "select parse_json(?)::varchar::timestamp_ltz",
    ):
        with pytest.raises(DatabaseError) as raised:
            run(statement, '"2026-11-24T10:00:00Z"' if "json" in statement else "2026-11-24T10:00Z")
        assert raised.value.errno == 100096


@pytest.mark.gap
def test_default_collation_applies_without_collate(
    connect: Connect, account: Callable[[str], None]
) -> None:
    account("default_ddl_collation = 'en-ci'")
    run = runner(connect())
    run("create table t (plain varchar, own varchar not null collate '', n int)")
    run("insert into t select 'a', 'a', 1 union all select 'A', 'A', 2")
    run("alter table t add column later varchar, column bytes varchar collate ''")
    run("create table named default_ddl_collation = '' as select 'a'::varchar as k")
    run("create table unnamed as select 'a'::varchar as k, 1 as n")
    found = run("select count(distinct plain), count(distinct own) from t")
    assert found == [(1, 2)]
    assert run("select count(*) from named where k = 'A'") == [(0,)]
    assert run("select count(*) from unnamed where k = 'A'") == [(1,)]
