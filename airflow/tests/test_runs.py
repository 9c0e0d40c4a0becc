"""The DAGs on the laptop's cloud, run by `dag.test`."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from airflow.dag_processing.dagbag import DagBag
from airflow.models.dagrun import DagRun
from airflow.models.taskinstance import TaskInstance
from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance
from airflow.utils.session import create_session
from airflow.utils.state import DagRunState
from sqlalchemy import select, tuple_

from firn_airflow import alert
from firn_airflow.cloud import Cloud
from firn_airflow.faults import Failure
from firn_airflow.interval import Interval
from firn_airflow.progress import Run
from laptop import Laptop, events_of, until

pytestmark = [pytest.mark.cloud, pytest.mark.usefixtures("database")]

BROKEN = b"this is no gzip"
EMPTY = gzip.compress(b"\n", mtime=0)


def interval_of(day: datetime) -> Interval:
    return Interval(day, day + timedelta(days=1))


def run(bag: DagBag, dag_id: str, day: datetime) -> DagRun:
    """Run a DAG for a day. The data interval ends at the logical date."""
    return bag.dags[dag_id].test(logical_date=day + timedelta(days=1))


@pytest.fixture(scope="module", autouse=True)
def callbacks_read_the_database() -> Iterator[None]:
    """Read faults from the database, because a callback in `dag.test` has no access to XCom."""

    def pull_fault(ti: RuntimeTaskInstance) -> dict[str, Any] | None:
        of = (TaskInstance.dag_id, TaskInstance.run_id, TaskInstance.task_id)
        with create_session() as session:
            wanted = select(TaskInstance).where(tuple_(*of) == (ti.dag_id, ti.run_id, ti.task_id))
            stored = session.scalars(wanted).one()
            return stored.xcom_pull(task_ids=ti.task_id, key=alert.FAULT_KEY, session=session)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(alert, "pull_fault", pull_fault)
        yield


def states(of: DagRun) -> dict[str, str]:
    return {ti.task_id: str(ti.state) for ti in of.get_task_instances()}


DAY = datetime(2018, 2, 1, tzinfo=UTC)


@pytest.fixture(scope="module", autouse=True)
def warehouse(laptop: Laptop) -> None:
    """A warehouse with empty tables, after one build of dbt."""
    laptop.build()


def test_repeated_day_is_in_the_marts_once(bag: DagBag, laptop: Laptop) -> None:
    for time in ("first", "again"):
        done = run(bag, "firn_station_event", DAY)
        assert states(done) == {"ingest": "success", "wait": "success", "build": "success"}, time
        assert done.state == DagRunState.SUCCESS
        assert laptop.in_marts(DAY) == events_of(DAY) > 0, time
    twice = "select count(*) - count(distinct ID) as N from RAW.STATION_EVENT"
    assert laptop.number(twice) == 0


def test_day_without_events_succeeds_without_objects(
    bag: DagBag, laptop: Laptop, quick_dbt: Path
) -> None:
    day = datetime(2018, 3, 1, tzinfo=UTC)
    assert events_of(day) == 0
    assert run(bag, "firn_station_event", day).state == DagRunState.SUCCESS
    assert Cloud("Firn").newest(f"station/event/run={interval_of(day).run_id}/") == []


def test_failed_object_fails_the_run_with_the_objects_cause(
    bag: DagBag, laptop: Laptop, quick_dbt: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    day = datetime(2018, 2, 2, tzinfo=UTC)
    planted = laptop.put(
        f"station/event/run={interval_of(day).run_id}/part-00099.ndjson.gz", BROKEN
    )
    until("the object fails", lambda: laptop.state(planted) == "failed")
    failed = run(bag, "firn_station_event", day)
    assert states(failed) == {"ingest": "success", "wait": "failed", "build": "upstream_failed"}
    wait = failed.get_task_instance("wait")
    assert wait is not None
    assert (wait.try_number, wait.end_date - wait.start_date < timedelta(seconds=10)) == (
        1,
        True,
    ), "one poke"
    log = capsys.readouterr().out
    for words in (
        "bad_compression",
        planted.uri,
        "What to do",
        f"firn status {planted.uri}",
        "airflow tasks clear",
    ):
        assert words in log
    until("the mail of the alert function", lambda: laptop.mails(planted.object_id))
    about = laptop.mails(interval_of(day).run_id)
    assert [m["Subject"] for m in about] == [
        "firn [laptop]: station.event: 1 object failed: bad_compression"
    ]

    # The corrected file is a new version of the key. After its load, the run succeeds.
    fixed = laptop.put(planted.key, EMPTY)
    until("the object is loaded", lambda: laptop.state(fixed) == "loaded")
    assert run(bag, "firn_station_event", day).state == DagRunState.SUCCESS


def test_failed_build_sends_one_mail(
    bag: DagBag, laptop: Laptop, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    value = "SSN078Mark1120"
    failed_test = {
        "unique_id": "test.firn.unique_fact_event.0a", "status": "fail", "failures": 2,
        "message": f"Got 2 results, {value}",
    }  # fmt: skip
    (tmp_path / "results.json").write_text(json.dumps({"results": [failed_test]}), encoding="utf-8")
    broken = script(
        tmp_path,
        f"""echo '10:00:00  Failure in test unique_fact_event: {value}'
while [ "$1" != --target-path ]; do shift; done
mkdir -p "$2"; cp {tmp_path}/results.json "$2/run_results.json"; exit 1""",
    )
    monkeypatch.setattr(bag.dags["firn_station_event"].get_task("build"), "dbt", str(broken))
    failed = run(bag, "firn_station_event", DAY)
    assert states(failed) == {"ingest": "success", "wait": "success", "build": "failed"}
    mails = until("the mail", lambda: laptop.mails("firn: station.event: dbt_failed (1 run)"))
    assert len(mails) == 1
    content = mails[0].get_content()
    assert "cause       test unique_fact_event: fail, 2 results" in content
    assert value not in content
    assert "--task-regex build --start-date 2018-02-02T00:00:00Z" in content


def test_run_refused_by_the_ingest_function_raises_its_fault(laptop: Laptop) -> None:
    future = interval_of(datetime(2090, 1, 1, tzinfo=UTC))
    requested_at = datetime.now(UTC) - timedelta(seconds=1)
    cloud = Cloud("Firn")
    cloud.ingest("station.event", future)
    item = until("the run fails", lambda: cloud.run("station.event", future.run_id))
    with pytest.raises(Failure) as failure:
        Run.read(item, requested_at)
    assert failure.value.fault.code == "bad_request"
    assert failure.value.fault.mailed
    until("the mail of the alert function", lambda: laptop.mails("bad_request", future.run_id))


def test_marts_are_built_only_after_new_loads(
    bag: DagBag, laptop: Laptop, quick_dbt: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def ended() -> dict[str, str]:
        return states(bag.dags["firn_marts"].test(logical_date=next(moments)))

    moments = iter(datetime(2026, 1, 1, tzinfo=UTC) + timedelta(hours=n) for n in range(9))
    built, skipped = (
        {"news": "success", "build": "success"},
        {"news": "skipped", "build": "skipped"},
    )
    count = Cloud("Firn").load_count()
    assert count > 0, "the other tests loaded something"
    assert ended() == built
    assert ended() == skipped
    put = laptop.put("shop/customer/2026-01-31 airflow/a.csv", b"code,name\nZZ,Of the test\n")
    until("the object is loaded", lambda: laptop.state(put) == "loaded")
    assert Cloud("Firn").load_count() > count
    assert ended() == built
    assert ended() == skipped
    put = laptop.put("shop/customer/2026-01-31 airflow/a.csv", b"code,name\nZY,Of the test\n")
    until("the object is loaded", lambda: laptop.state(put) == "loaded")
    with monkeypatch.context() as patch:
        patch.setattr(
            bag.dags["firn_marts"].get_task("build"), "dbt", str(script(tmp_path, "exit 2"))
        )
        assert ended() == {"news": "success", "build": "failed"}
    assert ended() == skipped, "a failed build isn't repeated"
    until("the mail of the failed build", lambda: laptop.mails("firn: marts: dbt_failed (1 run)"))


def script(folder: Path, text: str) -> Path:
    """Write a script in the place of the dbt command."""
    file = folder / "dbt"
    file.write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
    file.chmod(0o755)
    return file


@pytest.fixture
def quick_dbt(bag: DagBag, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A dbt command without effect, for tests of other tasks."""
    (tmp_path / "quick").mkdir()
    quick = script(tmp_path / "quick", "echo '10:00:00  Done. PASS=0'")
    for dag in bag.dags.values():
        monkeypatch.setattr(dag.get_task("build"), "dbt", str(quick))
    return quick
