"""What the environment says."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from firn_airflow.settings import Settings
from laptop import ROOT


def test_defaults() -> None:
    assert Settings.read({}) == Settings(
        home=ROOT,
        stack="Firn",
        dbt=ROOT / "build/venv/dbt/bin/dbt",
        poke=timedelta(minutes=1),
        patience=timedelta(hours=6),
        retry_delay=timedelta(minutes=1),
    )


def test_what_is_set() -> None:
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


def test_a_poke_is_never_too_short() -> None:
    assert Settings.read({"FIRN_POKE_SECONDS": "1"}).poke == timedelta(seconds=10)


@pytest.mark.parametrize("text", ["soon", "0", "-1", "nan", "inf"])
def test_a_wrong_number_is_named(text: str) -> None:
    with pytest.raises(ValueError, match="FIRN_WAIT_HOURS"):
        Settings.read({"FIRN_WAIT_HOURS": text})
