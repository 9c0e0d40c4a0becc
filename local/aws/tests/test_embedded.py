"""CloudWatch: log lines in the embedded metric format become metrics."""

import datetime
import json
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

import resources
from servers import Cloud, until

NAMESPACE = "Firn"

PRINTING = """
import json
values = event if 'Records' not in event else json.loads(event['Records'][0]['body'])
for line in values['lines']:
    print(line)
"""
"""The body of a function that prints the lines of its event, or of its message."""

BOOTSTRAP = """#!/usr/bin/env python3
import json, os, sys, urllib.request
api = "http://" + os.environ["AWS_LAMBDA_RUNTIME_API"] + "/2018-06-01/runtime/invocation/"
while True:
    event = urllib.request.urlopen(api + "next")
    request_id = event.headers["Lambda-Runtime-Aws-Request-Id"]
    values = json.loads(event.read())
    if "Records" in values:
        values = json.loads(values["Records"][0]["body"])
    for line in values["lines"]:
        print(line, file=sys.stderr, flush=True)
    urllib.request.urlopen(api + request_id + "/response", data=b"{}")
"""
"""A custom runtime that writes the lines to its standard error, as firn's functions do."""


def document(**changes: Any) -> dict[str, Any]:
    """Return a valid document: one metric, with one dimension."""
    directive = {
        "Namespace": NAMESPACE,
        "Dimensions": [["stage"]],
        "Metrics": [{"Name": "Loads", "Unit": "Count"}],
    }
    parts = {key: changes.pop(key) for key in list(changes) if key in directive}
    metadata = {"Timestamp": 1764000000500, "CloudWatchMetrics": [directive | parts]}
    return {"_aws": metadata, "stage": "load", "Loads": 2, **changes}


def statistics(cloud: Cloud, metric: str, dimensions: dict[str, str]) -> dict[str, Any] | None:
    """Return the statistics of a metric of the namespace Firn over its hour; None without data."""
    now = datetime.datetime.now(datetime.UTC)
    points = cloud.client("cloudwatch").get_metric_statistics(
        Namespace=NAMESPACE,
        MetricName=metric,
        Period=7200,
        Statistics=["Sum", "SampleCount", "Maximum"],
        Dimensions=[{"Name": key, "Value": value} for key, value in dimensions.items()],
        StartTime=now - datetime.timedelta(hours=1),
        EndTime=now + datetime.timedelta(minutes=1),
    )["Datapoints"]
    return points[0] if points else None


def now_in_milliseconds() -> int:
    return int(time.time() * 1000)


@pytest.mark.gap
@pytest.mark.parametrize("runtime", [resources.PYTHON_RUNTIME, "provided.al2023"])
@pytest.mark.parametrize("start", ["invoke", "queue"])
def test_log_line_becomes_metric(cloud: Cloud, name: str, runtime: str, start: str) -> None:
    options = {"Zip": resources.zipped("bootstrap", BOOTSTRAP), "Handler": "bootstrap"}
    options = options if runtime.startswith("provided") else {}
    resources.function(cloud, name, PRINTING, Runtime=runtime, **options)
    printed = document(Dimensions=[["stage"], ["stage", "code"], []], stage=name, code="x")
    printed["_aws"]["Timestamp"] = now_in_milliseconds()
    printed["Loads"] = [2, 3]
    lines = [f"plain text {json.dumps(printed)}", "{not JSON", json.dumps(printed)]
    event = json.dumps({"lines": lines})
    if start == "invoke":
        answer = cloud.client("lambda").invoke(FunctionName=name, Payload=event)
        assert "FunctionError" not in answer
    else:
        url, arn = resources.queue(cloud, name)
        cloud.client("sqs").send_message(QueueUrl=url, MessageBody=event)
        cloud.client("lambda").create_event_source_mapping(FunctionName=name, EventSourceArn=arn)
    for dimensions in ({"stage": name}, {"stage": name, "code": "x"}):
        found = until("metric", lambda wanted=dimensions: statistics(cloud, "Loads", wanted), 5)
        assert (found["Sum"], found["SampleCount"], found["Maximum"]) == (5, 2, 3)
        assert found["Unit"] == "Count"
    assert statistics(cloud, "Loads", {}) is not None


@pytest.mark.gap
def test_alarm_watches_metric_of_log_line(cloud: Cloud, name: str) -> None:
    resources.function(cloud, name, PRINTING)
    cloudwatch = cloud.client("cloudwatch")
    cloudwatch.put_metric_alarm(
        AlarmName=name,
        Namespace=NAMESPACE,
        MetricName="Loads",
        Dimensions=[{"Name": "stage", "Value": name}],
        Period=60,
        EvaluationPeriods=1,
        Statistic="Sum",
        Threshold=3,
        ComparisonOperator="GreaterThanOrEqualToThreshold",
        TreatMissingData="notBreaching",
    )
    printed = document(stage=name)
    printed["_aws"]["Timestamp"] = now_in_milliseconds()
    event = json.dumps({"lines": [json.dumps(printed)] * 2})

    def state() -> str:
        return cloudwatch.describe_alarms(AlarmNames=[name])["MetricAlarms"][0]["StateValue"]

    until("alarm OK", lambda: state() == "OK", 5)
    cloud.client("lambda").invoke(FunctionName=name, Payload=event)
    until("alarm", lambda: state() == "ALARM", 5)


@pytest.mark.gap
def test_malformed_document_is_ignored_and_log_goes_on(cloud: Cloud, name: str) -> None:
    resources.function(cloud, name, PRINTING)
    good = document(stage=name)
    good["_aws"]["Timestamp"] = now_in_milliseconds()
    lines = [json.dumps(good | {"Loads": "two"}), json.dumps(good), "last line"]
    cloud.client("lambda").invoke(FunctionName=name, Payload=json.dumps({"lines": lines}))
    found = until("metric", lambda: statistics(cloud, "Loads", {"stage": name}), 5)
    assert (found["Sum"], found["SampleCount"]) == (2, 1)
    cloud.wait_for_log("embedded metric format is ignored: Loads has no number on the root")
    assert "last line" in logged(cloud, name)


def logged(cloud: Cloud, function: str) -> list[str]:
    """Return the lines of a function's log."""
    events = cloud.client("logs").filter_log_events(logGroupName=f"/aws/lambda/{function}")
    return [event["message"].strip() for event in events["events"]]


def test_values_follow_directives() -> None:
    from firn_aws import embedded
    from firn_aws.metric_points import Metric

    line = document(
        Dimensions=[[], ["stage"]],
        Metrics=[{"Name": "Loads", "Unit": "Count"}, {"Name": "Seconds"}],
        Seconds=[0.5, 1],
        unused={"nested": [None]},
    )
    values = embedded.read(json.dumps(line) + "\n")
    assert {each.at for each in values} == {1764000000.5}
    assert [(each.metric, each.value) for each in values] == [
        (Metric(NAMESPACE, "Loads", "Count", {}), 2),
        (Metric(NAMESPACE, "Loads", "Count", {"stage": "load"}), 2),
        (Metric(NAMESPACE, "Seconds", "None", {}), 0.5),
        (Metric(NAMESPACE, "Seconds", "None", {"stage": "load"}), 0.5),
        (Metric(NAMESPACE, "Seconds", "None", {}), 1),
        (Metric(NAMESPACE, "Seconds", "None", {"stage": "load"}), 1),
    ]


@pytest.mark.parametrize(
    "line",
    [
        "",
        '"_aws"',
        '["_aws"]',
        '{"_aws": 1}',
        '{"_aws": {"Timestamp": 1}}',
        "INFO " + json.dumps(document()),
        json.dumps(document()) + " INFO",
        json.dumps(document(Loads=float("nan"))),
        json.dumps(document())[:-1],
    ],
)
def test_other_line_has_no_value(line: str) -> None:
    from firn_aws import embedded

    assert embedded.read(line) == []


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"Namespace": ""}, "Namespace isn't a name"),
        ({"Namespace": None}, "Namespace isn't a name"),
        ({"Namespace": "n" * 256}, "Namespace isn't a name"),
        ({"Dimensions": None}, "Dimensions isn't a list"),
        ({"Dimensions": []}, "Dimensions is empty"),
        ({"Dimensions": ["stage"]}, "a dimension set isn't a list"),
        ({"Dimensions": [["stage"] * 31]}, "a dimension set has more than 30 entries"),
        ({"Dimensions": [["absent"]]}, "the dimension absent has no text"),
        ({"stage": 1}, "the dimension stage has no text"),
        ({"stage": ""}, "the dimension stage has no text"),
        ({"stage": "s" * 1025}, "the dimension stage has no text"),
        ({"stage": {"stage": "load"}}, "the dimension stage has no text"),
        ({"Metrics": None}, "Metrics isn't a list"),
        ({"Metrics": ["Loads"]}, "a metric definition isn't an object"),
        ({"Metrics": [{"Name": "Loads"}] * 101}, "Metrics has more than 100 entries"),
        ({"Metrics": [{"Unit": "Count"}]}, "the Name of a metric isn't a name"),
        ({"Metrics": [{"Name": "Loads", "Unit": "count"}]}, "Loads isn't a unit"),
        ({"Metrics": [{"Name": "Loads", "Unit": []}]}, "Loads isn't a unit"),
        ({"Metrics": [{"Name": "absent"}]}, "absent has no number"),
        ({"Loads": None}, "Loads has no number"),
        ({"Loads": "2"}, "Loads has no number"),
        ({"Loads": True}, "Loads has no number"),
        ({"Loads": {"value": 2}}, "Loads has no number"),
        ({"Loads": [1, None]}, "Loads has no number"),
        ({"Loads": [1] * 101}, "Loads has more than 100 values"),
        ({"filler": "x" * 1024 * 1024}, "more than 1048576 bytes"),
    ],
)
def test_malformed_document_is_refused(changes: dict[str, Any], reason: str) -> None:
    from firn_aws import embedded

    with pytest.raises(embedded.MalformedError, match=reason):
        embedded.read(json.dumps(document(**changes)))


@pytest.mark.parametrize("timestamp", [None, "1764000000500", True, 1.5])
def test_document_without_milliseconds_is_refused(timestamp: object) -> None:
    from firn_aws import embedded

    line = document()
    line["_aws"]["Timestamp"] = timestamp
    with pytest.raises(embedded.MalformedError, match="number of milliseconds"):
        embedded.read(json.dumps(line))


def test_values_of_a_day_stay_few_and_their_sum_exact() -> None:
    from ministack.services import cloudwatch

    from firn_aws import metric_points
    from firn_aws.metric_points import MAX_SETS, SET_SECONDS, Metric

    metric = Metric(NAMESPACE, "Seconds of a day", "Count")
    for second in range(24 * 3600):
        metric_points.add(metric, 1, 1764000000 + second)
    stored = cloudwatch._metric_bucket((metric.namespace, metric.name, cloudwatch._dims_key({})))
    assert len(stored) == MAX_SETS
    assert cloudwatch._calc_stats(stored)["Sum"] == MAX_SETS * SET_SECONDS


class NumberWithCallback(float):
    """A number that calls a function before its addition to another number."""

    def __new__(cls, value: float, before_addition: Callable[[], None]) -> "NumberWithCallback":
        number = super().__new__(cls, value)
        number._before_addition = before_addition
        return number

    def __radd__(self, other: float) -> float:
        self._before_addition()
        return other + float(self)


def test_value_during_addition_is_counted() -> None:
    from ministack.services import cloudwatch

    from firn_aws import metric_points
    from firn_aws.metric_points import Metric

    metric = Metric(NAMESPACE, "Parallel", "Count")
    other = threading.Thread(target=metric_points.add, args=(metric, 1, 1764000000))

    def start_other() -> None:
        other.start()
        other.join(0.3)  # the other addition waits for the end of this addition

    metric_points.add(metric, 1, 1764000000)
    metric_points.add(metric, NumberWithCallback(1, start_other), 1764000000)
    other.join()
    stored = cloudwatch._metric_bucket((metric.namespace, metric.name, cloudwatch._dims_key({})))
    assert cloudwatch._calc_stats(stored)["Sum"] == 3
