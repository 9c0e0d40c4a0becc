"""SQS: partial batches, move tasks, several queues of one function, lost messages."""

import json
import threading
from typing import Any

import pytest

import resources
from servers import Cloud, until


@pytest.mark.gap
def test_null_failure_list_deletes_message(cloud: Cloud, name: str) -> None:
    url, arn = resources.queue(cloud, name, VisibilityTimeout="30")
    resources.function(cloud, name, "return {'batchItemFailures': None}")
    cloud.client("sqs").send_message(QueueUrl=url, MessageBody="good")
    resources.read_queue(cloud, name, arn)
    until("message deleted", lambda: resources.depth(cloud, url) == 0)


@pytest.mark.gap
@pytest.mark.parametrize("identifier", ["'unknown'", "''", "None"])
def test_unknown_failure_id_fails_whole_batch(cloud: Cloud, name: str, identifier: str) -> None:
    url, arn, dead_url, _ = resources.queue_with_dead_letters(cloud, name, receives=1)
    answer = f"return {{'batchItemFailures': [{{'itemIdentifier': {identifier}}}]}}"
    resources.function(cloud, name, answer)
    cloud.client("sqs").send_message(QueueUrl=url, MessageBody="retry")
    resources.read_queue(cloud, name, arn)
    assert resources.receive(cloud, dead_url, seconds=5)[0]["Body"] == "retry"


def test_failure_ids_are_ignored_without_partial_batches(cloud: Cloud, name: str) -> None:
    url, arn = resources.queue(cloud, name)
    resources.function(cloud, name, "return {'batchItemFailures': [{'itemIdentifier': 'x'}]}")
    cloud.client("sqs").send_message(QueueUrl=url, MessageBody="good")
    resources.read_queue(cloud, name, arn, FunctionResponseTypes=[])
    until("message deleted", lambda: resources.depth(cloud, url) == 0)


FAIL_BAD_MESSAGES = """
bad = [record['messageId'] for record in event['Records'] if record['body'] == 'bad']
return {'batchItemFailures': [{'itemIdentifier': each} for each in bad]}
"""


def test_only_failed_message_of_batch_returns(cloud: Cloud, name: str) -> None:
    url, arn, dead_url, _ = resources.queue_with_dead_letters(cloud, name, receives=2)
    entries = [
        {"Id": str(number), "MessageBody": "bad" if number == 4 else "good"} for number in range(10)
    ]
    cloud.client("sqs").send_message_batch(QueueUrl=url, Entries=entries)
    resources.function(cloud, name, FAIL_BAD_MESSAGES)
    resources.read_queue(cloud, name, arn)
    dead = resources.receive(cloud, dead_url)
    assert [message["Body"] for message in dead] == ["bad"]
    assert resources.depth(cloud, url) == 0


def test_function_with_three_mappings_reads_all_queues(cloud: Cloud, name: str) -> None:
    resources.function(cloud, name, FAIL_BAD_MESSAGES)
    queues = [
        resources.queue_with_dead_letters(cloud, f"{name}-{number}", 1, visibility=4)
        for number in range(3)
    ]
    for url, arn, _, _ in queues:
        resources.read_queue(cloud, name, arn, ScalingConfig={"MaximumConcurrency": 2})
        for body in ("good", "bad"):
            cloud.client("sqs").send_message(QueueUrl=url, MessageBody=body)
    for url, _, dead_url, _ in queues:
        assert [message["Body"] for message in resources.receive(cloud, dead_url)] == ["bad"]
        until("queue empty", lambda url=url: resources.depth(cloud, url) == 0)


@pytest.mark.gap
def test_move_task_returns_dead_letter_to_source_queue(cloud: Cloud, name: str) -> None:
    url, _, dead_url, dead_arn = resources.queue_with_dead_letters(cloud, name, receives=1)
    sqs = cloud.client("sqs")
    sqs.send_message(QueueUrl=url, MessageBody="poison")
    sqs.receive_message(QueueUrl=url)

    def is_dead() -> bool:  # the next receive moves the message
        assert not sqs.receive_message(QueueUrl=url).get("Messages")
        return resources.depth(cloud, dead_url) == 1

    until("dead letter", is_dead)
    sqs.start_message_move_task(SourceArn=dead_arn)
    task = sqs.list_message_move_tasks(SourceArn=dead_arn)["Results"][0]
    assert (task["Status"], task["ApproximateNumberOfMessagesMoved"]) == ("COMPLETED", 1)
    back = resources.receive(cloud, url)[0]
    assert (back["Body"], back["Attributes"]["ApproximateReceiveCount"]) == ("poison", "1")
    with pytest.raises(sqs.exceptions.ResourceNotFoundException):
        sqs.start_message_move_task(SourceArn=dead_arn + "-none")


def counts(cloud: Cloud, url: str) -> tuple[int, int, int]:
    """Return the visible, the hidden and the delayed messages of a queue."""
    names = [f"ApproximateNumberOfMessages{end}" for end in ("", "NotVisible", "Delayed")]
    found = cloud.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=names)
    return tuple(int(found["Attributes"][name]) for name in names)


def test_attributes_count_messages_of_queue_and_dead_letter_queue(cloud: Cloud, name: str) -> None:
    url, _, dead_url, dead_arn = resources.queue_with_dead_letters(
        cloud, name, receives=1, visibility=1
    )
    sqs = cloud.client("sqs")
    assert (counts(cloud, url), counts(cloud, dead_url)) == ((0, 0, 0), (0, 0, 0))
    for delay in (0, 0, 900):
        sqs.send_message(QueueUrl=url, MessageBody="x", DelaySeconds=delay)
    assert counts(cloud, url) == (2, 0, 1)
    sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=1)
    assert counts(cloud, url) == (1, 1, 1)
    until("visible again", lambda: counts(cloud, url) == (2, 0, 1))
    kept = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=1, VisibilityTimeout=60)
    assert (counts(cloud, url), counts(cloud, dead_url)) == ((0, 1, 1), (1, 0, 0))
    sqs.delete_message(QueueUrl=url, ReceiptHandle=kept["Messages"][0]["ReceiptHandle"])
    sqs.receive_message(QueueUrl=dead_url, VisibilityTimeout=60)
    assert (counts(cloud, url), counts(cloud, dead_url)) == ((0, 0, 1), (0, 1, 0))


class ListWithCallback(list[Any]):
    """A list that calls a function at the end of an iteration."""

    def __init__(self, items: list[Any], at_end: Any) -> None:
        super().__init__(items)
        self._at_end = at_end

    def __iter__(self) -> Any:
        yield from super().__iter__()
        self._at_end()


@pytest.mark.gap
def test_message_arriving_during_redrive_is_kept(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ministack.services import s3, sqs

    seconds = 10.0  # on stock ministack the thread ends at once
    if not request.config.getoption("--stock"):
        from firn_aws import queues

        queues.apply()
        seconds = 0.3  # on a patched server the thread waits for the redrive
    arn = "arn:aws:sqs:us-east-1:000000000000:busy"
    event = {"Records": ["new"]}
    arrival = threading.Thread(target=s3._deliver_event_to_sqs, args=(arn, event, "us-east-1"))

    def arrive() -> None:
        arrival.start()
        arrival.join(seconds)

    redrive = json.dumps({"deadLetterTargetArn": "dead", "maxReceiveCount": 3})
    busy = {"attributes": {"RedrivePolicy": redrive}, "messages": ListWithCallback([], arrive)}
    dead = {"attributes": {}, "messages": []}
    monkeypatch.setattr(sqs, "_queue_by_arn", lambda name: dead if name == "dead" else busy)
    sqs._dlq_sweep(busy)
    arrival.join()
    assert [json.loads(message["body"]) for message in busy["messages"]] == [event]


class DictWithCallback(dict[str, Any]):
    """A dictionary that calls a function before its first read."""

    def __init__(self, items: dict[str, Any], before_first_read: Any) -> None:
        super().__init__(items)
        self._before_first_read = before_first_read

    def get(self, name: str, default: Any = None) -> Any:
        """Call the function once, then read as usual."""
        before_first_read, self._before_first_read = self._before_first_read, lambda: None
        before_first_read()
        return super().get(name, default)


def test_delete_during_receive_does_not_deadlock(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ministack.services import sqs

    if not request.config.getoption("--stock"):
        from firn_aws import queues

        queues.apply()
    deletion = threading.Thread(target=sqs._delete_messages_for_esm, args=("q", {"h"}), daemon=True)

    def delete() -> None:
        deletion.start()
        deletion.join(0.3)  # the deletion waits, with its locks, for the end of the receive

    queue = {"attributes": DictWithCallback({}, delete), "messages": [], "is_fifo": False}
    monkeypatch.setattr(sqs, "_get_q", lambda _url: queue)
    receiver = threading.Thread(target=sqs._receive_messages_for_esm, args=("q", 10), daemon=True)
    receiver.start()
    receiver.join(10)
    deletion.join(10)
    assert not receiver.is_alive() and not deletion.is_alive()
