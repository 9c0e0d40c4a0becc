"""The datasets with a DAG, and the time of day of their runs."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from firn_airflow.contracts import IngestedDataset, ScheduleError, read, time_of_day
from laptop import PROJECT, ROOT


@pytest.mark.parametrize(
    ("schedule", "minutes"),
    [
        ("cron(15 0 * * ? *)", 15),
        ("cron(0 2 ? * * *)", 120),
        ("cron(59 23 * * ? *)", 1439),
        ("rate(1 day)", 0),
        ("rate(24 hours)", 0),
    ],
)
def test_daily_schedule_returns_its_time_of_day(schedule: str, minutes: int) -> None:
    assert time_of_day(schedule) == timedelta(minutes=minutes)


@pytest.mark.parametrize(
    "schedule",
    [
        "rate(1 hour)",
        "rate(2 days)",
        "cron(15 * * * ? *)",
        "cron(0/15 0 * * ? *)",
        "cron(15 0 ? * MON *)",
        "cron(15 0 1 * ? *)",
        "cron(15 0 * * ? 2027)",
        "cron(60 0 * * ? *)",
        "cron(0 24 * * ? *)",
        "cron(15 0 * * *)",
        "at(2026-11-30T00:15:00)",
        "15 0 * * *",
    ],
)
def test_schedule_that_isnt_daily_raises_schedule_error(schedule: str) -> None:
    with pytest.raises(ScheduleError, match="once a day") as error:
        time_of_day(schedule)
    assert schedule in str(error.value)


def test_scheduled_datasets_of_a_project_are_found() -> None:
    found = read(PROJECT / "datasets")
    assert found == [IngestedDataset("station", "event", "station/event/", "cron(15 0 * * ? *)")]
    assert [time_of_day(f.schedule) for f in found], "a schedule without data intervals"


def test_schedules_of_the_repository_have_data_intervals() -> None:
    for found in read(ROOT / "datasets"):
        assert time_of_day(found.schedule) >= timedelta(0)


def test_contract_without_schedule_is_left_out_and_key_prefix_is_read(tmp_path: Path) -> None:
    def write(entity: str, text: str) -> None:
        folder = tmp_path / "shop" / entity
        folder.mkdir(parents=True)
        (folder / "contract.odcs.yaml").write_text(text, encoding="utf-8")

    ingest = "- {property: firn.ingest, value: {api: fdsn-event, url: u"
    write("dropped", "name: shop.dropped")
    write("asked", f"customProperties:\n{ingest}}}}}")
    write(
        "order",
        "customProperties:\n- {property: firn.keyPrefix, value: in/}\n"
        f"{ingest}, schedule: rate(1 day)}}}}",
    )
    assert read(tmp_path) == [IngestedDataset("shop", "order", "in/", "rate(1 day)")]


def test_folder_without_contracts_raises_an_error_that_names_firn_home(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=f"{tmp_path}.*FIRN_HOME"):
        read(tmp_path)
