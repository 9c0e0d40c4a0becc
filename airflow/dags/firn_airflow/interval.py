"""The time interval of a run. The interval also gives the run its id."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

RUN_TIME = "%Y%m%dT%H%M%SZ"
REQUEST_TIME = "%Y-%m-%dT%H:%M:%SZ"


def utc(at: datetime) -> datetime:
    """Return a time as Python's own type. Airflow passes a subclass or a proxy."""
    return datetime.fromtimestamp(at.timestamp(), UTC)


@dataclass(frozen=True)
class Interval:
    """The time from start (included) to end (excluded), in UTC."""

    start: datetime
    end: datetime

    @classmethod
    def of(cls, context: Mapping[str, Any]) -> Interval:
        """Return the data interval of a task's context.

        Raises:
            ValueError: The run has no data interval, because the run was
                triggered without a logical date.
        """
        start, end = context.get("data_interval_start"), context.get("data_interval_end")
        if start is None or end is None or start >= end:
            raise ValueError(
                "this run has no data interval: trigger the DAG with a logical date, "
                "or create a backfill"
            )
        return cls(utc(start), utc(end))

    @property
    def run_id(self) -> str:
        """Return firn's run id. Equal intervals have equal run ids."""
        return f"{self.start:{RUN_TIME}}-{self.end:{RUN_TIME}}"
