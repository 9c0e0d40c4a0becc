"""The due times of a schedule: at, rate and cron expressions in the schedule's own time zone."""

import math
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from ministack.services import eventbridge, scheduler

_LONGEST_SHIFT = timedelta(hours=25)
"""A clock change repeats no local time later than this after the start of the search."""


def next_time(schedule: Mapping[str, Any], after: datetime) -> datetime | None:
    """Return the first due time after `after`, in UTC; None if the schedule is never due again.

    A local time that a clock change skips is never due. A repeated local time is due once:
    https://docs.aws.amazon.com/scheduler/latest/UserGuide/schedule-types.html#daylist-savings-time
    """
    expression = str(schedule.get("ScheduleExpression", "")).strip()
    zone = time_zone(schedule)
    start = _instant(schedule.get("StartDate"))
    if start and start > after:
        after = start - timedelta(microseconds=1)
    due = _next(expression, zone, after, schedule)
    end = _instant(schedule.get("EndDate"))
    return None if due is None or (end and due > end) else due


def time_zone(schedule: Mapping[str, Any]) -> ZoneInfo:
    """Return the schedule's zone; UTC for a schedule without a zone or with an unknown zone."""
    try:
        return ZoneInfo(schedule.get("ScheduleExpressionTimezone") or "UTC")
    except (ZoneInfoNotFoundError, ValueError):
        return ZoneInfo("UTC")


def _next(
    expression: str, zone: ZoneInfo, after: datetime, schedule: Mapping[str, Any]
) -> datetime | None:
    if expression.startswith("at("):
        return _next_at(expression, zone, after)
    if expression.startswith("rate("):
        return _next_rate(expression, _instant(schedule.get("CreationDate")) or after, after)
    return _next_cron(expression, zone, after)


def _next_at(expression: str, zone: ZoneInfo, after: datetime) -> datetime | None:
    epoch = scheduler._at_time_epoch(expression)
    if epoch is None:
        return None
    local = datetime.fromtimestamp(epoch, UTC).replace(tzinfo=zone)
    return due if (due := local.astimezone(UTC)) > after else None


def _next_rate(expression: str, created: datetime, after: datetime) -> datetime | None:
    seconds = eventbridge._parse_rate_seconds(expression)
    if not seconds:
        return None
    passed = max(0, math.floor((after - created).total_seconds() / seconds))
    return created + timedelta(seconds=seconds * (passed + 1))


def _next_cron(expression: str, zone: ZoneInfo, after: datetime) -> datetime | None:
    fields = eventbridge._parse_cron_fields(expression)
    if fields is None:
        return None
    # The stock function expects UTC, so local time is passed with the zone UTC.
    local = after.astimezone(zone).replace(tzinfo=UTC)
    limit = local + _LONGEST_SHIFT
    while (local := eventbridge._cron_next_fire(fields, local)) is not None:
        due = local.replace(tzinfo=zone).astimezone(UTC)
        exists = due.astimezone(zone).replace(tzinfo=UTC) == local
        if exists and due > after:
            return due
        if exists and local > limit:
            return None
    return None


def _instant(value: object) -> datetime | None:
    epoch = scheduler._to_epoch(value)
    return None if epoch is None else datetime.fromtimestamp(epoch, UTC)
