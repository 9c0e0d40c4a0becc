"""IAM: grants are enforced, and policies that require TLS accept local traffic."""

from typing import Any

import pytest
from botocore.exceptions import ClientError

import resources
from servers import Cloud


def user(cloud: Cloud, name: str, *actions: str) -> Any:
    """Create a user with these actions on the objects of a bucket, and return an S3 client."""
    iam = cloud.client("iam")
    iam.create_user(UserName=name)
    iam.put_user_policy(
        UserName=name,
        PolicyName="own",
        PolicyDocument=resources.policy(
            {"Effect": "Allow", "Action": list(actions), "Resource": f"arn:aws:s3:::{name}/*"}
        ),
    )
    key = iam.create_access_key(UserName=name)["AccessKey"]
    return cloud.client("s3", key["AccessKeyId"], key["SecretAccessKey"])


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
    iam = cloud.client("iam")
    iam.create_user(UserName=name)
    iam.put_user_policy(
        UserName=name,
        PolicyName="own",
        PolicyDocument=resources.policy(
            {"Effect": "Allow", "Action": "sqs:SendMessage", "Resource": arn}
        ),
    )
    key = iam.create_access_key(UserName=name)["AccessKey"]
    client = cloud.client("sqs", key["AccessKeyId"], key["SecretAccessKey"])
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
    iam = cloud.client("iam")
    iam.create_user(UserName=name)
    iam.put_user_policy(
        UserName=name,
        PolicyName="own",
        PolicyDocument=resources.policy(
            {"Effect": "Allow", "Action": "s3:PutObject", "Resource": f"arn:aws:s3:::{name}/*.csv"}
        ),
    )
    key = iam.create_access_key(UserName=name)["AccessKey"]
    client = cloud.client("s3", key["AccessKeyId"], key["SecretAccessKey"])
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
