"""Shell commands for logs and mails."""

from __future__ import annotations

import shlex
from datetime import datetime

from firn_airflow.interval import REQUEST_TIME, utc


def clear(dag_id: str, task: str, logical_date: datetime | None) -> str:
    """Return the command that clears a task and all tasks after this task.

    Airflow then runs the cleared tasks again.

    Args:
        dag_id: The DAG.
        task: The task; empty for all tasks.
        logical_date: The logical date of the run. Without a logical date, no
            command can name the run, and the result is empty.
    """
    if logical_date is None:
        return ""
    at = f"{utc(logical_date):{REQUEST_TIME}}"
    # Airflow 3.3.1 reads --task-regex as plain text, not as a pattern
    # (serialization/definitions/dag.py, partial_subset). With anchors, the command
    # would match no task and report no error.
    only = f" --task-regex {shlex.quote(task)}" if task else ""
    return (
        f"airflow tasks clear --yes --downstream{only} --start-date {at} --end-date {at} {dag_id}"
    )
