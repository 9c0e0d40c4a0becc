"""CloudWatch: the metrics of queues and functions, and the alarms on these metrics."""

import datetime
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
    listener, topic = topic_with_listener(cloud, name)
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


@pytest.mark.gap
def test_throttled_function_of_queue_raises_alarm(cloud: Cloud, name: str) -> None:
    url, arn = resources.queue(cloud, name, VisibilityTimeout="1")
    resources.function(cloud, name, "return None")
    alarm(cloud, name, "AWS/Lambda", "Throttles", ("FunctionName", name), Statistic="Sum")
    resources.read_queue(cloud, name, arn)
    until("alarm OK", lambda: state(cloud, name) == "OK", 5)
    client = cloud.client("lambda")
    client.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=0)
    cloud.client("sqs").send_message(QueueUrl=url, MessageBody="x")
    until("alarm", lambda: state(cloud, name) == "ALARM", 8)
    assert (total(cloud, name, "Invocations"), total(cloud, name, "Errors")) == (1, 0)


@pytest.mark.gap
def test_partial_batch_failure_is_no_error(cloud: Cloud, name: str) -> None:
    url, arn = resources.queue(cloud, name, VisibilityTimeout="1")
    failed = "{'itemIdentifier': record['messageId']} for record in event['Records']"
    resources.function(cloud, name, f"return {{'batchItemFailures': [{failed}] if event else []}}")
    resources.read_queue(cloud, name, arn)
    cloud.client("sqs").send_message(QueueUrl=url, MessageBody="x")
    until("two more invocations", lambda: total(cloud, name, "Invocations") >= 3, 8)
    assert (total(cloud, name, "Errors"), total(cloud, name, "Throttles")) == (0, 0)


@pytest.mark.gap
def test_missing_heartbeat_raises_alarm_until_next_heartbeat(cloud: Cloud, name: str) -> None:
    client = cloud.client("cloudwatch")

    def beat() -> None:
        dimensions = [{"Name": "stage", "Value": name}]
        value = {"MetricName": "Heartbeat", "Dimensions": dimensions, "Value": 1}
        client.put_metric_data(Namespace="Firn", MetricData=[value])

    listener, topic = topic_with_listener(cloud, name)
    alarm(
        cloud,
        name,
        "Firn",
        "Heartbeat",
        ("stage", name),
        Period=1,
        EvaluationPeriods=3,
        Statistic="Sum",
        Threshold=1,
        ComparisonOperator="LessThanThreshold",
        TreatMissingData="breaching",
        AlarmActions=[topic],
        OKActions=[topic],
    )
    until("alarm before the first heartbeat", lambda: state(cloud, name) == "ALARM", 5)
    beat()
    until("alarm OK", lambda: state(cloud, name) == "OK", 5)
    until("alarm after the last heartbeat", lambda: state(cloud, name) == "ALARM", 8)
    beat()
    until("alarm OK again", lambda: state(cloud, name) == "OK", 5)
    messages = resources.receive(cloud, listener, 4)
    states = [json.loads(json.loads(each["Body"])["Message"])["NewStateValue"] for each in messages]
    assert states == ["ALARM", "OK", "ALARM", "OK"]


def topic_with_listener(cloud: Cloud, name: str) -> tuple[str, str]:
    """Create a topic and a queue that receives its messages; return URL and topic ARN."""
    url, arn = resources.open_queue(cloud, f"{name}-listener")
    topic = cloud.client("sns").create_topic(Name=name)["TopicArn"]
    cloud.client("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    return url, topic


@pytest.mark.gap
@pytest.mark.parametrize(("suffix", "counts_on"), [("", False), (".fifo", True)])
def test_age_leaves_out_message_of_standard_queue_after_three_receives(
    cloud: Cloud, name: str, suffix: str, counts_on: bool
) -> None:
    fifo = {"FifoQueue": "true", "ContentBasedDeduplication": "true"} if suffix else {}
    group = {"MessageGroupId": "g"} if suffix else {}
    queue = name[:60] + suffix
    url, _ = resources.queue(cloud, queue, VisibilityTimeout="0", **fifo)
    sqs = cloud.client("sqs")
    sqs.send_message(QueueUrl=url, MessageBody="poison", **group)
    for _ in range(3):
        wait_for_samples(cloud, queue, AGE, 1)
        assert len(sqs.receive_message(QueueUrl=url)["Messages"]) == 1
    wait_for_samples(cloud, queue, VISIBLE, 2)  # the age of the earlier sample is complete
    before = samples(cloud, queue, AGE)
    wait_for_samples(cloud, queue, VISIBLE, 3)
    assert (samples(cloud, queue, AGE) > before) == counts_on
    sqs.send_message(QueueUrl=url, MessageBody="next", **group)
    wait_for_samples(cloud, queue, AGE, 1)


@pytest.mark.gap
def test_age_has_no_sample_without_message(cloud: Cloud, name: str) -> None:
    resources.queue(cloud, name)
    wait_for_samples(cloud, name, VISIBLE, 2)
    assert samples(cloud, name, AGE) == 0


@pytest.mark.gap
def test_age_in_dead_letter_queue_counts_from_move(cloud: Cloud, name: str) -> None:
    url, _, dead_url, dead_arn = resources.queue_with_dead_letters(
        cloud, name, receives=4, visibility=0
    )
    sqs = cloud.client("sqs")
    sqs.send_message(QueueUrl=url, MessageBody="old")
    until("age of two seconds", lambda: statistic(cloud, name, AGE, "Maximum") >= 2, 8)

    def is_dead() -> bool:
        sqs.receive_message(QueueUrl=url)
        return resources.depth(cloud, dead_url) == 1

    until("dead letter", is_dead)
    wait_for_samples(cloud, f"{name}-dead", AGE, 1)
    assert statistic(cloud, f"{name}-dead", AGE, "Minimum") < 2
    sqs.start_message_move_task(SourceArn=dead_arn)
    wait_for_samples(cloud, name, AGE, 1)  # the receives before the move are forgotten


AGE, VISIBLE = "ApproximateAgeOfOldestMessage", "ApproximateNumberOfMessagesVisible"


def samples(cloud: Cloud, queue: str, metric: str) -> int:
    """Return the number of samples of a queue's metric."""
    return int(statistic(cloud, queue, metric, "SampleCount"))


def wait_for_samples(cloud: Cloud, queue: str, metric: str, count: int) -> None:
    """Wait for this number of additional samples."""
    wanted = samples(cloud, queue, metric) + count
    until(f"{count} samples of {metric}", lambda: samples(cloud, queue, metric) >= wanted)


@pytest.mark.parametrize(
    ("queue", "messages", "expected"),
    [
        ("q", [], None),
        ("q", [{"sent_at": 90, "receive_count": 2}], 10),
        ("q", [{"sent_at": 90, "receive_count": 3}], None),
        ("q.fifo", [{"sent_at": 90, "receive_count": 3}], 10),
        (
            "q",
            [{"sent_at": 90, "receive_count": 7}, {"sent_at": 96, "receive_count": 0}],
            4,
        ),
        (
            "q-dead",
            [{"sent_at": 10, "receive_count": 4, "moved_at": 98, "receives_before_move": 4}],
            2,
        ),
        (
            "q-dead",
            [{"sent_at": 10, "receive_count": 7, "moved_at": 98, "receives_before_move": 4}],
            None,
        ),
        (
            "q",
            [{"sent_at": 95, "receive_count": 0, "moved_at": None, "receives_before_move": 0}],
            5,
        ),
    ],
)
def test_age_of_oldest_message_follows_receives_and_move(
    queue: str, messages: list[dict[str, Any]], expected: float | None
) -> None:
    from firn_aws.metrics import age_of_oldest_message

    assert age_of_oldest_message(queue, messages, 100) == expected


def total(cloud: Cloud, function: str, metric: str) -> float:
    """Return the sum of a function's metric over the last hour."""
    return read(cloud, "AWS/Lambda", metric, ("FunctionName", function), "Sum")


def statistic(cloud: Cloud, queue: str, metric: str, name: str) -> float:
    """Return a statistic of a queue's metric over the last hour; 0 without a sample."""
    return read(cloud, "AWS/SQS", metric, ("QueueName", queue), name)


def read(cloud: Cloud, namespace: str, metric: str, dimension: tuple[str, str], name: str) -> float:
    """Return a statistic of a metric over the last hour; 0 without data."""
    now = datetime.datetime.now(datetime.UTC)
    points = cloud.client("cloudwatch").get_metric_statistics(
        Namespace=namespace,
        MetricName=metric,
        Period=7200,
        Statistics=[name],
        Dimensions=[{"Name": dimension[0], "Value": dimension[1]}],
        StartTime=now - datetime.timedelta(hours=1),
        EndTime=now + datetime.timedelta(minutes=1),
    )["Datapoints"]
    return points[0][name] if points else 0
