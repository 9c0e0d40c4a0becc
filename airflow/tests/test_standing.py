"""How far a run is."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from firn_airflow.cloud import Version
from firn_airflow.faults import Failure
from firn_airflow.standing import NEVER, Run, waiting

ORDERED = datetime(2026, 11, 24, 10, tzinfo=UTC)
ONE, TWO = (Version("landing", f"usgs/event/run=r/part-0000{n}.ndjson.gz", f"v{n}") for n in (1, 2))


def item(finished_at: str, *parts: Version) -> dict[str, str]:
    checkpoint = {
        "parts": [{"key": part.key} for part in parts] or None,
        "finished_at": finished_at,
    }
    return {"pk": "run#usgs.event/r", "checkpoint": json.dumps(checkpoint)}


def entries(**states: str) -> dict[str, dict[str, str]]:
    return {
        version.object_id: {"state": states[name]}
        for name, version in (("one", ONE), ("two", TWO))
        if name in states
    }


DONE = item("2026-11-24T10:00:07Z", ONE, TWO)


@pytest.mark.parametrize(
    ("given", "want"),
    [
        ({}, Run(False, ())),
        (item(NEVER), Run(False, ())),
        (item(NEVER, ONE), Run(False, ())),
        (DONE, Run(True, (ONE.key, TWO.key))),
        (item("2026-11-24T10:00:07Z"), Run(True, ())),
    ],
    ids=["not begun", "counted", "a page", "finished", "finished without events"],
)
def test_reading(given: dict[str, str], want: Run) -> None:
    assert Run.read(given, ORDERED) == want


def failed(after: timedelta) -> dict[str, str]:
    at = (ORDERED + after).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    return {
        "failed_at": at,
        "stage": "ingest",
        "code": "source_refused",
        "cause": "400",
        "hint": "Mend it.",
    }


@pytest.mark.parametrize("after", [timedelta(0), timedelta(seconds=1)])
def test_a_run_that_failed_since_it_was_ordered(after: timedelta) -> None:
    with pytest.raises(Failure) as failure:
        Run.read(failed(after), ORDERED)
    fault = failure.value.fault
    assert (fault.code, fault.cause, fault.advice, fault.told) == (
        "source_refused",
        "400",
        "Mend it.",
        True,
    )


def test_an_older_failure_is_being_tried_again() -> None:
    assert Run.read(failed(-timedelta(microseconds=1)), ORDERED) == Run(False, ())


RUN = Run(True, (ONE.key, TWO.key))


@pytest.mark.parametrize(
    ("known", "want"),
    [
        (entries(), [ONE.uri, TWO.uri]),
        (entries(one="loaded", two="transformed"), [TWO.uri]),
        (entries(one="received", two="transforming"), [ONE.uri, TWO.uri]),
        (entries(one="loaded", two="loaded"), []),
        (entries(one="superseded", two="ignored"), []),
    ],
)
def test_what_waits(known: dict[str, dict[str, str]], want: list[str]) -> None:
    assert waiting(RUN, [ONE, TWO], known) == want


def test_another_version_counts_for_nothing() -> None:
    newer = Version(TWO.bucket, TWO.key, "v3")
    assert waiting(RUN, [ONE, newer], entries(one="loaded", two="loaded")) == [newer.uri]


def test_a_failed_object_is_told_at_once_with_what_to_type() -> None:
    known = entries(one="received")
    known[TWO.object_id] = {
        "state": "failed",
        "stage": "transform",
        "code": "bad_compression",
        "cause": "no gzip",
        "hint": "Put it again.",
    }
    with pytest.raises(Failure) as failure:
        waiting(Run(False, ()), [ONE, TWO], known)
    fault = failure.value.fault
    assert (fault.code, fault.told, fault.advice) == ("object_failed", True, "Put it again.")
    assert fault.cause == f"{TWO.uri} failed in transform: bad_compression: no gzip"
    assert fault.commands == (f"firn status {TWO.uri}",)


def test_many_failed_objects_are_counted() -> None:
    many = [Version("landing", f"part-{n}", "v") for n in range(13)]
    known = {version.object_id: {"state": "failed"} for version in many}
    with pytest.raises(Failure, match="and 3 more") as failure:
        waiting(Run(False, ()), many, known)
    assert len(failure.value.fault.commands) == 10


def test_a_part_that_was_deleted_is_a_failure_that_nobody_told() -> None:
    with pytest.raises(Failure, match=TWO.key) as failure:
        waiting(RUN, [ONE], entries(one="loaded"))
    assert (failure.value.fault.code, failure.value.fault.told) == ("parts_gone", False)


def test_the_object_id_is_gos() -> None:
    """internal/alert's golden mails have this id for this object."""
    flight = Version("firn-landing", "nycflights/flight/day.csv", "3HL4kqtJvjVBH40Nrjfkd")
    assert flight.object_id == "ce40a0459ad0372681ce02bc3c72cf25"
