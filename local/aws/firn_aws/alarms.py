"""The state of one CloudWatch alarm: M of N periods, dimensions and missing data."""

import operator
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ministack.services import cloudwatch

Alarm = dict[str, Any]
Point = Mapping[str, Any]

_COMPARISONS: Mapping[str, Callable[[float, float], bool]] = {
    "GreaterThanOrEqualToThreshold": operator.ge,
    "GreaterThanThreshold": operator.gt,
    "LessThanOrEqualToThreshold": operator.le,
    "LessThanThreshold": operator.lt,
}


def evaluate(alarm: Alarm) -> None:
    """Set the state of the alarm from the newest N periods, and run the actions of a change.

    Stock ministack ignores the dimensions and counts every point of the metric's name as one
    period. Missing points never change the state there. AWS reads one metric with exactly these
    dimensions. A breach in M of N periods raises the alarm, and TreatMissingData decides about
    missing periods:
    https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarms-and-missing-data.html
    Alarms on metric math and on anomaly bands keep their state, as in stock ministack.
    """
    compare = _COMPARISONS.get(alarm.get("ComparisonOperator") or "")
    if not alarm.get("Namespace") or not alarm.get("MetricName") or compare is None:
        return
    now, threshold = time.time(), alarm.get("Threshold", 0)
    values = _period_values(alarm, now)
    breaching = [None if value is None else compare(value, threshold) for value in values]
    needed = alarm.get("DatapointsToAlarm") or len(values)
    missing = alarm.get("TreatMissingData") or "missing"
    state = alarm_state(breaching, needed, missing, alarm["StateValue"])
    if state != alarm["StateValue"]:
        _change_state(alarm, state, _reason(alarm, values, threshold), now)


def alarm_state(breaching: list[bool | None], needed: int, missing: str, current: str) -> str:
    """Return the state that results from the periods.

    Args:
        breaching: one entry a period; None for a period without data.
        needed: number of breaching periods that raise the alarm.
        missing: TreatMissingData.
        current: the present state. `ignore` keeps this state if no period has data.
    """
    if all(entry is None for entry in breaching):
        by_treatment = {"notBreaching": "OK", "breaching": "ALARM", "ignore": current}
        return by_treatment.get(missing, "INSUFFICIENT_DATA")
    breaches = sum(
        entry is True or (entry is None and missing == "breaching") for entry in breaching
    )
    return "ALARM" if breaches >= needed else "OK"


def _period_values(alarm: Alarm, now: float) -> list[float | None]:
    """Return one value a period, the newest first; None for a period without data."""
    period, count = alarm.get("Period") or 60, alarm.get("EvaluationPeriods") or 1
    statistic = alarm.get("ExtendedStatistic") or alarm.get("Statistic") or "Average"
    points = list(_points(alarm, now - period * count))
    values: list[float | None] = []
    for index in range(count):
        newest, oldest = now - period * index, now - period * (index + 1)
        inside = [point for point in points if oldest < point["Timestamp"] <= newest]
        statistics = cloudwatch._calc_stats(inside)
        value = cloudwatch._stat_value(statistics, statistic, inside) if statistics else None
        values.append(value)
    return values


def _points(alarm: Alarm, since: float) -> Iterable[Point]:
    dimensions = {entry["Name"]: entry["Value"] for entry in alarm.get("Dimensions") or []}
    for (namespace, metric, _), points in list(cloudwatch._metrics.items()):
        if (namespace, metric) == (alarm["Namespace"], alarm["MetricName"]):
            yield from (
                point
                for point in list(points)
                if point["Timestamp"] >= since and _dimensions(point) == dimensions
            )


def _dimensions(point: Point) -> dict[str, str]:
    dimensions = point.get("Dimensions") or {}
    if isinstance(dimensions, Mapping):
        return dict(dimensions)
    return {entry["Name"]: entry["Value"] for entry in dimensions}


def _reason(alarm: Alarm, values: list[float | None], threshold: float) -> str:
    shown = ", ".join("missing" if value is None else f"{value:g}" for value in values)
    return f"Threshold Crossed: [{shown}] against {alarm['ComparisonOperator']} {threshold:g}"


def _change_state(alarm: Alarm, state: str, reason: str, now: float) -> None:
    old = alarm["StateValue"]
    alarm.update(StateValue=state, StateReason=reason, StateUpdatedTimestamp=int(now))
    cloudwatch._record_history(alarm["AlarmName"], old, state, reason)
    cloudwatch._dispatch_alarm_actions(alarm, old, state, reason)
    cloudwatch._evaluate_parent_alarms(alarm)
