"""Glue: job runs that succeed, fail, wait for a slot and stop, with their events."""

import contextlib
import io
import json
import os
import signal
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

import resources
from servers import Cloud, until

RECORD = """
import json, os, sys
arguments = dict(zip(sys.argv[1::2], sys.argv[2::2]))
with open(arguments["--out"] + ".part", "w") as file:
    json.dump({"argv": sys.argv, "environment": dict(os.environ), "pid": os.getpid()}, file)
os.rename(arguments["--out"] + ".part", arguments["--out"])
"""
FAIL = """
raise ValueError("contract column amount is missing")
"""
WAIT = (
    RECORD
    + """
import time
time.sleep(60)
"""
)
FAIL_IN_SPARK = """
import sys
print("Traceback (most recent call last):")
print("py4j.protocol.Py4JJavaError: An error occurred while calling o1.parquet")
print("\\tat org.apache.spark.sql.DataFrameWriter.parquet(DataFrameWriter.scala:792)")
sys.exit(1)
"""


class Job:
    """One job with its script, and a queue that receives the events of its runs."""

    def __init__(self, cloud: Cloud, name: str, script: str, **options: Any) -> None:
        self.cloud, self.name, self.client = cloud, name, cloud.client("glue")
        scripts = resources.bucket(cloud, f"{name}-scripts")
        cloud.client("s3").put_object(Bucket=scripts, Key="job.py", Body=script.encode())
        self.queue, arn = resources.open_queue(cloud, f"{name}-ends")
        events = cloud.client("events")
        events.put_rule(
            Name=name,
            EventPattern=json.dumps({"source": ["aws.glue"], "detail": {"jobName": [name]}}),
        )
        events.put_targets(Rule=name, Targets=[{"Id": "queue", "Arn": arn}])
        self.client.create_job(
            **{
                "Name": name,
                "Role": resources.role(cloud, f"{name}-role"),
                "Command": {"Name": "glueetl", "ScriptLocation": f"s3://{scripts}/job.py"},
                **options,
            }
        )

    def start(self, **options: Any) -> str:
        """Start a run and return its id."""
        return self.client.start_job_run(JobName=self.name, **options)["JobRunId"]

    def run(self, run: str) -> dict[str, Any]:
        """Return the description of a run."""
        return self.client.get_job_run(JobName=self.name, RunId=run)["JobRun"]

    def wait_for_end(self, run: str) -> dict[str, Any]:
        """Wait for the end of a run and return its description."""
        active = ("STARTING", "RUNNING", "STOPPING")
        until("end of run", lambda: self.run(run)["JobRunState"] not in active)
        return self.run(run)

    def next_event(self) -> dict[str, Any]:
        """Wait for the next event of the job and return its detail."""
        event = json.loads(resources.receive(self.cloud, self.queue, seconds=4)[0]["Body"])
        assert (event["source"], event["detail-type"]) == ("aws.glue", "Glue Job State Change")
        return event["detail"]


def read_record(path: Path) -> dict[str, Any]:
    """Wait for the record that a script writes, and return its content."""
    until("record of the script", path.exists, 5)
    return json.loads(path.read_text())


def has_ended(pid: int) -> bool:
    """Return true if the process has ended."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, 0)
        return False
    return True


@pytest.mark.gap
def test_script_imports_extra_py_files(cloud: Cloud, name: str, tmp_path: Path) -> None:
    job = Job(cloud, name, "import package.module\n" + RECORD)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as file:
        file.writestr("package/__init__.py", "")
        file.writestr("package/module.py", "")
    bucket = f"{name}-scripts"
    cloud.client("s3").put_object(Bucket=bucket, Key="modules.zip", Body=packed.getvalue())
    arguments = {"--out": str(tmp_path / "out"), "--extra-py-files": f"s3://{bucket}/modules.zip"}
    assert job.wait_for_end(job.start(Arguments=arguments))["JobRunState"] == "SUCCEEDED"
    assert read_record(tmp_path / "out")
    arguments["--extra-py-files"] = f"s3://{bucket}/other.zip"
    run = job.wait_for_end(job.start(Arguments=arguments))
    assert run["JobRunState"] == "FAILED"
    assert "other.zip doesn't exist" in run["ErrorMessage"]


@pytest.mark.gap
def test_script_receives_merged_arguments(cloud: Cloud, name: str, tmp_path: Path) -> None:
    job = Job(cloud, name, RECORD, DefaultArguments={"--a": "default", "--b": "default"})
    run = job.start(Arguments={"--b": "two words", "--out": str(tmp_path / "out")})
    assert job.wait_for_end(run)["JobRunState"] == "SUCCEEDED"
    argv = read_record(tmp_path / "out")["argv"]
    arguments = dict(zip(argv[1::2], argv[2::2], strict=True))
    assert arguments == {
        "--a": "default",
        "--b": "two words",
        "--out": str(tmp_path / "out"),
        "--JOB_NAME": name,
        "--JOB_RUN_ID": run,
    }
    assert job.next_event() == {
        "jobName": name,
        "severity": "INFO",
        "state": "SUCCEEDED",
        "jobRunId": run,
        "message": "Job run succeeded",
    }


@pytest.mark.gap
@pytest.mark.parametrize(
    ("script", "message"),
    [
        (FAIL, "ValueError: contract column amount is missing"),
        (FAIL_IN_SPARK, "py4j.protocol.Py4JJavaError: An error occurred while calling o1.parquet"),
        ("import sys; sys.exit(3)", "exit code 3"),
    ],
    ids=["raises", "spark", "exits"],
)
def test_failing_script_fails_run_with_message(
    cloud: Cloud, name: str, script: str, message: str
) -> None:
    job = Job(cloud, name, script)
    run = job.wait_for_end(job.start())
    assert (run["JobRunState"], run["ErrorMessage"]) == ("FAILED", message)
    detail = job.next_event()
    assert (detail["state"], detail["severity"], detail["message"]) == ("FAILED", "ERROR", message)


@pytest.mark.gap
def test_missing_script_fails_run(cloud: Cloud, name: str) -> None:
    job = Job(cloud, name, "", Command={"Name": "glueetl", "ScriptLocation": "s3://no/script.py"})
    run = job.wait_for_end(job.start())
    assert run["JobRunState"] == "FAILED"
    assert "s3://no/script.py doesn't exist" in run["ErrorMessage"]


@pytest.mark.gap
def test_run_above_limit_is_refused_until_another_stops(
    cloud: Cloud, name: str, tmp_path: Path
) -> None:
    job = Job(cloud, name, WAIT, ExecutionProperty={"MaxConcurrentRuns": 2})
    runs = [job.start(Arguments={"--out": str(tmp_path / f"{number}")}) for number in range(2)]
    with pytest.raises(ClientError, match="ConcurrentRunsExceededException"):
        job.start()
    processes = [read_record(tmp_path / f"{number}")["pid"] for number in range(2)]
    job.client.batch_stop_job_run(JobName=name, JobRunIds=[runs[0]])
    assert job.wait_for_end(runs[0])["JobRunState"] == "STOPPED"
    until("process killed", lambda: has_ended(processes[0]))
    assert job.next_event()["state"] == "STOPPED"
    assert not has_ended(processes[1])
    runs.append(job.start(Arguments={"--out": str(tmp_path / "2")}))
    job.client.update_job(JobName=name, JobUpdate={"ExecutionProperty": {"MaxConcurrentRuns": 1}})
    job.client.batch_stop_job_run(JobName=name, JobRunIds=runs[1:2])
    job.wait_for_end(runs[1])
    with pytest.raises(ClientError, match="ConcurrentRunsExceededException"):
        job.start()
    job.client.batch_stop_job_run(JobName=name, JobRunIds=runs[2:])


@pytest.mark.gap
def test_run_above_limit_waits_with_queuing(cloud: Cloud, name: str, tmp_path: Path) -> None:
    job = Job(cloud, name, WAIT, JobRunQueuingEnabled=True)
    runs = [job.start(Arguments={"--out": str(tmp_path / f"{number}")}) for number in range(3)]
    read_record(tmp_path / "0")
    assert [job.run(run)["JobRunState"] for run in runs] == ["RUNNING", "WAITING", "WAITING"]
    with pytest.raises(ClientError, match="ConcurrentRunsExceededException"):
        job.start(JobRunQueuingEnabled=False)
    stopped = job.client.batch_stop_job_run(JobName=name, JobRunIds=[runs[1]])
    assert [each["JobRunId"] for each in stopped["SuccessfulSubmissions"]] == [runs[1]]
    assert job.run(runs[1])["JobRunState"] == "STOPPED"
    assert job.next_event()["jobRunId"] == runs[1]
    job.client.batch_stop_job_run(JobName=name, JobRunIds=[runs[0]])
    assert read_record(tmp_path / "2")["argv"]
    assert job.run(runs[2])["JobRunState"] == "RUNNING"
    assert not (tmp_path / "1").exists()
    job.client.batch_stop_job_run(JobName=name, JobRunIds=[runs[2]])


@pytest.mark.gap
def test_run_event_reaches_only_queue_with_policy(cloud: Cloud, name: str) -> None:
    job = Job(cloud, name, "")
    pattern = {
        "source": ["aws.glue"],
        "detail-type": ["Glue Job State Change"],
        "detail": {"jobName": [name], "state": ["SUCCEEDED", "FAILED", "TIMEOUT", "STOPPED"]},
    }
    targets = [{"Arn": {"Fn::GetAtt": ["Queue", "Arn"]}, "Id": "Target0"}]
    send = {
        "Effect": "Allow",
        "Principal": {"Service": "events.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": {"Fn::GetAtt": ["Queue", "Arn"]},
        "Condition": {"ArnEquals": {"aws:SourceArn": {"Fn::GetAtt": ["Rule", "Arn"]}}},
    }
    policy = {"Queues": [{"Ref": "Queue"}], "PolicyDocument": {"Statement": [send]}}
    queues = {"Queue": {"Type": "AWS::SQS::Queue"}, "Closed": {"Type": "AWS::SQS::Queue"}}
    closed = [{"Arn": {"Fn::GetAtt": ["Closed", "Arn"]}, "Id": "Target0"}]
    outputs = resources.stack(
        cloud,
        f"{name}-rule",
        {
            **queues,
            "Policy": {"Type": "AWS::SQS::QueuePolicy", "Properties": policy},
            "Refused": {
                "Type": "AWS::Events::Rule",
                "Properties": {"EventPattern": pattern, "State": "ENABLED", "Targets": closed},
            },
            "Rule": {
                "Type": "AWS::Events::Rule",
                "Properties": {"EventPattern": pattern, "State": "ENABLED", "Targets": targets},
            },
        },
        {"Queue": {"Ref": "Queue"}, "Closed": {"Ref": "Closed"}},
    )
    run = job.start()
    event = json.loads(resources.receive(cloud, outputs["Queue"], seconds=4)[0]["Body"])
    assert (event["detail"]["jobRunId"], event["detail"]["state"]) == (run, "SUCCEEDED")
    job.next_event()
    assert resources.depth(cloud, outputs["Closed"]) == 0


def test_run_stopped_at_start_ends_as_stopped(cloud: Cloud, name: str) -> None:
    job = Job(cloud, name, "import time; time.sleep(60)")
    run = job.start()
    job.client.batch_stop_job_run(JobName=name, JobRunIds=[run])
    assert job.wait_for_end(run)["JobRunState"] == "STOPPED"
    assert job.next_event()["state"] == "STOPPED"


@pytest.mark.gap
def test_run_over_timeout_is_killed(cloud: Cloud, name: str, tmp_path: Path) -> None:
    job = Job(cloud, name, WAIT)
    run = job.start(Timeout=1, Arguments={"--out": str(tmp_path / "out")})
    assert job.wait_for_end(run)["JobRunState"] == "TIMEOUT"
    assert job.next_event()["severity"] == "WARN"
    until("process killed", lambda: has_ended(read_record(tmp_path / "out")["pid"]))


@pytest.mark.gap
def test_run_has_job_role_and_listed_environment(cloud: Cloud, name: str, tmp_path: Path) -> None:
    resources.bucket(cloud, name)
    cloud.client("s3").put_object(Bucket=name, Key="mine/k", Body=b"x")
    job = Job(cloud, name, RECORD)
    cloud.client("iam").put_role_policy(
        RoleName=f"{name}-role",
        PolicyName="read",
        PolicyDocument=resources.policy(
            {"Effect": "Allow", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{name}/mine/*"}
        ),
    )
    job.start(Arguments={"--out": str(tmp_path / "out")})
    environment = read_record(tmp_path / "out")["environment"]
    assert environment["AWS_ENDPOINT_URL"] == cloud.url
    assert "SHELL_VARIABLE" not in environment
    names = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
    client = cloud.client("s3", *(environment[each] for each in names))
    assert client.get_object(Bucket=name, Key="mine/k")["Body"].read() == b"x"
    with pytest.raises(ClientError, match="AccessDenied"):
        client.put_object(Bucket=name, Key="mine/k", Body=b"y")


@pytest.mark.gap
def test_missing_runner_fails_run(new_cloud: Callable[..., Cloud], name: str) -> None:
    job = Job(new_cloud(MS_GLUE_RUNNER="/no/such/runner").start(), name, RECORD)
    run = job.wait_for_end(job.start())
    assert run["JobRunState"] == "FAILED"
    assert "/no/such/runner is missing or not executable" in run["ErrorMessage"]
    assert job.next_event()["state"] == "FAILED"


@pytest.mark.gap
def test_active_run_fails_after_server_kill(
    new_cloud: Callable[..., Cloud], name: str, tmp_path: Path
) -> None:
    cloud = new_cloud().start()
    job = Job(cloud, name, WAIT)
    run = job.start(Arguments={"--out": str(tmp_path / "out")})
    pid = read_record(tmp_path / "out")["pid"]
    cloud.wait_for_snapshot()
    cloud.stop(signal.SIGKILL)
    until("process gone with the server", lambda: has_ended(pid))
    cloud.start()
    assert job.run(run)["JobRunState"] == "FAILED"
    assert "restarted" in job.next_event()["message"]
    job.client.batch_stop_job_run(JobName=name, JobRunIds=[job.start()])  # the slot is free
