"""EventBridge Scheduler: time zone, punctuality and context attributes."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

import resources
from servers import ACCOUNT, Cloud


def schedule(cloud: Cloud, name: str, expression: str, text: str, **options: Any) -> str:
    """Create a schedule that sends the text to a queue, and return the queue's URL."""
    url, arn = resources.open_queue(cloud, name)
    target = {"Arn": arn, "RoleArn": f"arn:aws:iam::{ACCOUNT}:role/any", "Input": text}
    cloud.client("scheduler").create_schedule(
        Name=name,
        ScheduleExpression=expression,
        Target=target,
        FlexibleTimeWindow={"Mode": "OFF"},
        **options,
    )
    return url


@pytest.mark.gap
def test_schedule_fires_on_time_in_zone(cloud: Cloud, name: str) -> None:
    due = (datetime.now(UTC) + timedelta(seconds=3)).replace(microsecond=0)
    local = due.astimezone(ZoneInfo("Asia/Tokyo"))
    text = json.dumps(
        {
            key: f"<aws.scheduler.{key}>"
            for key in ("scheduled-time", "schedule-arn", "execution-id", "attempt-number")
        }
    )
    url = schedule(
        cloud,
        name,
        f"at({local:%Y-%m-%dT%H:%M:%S})",
        text,
        ScheduleExpressionTimezone="Asia/Tokyo",
        ActionAfterCompletion="DELETE",
    )
    message = resources.receive(cloud, url, seconds=7)[0]
    sent = datetime.fromtimestamp(int(message["Attributes"]["SentTimestamp"]) / 1000, UTC)
    assert timedelta(0) <= sent - due < timedelta(seconds=1)
    attributes = json.loads(message["Body"])
    assert attributes["scheduled-time"] == f"{due:%Y-%m-%dT%H:%M:%SZ}"
    assert attributes["schedule-arn"].endswith(f":schedule/default/{name}")
    assert attributes["attempt-number"] == "1"
    assert not attributes["execution-id"].startswith("<")
    scheduler = cloud.client("scheduler")
    with pytest.raises(scheduler.exceptions.ResourceNotFoundException):
        scheduler.get_schedule(Name=name)


def utc(text: str) -> datetime:
    """Return the time of a text without a zone, in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("expression", "zone", "after", "due"),
    [
        ("cron(0 6 * * ? *)", "UTC", "2026-11-24T06:00", "2026-11-25T06:00"),
        ("cron(0 6 * * ? *)", "Asia/Tokyo", "2026-11-24T20:59:59", "2026-11-24T21:00"),
        ("cron(0/5 * * * ? *)", "UTC", "2026-11-24T06:02:30", "2026-11-24T06:05"),
        # Oslo skips 02:00 to 03:00 on 2026-03-29, and repeats this hour on 2026-10-25.
        ("cron(30 2 * * ? *)", "Europe/Oslo", "2026-03-28T12:00", "2026-03-30T00:30"),
        ("cron(30 2 * * ? *)", "Europe/Oslo", "2026-10-24T12:00", "2026-10-25T00:30"),
        ("cron(30 2 * * ? *)", "Europe/Oslo", "2026-10-25T00:30", "2026-10-26T01:30"),
        ("cron(30 2 * * ? *)", "Europe/Oslo", "2026-10-25T01:10", "2026-10-26T01:30"),
        ("at(2026-11-24T09:00:07)", "Asia/Tokyo", "2026-11-23T00:00", "2026-11-24T00:00:07"),
        ("at(2026-11-24T09:00:07)", "Asia/Tokyo", "2026-11-24T00:00:07", None),
        ("rate(5 minutes)", "UTC", "2026-11-24T06:11", "2026-11-24T06:15"),
        ("cron(0 6 * * ? 1999)", "UTC", "2026-11-24T06:11", None),
        ("invalid", "UTC", "2026-11-24T06:11", None),
    ],
)
def test_next_time_follows_expression_and_zone(
    expression: str, zone: str, after: str, due: str | None
) -> None:
    from firn_aws.schedule_times import next_time

    definition = {
        "ScheduleExpression": expression,
        "ScheduleExpressionTimezone": zone,
        "CreationDate": utc("2026-11-24T06:00").timestamp(),
    }
    assert next_time(definition, utc(after)) == (utc(due) if due else None)


def test_next_time_stays_between_start_and_end() -> None:
    from firn_aws.schedule_times import next_time

    definition = {
        "ScheduleExpression": "cron(0 6 * * ? *)",
        "StartDate": utc("2026-11-24T06:00").timestamp(),
        "EndDate": utc("2026-11-25T05:59").timestamp(),
    }
    assert next_time(definition, utc("2026-01-01T00:00")) == utc("2026-11-24T06:00")
    assert next_time(definition, utc("2026-11-24T06:00")) is None
