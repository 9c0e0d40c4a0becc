"""SQS: partial batches, the redrive task, several queues on one function, lost messages."""

import json
import threading
from typing import Any

import pytest

import resources
from servers import Cloud, until


@pytest.mark.gap
def test_a_null_list_of_failures_is_a_success(cloud: Cloud, name: str) -> None:
    url, arn = resources.queue(cloud, name, VisibilityTimeout="30")
    resources.function(cloud, name, "return {'batchItemFailures': None}")
    cloud.client("sqs").send_message(QueueUrl=url, MessageBody="good")
    resources.read_queue(cloud, name, arn)
    until("message deleted", lambda: resources.depth(cloud, url) == 0)


@pytest.mark.gap
@pytest.mark.parametrize("identifier", ["'nobody'", "''", "None"])
def test_an_unknown_failure_fails_the_whole_batch(cloud: Cloud, name: str, identifier: str) -> None:
    url, arn, dead_url, _ = resources.queue_with_dead_letters(cloud, name, receives=1)
    answer = f"return {{'batchItemFailures': [{{'itemIdentifier': {identifier}}}]}}"
    resources.function(cloud, name, answer)
    cloud.client("sqs").send_message(QueueUrl=url, MessageBody="wanted back")
    resources.read_queue(cloud, name, arn)
    assert resources.receive(cloud, dead_url, seconds=5)[0]["Body"] == "wanted back"


def test_unknown_failures_are_ignored_without_partial_batches(cloud: Cloud, name: str) -> None:
    url, arn = resources.queue(cloud, name)
    resources.function(cloud, name, "return {'batchItemFailures': [{'itemIdentifier': 'x'}]}")
    cloud.client("sqs").send_message(QueueUrl=url, MessageBody="good")
    resources.read_queue(cloud, name, arn, FunctionResponseTypes=[])
    until("message deleted", lambda: resources.depth(cloud, url) == 0)


FAIL_THE_BAD = """
bad = [record['messageId'] for record in event['Records'] if record['body'] == 'bad']
return {'batchItemFailures': [{'itemIdentifier': each} for each in bad]}
"""


def test_only_the_named_message_of_a_batch_comes_back(cloud: Cloud, name: str) -> None:
    url, arn, dead_url, _ = resources.queue_with_dead_letters(cloud, name, receives=2)
    entries = [
        {"Id": str(number), "MessageBody": "bad" if number == 4 else "good"} for number in range(10)
    ]
    cloud.client("sqs").send_message_batch(QueueUrl=url, Entries=entries)
    resources.function(cloud, name, FAIL_THE_BAD)
    resources.read_queue(cloud, name, arn)
    dead = resources.receive(cloud, dead_url)
    assert [message["Body"] for message in dead] == ["bad"]
    assert resources.depth(cloud, url) == 0


def test_one_function_reads_several_queues(cloud: Cloud, name: str) -> None:
    resources.function(cloud, name, FAIL_THE_BAD)
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
def test_dead_letters_go_back_where_they_came_from(cloud: Cloud, name: str) -> None:
    url, _, dead_url, dead_arn = resources.queue_with_dead_letters(cloud, name, receives=1)
    sqs = cloud.client("sqs")
    sqs.send_message(QueueUrl=url, MessageBody="poison")
    sqs.receive_message(QueueUrl=url)

    def is_dead() -> bool:  # the redrive happens at the next receive
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


class Interrupted(list[Any]):
    """A list at whose end something happens before its reader goes on."""

    def __init__(self, items: list[Any], at_end: Any) -> None:
        super().__init__(items)
        self._at_end = at_end

    def __iter__(self) -> Any:
        yield from super().__iter__()
        self._at_end()


@pytest.mark.gap
def test_a_message_that_arrives_during_a_redrive_is_kept(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ministack.services import s3, sqs

    if not request.config.getoption("--stock"):
        from firn_aws import queues

        queues.apply()
    arn = "arn:aws:sqs:us-east-1:000000000000:busy"
    event = {"Records": ["new"]}
    arrival = threading.Thread(target=s3._deliver_event_to_sqs, args=(arn, event, "us-east-1"))

    def arrive() -> None:
        arrival.start()
        arrival.join(0.3)  # a mended server lets it wait for the sweep

    redrive = json.dumps({"deadLetterTargetArn": "dead", "maxReceiveCount": 3})
    busy = {"attributes": {"RedrivePolicy": redrive}, "messages": Interrupted([], arrive)}
    dead = {"attributes": {}, "messages": []}
    monkeypatch.setattr(sqs, "_queue_by_arn", lambda name: dead if name == "dead" else busy)
    sqs._dlq_sweep(busy)
    arrival.join()
    assert [json.loads(message["body"]) for message in busy["messages"]] == [event]


class Watched(dict[str, Any]):
    """A dictionary at whose first reading something happens."""

    def __init__(self, items: dict[str, Any], at_first: Any) -> None:
        super().__init__(items)
        self._at_first = at_first

    def get(self, name: str, default: Any = None) -> Any:
        """Let it happen, then answer as a dictionary does."""
        at_first, self._at_first = self._at_first, lambda: None
        at_first()
        return super().get(name, default)


def test_a_poller_that_deletes_does_not_block_one_that_receives(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ministack.services import sqs

    if not request.config.getoption("--stock"):
        from firn_aws import queues

        queues.apply()
    deletion = threading.Thread(target=sqs._delete_messages_for_esm, args=("q", {"h"}), daemon=True)

    def delete() -> None:
        deletion.start()
        deletion.join(0.3)  # it waits for the receipt to end, holding what it has by then

    queue = {"attributes": Watched({}, delete), "messages": [], "is_fifo": False}
    monkeypatch.setattr(sqs, "_get_q", lambda _url: queue)
    receipt = threading.Thread(target=sqs._receive_messages_for_esm, args=("q", 10), daemon=True)
    receipt.start()
    receipt.join(10)
    deletion.join(10)
    assert not receipt.is_alive() and not deletion.is_alive()
