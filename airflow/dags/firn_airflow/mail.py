"""The mail of a failed run, in the form of the alert function's mails.

internal/alert/mail.go and machine.go write the alert function's mails. A test
compares the two forms.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime

from firn_airflow.faults import Fault

SCHEMA = "firn.alert/1"
SEPARATOR = "---- for machines ----"
# SNS takes subjects of "less than 100 characters" (SNS API reference, Publish).
MAX_SUBJECT = 99
MAX_CAUSE = 1000


@dataclass(frozen=True)
class Report:
    """The contents of a mail about one run.

    Attributes:
        dataset: `<source>.<entity>`, or "marts" for the DAG firn_marts.
        task: The failed task; empty if Airflow names no task.
        run_id: firn's run id; empty for a run without a data interval.
        dag_id: The DAG.
        airflow_run: Airflow's run id.
        failed_at: The time of the failure.
        fault: The cause of the failure.
        command: The command that repeats the failed task; may be empty.
    """

    dataset: str
    task: str
    run_id: str
    dag_id: str
    airflow_run: str
    failed_at: datetime
    fault: Fault
    command: str


def subject(report: Report) -> str:
    """Return the mail's subject: ASCII without line breaks."""
    text = f"firn: {report.dataset}: {report.fault.code} (1 run)"
    return "".join(c if " " <= c <= "~" else "?" for c in text)[:MAX_SUBJECT]


def body(report: Report) -> str:
    """Return the mail's text: failure, advice and command, then the same contents as JSON."""
    fault = report.fault
    lines = [f"1 run of {printable(report.dataset)} failed: {printable(fault.code)}", ""]
    for name, value in [
        ("To do", first_line(fault.advice)),
        ("Then type", report.command),
        ("More", f"docs/airflow.md, entry {printable(fault.code)}"),
    ]:
        if value:
            lines.append(f"{name:<12}{value}")
    lines += ["", f"1. run {report.run_id or report.airflow_run}"]
    for name, value in [
        ("failed", f"{report.failed_at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC" + in_task(report)),
        ("cause", clip(first_line(fault.cause))),
        ("run", report.run_id),
        ("dag", report.dag_id),
        ("dag run", report.airflow_run),
    ]:
        if value:
            lines.append(f"   {name:<12}{printable(value)}")
    return "\n".join(lines) + f"\n\n{SEPARATOR}\n{machine_text(report)}\n"


def in_task(report: Report) -> str:
    """Return " in " and the failed task; empty without a task."""
    return f" in {report.task}" if report.task else ""


def machine_text(report: Report) -> str:
    """Return the mail as JSON for programs. New versions of the schema only add keys."""
    fault = report.fault
    failure = {
        "object_id": "",
        "bucket": "",
        "key": "",
        "version": "",
        "stage": report.task,
        "cause": clip(fault.cause),
        "failed_at": f"{report.failed_at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}",
        "rows_read": 0,
        "rows_written": 0,
        "rows_rejected": 0,
        "query_id": "",
        "run_id": report.run_id,
        "message_id": "",
        "dag_id": report.dag_id,
        "dag_run_id": report.airflow_run,
    }
    mail = {
        "schema": SCHEMA,
        "dataset": report.dataset,
        "code": fault.code,
        "hint": first_line(fault.advice),
        "command": report.command,
        "count": 1,
        "objects": [failure],
    }
    return json.dumps(mail, indent=1, ensure_ascii=False)


def first_line(text: str) -> str:
    """Return a text's first line without control characters, with "..." if more lines follow."""
    line, _, rest = text.strip().partition("\n")
    return printable(line + (" ..." if rest.strip() else "")).strip()


def printable(text: str) -> str:
    """Replace each unprintable character with a space."""
    return "".join(c if c.isprintable() else " " for c in text)


def clip(text: str) -> str:
    """Cut a text to the longest allowed cause, and mark the cut with "..."."""
    return text if len(text) <= MAX_CAUSE else text[:MAX_CAUSE] + " ..."
