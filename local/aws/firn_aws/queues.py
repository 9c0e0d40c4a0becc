"""SQS: partial batches as on AWS, no lost messages, and StartMessageMoveTask."""

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
_message_lock = threading.RLock()
_tasks: list[dict[str, Any]] = []


def apply() -> None:
    """Install the patches of this module."""
    wrap(lambda_svc, "_run_sqs_batch", _check_partial_batches)
    wrap(lambda_svc, "_execute_function", _check_batch_answer)
    wrap(sqs, "_dlq_sweep", _remember_move)
    _lock_message_changes()
    sqs._HANDLERS["StartMessageMoveTask"] = _start_message_move_task
    sqs._HANDLERS["ListMessageMoveTasks"] = _list_message_move_tasks


def _check_partial_batches(stock: Function) -> Function:
    """Remember the message ids of a batch during the run of its function.

    Stock ministack raises on `{"batchItemFailures": null}`, the JSON of a nil slice in Go. No
    message is deleted then, and successful messages end in the dead-letter queue. An unknown, empty
    or null identifier is ignored, so messages reported as failed are deleted.
    AWS reads null as full success, and an invalid identifier as failure of the whole batch:
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


def _check_batch_answer(stock: Function) -> Function:
    """Convert a function's answer for the poller of `_check_partial_batches`."""

    def execute(function: object, event: object) -> Any:  # noqa: ANN401 - the stock type
        ids = _batch_ids.get()
        result = stock(function, event)
        if ids is None or not isinstance(result, dict) or result.get("error"):
            return result
        return batch_answer(result, ids)

    return execute


def batch_answer(result: dict[str, Any], ids: frozenset[str]) -> dict[str, Any]:
    """Return the result with a list of known failures, or an error if AWS refuses the answer.

    Args:
        result: an executor's result: `body` is the decoded answer.
        ids: message ids of the batch.
    """
    body = result.get("body")
    if not isinstance(body, dict):
        return result
    failures = body.get("batchItemFailures") or []
    unknown = [item for item in failures if _identifier(item) not in ids]
    if unknown:
        reason = f"batchItemFailures names messages that aren't in the batch: {json.dumps(unknown)}"
        answer = {"errorType": "InvalidBatchResponse", "errorMessage": reason[:1000]}
        return {**result, "error": True, "body": answer}
    return {**result, "body": {**body, "batchItemFailures": failures}}


def _identifier(item: object) -> object:
    return item.get("itemIdentifier") if isinstance(item, dict) else None


def _remember_move(stock: Function) -> Function:
    """Store the time of a move to a dead-letter queue, and the receives before the move.

    Stock ministack stores no time of the move. `metrics.age_of_oldest_message` needs both values.
    Call the wrapped function only under the message lock.
    """

    def sweep(queue: dict[str, Any]) -> None:
        target = _dead_letter_queue(queue)
        before = len(target["messages"]) if target else 0
        stock(queue)
        for message in target["messages"][before:] if target else []:
            message["moved_at"] = time.time()
            message["receives_before_move"] = message["receive_count"]

    return sweep


def _dead_letter_queue(queue: dict[str, Any]) -> dict[str, Any] | None:
    """Return the queue in the redrive policy; None without a valid policy."""
    try:
        policy = json.loads(queue["attributes"].get("RedrivePolicy") or "null")
    except ValueError:
        return None
    arn = policy.get("deadLetterTargetArn") if isinstance(policy, dict) else None
    return sqs._queue_by_arn(arn) if arn else None


def _lock_message_changes() -> None:
    """Protect each change of a queue's list of messages with one lock.

    Stock ministack rebuilds the list (receive, delete, redrive) while other threads append messages
    (S3 events, SNS deliveries). A message that arrives during the rebuild is lost.
    AWS stores a message before the answer; standard queues deliver at least once:
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
        wrap(module, name, _with_message_lock)
    # The pollers use the same lock: two locks in two orders would cause a deadlock.
    replace(sqs, "_queues_lock", _message_lock)
    for action, handler in list(sqs._HANDLERS.items()):
        sqs._HANDLERS[action] = getattr(sqs, handler.__name__, handler)


def _with_message_lock(stock: Function) -> Function:
    def change(*args: object, **options: object) -> Any:  # noqa: ANN401 - the stock type
        with _message_lock:
            return stock(*args, **options)

    change.__name__ = stock.__name__
    return change


def _start_message_move_task(request: dict[str, Any], *_: object) -> dict[str, str]:
    """Move the visible messages of a dead-letter queue to their queues, at once.

    Stock ministack answers InvalidAction. AWS moves the messages to DestinationArn, or without
    DestinationArn each message to its source queue. The receive count starts again:
    https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_StartMessageMoveTask.html
    """
    source = _require_queue(request.get("SourceArn", ""))
    destination = request.get("DestinationArn")
    if destination:
        _require_queue(destination)
    moved = _move_messages(
        source, lambda message: sqs._queue_by_arn(destination or _source_queue(message))
    )
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
    """List the tasks of one source queue, the newest first; stock ministack answers InvalidAction.

    https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ListMessageMoveTasks.html
    """
    _require_queue(request.get("SourceArn", ""))
    tasks = [task for task in _tasks if task["SourceArn"] == request["SourceArn"]]
    return {"Results": tasks[: int(request.get("MaxResults", 1))]}


def _require_queue(arn: str) -> dict[str, Any]:
    queue = sqs._queue_by_arn(arn)
    if queue is None:
        raise sqs._Err("ResourceNotFoundException", f"The resource {arn} does not exist.", 404)
    return queue


def _source_queue(message: dict[str, Any]) -> str:
    return (message.get("sys") or {}).get("DeadLetterQueueSourceArn", "")


def _move_messages(
    source: dict[str, Any], destination_of: Callable[[dict[str, Any]], dict[str, Any] | None]
) -> int:
    now, remaining, moved = time.time(), [], 0
    with _message_lock:
        for message in source["messages"]:
            destination = destination_of(message)
            if destination is None or message["visible_at"] > now:
                remaining.append(message)
                continue
            destination["messages"].append(
                {
                    **message,
                    "receipt_handle": None,
                    "visible_at": now,
                    "sent_at": now,
                    "receive_count": 0,
                    "first_receive_at": None,
                    "moved_at": None,
                    "receives_before_move": 0,
                }
            )
            moved += 1
        source["messages"] = remaining
    esm_wake.set()
    return moved
