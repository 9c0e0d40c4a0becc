"""The commands that logs and mails tell people to type."""

from __future__ import annotations

import shlex
from datetime import datetime

from firn_airflow.interval import REQUEST_TIME, utc


def clear(dag_id: str, task: str, logical_date: datetime | None) -> str:
    """Return the command that lets Airflow try a task, and what follows it, again.

    Args:
        dag_id: The DAG.
        task: The task; empty for all of them.
        logical_date: The run's; without it no command can name the run.
    """
    if logical_date is None:
        return ""
    at = f"{utc(logical_date):{REQUEST_TIME}}"
    # Airflow 3.3.1 takes the text itself, not a pattern: anchors would match nothing, and say so
    # to nobody (its serialization/definitions/dag.py, partial_subset).
    only = f" --task-regex {shlex.quote(task)}" if task else ""
    return (
        f"airflow tasks clear --yes --downstream{only} --start-date {at} --end-date {at} {dag_id}"
    )
