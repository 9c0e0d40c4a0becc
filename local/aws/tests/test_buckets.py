"""S3: events, archived objects, lists, ranges, and Hadoop's view of KMS keys."""

import json
from typing import Any

import pytest
from botocore import handlers

import resources
from servers import ACCOUNT, Cloud, until


def stack_with_notification(bucket: str, account: str) -> dict[str, Any]:
    """Return a stack: a bucket sends events for landing/*.csv to a queue that trusts `account`."""
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "s3.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": {"Fn::GetAtt": ["Queue", "Arn"]},
        "Condition": {
            "ArnLike": {"aws:SourceArn": f"arn:aws:s3:::{bucket}"},
            "StringEquals": {"aws:SourceAccount": account},
        },
    }
    rules = [{"Name": "prefix", "Value": "landing/"}, {"Name": "suffix", "Value": ".csv"}]
    notification = {
        "Event": "s3:ObjectCreated:*",
        "Queue": {"Fn::GetAtt": ["Queue", "Arn"]},
        "Filter": {"S3Key": {"Rules": rules}},
    }
    return {
        "Queue": {"Type": "AWS::SQS::Queue", "Properties": {"SqsManagedSseEnabled": True}},
        "Policy": {
            "Type": "AWS::SQS::QueuePolicy",
            "Properties": {
                "Queues": [{"Ref": "Queue"}],
                "PolicyDocument": {"Version": "2012-10-17", "Statement": [statement]},
            },
        },
        "Bucket": {
            "Type": "AWS::S3::Bucket",
            "DependsOn": "Policy",
            "Properties": {
                "BucketName": bucket,
                "VersioningConfiguration": {"Status": "Enabled"},
                "NotificationConfiguration": {"QueueConfigurations": [notification]},
            },
        },
    }


def test_bucket_event_has_version_and_encoded_key(cloud: Cloud, name: str) -> None:
    outputs = resources.stack(
        cloud, name, stack_with_notification(name, ACCOUNT), {"Queue": {"Ref": "Queue"}}
    )
    test_event = json.loads(resources.receive(cloud, outputs["Queue"])[0]["Body"])
    assert (test_event["Event"], test_event["Bucket"]) == ("s3:TestEvent", name)

    client = cloud.client("s3")
    client.put_object(Bucket=name, Key="landing/not-this.txt", Body=b"x")
    client.put_object(Bucket=name, Key="other/not-this.csv", Body=b"x")
    key = "landing/a b+c=ü %.csv"
    versions = [
        client.put_object(Bucket=name, Key=key, Body=body)["VersionId"]
        for body in (b"one", b"three")
    ]
    records = [
        json.loads(message["Body"])["Records"][0]
        for message in resources.receive(cloud, outputs["Queue"], 2)
    ]
    objects = sorted(
        (record["s3"]["object"] for record in records), key=lambda entry: entry["sequencer"]
    )
    assert [entry["versionId"] for entry in objects] == versions
    assert [entry["size"] for entry in objects] == [3, 5]
    assert {entry["key"] for entry in objects} == {"landing/a+b%2Bc%3D%C3%BC+%25.csv"}
    assert {record["eventName"] for record in records} == {"ObjectCreated:Put"}


def test_queue_policy_for_another_account_fails_stack(cloud: Cloud, name: str) -> None:
    with pytest.raises(RuntimeError, match="Unable to validate the following destination"):
        resources.stack(cloud, name, stack_with_notification(name, "999999999999"))


def test_removed_queue_policy_stops_events(cloud: Cloud, name: str) -> None:
    outputs = resources.stack(
        cloud, name, stack_with_notification(name, ACCOUNT), {"Queue": {"Ref": "Queue"}}
    )
    resources.receive(cloud, outputs["Queue"])  # the test event
    sqs, s3 = cloud.client("sqs"), cloud.client("s3")
    granted = sqs.get_queue_attributes(QueueUrl=outputs["Queue"], AttributeNames=["Policy"])[
        "Attributes"
    ]["Policy"]
    sqs.set_queue_attributes(QueueUrl=outputs["Queue"], Attributes={"Policy": ""})
    s3.put_object(Bucket=name, Key="landing/lost.csv", Body=b"x")
    cloud.wait_for_log(f"queue policy denies delivery from {name}")
    sqs.set_queue_attributes(QueueUrl=outputs["Queue"], Attributes={"Policy": granted})
    s3.put_object(Bucket=name, Key="landing/delivered.csv", Body=b"x")
    message = json.loads(resources.receive(cloud, outputs["Queue"])[0]["Body"])
    assert message["Records"][0]["s3"]["object"]["key"] == "landing/delivered.csv"


@pytest.mark.gap
def test_event_of_eventbridge_has_version(cloud: Cloud, name: str) -> None:
    client, events = cloud.client("s3"), cloud.client("events")
    url, arn = resources.open_queue(cloud, name)
    versioned, plain = resources.bucket(cloud, name), f"{name[:50]}-plain"
    client.create_bucket(Bucket=plain)
    pattern = {"source": ["aws.s3"], "detail": {"bucket": {"name": [versioned, plain]}}}
    events.put_rule(Name=name, EventPattern=json.dumps(pattern))
    events.put_targets(Rule=name, Targets=[{"Id": "queue", "Arn": arn}])
    found = {}
    for bucket in (versioned, plain):
        client.put_bucket_notification_configuration(
            Bucket=bucket, NotificationConfiguration={"EventBridgeConfiguration": {}}
        )
        put = client.put_object(Bucket=bucket, Key="a b/c.csv", Body=b"abc")
        event = json.loads(resources.receive(cloud, url)[0]["Body"])
        assert event["detail-type"] == "Object Created"
        entry = event["detail"]["object"]
        assert (entry["key"], entry["size"]) == ("a b/c.csv", 3)
        found[bucket] = (entry.get("version-id"), put.get("VersionId"))
    assert found[versioned][0] is not None
    assert found[versioned][0] == found[versioned][1]
    assert found[plain] == (None, None)


@pytest.mark.parametrize("storage_class", ["GLACIER", "DEEP_ARCHIVE"])
def test_archived_object_is_unreadable(cloud: Cloud, name: str, storage_class: str) -> None:
    client = cloud.client("s3")
    resources.bucket(cloud, name)
    put = client.put_object(Bucket=name, Key="k", Body=b"x", StorageClass=storage_class)
    assert client.head_object(Bucket=name, Key="k")["StorageClass"] == storage_class
    for version in ({}, {"VersionId": put["VersionId"]}):
        with pytest.raises(client.exceptions.InvalidObjectState) as caught:
            client.get_object(Bucket=name, Key="k", **version)
        assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403


@pytest.mark.gap
@pytest.mark.parametrize("storage_class", ["GLACIER", "DEEP_ARCHIVE"])
def test_archived_object_is_no_source_of_copy(cloud: Cloud, name: str, storage_class: str) -> None:
    client = cloud.client("s3")
    resources.bucket(cloud, name)
    put = client.put_object(Bucket=name, Key="k", Body=b"x", StorageClass=storage_class)
    source = {"Bucket": name, "Key": "k"}
    for copied in (source, source | {"VersionId": put["VersionId"]}):
        with pytest.raises(client.exceptions.ObjectNotInActiveTierError) as caught:
            client.copy_object(Bucket=name, Key="copy", CopySource=copied)
        assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403


def test_restored_object_is_source_of_copy(cloud: Cloud, name: str) -> None:
    client = cloud.client("s3")
    resources.bucket(cloud, name)
    client.put_object(Bucket=name, Key="k", Body=b"x", StorageClass="GLACIER")
    client.restore_object(Bucket=name, Key="k", RestoreRequest={"Days": 1})

    def is_restored() -> bool:
        return 'ongoing-request="false"' in client.head_object(Bucket=name, Key="k")["Restore"]

    until("restored object", is_restored)
    client.copy_object(Bucket=name, Key="copy", CopySource={"Bucket": name, "Key": "k"})


@pytest.mark.gap
def test_head_by_hadoop_hides_kms_key(cloud: Cloud, name: str) -> None:
    client = cloud.client("s3")
    key = cloud.client("kms").create_key()["KeyMetadata"]["Arn"]
    resources.bucket(cloud, name)
    client.put_object(
        Bucket=name, Key="k", Body=b"x", ServerSideEncryption="aws:kms", SSEKMSKeyId=key
    )
    assert client.head_object(Bucket=name, Key="k")["SSEKMSKeyId"] == key
    hadoop = cloud.client("s3", agent="Hadoop 3.3.4, aws-sdk-java/1.12.262")
    assert "SSEKMSKeyId" not in hadoop.head_object(Bucket=name, Key="k")


@pytest.mark.gap
def test_range_of_version_returns_requested_bytes(cloud: Cloud, name: str) -> None:
    client = cloud.client("s3")
    resources.bucket(cloud, name)
    client.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    older = client.put_object(Bucket=name, Key="k", Body=b"0123456789")["VersionId"]
    client.put_object(Bucket=name, Key="k", Body=b"abcdefghij")
    part = client.get_object(Bucket=name, Key="k", VersionId=older, Range="bytes=2-4")
    assert (part["Body"].read(), part.get("ContentRange")) == (b"234", "bytes 2-4/10")
    with pytest.raises(client.exceptions.ClientError, match="InvalidRange"):
        client.get_object(Bucket=name, Key="k", VersionId=older, Range="bytes=10-")


@pytest.mark.gap
def test_list_of_versions_has_every_key(cloud: Cloud, name: str) -> None:
    client = cloud.client("s3")
    resources.bucket(cloud, name)
    client.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    keys = ["a b+c%&<ü.csv", "line\nbreak", "tab\t", "\x01\x1b", "return\r\n"]
    for key in keys:
        client.put_object(Bucket=name, Key=key, Body=b"x")
    client.delete_object(Bucket=name, Key=keys[0])
    listed = client.list_object_versions(Bucket=name)
    assert sorted(version["Key"] for version in listed["Versions"]) == sorted(keys)
    assert [marker["Key"] for marker in listed["DeleteMarkers"]] == keys[:1]
    pages = client.get_paginator("list_object_versions").paginate(
        Bucket=name, PaginationConfig={"PageSize": 1}
    )
    paged = [version["Key"] for page in pages for version in page.get("Versions", [])]
    assert sorted(paged) == sorted(keys)


@pytest.mark.gap
def test_encoded_list_has_a_plus_for_a_space(cloud: Cloud, name: str) -> None:
    client = cloud.client("s3")
    resources.bucket(cloud, name)
    client.put_object(Bucket=name, Key="a b+c/d.csv", Body=b"x")
    client.meta.events.unregister("after-call.s3.ListObjectsV2", handlers.decode_list_object_v2)
    listed = client.list_objects_v2(Bucket=name, EncodingType="url")
    assert listed["Contents"][0]["Key"] == "a+b%2Bc/d.csv"
