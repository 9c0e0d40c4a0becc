"""The interval of a run, and the name that it gives the run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

RUN_TIME = "%Y%m%dT%H%M%SZ"
REQUEST_TIME = "%Y-%m-%dT%H:%M:%SZ"


def utc(at: datetime) -> datetime:
    """Return a time as Python's own type: Airflow gives a subclass, or a proxy for it."""
    return datetime.fromtimestamp(at.timestamp(), UTC)


@dataclass(frozen=True)
class Interval:
    """The time from start up to, but without, end; both in UTC."""

    start: datetime
    end: datetime

    @classmethod
    def of(cls, context: Mapping[str, Any]) -> Interval:
        """Return the data interval of a task's context.

        Raises:
            ValueError: The run has none: it was triggered without a logical date.
        """
        start, end = context.get("data_interval_start"), context.get("data_interval_end")
        if start is None or end is None or start >= end:
            raise ValueError(
                "this run has no data interval: trigger it with a logical date, or use a backfill"
            )
        return cls(utc(start), utc(end))

    @property
    def run_id(self) -> str:
        """Return firn's name of the run: the same interval is the same run."""
        return f"{self.start:{RUN_TIME}}-{self.end:{RUN_TIME}}"
