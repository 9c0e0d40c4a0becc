"""firn's DAGs: one for each dataset that is ingested on a schedule, and firn_marts."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta

from airflow.sdk import DAG, CronDataIntervalTimetable

from firn_airflow import contracts
from firn_airflow.alert import Alert
from firn_airflow.settings import Settings
from firn_airflow.tasks import (
    ORDER_TASK,
    DbtBuildOperator,
    IngestOperator,
    LoadedSensor,
    NewLoadsOperator,
    RefusedOperator,
)

# A backfill may go back to here.
FIRST_DAY = datetime(2000, 1, 1, tzinfo=UTC)
# Builds and orders of one dataset at once, however many runs a backfill has
# active: its own limit overrules the DAG's.
MOST_AT_ONCE = 2
DAY = CronDataIntervalTimetable("0 0 * * *", timezone="UTC")

settings = Settings.read()


def retrying() -> dict[str, object]:
    """Return the arguments of every task.

    Airflow 3.3 loses a task now and then and calls it failed
    (github.com/apache/airflow, issues 71580 and 72716): two retries at least.
    """
    return {"retries": 2, "retry_delay": settings.retry_delay}


def ingestion(ingested: contracts.Ingested) -> DAG:
    """Return the DAG of a dataset: ingest, wait, build."""
    dag = DAG(
        dag_id=f"firn_{ingested.source}_{ingested.entity}",
        description=f"A day of {ingested.dataset}: ingest, wait until it is loaded, build dbt",
        schedule=DAY,
        start_date=FIRST_DAY,
        catchup=False,
        max_active_runs=1,
        dagrun_timeout=settings.patience + timedelta(days=1),
        on_failure_callback=Alert(dataset=ingested.dataset, stack=settings.stack),
        default_args=retrying(),
        tags=["firn", ingested.source],
    )
    with dag:
        try:
            delay = contracts.time_of_day(ingested.schedule)
        except contracts.ScheduleError as refusal:
            logging.getLogger(__name__).error("%s: %s", ingested.dataset, refusal)
            RefusedOperator(task_id="refused", reason=f"{ingested.dataset}: {refusal}")
            return dag
        order = IngestOperator(
            task_id=ORDER_TASK,
            dataset=ingested.dataset,
            delay=delay,
            settings=settings,
            max_active_tis_per_dag=MOST_AT_ONCE,
        )
        wait = LoadedSensor(task_id="wait", ingested=ingested, settings=settings)
        build = DbtBuildOperator(
            task_id="build", dataset=ingested.dataset, settings=settings, max_active_tis_per_dag=1
        )
        order >> wait >> build
    return dag


def marts() -> DAG:
    """Return the DAG that builds all of dbt when there is something new."""
    with DAG(
        dag_id="firn_marts",
        description="Builds dbt if something was loaded since the last build",
        schedule="*/10 * * * *",
        start_date=FIRST_DAY,
        catchup=False,
        max_active_runs=1,
        dagrun_timeout=timedelta(hours=6),
        on_failure_callback=Alert(dataset="marts", stack=settings.stack),
        default_args=retrying(),
        tags=["firn"],
    ) as dag:
        news = NewLoadsOperator(task_id="news", settings=settings)
        news >> DbtBuildOperator(task_id="build", settings=settings)
    return dag


for dataset in contracts.read(settings.home / "datasets"):
    found = ingestion(dataset)
    globals()[found.dag_id] = found
firn_marts = marts()
