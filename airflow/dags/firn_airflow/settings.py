"""The DAGs' settings, from environment variables. Each parse of the DAGs reads the variables."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

# Airflow loses a task that pokes again before the task's last process has ended
# (github.com/apache/airflow, issues 71580 and 72716).
MIN_POKE_INTERVAL = timedelta(seconds=10)


@dataclass(frozen=True)
class Settings:
    """Paths, names and times of the DAGs.

    Attributes:
        home: The folder with firn's `datasets` and `dbt`. FIRN_HOME; defaults to
            the repository of this file.
        stack: The CloudFormation stack. FIRN_STACK; defaults to Firn.
        dbt: The path of the dbt command. FIRN_DBT; defaults to the command that
            `make setup` installs.
        poke_interval: The time between two checks of a waiting task.
            FIRN_POKE_SECONDS; defaults to 60 seconds, and is at least 10 seconds.
        wait_limit: The longest time for the load of a run. FIRN_WAIT_HOURS;
            defaults to 6 hours.
        retry_delay: The time between two tries of a failed task.
            FIRN_RETRY_SECONDS; defaults to 60 seconds.
    """

    home: Path
    stack: str
    dbt: Path
    poke_interval: timedelta
    wait_limit: timedelta
    retry_delay: timedelta

    @classmethod
    def read(cls, environment: Mapping[str, str] = os.environ) -> Settings:
        """Read the environment variables.

        Raises:
            ValueError: A variable must be a number above 0 and has another value.
                The error names the variable.
        """
        home = Path(environment.get("FIRN_HOME") or Path(__file__).resolve().parents[3])
        poke_interval = timedelta(seconds=number(environment, "FIRN_POKE_SECONDS", 60))
        return cls(
            home=home,
            stack=environment.get("FIRN_STACK") or "Firn",
            dbt=Path(
                environment.get("FIRN_DBT") or home / "build" / "venv" / "dbt" / "bin" / "dbt"
            ),
            poke_interval=max(MIN_POKE_INTERVAL, poke_interval),
            wait_limit=timedelta(hours=number(environment, "FIRN_WAIT_HOURS", 6)),
            retry_delay=timedelta(seconds=number(environment, "FIRN_RETRY_SECONDS", 60)),
        )


def number(environment: Mapping[str, str], name: str, default: float) -> float:
    """Return the value of a variable that must be a number above 0."""
    text = environment.get(name, "")
    if not text:
        return default
    try:
        value = float(text)
    except ValueError:
        value = 0
    if not 0 < value < float("inf"):
        raise ValueError(f"environment variable {name}={text!r}: the value must be above 0")
    return value
