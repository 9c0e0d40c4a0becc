"""Event source mappings of queues: the batching window, and batches of more than 10 messages."""

import json
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

import resources
from servers import Cloud, until

RECORD_BATCH = """
import json, time, uuid
path = os.path.join(os.environ["OUT"], uuid.uuid4().hex)
sent = [int(record["attributes"]["SentTimestamp"]) / 1000 for record in event["Records"]]
with open(path + ".part", "w") as file:
    json.dump({"count": len(sent), "waited": time.time() - min(sent)}, file)
os.rename(path + ".part", path + ".json")
"""


def recording_function(cloud: Cloud, name: str, folder: Path) -> None:
    """Create a function that records each of its batches in the folder."""
    resources.function(
        cloud,
        name,
        f"if 'Records' in event:{RECORD_BATCH.replace(chr(10), chr(10) + '    ')}",
        Environment={"Variables": {"OUT": str(folder)}},
    )


def batches(folder: Path) -> list[dict[str, Any]]:
    """Return the recorded batches."""
    return [json.loads(path.read_text()) for path in folder.glob("*.json")]


def send_messages(cloud: Cloud, url: str, count: int) -> None:
    """Send messages in groups of ten."""
    for first in range(0, count, 10):
        entries = [
            {"Id": str(number), "MessageBody": "m"}
            for number in range(first, min(first + 10, count))
        ]
        cloud.client("sqs").send_message_batch(QueueUrl=url, Entries=entries)


@pytest.mark.gap
def test_mapping_with_window_receives_more_than_ten_messages(
    cloud: Cloud, name: str, tmp_path: Path
) -> None:
    url, arn = resources.queue(cloud, name, VisibilityTimeout="30")
    recording_function(cloud, name, tmp_path)
    send_messages(cloud, url, 25)
    resources.read_queue(cloud, name, arn, BatchSize=100, MaximumBatchingWindowInSeconds=1)
    until("queue empty", lambda: resources.depth(cloud, url) == 0)
    assert [batch["count"] for batch in batches(tmp_path)] == [25]


@pytest.mark.gap
def test_partial_batch_waits_for_end_of_window(cloud: Cloud, name: str, tmp_path: Path) -> None:
    url, arn = resources.queue(cloud, name, VisibilityTimeout="30")
    recording_function(cloud, name, tmp_path)
    resources.read_queue(cloud, name, arn, BatchSize=100, MaximumBatchingWindowInSeconds=1)
    send_messages(cloud, url, 2)
    until("queue empty", lambda: resources.depth(cloud, url) == 0)
    collected = batches(tmp_path)
    assert [batch["count"] for batch in collected] == [2]
    assert collected[0]["waited"] >= 1


@pytest.mark.gap
def test_full_batch_is_delivered_before_end_of_window(
    cloud: Cloud, name: str, tmp_path: Path
) -> None:
    url, arn = resources.queue(cloud, name, VisibilityTimeout="30")
    recording_function(cloud, name, tmp_path)
    resources.read_queue(cloud, name, arn, BatchSize=11, MaximumBatchingWindowInSeconds=300)
    send_messages(cloud, url, 12)
    until("one batch", lambda: resources.depth(cloud, url) == 1)
    assert [batch["count"] for batch in batches(tmp_path)] == [11]


@pytest.mark.gap
def test_large_batch_without_window_is_refused(cloud: Cloud, name: str) -> None:
    _, arn = resources.queue(cloud, name)
    resources.function(cloud, name, "return None")
    with pytest.raises(ClientError, match="InvalidParameterValueException"):
        resources.read_queue(cloud, name, arn, BatchSize=11)
    mapping = resources.read_queue(cloud, name, arn, BatchSize=11, MaximumBatchingWindowInSeconds=1)
    with pytest.raises(ClientError, match="InvalidParameterValueException"):
        cloud.client("lambda").update_event_source_mapping(
            UUID=mapping, MaximumBatchingWindowInSeconds=0
        )
