"""The DAGs, parsed by Airflow."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from airflow.dag_processing.dagbag import DagBag
from airflow.sdk import BaseSensorOperator, CronDataIntervalTimetable

from laptop import PROJECT, ROOT


def test_dags_parse_without_import_errors(bag: DagBag) -> None:
    assert bag.import_errors == {}
    assert sorted(bag.dags) == ["firn_marts", "firn_station_event"]


def test_tasks_run_in_the_order_ingest_wait_build(bag: DagBag) -> None:
    dag = bag.dags["firn_station_event"]
    assert [(t.task_id, t.downstream_task_ids) for t in dag.topological_sort()] == [
        ("ingest", {"wait"}),
        ("wait", {"build"}),
        ("build", set()),
    ]
    assert [t.task_id for t in bag.dags["firn_marts"].topological_sort()] == ["news", "build"]


def test_dataset_dag_has_one_run_for_each_utc_day(bag: DagBag) -> None:
    dag = bag.dags["firn_station_event"]
    assert dag.timetable == CronDataIntervalTimetable("0 0 * * *", timezone="UTC")
    assert dag.get_task("ingest").delay == timedelta(minutes=15)


@pytest.mark.parametrize("dag_id", ["firn_station_event", "firn_marts"])
def test_every_dag_has_limits_retries_and_one_failure_callback(bag: DagBag, dag_id: str) -> None:
    dag = bag.dags[dag_id]
    assert (dag.catchup, dag.max_active_runs) == (False, 1)
    assert dag.dagrun_timeout is not None
    assert dag.on_failure_callback
    for task in dag.tasks:
        assert task.retries >= 2, "Airflow sometimes loses a task"
        assert not task.on_failure_callback, "one mail for each run"


def test_tasks_of_a_backfill_have_a_concurrency_limit(bag: DagBag) -> None:
    dag = bag.dags["firn_station_event"]
    assert dag.get_task("ingest").max_active_tis_per_dag == 2
    assert dag.get_task("build").max_active_tis_per_dag == 1


def test_sensors_reschedule_and_occupy_no_worker(bag: DagBag) -> None:
    sensors = [
        t for dag in bag.dags.values() for t in dag.tasks if isinstance(t, BaseSensorOperator)
    ]
    assert len(sensors) == 2
    for sensor in sensors:
        assert sensor.reschedule
        assert sensor.poke_interval >= 10


def test_unsupported_schedule_gives_a_failing_dag_and_keeps_other_dags(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The DAG of the dataset fails every day. The other DAGs don't change."""
    contract = (PROJECT / "datasets/station/event/contract.odcs.yaml").read_text(encoding="utf-8")
    for entity, text in (
        ("event", contract),
        ("hourly", contract.replace("cron(15 0 * * ? *)", "rate(1 hour)")),
    ):
        folder = tmp_path / "datasets/station" / entity
        folder.mkdir(parents=True)
        (folder / "contract.odcs.yaml").write_text(text, encoding="utf-8")
    monkeypatch.setenv("FIRN_HOME", str(tmp_path))
    parsed = DagBag(str(ROOT / "airflow/dags"))
    assert parsed.import_errors == {}
    assert sorted(parsed.dags) == ["firn_marts", "firn_station_event", "firn_station_hourly"]
    [refused] = parsed.dags["firn_station_hourly"].tasks
    assert "station.hourly: firn.ingest schedule 'rate(1 hour)'" in refused.reason
    assert parsed.dags["firn_station_event"].task_ids == ["ingest", "wait", "build"]


def test_parsing_sends_no_request(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise AssertionError("a request during the parse")

    monkeypatch.setattr("boto3.client", fail)
    monkeypatch.setattr("airflow.sdk.Variable.get", fail)
    assert DagBag(str(ROOT / "airflow/dags")).import_errors == {}
