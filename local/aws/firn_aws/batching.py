"""Event source mappings of SQS queues: batches of more than 10, and the batching window."""

import json
import threading
import time
from collections.abc import Mapping
from typing import Any

from ministack.core.concurrency import esm_wake
from ministack.core.responses import error_response_json
from ministack.services import lambda_svc, sqs
from ministack.services.cloudformation import provisioners

from .patching import Function, replace, wrap

MAX_BATCH_WITHOUT_WINDOW = 10
"""The largest batch of a mapping without a batching window, in messages."""

IDLE_PAUSE_SECONDS = 0.002
"""The pause of the poller after an empty poll."""

_poller = threading.local()
_wake_times: dict[str, float] = {}


def apply() -> None:
    """Install the patches of this module.

    Call this function after `queues.apply`, because batches use the message lock of `queues`.
    """
    _poll_without_delay()
    wrap(lambda_svc, "_sqs_esm_concurrency", _poll_beyond_reserved_concurrency)
    wrap(lambda_svc, "_sqs_esm_concurrency", _remember_mapping)
    wrap(sqs, "_receive_messages_for_esm", _collect_batch)
    wrap(lambda_svc, "_create_esm", _check_create_request)
    wrap(lambda_svc, "_update_esm", _check_update_request)
    handler = provisioners._RESOURCE_HANDLERS["AWS::Lambda::EventSourceMapping"]
    handler["create"] = _check_template_resource(handler["create"], 1)
    handler["update"] = _check_template_resource(handler["update"], 2)


def _poll_without_delay() -> None:
    """Let the poller read a queue as soon as a message arrives.

    Stock ministack sleeps 50 ms after each empty poll. The end of every invocation triggers a poll,
    so most messages of a chain of functions wait at each hop. Lambda's pollers use long polling and
    receive a message on arrival:
    https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html
    """
    replace(lambda_svc, "_ESM_IDLE_WAKE_GAP_SECONDS", IDLE_PAUSE_SECONDS)


def _poll_beyond_reserved_concurrency(stock: Function) -> Function:
    """Receive messages for a function that has no free concurrency.

    Stock ministack leaves such messages in the queue. Lambda's pollers don't know the reserved
    concurrency: the invocation is throttled, and the messages return after their visibility
    timeout, with one receive more. Only MaximumConcurrency of the mapping limits the pollers:
    https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-scaling.html
    """

    def limit(mapping: dict[str, Any], _function: object, _settings: object, *rest: object) -> int:
        return stock(mapping, {}, {}, *rest)

    return limit


def _remember_mapping(stock: Function) -> Function:
    """Remember the mapping of the next poll.

    The poller calls the wrapped function with this mapping just before the poll.
    """

    def limit(mapping: dict[str, Any], *rest: object) -> int:
        _poller.mapping = mapping
        return stock(mapping, *rest)

    return limit


def _collect_batch(stock: Function) -> Function:
    """Return a batch when the batch is full or the window of its first message has ended.

    Stock ministack ignores MaximumBatchingWindowInSeconds and takes at most 10 messages. AWS waits
    for the end of the window or for a full batch of up to 10,000 messages:
    https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html
    Waiting messages stay visible here, and the limit of 6 MB a batch isn't applied.
    """

    def receive(url: str, size: int) -> list[dict[str, Any]]:
        mapping = getattr(_poller, "mapping", None) or {}
        window = int(mapping.get("MaximumBatchingWindowInSeconds") or 0)
        if not window:
            return stock(url, size)
        with sqs._queues_lock:
            queue = sqs._get_q(url)
            sqs._expire_retained(queue)
            sqs._dlq_sweep(queue)
            remaining = _remaining_seconds(queue, size, window)
            if remaining:
                _wake_after(remaining, mapping["UUID"])
                return []
            visibility = int(queue["attributes"].get("VisibilityTimeout", "30"))
            return sqs._collect_msgs(queue, size, visibility)

    return receive


def _remaining_seconds(queue: dict[str, Any], size: int, window: float) -> float:
    """Return the remaining wait of the batch; 0 for a complete or an empty batch."""
    now = time.time()
    for message in queue["messages"]:
        sqs._ensure_msg_fields(message)
    visible = [each["visible_at"] for each in queue["messages"] if each["visible_at"] <= now]
    if not visible or len(visible) >= size:
        return 0
    return max(0, min(visible) + window - now)


def _wake_after(seconds: float, mapping: str) -> None:
    """Wake the poller at the end of the window. By itself the poller wakes once a second."""
    if _wake_times.get(mapping, 0) > time.time():
        return
    _wake_times[mapping] = time.time() + seconds
    timer = threading.Timer(seconds, esm_wake.set)
    timer.daemon = True
    timer.start()


def refusal_reason(mapping: Mapping[str, Any]) -> str:
    """Return the reason for which AWS refuses an SQS mapping, or an empty text."""
    if ":sqs:" not in str(mapping.get("EventSourceArn")):
        return ""
    size = int(mapping.get("BatchSize") or MAX_BATCH_WITHOUT_WINDOW)
    if (
        size > MAX_BATCH_WITHOUT_WINDOW
        and int(mapping.get("MaximumBatchingWindowInSeconds") or 0) < 1
    ):
        return (
            f"BatchSize {size} is more than {MAX_BATCH_WITHOUT_WINDOW}: "
            "MaximumBatchingWindowInSeconds must be at least 1"
        )
    return ""


def _check_create_request(stock: Function) -> Function:
    """Refuse a large batch without a window. Stock ministack accepts such a batch.

    https://docs.aws.amazon.com/lambda/latest/api/API_CreateEventSourceMapping.html
    """

    def create(request: dict[str, Any]) -> Any:  # noqa: ANN401 - the stock type
        reason = refusal_reason(request)
        if reason:
            return error_response_json("InvalidParameterValueException", reason, 400)
        return stock(request)

    return create


def _check_update_request(stock: Function) -> Function:
    """Refuse a change that results in a mapping that AWS refuses."""

    def update(mapping: str, request: dict[str, Any]) -> Any:  # noqa: ANN401 - the stock type
        reason = refusal_reason({**(lambda_svc._esms.get(mapping) or {}), **request})
        if reason:
            return error_response_json("InvalidParameterValueException", reason, 400)
        return stock(mapping, request)

    return update


def _check_template_resource(stock: Function, position: int) -> Function:
    """Refuse such a mapping in a template too: the stock provisioner bypasses the API."""

    def provision(*arguments: Any, **options: Any) -> Any:  # noqa: ANN401 - as stock
        reason = refusal_reason(arguments[position])
        if reason:
            raise ValueError(f"AWS::Lambda::EventSourceMapping {json.dumps(reason)}")
        return stock(*arguments, **options)

    return provision
