"""The callback of a failed DAG run: one mail for each, to the Alerts topic.

It stands at the DAG and not at the tasks, since only there every end is heard:
a task that the scheduler failed, a process that was killed, a run out of time.
Airflow gives it no exception, and in some of these cases no task either, so a
failing task leaves its fault as an XCom.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from firn_airflow import mail
from firn_airflow.cloud import Cloud
from firn_airflow.commands import clear
from firn_airflow.faults import Fault
from firn_airflow.interval import Interval

# The XCom in which a task leaves the fault that it raises.
FAULT_KEY = "firn_fault"

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Alert:
    """Publishes the mail of a run that failed, unless the alert function does.

    It is no notifier of Airflow's: those render templates, where a name that the
    context lacks is an error, and then no mail goes out.
    """

    dataset: str
    stack: str

    def __call__(self, context: Mapping[str, Any]) -> None:
        """Publish the mail."""
        report = report_of(self.dataset, context)
        if report.fault.told:
            log.info("the alert function tells of this failure: %s", report.fault.code)
            return
        Cloud(self.stack).alert(mail.subject(report), mail.body(report))


def report_of(dataset: str, context: Mapping[str, Any]) -> mail.Report:
    """Gather what there is to say. Of the context only `dag` and `run_id` are sure."""
    dag_id, airflow_run = context["dag"].dag_id, context["run_id"]
    ti = context.get("ti")
    task = ti.task_id if ti is not None else ""
    return mail.Report(
        dataset=dataset,
        task=task,
        run_id=run_id_of(context),
        dag_id=dag_id,
        airflow_run=airflow_run,
        failed_at=datetime.now(UTC),
        fault=fault_of(ti, context.get("reason")),
        command=clear(dag_id, task, context.get("logical_date")),
    )


def run_id_of(context: Mapping[str, Any]) -> str:
    """Return firn's name of the run; empty if the run has no interval."""
    try:
        return Interval.of(context).run_id
    except ValueError:
        return ""


def left_by(ti: Any) -> dict[str, Any] | None:  # noqa: ANN401 - Airflow's own protocol
    """Return the fault that a task left, as it left it."""
    return ti.xcom_pull(task_ids=ti.task_id, key=FAULT_KEY)


def fault_of(ti: Any, reason: str | None) -> Fault:  # noqa: ANN401 - Airflow's own protocol
    """Return what the failed task left, or else what Airflow says."""
    if ti is not None:
        try:
            left = left_by(ti)
        except Exception:
            # A mail without the cause is better than none.
            log.exception("the fault of %s can't be read", ti.task_id)
            left = None
        if left is not None:
            return Fault.of_dict(left)
    return Fault(code="task_lost", cause=f"Airflow says: {reason or 'nothing'}")
