"""Lambda's mappings of SQS queues: batches of more than 10, and the window that collects them."""

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

WINDOWLESS_BATCH = 10
"""The largest batch of a mapping without a window."""

IDLE_GAP_SECONDS = 0.002
"""The pause of the poller after a look that found nothing."""

_polled = threading.local()
_wakings: dict[str, float] = {}


def apply() -> None:
    """Install the mends of this module; after `queues`, whose lock guards what is collected."""
    _look_at_once()
    wrap(lambda_svc, "_sqs_esm_concurrency", _note_mapping)
    wrap(sqs, "_receive_messages_for_esm", _collect)
    wrap(lambda_svc, "_create_esm", _check_request)
    wrap(lambda_svc, "_update_esm", _check_change)
    handler = provisioners._RESOURCE_HANDLERS["AWS::Lambda::EventSourceMapping"]
    handler["create"] = _check_resource(handler["create"], 1)
    handler["update"] = _check_resource(handler["update"], 2)


def _look_at_once() -> None:
    """Let the poller look at a queue as soon as a message comes.

    Stock 1.5.33 waits 50 ms after each look that found nothing, and the end of every invocation
    makes it look: so most messages of a chain of functions wait, at each hop. Lambda's pollers wait
    at the queue by long polling, and get a message when it comes:
    https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html
    """
    replace(lambda_svc, "_ESM_IDLE_WAKE_GAP_SECONDS", IDLE_GAP_SECONDS)


def _note_mapping(stock: Function) -> Function:
    """Remember whose queue the poller reads next: it asks for the mapping's limit just before."""

    def limit(mapping: dict[str, Any], *rest: object) -> int:
        _polled.mapping = mapping
        return stock(mapping, *rest)

    return limit


def _collect(stock: Function) -> Function:
    """Hand a batch over when it is full, or when its first message has waited for the window.

    Stock 1.5.33 keeps MaximumBatchingWindowInSeconds without using it, and never takes more than 10
    messages at once. AWS waits for the window or a full batch of up to 10,000:
    https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html
    Messages stay visible here while they are collected, and their size (6 MB on AWS) isn't counted.
    """

    def receive(url: str, size: int) -> list[dict[str, Any]]:
        mapping = getattr(_polled, "mapping", None) or {}
        window = int(mapping.get("MaximumBatchingWindowInSeconds") or 0)
        if not window:
            return stock(url, size)
        with sqs._queues_lock:
            queue = sqs._get_q(url)
            sqs._expire_retained(queue)
            sqs._dlq_sweep(queue)
            missing = _missing_seconds(queue, size, window)
            if missing:
                _wake_after(missing, mapping["UUID"])
                return []
            visibility = int(queue["attributes"].get("VisibilityTimeout", "30"))
            return sqs._collect_msgs(queue, size, visibility)

    return receive


def _missing_seconds(queue: dict[str, Any], size: int, window: float) -> float:
    """Tell for how long the batch must wait; 0 if it need not, or if there is none."""
    now = time.time()
    for message in queue["messages"]:
        sqs._ensure_msg_fields(message)
    since = [each["visible_at"] for each in queue["messages"] if each["visible_at"] <= now]
    if not since or len(since) >= size:
        return 0
    return max(0, min(since) + window - now)


def _wake_after(seconds: float, mapping: str) -> None:
    """Let the poller look again at the end of the window: by itself it does each second."""
    if _wakings.get(mapping, 0) > time.time():
        return
    _wakings[mapping] = time.time() + seconds
    timer = threading.Timer(seconds, esm_wake.set)
    timer.daemon = True
    timer.start()


def fault(mapping: Mapping[str, Any]) -> str:
    """Say why AWS would refuse an SQS mapping, or return an empty text."""
    if ":sqs:" not in str(mapping.get("EventSourceArn")):
        return ""
    size = int(mapping.get("BatchSize") or WINDOWLESS_BATCH)
    if size > WINDOWLESS_BATCH and int(mapping.get("MaximumBatchingWindowInSeconds") or 0) < 1:
        return (
            f"BatchSize {size} is more than {WINDOWLESS_BATCH}: "
            "MaximumBatchingWindowInSeconds must be at least 1"
        )
    return ""


def _check_request(stock: Function) -> Function:
    """Refuse a large batch without a window, which stock 1.5.33 accepts and AWS doesn't.

    https://docs.aws.amazon.com/lambda/latest/api/API_CreateEventSourceMapping.html
    """

    def create(request: dict[str, Any]) -> Any:  # noqa: ANN401 - the stock type
        reason = fault(request)
        if reason:
            return error_response_json("InvalidParameterValueException", reason, 400)
        return stock(request)

    return create


def _check_change(stock: Function) -> Function:
    """Refuse a change after which the mapping would be one that AWS refuses."""

    def update(mapping: str, request: dict[str, Any]) -> Any:  # noqa: ANN401 - the stock type
        reason = fault({**(lambda_svc._esms.get(mapping) or {}), **request})
        if reason:
            return error_response_json("InvalidParameterValueException", reason, 400)
        return stock(mapping, request)

    return update


def _check_resource(stock: Function, position: int) -> Function:
    """Refuse a template's mapping likewise: the stock provisioner doesn't go through the API."""

    def provision(*arguments: Any, **options: Any) -> Any:  # noqa: ANN401 - as stock
        reason = fault(arguments[position])
        if reason:
            raise ValueError(f"AWS::Lambda::EventSourceMapping {json.dumps(reason)}")
        return stock(*arguments, **options)

    return provision
