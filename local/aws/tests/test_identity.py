"""IAM: grants are enforced, and policies that require TLS accept local traffic."""

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

import resources
from servers import ACCOUNT, Cloud


def user(cloud: Cloud, name: str, *actions: str) -> Any:
    """Create a user with these actions on the objects of a bucket, and return an S3 client."""
    statement = resources.allow(list(actions), f"arn:aws:s3:::{name}/*")
    return cloud.client("s3", *resources.user(cloud, name, statement))


@pytest.mark.gap
def test_bucket_policy_with_tls_accepts_loopback(cloud: Cloud, name: str) -> None:
    resources.bucket(cloud, name)
    cloud.client("s3").put_bucket_policy(
        Bucket=name,
        Policy=resources.policy(
            {
                "Effect": "Deny",
                "Principal": "*",
                "Action": "s3:*",
                "Resource": [f"arn:aws:s3:::{name}", f"arn:aws:s3:::{name}/*"],
                "Condition": {"Bool": {"aws:SecureTransport": "false"}},
            }
        ),
    )
    client = user(cloud, name, "s3:PutObject", "s3:GetObject")
    client.put_object(Bucket=name, Key="k", Body=b"x")
    assert client.get_object(Bucket=name, Key="k")["Body"].read() == b"x"


@pytest.mark.gap
def test_queue_policy_with_tls_accepts_bucket_events(cloud: Cloud, name: str) -> None:
    url, arn = resources.queue(cloud, name)
    cloud.client("sqs").set_queue_attributes(
        QueueUrl=url,
        Attributes={
            "Policy": resources.policy(
                {"Effect": "Allow", "Principal": "*", "Action": "sqs:SendMessage", "Resource": arn},
                {
                    "Effect": "Deny",
                    "Principal": "*",
                    "Action": "sqs:*",
                    "Resource": arn,
                    "Condition": {"Bool": {"aws:SecureTransport": "false"}},
                },
            )
        },
    )
    s3 = cloud.client("s3")
    resources.bucket(cloud, name)
    s3.put_bucket_notification_configuration(
        Bucket=name,
        NotificationConfiguration={
            "QueueConfigurations": [{"QueueArn": arn, "Events": ["s3:ObjectCreated:*"]}]
        },
    )
    s3.put_object(Bucket=name, Key="k", Body=b"x")
    assert "ObjectCreated:Put" in resources.receive(cloud, url, 2)[1]["Body"]


@pytest.mark.gap
def test_send_right_allows_batch(cloud: Cloud, name: str) -> None:
    url, arn = resources.queue(cloud, name)
    key = resources.user(cloud, name, resources.allow("sqs:SendMessage", arn))
    client = cloud.client("sqs", *key)
    sent = client.send_message_batch(QueueUrl=url, Entries=[{"Id": "0", "MessageBody": "x"}])
    assert [entry["Id"] for entry in sent["Successful"]] == ["0"]


@pytest.mark.gap
def test_wildcard_matches_every_character(cloud: Cloud, name: str) -> None:
    resources.bucket(cloud, name)
    client = user(cloud, name, "s3:PutObject", "s3:GetObject")
    for key in ("line\nbreak.csv", "end\n", "tab\t.csv", "\x01\x1b.csv", "return\r\n.csv"):
        client.put_object(Bucket=name, Key=key, Body=b"x")
        assert client.get_object(Bucket=name, Key=key)["Body"].read() == b"x"


@pytest.mark.gap
def test_pattern_ends_at_the_end(cloud: Cloud, name: str) -> None:
    resources.bucket(cloud, name)
    statement = resources.allow("s3:PutObject", f"arn:aws:s3:::{name}/*.csv")
    client = cloud.client("s3", *resources.user(cloud, name, statement))
    client.put_object(Bucket=name, Key="a.csv", Body=b"x")
    with pytest.raises(ClientError, match="AccessDenied"):
        client.put_object(Bucket=name, Key="a.csv\n", Body=b"y")


def test_user_without_grant_is_denied(cloud: Cloud, name: str) -> None:
    resources.bucket(cloud, name)
    cloud.client("s3").put_object(Bucket=name, Key="k", Body=b"x")
    client = user(cloud, name, "s3:GetObject")
    assert client.get_object(Bucket=name, Key="k")["Body"].read() == b"x"
    with pytest.raises(ClientError, match="AccessDenied"):
        client.put_object(Bucket=name, Key="k", Body=b"y")


READ = """
import boto3, botocore.config
config = botocore.config.Config(s3={'addressing_style': 'path'})
client = boto3.client('s3', endpoint_url=os.environ['AWS_ENDPOINT_URL'], config=config)
try:
    return client.get_object(**event)['Body'].read().decode()
except client.exceptions.ClientError as error:
    return error.response['Error']['Code']
"""
"""The body of a function that reads an object. The event has the arguments of GetObject."""


@pytest.mark.parametrize("place", ["role", "bucket"])
def test_denied_key_is_unreadable_for_role_of_function(cloud: Cloud, name: str, place: str) -> None:
    client, iam = cloud.client("s3"), cloud.client("iam")
    resources.bucket(cloud, name)
    versions = {
        key: client.put_object(Bucket=name, Key=key, Body=key.encode())["VersionId"]
        for key in ("a/denied.csv", "a/denied.csv.gz", "a/other.csv")
    }
    resources.function(cloud, name, READ)
    role = f"{name}-role"
    grant = resources.allow(["s3:GetObject", "s3:GetObjectVersion"], f"arn:aws:s3:::{name}/*")
    iam.put_role_policy(RoleName=role, PolicyName="read", PolicyDocument=resources.policy(grant))
    deny = resources.allow("s3:GetObjectVersion", f"arn:aws:s3:::{name}/a/denied.csv")
    deny["Effect"] = "Deny"

    def read(key: str) -> str:
        event = {"Bucket": name, "Key": key, "VersionId": versions[key]}
        answer = cloud.client("lambda").invoke(FunctionName=name, Payload=json.dumps(event))
        return json.loads(answer["Payload"].read())

    assert {key: read(key) for key in versions} == {key: key for key in versions}
    if place == "role":
        document = resources.policy(deny)
        iam.put_role_policy(RoleName=role, PolicyName="deny", PolicyDocument=document)
    else:
        principal = {"Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:role/{role}"}}
        client.put_bucket_policy(Bucket=name, Policy=resources.policy(deny | principal))
    assert {key: read(key) for key in versions} == {
        "a/denied.csv": "AccessDenied",
        "a/denied.csv.gz": "a/denied.csv.gz",
        "a/other.csv": "a/other.csv",
    }
    if place == "role":
        iam.delete_role_policy(RoleName=role, PolicyName="deny")
    else:
        client.delete_bucket_policy(Bucket=name)
    assert read("a/denied.csv") == "a/denied.csv"
