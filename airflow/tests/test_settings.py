"""The settings from environment variables."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from firn_airflow.settings import Settings
from laptop import ROOT


def test_empty_environment_gives_defaults() -> None:
    assert Settings.read({}) == Settings(
        home=ROOT,
        stack="Firn",
        dbt=ROOT / "build/venv/dbt/bin/dbt",
        poke_interval=timedelta(minutes=1),
        wait_limit=timedelta(hours=6),
        retry_delay=timedelta(minutes=1),
    )


def test_variables_replace_defaults() -> None:
    given = {
        "FIRN_HOME": "/h",
        "FIRN_STACK": "S",
        "FIRN_DBT": "/d",
        "FIRN_POKE_SECONDS": "30",
        "FIRN_WAIT_HOURS": "0.5",
        "FIRN_RETRY_SECONDS": "2",
    }
    minutes, seconds = timedelta(minutes=30), timedelta(seconds=2)
    assert Settings.read(given) == Settings(
        Path("/h"), "S", Path("/d"), timedelta(seconds=30), minutes, seconds
    )


def test_poke_interval_below_the_minimum_becomes_the_minimum() -> None:
    assert Settings.read({"FIRN_POKE_SECONDS": "1"}).poke_interval == timedelta(seconds=10)


@pytest.mark.parametrize("text", ["soon", "0", "-1", "nan", "inf"])
def test_invalid_number_raises_an_error_that_names_the_variable(text: str) -> None:
    with pytest.raises(ValueError, match="FIRN_WAIT_HOURS"):
        Settings.read({"FIRN_WAIT_HOURS": text})
