"""The mail of a run that failed, in the words of the alert function's mails.

internal/alert/mail.go and machine.go have those; a test holds the two against
each other.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime

from firn_airflow.faults import Fault

SCHEMA = "firn.alert/1"
SEPARATOR = "---- for machines ----"
# SNS takes subjects of "less than 100 characters" (SNS API reference, Publish).
LONGEST_SUBJECT = 99
LONGEST_CAUSE = 1000


@dataclass(frozen=True)
class Report:
    """What a mail says of one run.

    Attributes:
        dataset: `<source>.<entity>`, or what else the DAG builds.
        task: The task that failed; empty if none is known.
        run_id: firn's name of the run; empty if it has none.
        dag_id: The DAG.
        airflow_run: Airflow's name of the run.
        failed_at: When it failed.
        fault: Why.
        command: What tries it again; may be empty.
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
    return "".join(c if " " <= c <= "~" else "?" for c in text)[:LONGEST_SUBJECT]


def body(report: Report) -> str:
    """Return the mail: what failed, what to do, what to type, and all of it as JSON."""
    fault = report.fault
    lines = [f"1 run of {printable(report.dataset)} failed: {printable(fault.code)}", ""]
    for name, value in [
        ("What to do", first_line(fault.advice)),
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
    """Return where it failed."""
    return f" in {report.task}" if report.task else ""


def machine_text(report: Report) -> str:
    """Return the mail for programs. Keys are only added to the schema."""
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
    """Return a text's first line without control characters."""
    line, _, rest = text.strip().partition("\n")
    return printable(line + (" ..." if rest.strip() else "")).strip()


def printable(text: str) -> str:
    """Replace what would break a line or hide text."""
    return "".join(c if c.isprintable() else " " for c in text)


def clip(text: str) -> str:
    """Cut a text to the length of a mail's causes."""
    return text if len(text) <= LONGEST_CAUSE else text[:LONGEST_CAUSE] + " ..."
