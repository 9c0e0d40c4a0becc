"""Which datasets are ingested from an API, and when: read from the contracts."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import yaml

INGEST = "firn.ingest"


class ScheduleError(ValueError):
    """A schedule that Airflow can't keep as EventBridge does."""


@dataclass(frozen=True)
class Ingested:
    """A dataset that is ingested from an API on a schedule.

    Attributes:
        source: Who the data comes from.
        entity: What one row is.
        prefix: The contract's firn.keyPrefix, below which runs write.
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


def read(datasets: Path) -> list[Ingested]:
    """Read all contracts of a folder, and keep those with a schedule.

    Go's reader has judged them when firn was deployed: this one takes them as
    they are.

    Raises:
        FileNotFoundError: The folder has no contract: FIRN_HOME is another one.
    """
    files = sorted(datasets.glob("*/*/contract.odcs.yaml"))
    if not files:
        raise FileNotFoundError(
            f"{datasets} has no contract: set FIRN_HOME to the folder of firn's datasets and dbt"
        )
    return [found for file in files if (found := read_one(file)) is not None]


def read_one(file: Path) -> Ingested | None:
    """Read one contract; None if nothing schedules it."""
    with file.open(encoding="utf-8") as text:
        contract: dict[str, Any] = yaml.safe_load(text)
    properties = {p["property"]: p["value"] for p in contract.get("customProperties") or []}
    schedule = (properties.get(INGEST) or {}).get("schedule")
    if not schedule:
        return None
    source, entity = file.parts[-3:-1]
    prefix = properties.get("firn.keyPrefix") or f"{source}/{entity}/"
    return Ingested(source=source, entity=entity, prefix=prefix, schedule=schedule)


DAILY = re.compile(r"cron\((?P<minute>\d{1,2}) (?P<hour>\d{1,2}) (\* \* \?|\? \* \*) \*\)")
MIDNIGHT = {"rate(1 day)", "rate(24 hours)"}


def time_of_day(schedule: str) -> timedelta:
    """Return how long after midnight, in UTC, a daily schedule fires.

    Every firing asks for the UTC day before it, so a schedule that fires once a
    day has one run a day, and only such a schedule has data intervals.
    `rate(1 day)` doesn't say when; it is taken for midnight. The expressions are
    those of EventBridge Scheduler
    (docs.aws.amazon.com/scheduler/latest/UserGuide/schedule-types.html).

    Raises:
        ScheduleError: It doesn't fire once a day at one time.
    """
    if schedule in MIDNIGHT:
        return timedelta(0)
    found = DAILY.fullmatch(schedule)
    if found is None or int(found["minute"]) > 59 or int(found["hour"]) > 23:
        raise ScheduleError(
            f"firn.ingest schedule {schedule!r} doesn't fire once a day at one time, "
            "so it has no data interval: write cron(MINUTE HOUR * * ? *) or rate(1 day)"
        )
    return timedelta(hours=int(found["hour"]), minutes=int(found["minute"]))
