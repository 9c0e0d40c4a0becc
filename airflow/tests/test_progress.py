"""The progress of an ingestion run."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from firn_airflow.cloud import Version
from firn_airflow.faults import Failure
from firn_airflow.progress import ZERO_TIME, Run, unloaded

REQUESTED = datetime(2026, 11, 24, 10, tzinfo=UTC)
ONE, TWO = (
    Version("landing", f"station/event/run=r/part-0000{n}.ndjson.gz", f"v{n}") for n in (1, 2)
)


def item(finished_at: str, *parts: Version) -> dict[str, str]:
    checkpoint = {
        "parts": [{"key": part.key} for part in parts] or None,
        "finished_at": finished_at,
    }
    return {"pk": "run#station.event/r", "checkpoint": json.dumps(checkpoint)}


def entries(**states: str) -> dict[str, dict[str, str]]:
    return {
        version.object_id: {"state": states[name]}
        for name, version in (("one", ONE), ("two", TWO))
        if name in states
    }


DONE = item("2026-11-24T10:00:07Z", ONE, TWO)
# A run whose source is away, after an order without an answer and after a page.
WAITING = {"pk": "run#station.event/r", "run_state": "waiting", "delay_code": "source_away"}


@pytest.mark.parametrize(
    ("given", "want"),
    [
        ({}, Run(False, ())),
        (item(ZERO_TIME), Run(False, ())),
        (item(ZERO_TIME, ONE), Run(False, ())),
        (DONE, Run(True, (ONE.key, TWO.key))),
        (item("2026-11-24T10:00:07Z"), Run(True, ())),
        (WAITING, Run(False, (), wait="source_away")),
        (WAITING | item(ZERO_TIME, ONE), Run(False, (), wait="source_away")),
    ],
    ids=[
        "not begun",
        "no page yet",
        "one page",
        "finished",
        "finished without events",
        "waiting before the first page",
        "waiting after a page",
    ],
)
def test_item_gives_finished_and_part_keys(given: dict[str, str], want: Run) -> None:
    assert Run.read(given, REQUESTED) == want


def test_log_names_the_cause_of_a_wait() -> None:
    runs = [Run(True, ()), Run(False, ()), Run(False, (), wait="source_away")]
    assert [run.description for run in runs] == [
        "complete",
        "being fetched",
        "waiting: source_away",
    ]


def failed(after: timedelta) -> dict[str, str]:
    at = (REQUESTED + after).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    return {
        "failed_at": at,
        "stage": "ingest",
        "code": "source_refused",
        "cause": "400",
        "hint": "Fix it.",
    }


@pytest.mark.parametrize("after", [timedelta(0), timedelta(seconds=1)])
def test_failure_after_the_request_raises_its_fault(after: timedelta) -> None:
    with pytest.raises(Failure) as failure:
        Run.read(failed(after), REQUESTED)
    fault = failure.value.fault
    assert (fault.code, fault.cause, fault.advice, fault.mailed) == (
        "source_refused",
        "400",
        "Fix it.",
        True,
    )


def test_failure_before_the_request_is_ignored() -> None:
    assert Run.read(failed(-timedelta(microseconds=1)), REQUESTED) == Run(False, ())


RUN = Run(True, (ONE.key, TWO.key))


@pytest.mark.parametrize(
    ("known", "want"),
    [
        (entries(), [ONE.uri, TWO.uri]),
        (entries(one="loaded", two="transformed"), [TWO.uri]),
        (entries(one="received", two="transforming"), [ONE.uri, TWO.uri]),
        (entries(one="loaded", two="loaded"), []),
        (entries(one="superseded", two="ignored"), []),
        (entries(one="withdrawn", two="loaded"), []),
        (entries(one="dismissed", two="loaded"), []),
    ],
)
def test_objects_without_a_final_state_are_unloaded(
    known: dict[str, dict[str, str]], want: list[str]
) -> None:
    assert unloaded(RUN, [ONE, TWO], known) == want


def test_newer_version_without_an_entry_is_unloaded() -> None:
    newer = Version(TWO.bucket, TWO.key, "v3")
    assert unloaded(RUN, [ONE, newer], entries(one="loaded", two="loaded")) == [newer.uri]


def test_failed_object_raises_a_fault_with_cause_and_command() -> None:
    known = entries(one="received")
    known[TWO.object_id] = {
        "state": "failed",
        "stage": "transform",
        "code": "bad_compression",
        "cause": "no gzip",
        "hint": "Put it again.",
    }
    with pytest.raises(Failure) as failure:
        unloaded(Run(False, ()), [ONE, TWO], known)
    fault = failure.value.fault
    assert (fault.code, fault.mailed, fault.advice) == ("object_failed", True, "Put it again.")
    assert fault.cause == f"{TWO.uri} failed in transform: bad_compression: no gzip"
    assert fault.commands == (f"firn status {TWO.uri}",)


def test_more_than_ten_failed_objects_are_counted() -> None:
    many = [Version("landing", f"part-{n}", "v") for n in range(13)]
    known = {version.object_id: {"state": "failed"} for version in many}
    with pytest.raises(Failure, match="and 3 more") as failure:
        unloaded(Run(False, ()), many, known)
    assert len(failure.value.fault.commands) == 10


def test_deleted_part_raises_parts_gone_not_yet_mailed() -> None:
    with pytest.raises(Failure, match=TWO.key) as failure:
        unloaded(RUN, [ONE], entries(one="loaded"))
    assert (failure.value.fault.code, failure.value.fault.mailed) == ("parts_gone", False)


def test_object_id_equals_the_id_of_the_go_functions() -> None:
    """The golden mails of internal/alert have this id for this object."""
    order = Version("firn-landing", "shop/order/day.csv", "3HL4kqtJvjVBH40Nrjfkd")
    assert order.object_id == "707b7ca7419edfeeb425dd0a6b4ce450"
