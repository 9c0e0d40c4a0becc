"""EventBridge Scheduler: punctual, in the schedule's zone, with context attributes."""

import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from ministack.core.responses import new_uuid, request_scope
from ministack.services import eventbridge, scheduler

from .patching import replace
from .schedule_times import next_time

log = logging.getLogger("firn.aws.schedules")

TICK_SECONDS = 0.25

Key = tuple[str, str, str]

_start_time = datetime.now(UTC)
_due_times: dict[Key, tuple[object, datetime | None]] = {}


def apply() -> None:
    """Install the patches of this module."""
    replace(scheduler, "_SCHEDULE_TICK_INTERVAL", TICK_SECONDS)
    replace(scheduler, "_tick_schedules", _tick)


def _tick() -> None:
    """Fire each schedule that is due.

    Stock ministack checks every 10 s and reads cron and at expressions as UTC in every zone.
    Context attributes such as `<aws.scheduler.scheduled-time>` stay in the input. AWS fires within
    the minute, in the zone, and replaces the attributes:
    https://docs.aws.amazon.com/scheduler/latest/UserGuide/schedule-types.html
    https://docs.aws.amazon.com/scheduler/latest/UserGuide/managing-schedule-context-attributes.html

    A due time during a stop of the server is skipped.
    """
    now = datetime.now(UTC)
    for key, schedule in list(scheduler._schedules._data.items()):
        if schedule.get("State") != "ENABLED":
            _due_times.pop(key, None)
            continue
        due = _due_time(key, schedule)
        if due is None or now < due:
            continue
        _due_times[key] = (_signature(schedule), next_time(schedule, now))
        _fire(key, schedule, due)
        _delete_if_completed(key, schedule)


def _due_time(key: Key, schedule: Mapping[str, Any]) -> datetime | None:
    signature = _signature(schedule)
    known, due = _due_times.get(key, (None, None))
    if known != signature:
        modified = scheduler._to_epoch(schedule.get("LastModificationDate")) or 0
        due = next_time(schedule, max(_start_time, datetime.fromtimestamp(modified, UTC)))
        _due_times[key] = (signature, due)
    return due


def _signature(schedule: Mapping[str, Any]) -> tuple[object, ...]:
    names = (
        "ScheduleExpression",
        "ScheduleExpressionTimezone",
        "StartDate",
        "EndDate",
        "LastModificationDate",
    )
    return tuple(str(schedule.get(name)) for name in names)


def _fire(key: Key, schedule: Mapping[str, Any], due: datetime) -> None:
    account, region, _ = key
    target = schedule.get("Target") or {}
    if not target.get("Arn"):
        return
    event = {
        "EventId": new_uuid(),
        "Source": "aws.scheduler",
        "DetailType": "Scheduled Event",
        "Detail": "{}",
        "Time": due.timestamp(),
        "Resources": [schedule.get("Arn", "")],
        "Account": account,
        "Region": region,
    }
    with request_scope(account, region):
        try:
            eventbridge._invoke_target(with_context(target, event, due), event, schedule)
        except Exception:
            log.exception("schedule %s: no delivery to %s", schedule.get("Arn"), target["Arn"])


def with_context(
    target: Mapping[str, Any], event: Mapping[str, Any], due: datetime
) -> dict[str, Any]:
    """Return the target with the context attributes of its input replaced."""
    values = {
        "attempt-number": "1",
        "execution-id": event["EventId"],
        "schedule-arn": event["Resources"][0],
        "scheduled-time": due.strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
    text = target.get("Input")
    for name, value in values.items():
        text = text.replace(f"<aws.scheduler.{name}>", value) if text else text
    return {**target, **({"Input": text} if text else {})}


def _delete_if_completed(key: Key, schedule: Mapping[str, Any]) -> None:
    if _due_times[key][1] is None and schedule.get("ActionAfterCompletion") == "DELETE":
        scheduler._schedules._data.pop(key, None)
        _due_times.pop(key, None)
