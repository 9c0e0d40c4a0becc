"""firn's DAGs: firn_marts, and one DAG for each dataset with an ingestion schedule."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta

from airflow.sdk import DAG, CronDataIntervalTimetable

from firn_airflow import contracts
from firn_airflow.alert import Alert
from firn_airflow.settings import Settings
from firn_airflow.tasks import (
    INGEST_TASK,
    DbtBuildOperator,
    IngestOperator,
    LoadedSensor,
    NewLoadsOperator,
    RefusedOperator,
)

# The first day that a backfill can process.
FIRST_DAY = datetime(2000, 1, 1, tzinfo=UTC)
# The most ingest tasks of one DAG at the same time. A backfill's own limit
# replaces the DAG's limit of active runs, so the task needs this limit.
MAX_ACTIVE_INGESTS = 2
DAY = CronDataIntervalTimetable("0 0 * * *", timezone="UTC")

settings = Settings.read()


def default_args() -> dict[str, object]:
    """Return the arguments of every task.

    Airflow 3.3 sometimes loses a task and reports the task as failed
    (github.com/apache/airflow, issues 71580 and 72716). Each task therefore has
    two retries.
    """
    return {"retries": 2, "retry_delay": settings.retry_delay}


def ingestion(ingested: contracts.IngestedDataset) -> DAG:
    """Return the DAG of a dataset: ingest, wait, build.

    A dataset with a schedule that Airflow doesn't support gets a DAG with one
    task, and the task always fails.
    """
    dag = DAG(
        dag_id=f"firn_{ingested.source}_{ingested.entity}",
        description=f"One day of {ingested.dataset}: ingest, wait for the loads, build dbt",
        schedule=DAY,
        start_date=FIRST_DAY,
        catchup=False,
        max_active_runs=1,
        dagrun_timeout=settings.wait_limit + timedelta(days=1),
        on_failure_callback=Alert(dataset=ingested.dataset, stack=settings.stack),
        default_args=default_args(),
        tags=["firn", ingested.source],
    )
    with dag:
        try:
            delay = contracts.time_of_day(ingested.schedule)
        except contracts.ScheduleError as error:
            logging.getLogger(__name__).error("%s: %s", ingested.dataset, error)
            RefusedOperator(task_id="refused", reason=f"{ingested.dataset}: {error}")
            return dag
        ingest = IngestOperator(
            task_id=INGEST_TASK,
            dataset=ingested.dataset,
            delay=delay,
            settings=settings,
            max_active_tis_per_dag=MAX_ACTIVE_INGESTS,
        )
        wait = LoadedSensor(task_id="wait", ingested=ingested, settings=settings)
        build = DbtBuildOperator(
            task_id="build", dataset=ingested.dataset, settings=settings, max_active_tis_per_dag=1
        )
        ingest >> wait >> build
    return dag


def marts() -> DAG:
    """Return the DAG that builds the whole dbt project after new loads."""
    with DAG(
        dag_id="firn_marts",
        description="Builds dbt if a load was committed since the last build",
        schedule="*/10 * * * *",
        start_date=FIRST_DAY,
        catchup=False,
        max_active_runs=1,
        dagrun_timeout=timedelta(hours=6),
        on_failure_callback=Alert(dataset="marts", stack=settings.stack),
        default_args=default_args(),
        tags=["firn"],
    ) as dag:
        news = NewLoadsOperator(task_id="news", settings=settings)
        news >> DbtBuildOperator(task_id="build", settings=settings)
    return dag


for dataset in contracts.read(settings.home / "datasets"):
    dataset_dag = ingestion(dataset)
    globals()[dataset_dag.dag_id] = dataset_dag
firn_marts = marts()
