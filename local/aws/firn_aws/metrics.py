"""CloudWatch: the metrics of queues and functions, and the evaluation of alarms."""

import threading
import time
from collections.abc import Iterable, Mapping
from contextvars import ContextVar
from typing import Any

from ministack.core.responses import AccountRegionScopedDict, request_scope
from ministack.services import cloudwatch, lambda_svc, sqs

from . import background, metric_points
from .alarms import evaluate
from .metric_points import Metric
from .patching import Function, replace, wrap
from .settings import Settings

MAX_COUNTED_RECEIVES = 3
"""A message with this number of receives has no part in the age of a standard queue."""

_in_invocation: ContextVar[bool] = ContextVar("inside_invocation", default=False)
_evaluation_lock = threading.RLock()


def apply(settings: Settings) -> None:
    """Install the patches of this module."""
    replace(lambda_svc, "_emit_lambda_metrics", lambda *_, **__: None)
    wrap(lambda_svc, "_execute_function", _record_invocation)
    wrap(cloudwatch, "get_state", _without_queue_metrics)
    replace(cloudwatch, "_evaluate_alarm", _evaluate_alarm)
    background.run_every(settings.metrics_seconds, _sample_queues_and_alarms, "metrics")


def _evaluate_alarm(alarm: dict[str, Any]) -> None:
    with _evaluation_lock:
        evaluate(alarm)


def _record_invocation(stock: Function) -> Function:
    """Count every invocation once.

    Stock ministack counts only invocations through the Invoke API. An alarm on the errors of a
    function with a queue never fires there. A throttled call counts twice, also as an invocation.
    AWS counts all invocations, and a throttled call only as a throttle:
    https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html
    """

    def execute(function: Mapping[str, Any], event: object) -> Any:  # noqa: ANN401 - the stock type
        if _in_invocation.get():  # the stock function calls itself to change the account
            return stock(function, event)
        token, started = _in_invocation.set(True), time.time()
        try:
            result = stock(function, event)
        finally:
            _in_invocation.reset(token)
        configuration = function.get("config") or function
        lambda_svc._run_with_function_config_scope(
            configuration,
            _record,
            configuration.get("FunctionName"),
            result if isinstance(result, dict) else {},
            (time.time() - started) * 1000,
        )
        return result

    return execute


def _record(function: str, outcome: Mapping[str, Any], duration_ms: float) -> None:
    throttled = bool(outcome.get("throttle"))
    metrics = [("Throttles", int(throttled), "Count")]
    if not throttled:
        errors = int(bool(outcome.get("error")))
        metrics += [
            ("Invocations", 1, "Count"),
            ("Errors", errors, "Count"),
            ("Duration", duration_ms, "Milliseconds"),
        ]
    for name, value, unit in metrics:
        cloudwatch.record_metric("AWS/Lambda", name, value, unit, {"FunctionName": function})


def _sample_queues_and_alarms() -> None:
    """Sample each queue and evaluate each alarm.

    Stock ministack has no AWS/SQS metrics, and evaluates alarms only at PutMetricData. AWS samples
    every minute. Here the interval is MS_METRICS_S, for short tests.
    https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-available-cloudwatch-metrics.html
    """
    for account, region in sorted(_scopes()):
        with request_scope(account, region):
            now = time.time()
            for url, queue in list(sqs._queues.items()):
                _sample(url.rsplit("/", 1)[-1], list(queue["messages"]), now)
            cloudwatch._evaluate_all_alarms()


def _scopes() -> set[tuple[str, str]]:
    keys = [*sqs._queues._data, *cloudwatch._alarms._data]
    return {key[:2] for key in keys if len(key) == 3}


def _sample(queue: str, messages: list[dict[str, Any]], now: float) -> None:
    hidden = [message for message in messages if message["visible_at"] > now]
    delayed = [message for message in hidden if not message.get("receipt_handle")]
    for name, value, unit in (
        ("ApproximateNumberOfMessagesVisible", len(messages) - len(hidden), "Count"),
        ("ApproximateNumberOfMessagesNotVisible", len(hidden) - len(delayed), "Count"),
        ("ApproximateNumberOfMessagesDelayed", len(delayed), "Count"),
        ("ApproximateAgeOfOldestMessage", age_of_oldest_message(queue, messages, now), "Seconds"),
    ):
        if value is not None:
            metric = Metric("AWS/SQS", name, unit, {"QueueName": queue})
            metric_points.add(metric, float(value), now)


def age_of_oldest_message(
    queue: str, messages: Iterable[Mapping[str, Any]], now: float
) -> float | None:
    """Return ApproximateAgeOfOldestMessage in seconds; None if AWS reports no value.

    AWS's page describes four rules:

    - A queue without an active message reports no value.
    - A standard queue moves a message to its back after three receives without a deletion. The
      metric shows the next message below this number. A redrive policy changes nothing.
    - A FIFO queue keeps its order, so every message counts.
    - In a dead-letter queue the age counts from the move.

    https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-available-cloudwatch-metrics.html
    The page doesn't define the receives of a moved message. Here they count from the move, too.
    """
    keeps_order = queue.endswith(".fifo")
    ages = [
        now - (message.get("moved_at") or message["sent_at"])
        for message in messages
        if keeps_order
        or message["receive_count"] - message.get("receives_before_move", 0) < MAX_COUNTED_RECEIVES
    ]
    return max(ages, default=None)


def _without_queue_metrics(stock: Function) -> Function:
    """Leave the samples of queues out of the saved state: large data of short use."""

    def get_state() -> dict[str, Any]:
        kept = AccountRegionScopedDict()
        for key, points in list(cloudwatch._metrics._data.items()):
            if key[2][0] != "AWS/SQS":
                kept._data[key] = list(points)
        return {**stock(), "metrics": kept}

    return get_state
