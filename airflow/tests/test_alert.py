"""The mail of a failed run, for every kind of callback context."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from airflow.dag_processing.dagbag import DagBag

from firn_airflow import alert, mail
from firn_airflow.faults import HINTS, Fault
from laptop import ROOT

GOLDEN = Path(__file__).parent / "testdata" / "dbt_failed.golden"
DAY = datetime(2018, 2, 1, tzinfo=UTC)
FAULT = Fault(
    code="dbt_failed",
    cause="test unique_fact_event: fail, 1 result\nmodel fact_day: error 100038 (22018): Numeric …",
)


class Task:
    """A task of a callback's context, with the fault in XCom."""

    task_id = "build"

    def __init__(self, pushed: Fault | Exception | None) -> None:
        self.pushed = pushed

    def xcom_pull(self, task_ids: str, key: str) -> dict[str, Any] | None:
        """Return the pushed fault, or raise the exception."""
        assert (task_ids, key) == ("build", alert.FAULT_KEY)
        if isinstance(self.pushed, Exception):
            raise self.pushed
        return self.pushed and self.pushed.as_dict()


@pytest.fixture
def published(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """The published mails, as pairs of subject and body."""
    mails: list[tuple[str, str]] = []

    class Topic:
        def __init__(self, stack: str) -> None:
            assert stack == "Firn"

        def alert(self, subject: str, body: str) -> None:
            mails.append((subject, body))

    monkeypatch.setattr(alert, "Cloud", Topic)
    return mails


def context(bag: DagBag, **more: object) -> dict[str, Any]:
    """The smallest context of the DAG processor (Airflow's _execute_dag_callbacks)."""
    return {
        "dag": bag.dags["firn_station_event"],
        "run_id": "scheduled__2018-02-02T00:00:00+00:00",
        **more,
    }


def full_context(bag: DagBag, pushed: Fault | Exception | None) -> dict[str, Any]:
    return context(
        bag,
        ti=Task(pushed),
        reason="task_failure",
        logical_date=DAY,
        data_interval_start=DAY,
        data_interval_end=DAY + timedelta(days=1),
    )


def call_back(bag: DagBag, of: Mapping[str, Any]) -> None:
    bag.dags["firn_station_event"].on_failure_callback(of)


def test_mail_of_a_failed_build_equals_the_golden_file(bag: DagBag) -> None:
    report = alert.report_of("station.event", full_context(bag, FAULT))
    report = mail.Report(
        **vars(report) | {"failed_at": datetime(2026, 11, 24, 10, 0, 5, tzinfo=UTC)}
    )
    assert f"Subject: {mail.subject(report)}\n\n{mail.body(report)}" == GOLDEN.read_text(
        encoding="utf-8"
    )


def test_mail_has_the_form_of_the_alert_functions_mails() -> None:
    ours = GOLDEN.read_text(encoding="utf-8")
    theirs = (ROOT / "internal/alert/testdata/several_objects.golden").read_text(encoding="utf-8")
    shape = re.compile(
        r"Subject: firn: [a-z_.]+: [a-z_]+ \(\d [a-z]+\)\n\n"
        r"\d [a-z]+ of [a-z_.]+ failed: [a-z_]+\n\nTo do       \S"
    )
    assert shape.match(ours), "the shape of the first lines"
    assert re.match(
        r"Subject: firn \[[a-z]+\]: [a-z_.]+: \d [a-z]+ failed: [a-z_]+\n\n"
        r"\d [a-z]+ of [a-z_.]+ failed: [a-z_]+\n\nTo do       \S",
        theirs,
    )
    for words in (
        "\nTo do       ",
        "\nThen type   ",
        "\nMore        ",
        "\n1. ",
        "\n   failed      20",
        "\n   cause       ",
    ):
        assert words in ours, words
        assert words in theirs, words
    programs = [json.loads(text.split(f"\n{mail.SEPARATOR}\n")[1]) for text in (ours, theirs)]
    added = {"environment", "state", "runbook"}
    assert programs[0].keys() | added == programs[1].keys()
    assert set(programs[1]["objects"][0]) - set(programs[0]["objects"][0]) == set(), (
        "keys are only added"
    )


def test_context_with_only_dag_and_run_id_sends_task_lost(
    bag: DagBag, published: list[tuple[str, str]]
) -> None:
    """The context of a lost run: no task, no exception, no reason, no interval."""
    call_back(bag, context(bag))
    [(subject, body)] = published
    assert subject == "firn: station.event: task_lost (1 run)"
    assert "1. run scheduled__2018-02-02T00:00:00+00:00" in body
    assert "Airflow gives no reason" in body


@pytest.mark.parametrize("pushed", [None, RuntimeError("no answer")])
def test_task_without_a_readable_fault_sends_task_lost(
    bag: DagBag, published: list[tuple[str, str]], pushed: Exception | None
) -> None:
    call_back(bag, full_context(bag, pushed))
    [(subject, body)] = published
    assert subject == "firn: station.event: task_lost (1 run)"
    assert "Airflow gives this reason: task_failure" in body
    assert "--task-regex build --start-date 2018-02-01T00:00:00Z" in body


def test_fault_mailed_by_the_alert_function_sends_no_mail(
    bag: DagBag, published: list[tuple[str, str]]
) -> None:
    call_back(bag, full_context(bag, Fault(code="object_failed", cause="c", mailed=True)))
    assert published == []


def test_control_characters_and_long_texts_are_replaced_and_cut(bag: DagBag) -> None:
    fault = Fault(code="dbt_failed", cause="a\x1b[31m\u2028" + "x" * 5000 + '"', hint="one\ntwo")
    report = alert.report_of("überall\n" * 20, full_context(bag, fault))
    assert re.fullmatch(r"[ -~]{1,99}", mail.subject(report))
    text, _, programs = mail.body(report).partition(mail.SEPARATOR)
    assert all(line.isprintable() for line in text.splitlines() if "berall" not in line)
    assert len(text) < 3000
    assert json.loads(programs)["hint"] == "one ..."


def test_every_fault_code_has_an_entry_in_the_documents() -> None:
    entries = re.findall(
        r"^### (\w+)$", (ROOT / "docs/airflow.md").read_text(encoding="utf-8"), re.MULTILINE
    )
    assert sorted(entries) == sorted(HINTS)
