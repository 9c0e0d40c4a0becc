"""What the DAGs are told by the environment, read once a parse."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

# A task that pokes again sooner than its last process is gone is taken for lost
# (github.com/apache/airflow, issues 71580 and 72716).
SHORTEST_POKE = timedelta(seconds=10)


@dataclass(frozen=True)
class Settings:
    """Where things are, and how long a wait may take.

    Attributes:
        home: The folder that has firn's `datasets` and `dbt`. FIRN_HOME; defaults
            to the repository that this file is in.
        stack: The CloudFormation stack. FIRN_STACK; defaults to Firn.
        dbt: dbt's command. FIRN_DBT; defaults to what `make setup` installs.
        poke: How often a wait looks. FIRN_POKE_SECONDS; defaults to 60, and is
            never below 10.
        patience: How long a run may take to be loaded. FIRN_WAIT_HOURS; defaults
            to 6.
        retry_delay: How long a failed task rests. FIRN_RETRY_SECONDS; defaults
            to 60.
    """

    home: Path
    stack: str
    dbt: Path
    poke: timedelta
    patience: timedelta
    retry_delay: timedelta

    @classmethod
    def read(cls, environment: Mapping[str, str] = os.environ) -> Settings:
        """Read the environment.

        Raises:
            ValueError: A number isn't one; the variable is named.
        """
        home = Path(environment.get("FIRN_HOME") or Path(__file__).resolve().parents[3])
        poke = timedelta(seconds=number(environment, "FIRN_POKE_SECONDS", 60))
        return cls(
            home=home,
            stack=environment.get("FIRN_STACK") or "Firn",
            dbt=Path(
                environment.get("FIRN_DBT") or home / "build" / "venv" / "dbt" / "bin" / "dbt"
            ),
            poke=max(SHORTEST_POKE, poke),
            patience=timedelta(hours=number(environment, "FIRN_WAIT_HOURS", 6)),
            retry_delay=timedelta(seconds=number(environment, "FIRN_RETRY_SECONDS", 60)),
        )


def number(environment: Mapping[str, str], name: str, default: float) -> float:
    """Return a variable that must be a number above 0."""
    text = environment.get(name, "")
    if not text:
        return default
    try:
        value = float(text)
    except ValueError:
        value = 0
    if not 0 < value < float("inf"):
        raise ValueError(f"environment variable {name}={text!r}: it must be a number above 0")
    return value
