"""CloudWatch: the metrics of queues and functions, and the alarms on these metrics."""

import json
from typing import Any

import pytest

import resources
from servers import ACCOUNT, REGION, Cloud, until


def alarm(
    cloud: Cloud, name: str, namespace: str, metric: str, dimension: tuple[str, str], **options: Any
) -> None:
    """Create an alarm that fires when the metric is above 0 for a minute."""
    cloud.client("cloudwatch").put_metric_alarm(
        **{
            "AlarmName": name,
            "Namespace": namespace,
            "MetricName": metric,
            "Period": 60,
            "Dimensions": [{"Name": dimension[0], "Value": dimension[1]}],
            "EvaluationPeriods": 1,
            "Statistic": "Maximum",
            "Threshold": 0,
            "ComparisonOperator": "GreaterThanThreshold",
            "TreatMissingData": "notBreaching",
            **options,
        }
    )


def state(cloud: Cloud, name: str) -> str:
    """Return the state of an alarm."""
    described = cloud.client("cloudwatch").describe_alarms(AlarmNames=[name])["MetricAlarms"]
    return described[0]["StateValue"]


@pytest.mark.gap
def test_visible_message_raises_alarm(cloud: Cloud, name: str) -> None:
    url, _ = resources.queue(cloud, name)
    listener, listener_arn = resources.open_queue(cloud, f"{name}-listener")
    sns = cloud.client("sns")
    topic = sns.create_topic(Name=name)["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=listener_arn)
    alarm(
        cloud,
        name,
        "AWS/SQS",
        "ApproximateNumberOfMessagesVisible",
        ("QueueName", name),
        AlarmActions=[topic],
    )
    until("alarm OK", lambda: state(cloud, name) == "OK", 5)
    cloud.client("sqs").send_message(QueueUrl=url, MessageBody="dead")
    until("alarm", lambda: state(cloud, name) == "ALARM", 5)
    notification = json.loads(json.loads(resources.receive(cloud, listener)[0]["Body"])["Message"])
    assert (notification["AlarmName"], notification["NewStateValue"]) == (name, "ALARM")


@pytest.mark.gap
def test_old_message_raises_alarm(cloud: Cloud, name: str) -> None:
    url, _ = resources.queue(cloud, name)
    alarm(cloud, name, "AWS/SQS", "ApproximateAgeOfOldestMessage", ("QueueName", name), Threshold=1)
    cloud.client("sqs").send_message(QueueUrl=url, MessageBody="old")
    until("alarm", lambda: state(cloud, name) == "ALARM", 5)


@pytest.mark.gap
def test_failing_function_raises_only_its_alarm(cloud: Cloud, name: str) -> None:
    for each, body in (("failing", "raise ValueError"), ("working", "return None")):
        function = f"{name}-{each}"
        url, arn = resources.queue(cloud, function)
        resources.function(cloud, function, body)
        resources.read_queue(cloud, function, arn)
        alarm(cloud, function, "AWS/Lambda", "Errors", ("FunctionName", function), Statistic="Sum")
        cloud.client("sqs").send_message(QueueUrl=url, MessageBody="x")
    until("alarm of the failing function", lambda: state(cloud, f"{name}-failing") == "ALARM", 5)
    until("working function OK", lambda: state(cloud, f"{name}-working") == "OK", 5)


@pytest.mark.parametrize(
    ("breaching", "needed", "missing", "expected"),
    [
        ([True], 1, "missing", "ALARM"),
        ([False], 1, "missing", "OK"),
        ([True, False, True], 2, "missing", "ALARM"),
        ([True, False, False], 2, "missing", "OK"),
        ([None, None], 1, "missing", "INSUFFICIENT_DATA"),
        ([None, None], 1, "notBreaching", "OK"),
        ([None, None], 1, "breaching", "ALARM"),
        ([None, None], 1, "ignore", "now"),
        ([True, None], 2, "breaching", "ALARM"),
        ([True, None], 2, "notBreaching", "OK"),
    ],
)
def test_alarm_state_follows_breaches_and_missing_data(
    breaching: list[bool | None], needed: int, missing: str, expected: str
) -> None:
    from firn_aws.alarms import alarm_state

    assert alarm_state(breaching, needed, missing, "now") == expected


def test_throttled_call_counts_only_as_throttle(cloud: Cloud, name: str) -> None:
    arn = resources.function(cloud, name, "return None")
    assert arn == f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{name}"
    client = cloud.client("lambda")
    client.invoke(FunctionName=name)
    client.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=0)
    with pytest.raises(client.exceptions.TooManyRequestsException):
        client.invoke(FunctionName=name)
    assert (total(cloud, name, "Invocations"), total(cloud, name, "Throttles")) == (1, 1)


def total(cloud: Cloud, function: str, metric: str) -> float:
    """Return the sum of a function's metric over the last hour."""
    import datetime

    now = datetime.datetime.now(datetime.UTC)
    points = cloud.client("cloudwatch").get_metric_statistics(
        Namespace="AWS/Lambda",
        MetricName=metric,
        Period=3600,
        Statistics=["Sum"],
        Dimensions=[{"Name": "FunctionName", "Value": function}],
        StartTime=now - datetime.timedelta(hours=1),
        EndTime=now + datetime.timedelta(minutes=1),
    )
    return sum(point["Sum"] for point in points["Datapoints"])
