"""The state after a kill -9, and after a normal stop."""

import signal
from collections.abc import Callable

import pytest

import resources
from servers import Cloud, until


@pytest.mark.gap
def test_killed_server_restores_state(new_cloud: Callable[..., Cloud], name: str) -> None:
    cloud = new_cloud().start()
    url, arn, dead_url, _ = resources.queue_with_dead_letters(cloud, name, receives=2)
    sqs, dynamodb = cloud.client("sqs"), cloud.client("dynamodb")
    sqs.send_message(QueueUrl=url, MessageBody="bad")
    sqs.receive_message(QueueUrl=url)  # the first of two receives, before the kill
    dynamodb.create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
    )
    dynamodb.put_item(TableName=name, Item={"pk": {"S": "kept"}})
    resources.bucket(cloud, name)
    version = cloud.client("s3").put_object(Bucket=name, Key="k", Body=b"x")["VersionId"]
    resources.function(cloud, name, "raise ValueError")
    cloud.wait_for_snapshot()

    cloud.stop(signal.SIGKILL)
    cloud.start()

    assert dynamodb.get_item(TableName=name, Key={"pk": {"S": "kept"}})["Item"]
    kept = cloud.client("s3").get_object(Bucket=name, Key="k", VersionId=version)
    assert kept["Body"].read() == b"x"
    resources.read_queue(cloud, name, arn)  # the second receive
    dead = resources.receive(cloud, dead_url, seconds=12)[0]
    assert (dead["Body"], dead["Attributes"]["ApproximateReceiveCount"]) == ("bad", "3")


def test_stopped_server_keeps_messages_and_ends_functions(
    new_cloud: Callable[..., Cloud], name: str
) -> None:
    cloud = new_cloud(MS_SNAPSHOT_S="3600").start()
    url, _ = resources.queue(cloud, name)
    resources.function(cloud, name, "return os.getpid()")
    payload = cloud.client("lambda").invoke(FunctionName=name)["Payload"].read()
    cloud.client("sqs").send_message(QueueUrl=url, MessageBody="kept")
    assert cloud.stop() == 0
    until("end of the function", lambda: has_ended(int(payload)), 5)
    cloud.start()
    assert resources.receive(cloud, url)[0]["Body"] == "kept"


def has_ended(pid: int) -> bool:
    """Return true if the process has ended."""
    import os

    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False
