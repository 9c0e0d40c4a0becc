"""The DAG of a dataset with a real scheduler (`make airflow`)."""

from __future__ import annotations

import gzip
import shlex
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from conftest import DAGS
from firn_airflow.commands import clear
from firn_airflow.interval import Interval
from laptop import Laptop, events_of, until
from scheduler import Airflow

pytestmark = pytest.mark.scheduler

DAG = "firn_station_event"
FIRST = datetime(2018, 2, 1, tzinfo=UTC)
BACKFILLED = [FIRST + timedelta(days=n) for n in range(5)]
FAILING = BACKFILLED[2]
DURING_THE_KILL = FIRST + timedelta(days=5)
MINUTES = 60


def interval_of(day: datetime) -> Interval:
    return Interval(day, day + timedelta(days=1))


@pytest.fixture(scope="module")
def airflow(laptop: Laptop) -> Iterator[Airflow]:
    """A running Airflow."""
    laptop.build()
    started = Airflow(laptop.scratch, DAGS)
    started.must("db", "migrate")
    try:
        started.start()
        until("the DAG is parsed", lambda: started.rows("select 1 from dag where dag_id = ?", DAG))
        yield started
    finally:
        started.stop()


def test_unpaused_dag_runs_yesterday_without_catch_up(airflow: Airflow, laptop: Laptop) -> None:
    airflow.must("dags", "unpause", DAG, "--yes")
    done = until(
        "a scheduled run ends",
        lambda: [s for s in airflow.runs(DAG, "scheduled").values() if s in {"success", "failed"}],
        5 * MINUTES,
    )
    assert done == ["success"]
    yesterday = datetime.now(UTC).date() - timedelta(days=1)
    assert list(airflow.runs(DAG, "scheduled")) == [f"{yesterday}"], "no catch-up"


def test_backfill_with_a_failed_object_fails_one_day_until_the_object_is_fixed(
    airflow: Airflow, laptop: Laptop
) -> None:
    key = f"station/event/run={interval_of(FAILING).run_id}/part-00099.ndjson.gz"
    planted = laptop.put(key, b"this is no gzip")
    until("the object fails", lambda: laptop.state(planted) == "failed")
    airflow.backfill(DAG, BACKFILLED[0], BACKFILLED[-1], at_once=2)
    most = 0

    def ended() -> bool:
        nonlocal most
        states = list(airflow.runs(DAG, "backfill").values())
        most = max(most, states.count("running"))
        return bool(states) and set(states) <= {"success", "failed"}

    until("all days end", ended, 10 * MINUTES)
    want = {f"{day:%Y-%m-%d}": "failed" if day == FAILING else "success" for day in BACKFILLED}
    assert airflow.runs(DAG, "backfill") == want
    assert most == 2
    for day in BACKFILLED:
        if day != FAILING:
            assert laptop.in_marts(day) == events_of(day) > 0, day
    about = laptop.mails(interval_of(FAILING).run_id)
    assert [m["Subject"] for m in about] == [
        "firn [laptop]: station.event: 1 object failed: bad_compression"
    ]
    assert laptop.mails("(1 run)") == []
    command = clear(DAG, "wait", FAILING)
    assert command in airflow.logs("wait"), "the log has the command"

    # Follow the mail: put the corrected file. Then follow the log: clear the task.
    fixed = laptop.put(key, gzip.compress(b"\n", mtime=0))
    until("the object is loaded", lambda: laptop.state(fixed) == "loaded")
    airflow.must(*shlex.split(command)[1:])
    day = f"{FAILING:%Y-%m-%d}"
    until("the day succeeds", lambda: airflow.runs(DAG, "backfill")[day] == "success", 5 * MINUTES)
    assert laptop.in_marts(FAILING) == events_of(FAILING) > 0


def test_scheduler_killed_during_a_wait_completes_the_run_after_restart(
    airflow: Airflow, laptop: Laptop
) -> None:
    day = DURING_THE_KILL
    laptop.firn("pause", "station.event")
    airflow.backfill(DAG, day, day, at_once=1)
    until(
        "the run waits",
        lambda: airflow.task(DAG, day, "wait") == "up_for_reschedule",
        5 * MINUTES,
    )
    airflow.kill("scheduler")
    airflow.stop()

    # No process of Airflow runs. The path still loads a new file.
    dropped = laptop.put(
        "shop/customer/2026-01-31 airflow down/a.csv", b"code,name\nZX,Of the test\n"
    )
    until("the object is loaded", lambda: laptop.state(dropped) == "loaded")

    laptop.firn("resume", "station.event")
    airflow.start()
    until(
        "the run completes",
        lambda: airflow.runs(DAG, "backfill").get(f"{day:%Y-%m-%d}") == "success",
        8 * MINUTES,
    )
    assert laptop.in_marts(day) == events_of(day) > 0
    assert laptop.mails("(1 run)") == []
