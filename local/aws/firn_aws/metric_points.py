"""CloudWatch: the values of one metric, stored as a limited number of statistic sets."""

import threading
from dataclasses import dataclass, field
from typing import Any

from ministack.services import cloudwatch

SET_SECONDS = 15
"""Values of one metric within this time form one statistic set."""

MAX_SETS = 240
"""The number of stored statistic sets of one metric: one hour of values without a pause."""

_lock = threading.Lock()


@dataclass(frozen=True)
class Metric:
    """One metric of CloudWatch: the identity and the unit of its values."""

    namespace: str
    name: str
    unit: str
    dimensions: dict[str, str] = field(default_factory=dict)


def add(metric: Metric, value: float, at: float) -> None:
    """Add a value with its time, in seconds since 1970.

    Count, sum, minimum and maximum stay exact. A time can move by SET_SECONDS, and percentiles of
    different values are missing: CloudWatch has none for statistic sets either.
    https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/cloudwatch_concepts.html#Percentiles
    """
    key = (metric.namespace, metric.name, cloudwatch._dims_key(metric.dimensions))
    with _lock:
        sets = cloudwatch._metric_bucket(key)
        if sets and abs(at - sets[-1]["started"]) < SET_SECONDS:
            _extend(sets[-1], value, at)
            return
        sets.append(_first(metric, value, at))
        del sets[:-MAX_SETS]


def _first(metric: Metric, value: float, at: float) -> dict[str, Any]:
    return {
        "Timestamp": at,
        "started": at,
        "Value": value,
        "Unit": metric.unit,
        "Dimensions": metric.dimensions,
        "_stat": {"SampleCount": 1.0, "Sum": value, "Minimum": value, "Maximum": value},
    }


def _extend(stored: dict[str, Any], value: float, at: float) -> None:
    statistic = stored["_stat"]
    stored["Timestamp"] = max(stored["Timestamp"], at)
    statistic["SampleCount"] += 1
    statistic["Sum"] += value
    statistic["Minimum"] = min(statistic["Minimum"], value)
    statistic["Maximum"] = max(statistic["Maximum"], value)
