"""The mail of a failed run, whatever Airflow knows of it."""

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
    cause="Failure in test unique_fact_earthquake\nGot 1 result, configured to fail if != 0",
)


class Task:
    """A task of a callback's context, with what it left."""

    task_id = "build"

    def __init__(self, left: Fault | Exception | None) -> None:
        self.left = left

    def xcom_pull(self, task_ids: str, key: str) -> dict[str, Any] | None:
        """Return what it left."""
        assert (task_ids, key) == ("build", alert.FAULT_KEY)
        if isinstance(self.left, Exception):
            raise self.left
        return self.left and self.left.as_dict()


@pytest.fixture
def published(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """What is published to the topic."""
    mails: list[tuple[str, str]] = []

    class Topic:
        def __init__(self, stack: str) -> None:
            assert stack == "Firn"

        def alert(self, subject: str, body: str) -> None:
            mails.append((subject, body))

    monkeypatch.setattr(alert, "Cloud", Topic)
    return mails


def context(bag: DagBag, **more: object) -> dict[str, Any]:
    """The least that the DAG processor passes: Airflow's _execute_dag_callbacks."""
    return {
        "dag": bag.dags["firn_usgs_event"],
        "run_id": "scheduled__2018-02-02T00:00:00+00:00",
        **more,
    }


def full(bag: DagBag, left: Fault | Exception | None) -> dict[str, Any]:
    return context(
        bag,
        ti=Task(left),
        reason="task_failure",
        logical_date=DAY,
        data_interval_start=DAY,
        data_interval_end=DAY + timedelta(days=1),
    )


def tell(bag: DagBag, of: Mapping[str, Any]) -> None:
    bag.dags["firn_usgs_event"].on_failure_callback(of)


def test_the_whole_mail(bag: DagBag) -> None:
    report = alert.report_of("usgs.event", full(bag, FAULT))
    report = mail.Report(
        **vars(report) | {"failed_at": datetime(2026, 11, 24, 10, 0, 5, tzinfo=UTC)}
    )
    assert f"Subject: {mail.subject(report)}\n\n{mail.body(report)}" == GOLDEN.read_text(
        encoding="utf-8"
    )


def test_it_has_the_words_of_the_functions_mails() -> None:
    ours = GOLDEN.read_text(encoding="utf-8")
    theirs = (ROOT / "internal/alert/testdata/several_objects.golden").read_text(encoding="utf-8")
    shape = re.compile(
        r"Subject: firn: [a-z_.]+: [a-z_]+ \(\d [a-z]+\)\n\n"
        r"\d [a-z]+ of [a-z_.]+ failed: [a-z_]+\n\nWhat to do  \S"
    )
    assert shape.match(ours), "the shape of the first lines"
    assert shape.match(theirs)
    for words in (
        "\nWhat to do  ",
        "\nThen type   ",
        "\nMore        docs/",
        "\n1. ",
        "\n   failed      20",
        "\n   cause       ",
    ):
        assert words in ours, words
        assert words in theirs, words
    programs = [json.loads(text.split(f"\n{mail.SEPARATOR}\n")[1]) for text in (ours, theirs)]
    assert programs[0].keys() == programs[1].keys()
    assert set(programs[1]["objects"][0]) - set(programs[0]["objects"][0]) == set(), (
        "keys are only added"
    )


def test_only_dag_and_run_id(bag: DagBag, published: list[tuple[str, str]]) -> None:
    """The scheduler lost the run: no task, no exception, no reason, no interval."""
    tell(bag, context(bag))
    [(subject, body)] = published
    assert subject == "firn: usgs.event: task_lost (1 run)"
    assert "1. run scheduled__2018-02-02T00:00:00+00:00" in body
    assert "Airflow says: nothing" in body


@pytest.mark.parametrize("left", [None, RuntimeError("no answer")])
def test_the_scheduler_failed_the_task(
    bag: DagBag, published: list[tuple[str, str]], left: Exception | None
) -> None:
    tell(bag, full(bag, left))
    [(subject, body)] = published
    assert subject == "firn: usgs.event: task_lost (1 run)"
    assert "Airflow says: task_failure" in body
    assert "--task-regex build --start-date 2018-02-01T00:00:00Z" in body


def test_what_is_told_already_is_not_told_again(
    bag: DagBag, published: list[tuple[str, str]]
) -> None:
    tell(bag, full(bag, Fault(code="object_failed", cause="c", told=True)))
    assert published == []


def test_hostile_texts(bag: DagBag) -> None:
    fault = Fault(code="dbt_failed", cause="a\x1b[31m\u2028" + "x" * 5000 + '"', hint="one\ntwo")
    report = alert.report_of("überall\n" * 20, full(bag, fault))
    assert re.fullmatch(r"[ -~]{1,99}", mail.subject(report))
    text, _, programs = mail.body(report).partition(mail.SEPARATOR)
    assert all(line.isprintable() for line in text.splitlines() if "berall" not in line)
    assert len(text) < 3000
    assert json.loads(programs)["hint"] == "one ..."


def test_every_code_has_an_entry() -> None:
    entries = re.findall(
        r"^### (\w+)$", (ROOT / "docs/airflow.md").read_text(encoding="utf-8"), re.MULTILINE
    )
    assert sorted(entries) == sorted(HINTS)
