"""The failure callback of firn's DAGs: one mail for each failed DAG run, to the Alerts topic.

The callback belongs to the DAG, not to the tasks. Airflow calls a DAG's callback
after every kind of failure: a failed task, a killed process or a timeout of the
run. Airflow passes no exception to the callback and sometimes no task either. A
failing task therefore pushes its fault to XCom.
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

# The XCom key of a failed task's fault.
FAULT_KEY = "firn_fault"

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Alert:
    """Publishes the mail of a failed run, unless the alert function sends a mail.

    The class isn't a notifier of Airflow. Notifiers render templates, and a
    variable missing from the context is an error there, so no mail would go out.
    """

    dataset: str
    stack: str

    def __call__(self, context: Mapping[str, Any]) -> None:
        """Publish the mail."""
        report = report_of(self.dataset, context)
        if report.fault.mailed:
            log.info("the alert function sends the mail of this failure: %s", report.fault.code)
            return
        Cloud(self.stack).alert(mail.subject(report), mail.body(report))


def report_of(dataset: str, context: Mapping[str, Any]) -> mail.Report:
    """Build the report of a failed run. Only `dag` and `run_id` are always in the context."""
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
    """Return firn's run id; empty if the run has no data interval."""
    try:
        return Interval.of(context).run_id
    except ValueError:
        return ""


def pull_fault(ti: Any) -> dict[str, Any] | None:  # noqa: ANN401 - Airflow's own protocol
    """Return the fault in a task's XCom, in the form of `Fault.as_dict`; None without a fault."""
    return ti.xcom_pull(task_ids=ti.task_id, key=FAULT_KEY)


def fault_of(ti: Any, reason: str | None) -> Fault:  # noqa: ANN401 - Airflow's own protocol
    """Return the failed task's fault; without one, a fault with Airflow's reason."""
    if ti is not None:
        try:
            pulled = pull_fault(ti)
        except Exception:
            # A mail without the cause is better than no mail.
            log.exception("the fault of task %s can't be read", ti.task_id)
            pulled = None
        if pulled is not None:
            return Fault.of_dict(pulled)
    cause = f"Airflow gives this reason: {reason}" if reason else "Airflow gives no reason"
    return Fault(code="task_lost", cause=cause)
