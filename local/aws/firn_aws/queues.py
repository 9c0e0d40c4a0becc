"""SQS: partial batches as AWS judges them, no lost messages, and the redrive task."""

import json
import threading
import time
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

from ministack.core.concurrency import esm_wake
from ministack.core.responses import new_uuid
from ministack.services import lambda_svc, s3, sns, sqs

from .patching import Function, replace, wrap

_batch_ids: ContextVar[frozenset[str] | None] = ContextVar("batch_ids", default=None)
_messages = threading.RLock()
_tasks: list[dict[str, Any]] = []


def apply() -> None:
    """Install the mends of this module."""
    wrap(lambda_svc, "_run_sqs_batch", _judge_partial_batches)
    wrap(lambda_svc, "_execute_function", _answer_as_event_source)
    _keep_appended_messages()
    sqs._HANDLERS["StartMessageMoveTask"] = _start_message_move_task
    sqs._HANDLERS["ListMessageMoveTasks"] = _list_message_move_tasks


def _judge_partial_batches(stock: Function) -> Function:
    """Remember the batch's message ids while its function runs.

    Stock 1.5.33 raises on `{"batchItemFailures": null}`, which is how Go writes a nil slice:
    nothing is deleted, and good messages end in the dead-letter queue. It also ignores an unknown,
    empty or null identifier, and so deletes messages that the function wanted back.
    AWS takes null as full success, and a bad identifier as failure of the whole batch:
    https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html
    """

    def run_batch(
        mapping: dict[str, Any], function: object, event: dict[str, Any], *rest: object
    ) -> None:
        reports = "ReportBatchItemFailures" in (mapping.get("FunctionResponseTypes") or [])
        ids = frozenset(record["messageId"] for record in event["Records"])
        token = _batch_ids.set(ids if reports else None)
        try:
            stock(mapping, function, event, *rest)
        finally:
            _batch_ids.reset(token)

    return run_batch


def _answer_as_event_source(stock: Function) -> Function:
    """Read a function's answer as the poller of `_judge_partial_batches` must see it."""

    def execute(function: object, event: object) -> Any:  # noqa: ANN401 - the stock type
        ids = _batch_ids.get()
        result = stock(function, event)
        if ids is None or not isinstance(result, dict) or result.get("error"):
            return result
        return batch_answer(result, ids)

    return execute


def batch_answer(result: dict[str, Any], ids: frozenset[str]) -> dict[str, Any]:
    """Return the result with a list of known failures, or as an error if AWS would refuse it.

    Args:
        result: an executor's result: `body` is the decoded answer.
        ids: message ids of the batch.
    """
    body = result.get("body")
    if not isinstance(body, dict):
        return result
    failures = body.get("batchItemFailures") or []
    bad = [item for item in failures if _identifier(item) not in ids]
    if bad:
        reason = f"batchItemFailures names messages that aren't in the batch: {json.dumps(bad)}"
        answer = {"errorType": "InvalidBatchResponse", "errorMessage": reason[:1000]}
        return {**result, "error": True, "body": answer}
    return {**result, "body": {**body, "batchItemFailures": failures}}


def _identifier(item: object) -> object:
    return item.get("itemIdentifier") if isinstance(item, dict) else None


def _keep_appended_messages() -> None:
    """Let one lock guard each change of a queue's list of messages.

    Stock 1.5.33 rebuilds that list (receive, delete, redrive) while other threads append to it
    (S3 events, SNS deliveries): a message that comes in between is gone for ever.
    AWS stores a message before it answers; standard queues deliver at least once:
    https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/standard-queues-at-least-once-delivery.html
    """
    for module, name in (
        (sqs, "_act_send_message"),
        (sqs, "_act_send_message_batch"),
        (sqs, "_act_delete_message"),
        (sqs, "_act_delete_message_batch"),
        (sqs, "_act_purge_queue"),
        (sqs, "_expire_retained"),
        (sqs, "_dlq_sweep"),
        (sqs, "_collect_msgs"),
        (sqs, "_delete_messages_for_esm"),
        (s3, "_deliver_event_to_sqs"),
        (sns, "_deliver_to_sqs"),
    ):
        wrap(module, name, _guarded)
    # The pollers' own lock becomes the same one: two locks, taken in two orders, would block.
    replace(sqs, "_queues_lock", _messages)
    for action, handler in list(sqs._HANDLERS.items()):
        sqs._HANDLERS[action] = getattr(sqs, handler.__name__, handler)


def _guarded(stock: Function) -> Function:
    def change(*args: object, **options: object) -> Any:  # noqa: ANN401 - the stock type
        with _messages:
            return stock(*args, **options)

    change.__name__ = stock.__name__
    return change


def _start_message_move_task(request: dict[str, Any], *_: object) -> dict[str, str]:
    """Move the visible messages of a dead-letter queue back, at once.

    Stock 1.5.33 answers InvalidAction. AWS moves them to DestinationArn, or else each to the queue
    that it came from, with a receive count that starts again:
    https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_StartMessageMoveTask.html
    """
    source = _existing_queue(request.get("SourceArn", ""))
    destination = request.get("DestinationArn")
    if destination:
        _existing_queue(destination)
    moved = _move(source, lambda message: sqs._queue_by_arn(destination or _origin(message)))
    handle = new_uuid()
    _tasks.insert(
        0,
        {
            "TaskHandle": handle,
            "Status": "COMPLETED",
            "SourceArn": request["SourceArn"],
            "ApproximateNumberOfMessagesMoved": moved,
            "ApproximateNumberOfMessagesToMove": moved,
            "StartedTimestamp": int(time.time() * 1000),
            **({"DestinationArn": destination} if destination else {}),
        },
    )
    return {"TaskHandle": handle}


def _list_message_move_tasks(request: dict[str, Any], *_: object) -> dict[str, Any]:
    """List the tasks of one source queue, the newest first; stock 1.5.33 answers InvalidAction.

    https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ListMessageMoveTasks.html
    """
    _existing_queue(request.get("SourceArn", ""))
    tasks = [task for task in _tasks if task["SourceArn"] == request["SourceArn"]]
    return {"Results": tasks[: int(request.get("MaxResults", 1))]}


def _existing_queue(arn: str) -> dict[str, Any]:
    queue = sqs._queue_by_arn(arn)
    if queue is None:
        raise sqs._Err("ResourceNotFoundException", f"The resource {arn} does not exist.", 404)
    return queue


def _origin(message: dict[str, Any]) -> str:
    return (message.get("sys") or {}).get("DeadLetterQueueSourceArn", "")


def _move(
    source: dict[str, Any], destination_of: Callable[[dict[str, Any]], dict[str, Any] | None]
) -> int:
    now, kept, moved = time.time(), [], 0
    with _messages:
        for message in source["messages"]:
            destination = destination_of(message)
            if destination is None or message["visible_at"] > now:
                kept.append(message)
                continue
            destination["messages"].append(
                {
                    **message,
                    "receipt_handle": None,
                    "visible_at": now,
                    "sent_at": now,
                    "receive_count": 0,
                    "first_receive_at": None,
                }
            )
            moved += 1
        source["messages"] = kept
    esm_wake.set()
    return moved
