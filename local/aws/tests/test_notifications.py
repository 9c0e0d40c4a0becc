"""SNS: delivered mails, and filter policies on arrays."""

import email
import json
from email.message import EmailMessage
from email.policy import default

import pytest

import resources
from conftest import Inbox
from servers import Cloud, until


def mails_to(inbox: Inbox, recipient: str) -> list[EmailMessage]:
    """Return the mails of one recipient, sorted by arrival."""
    mails = [
        email.message_from_bytes(path.read_bytes(), policy=default)
        for path in sorted(inbox.directory.glob("*.eml"))
    ]
    return [mail for mail in mails if mail["To"] == recipient]


@pytest.mark.gap
def test_email_subscriber_receives_mail(cloud: Cloud, inbox: Inbox, name: str) -> None:
    sns, to = cloud.client("sns"), f"{name}@firn.test"
    topic = sns.create_topic(Name=name)["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="email", Endpoint=to)
    text = "9 rows are missing: naïve\n" + "a long line " * 20
    sns.publish(TopicArn=topic, Subject="firn: station.event", Message=text)
    sns.publish(TopicArn=topic, Message="second")
    mails = until("two mails", lambda: len(found := mails_to(inbox, to)) == 2 and found, 5)
    assert [mail["Subject"] for mail in mails] == [
        "firn: station.event",
        "AWS Notification Message",
    ]
    assert mails[0].get_content().split() == text.split()
    assert mails[0]["From"] == "AWS Notifications <no-reply@sns.amazonaws.com>"


@pytest.mark.gap
def test_filter_policy_limits_mails(cloud: Cloud, inbox: Inbox, name: str) -> None:
    sns, to = cloud.client("sns"), f"{name}@firn.test"
    topic = sns.create_topic(Name=name)["TopicArn"]
    sns.subscribe(
        TopicArn=topic,
        Protocol="email",
        Endpoint=to,
        Attributes={"FilterPolicy": json.dumps({"severity": ["error"]})},
    )
    for severity in ("info", "error"):
        attributes = {"severity": {"DataType": "String", "StringValue": severity}}
        sns.publish(TopicArn=topic, Message=severity, MessageAttributes=attributes)
    mails = until("a mail", lambda: mails_to(inbox, to), 5)
    assert [mail.get_content().strip() for mail in mails] == ["error"]


@pytest.mark.gap
def test_body_filter_matches_inside_arrays(cloud: Cloud, name: str) -> None:
    url, arn = resources.open_queue(cloud, name)
    sns = cloud.client("sns")
    topic = sns.create_topic(Name=name)["TopicArn"]
    policy = {
        "Records": {
            "s3": {"bucket": {"name": ["landing"]}, "object": {"size": [{"numeric": [">", 0]}]}}
        }
    }
    sns.subscribe(
        TopicArn=topic,
        Protocol="sqs",
        Endpoint=arn,
        Attributes={
            "RawMessageDelivery": "true",
            "FilterPolicyScope": "MessageBody",
            "FilterPolicy": json.dumps(policy),
        },
    )
    for bucket, size in (("other", 1), ("landing", 0), ("landing", 7)):
        record = {"s3": {"bucket": {"name": bucket}, "object": {"size": size}}}
        sns.publish(TopicArn=topic, Message=json.dumps({"Records": [record]}))
    bodies = [json.loads(message["Body"]) for message in resources.receive(cloud, url, seconds=4)]
    assert [body["Records"][0]["s3"]["object"]["size"] for body in bodies] == [7]
