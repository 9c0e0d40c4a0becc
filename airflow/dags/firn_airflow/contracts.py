"""The datasets with an ingestion schedule, read from the contracts."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import yaml

INGEST = "firn.ingest"


class ScheduleError(ValueError):
    """A schedule that is valid for EventBridge and has no data intervals in Airflow."""


@dataclass(frozen=True)
class IngestedDataset:
    """A dataset with an ingestion schedule.

    Attributes:
        source: The system that the data comes from.
        entity: The thing that one row describes.
        prefix: The contract's firn.keyPrefix. Runs write their objects below this
            prefix.
        schedule: The contract's EventBridge expression.
    """

    source: str
    entity: str
    prefix: str
    schedule: str

    @property
    def dataset(self) -> str:
        """Return `<source>.<entity>`."""
        return f"{self.source}.{self.entity}"


def read(datasets: Path) -> list[IngestedDataset]:
    """Read all contracts of a folder and return the datasets with a schedule.

    The contracts aren't checked here, because the deployment of firn has already
    checked them.

    Raises:
        FileNotFoundError: The folder has no contract, because FIRN_HOME is wrong.
    """
    files = sorted(datasets.glob("*/*/contract.odcs.yaml"))
    if not files:
        raise FileNotFoundError(
            f"{datasets} has no contract: set FIRN_HOME to the folder of firn's datasets and dbt"
        )
    return [dataset for file in files if (dataset := read_one(file)) is not None]


def read_one(file: Path) -> IngestedDataset | None:
    """Read one contract; None if the contract has no schedule."""
    with file.open(encoding="utf-8") as text:
        contract: dict[str, Any] = yaml.safe_load(text)
    properties = {p["property"]: p["value"] for p in contract.get("customProperties") or []}
    schedule = (properties.get(INGEST) or {}).get("schedule")
    if not schedule:
        return None
    source, entity = file.parts[-3:-1]
    prefix = properties.get("firn.keyPrefix") or f"{source}/{entity}/"
    return IngestedDataset(source=source, entity=entity, prefix=prefix, schedule=schedule)


DAILY = re.compile(r"cron\((?P<minute>\d{1,2}) (?P<hour>\d{1,2}) (\* \* \?|\? \* \*) \*\)")
MIDNIGHT = {"rate(1 day)", "rate(24 hours)"}


def time_of_day(schedule: str) -> timedelta:
    """Return the time between UTC midnight and the start of a daily schedule.

    Each start requests the UTC day before the start. A schedule with one start a
    day therefore has one run a day, and only such a schedule has data intervals.
    `rate(1 day)` names no time of day and counts as midnight. The expressions are
    the expressions of EventBridge Scheduler
    (docs.aws.amazon.com/scheduler/latest/UserGuide/schedule-types.html).

    Raises:
        ScheduleError: The schedule doesn't fire once a day at one time.
    """
    if schedule in MIDNIGHT:
        return timedelta(0)
    found = DAILY.fullmatch(schedule)
    if found is None or int(found["minute"]) > 59 or int(found["hour"]) > 23:
        raise ScheduleError(
            f"firn.ingest schedule {schedule!r} doesn't fire once a day at one time, "
            "so the DAG would have no data interval: "
            "write cron(MINUTE HOUR * * ? *) or rate(1 day)"
        )
    return timedelta(hours=int(found["hour"]), minutes=int(found["minute"]))
