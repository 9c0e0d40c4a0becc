"""Glue: jobs that really run, with their limits, states and events."""

import contextvars
import json
import logging
import threading
import time
from typing import Any

from ministack import app
from ministack.core.responses import (
    error_response_json,
    json_response,
    new_uuid,
    request_scope,
)
from ministack.services import eventbridge, glue
from ministack.services.cloudformation import provisioners

from .glue_child import Child, Outcome
from .patching import Function, replace, wrap
from .settings import Settings

log = logging.getLogger("firn.aws.glue")

Run = dict[str, Any]
Job = dict[str, Any]

ACTIVE = frozenset({"STARTING", "RUNNING", "STOPPING", "WAITING"})
RESTARTED = "the stand-in was restarted while the job ran"

_MESSAGES = {
    "SUCCEEDED": ("INFO", "Job run succeeded"),
    "FAILED": ("ERROR", "Job run failed"),
    "TIMEOUT": ("WARN", "Job run timed out"),
    "STOPPED": ("INFO", "Job run stopped"),
}

_children: dict[str, Child | None] = {}
"""Every run that hasn't ended; None until its process is prepared."""

_starting = threading.Lock()


def apply(settings: Settings) -> None:
    """Install the mends of this module."""
    replace(glue, "_start_job_run", lambda request: _start_job_run(request, settings))
    wrap(glue, "_batch_stop_job_run", _stop_children)
    wrap(glue, "_create_job", _keep_limit_at_create)
    wrap(glue, "_update_job", _keep_limit_at_update)
    provisioners._GLUE_JOB_DEFAULTS["ExecutionProperty"] = {"MaxConcurrentRuns": 1}
    wrap(app, "_load_persisted_state", _fail_orphans_after)


def _start_job_run(request: dict[str, Any], settings: Settings) -> Any:  # noqa: ANN401
    """Start a run of a job's script by MS_GLUE_RUNNER.

    Stock 1.5.33 has no Spark without Docker and calls every glueetl run SUCCEEDED at once, also if
    the script fails or is missing, and it ignores MaxConcurrentRuns. AWS runs it, and refuses one
    run too many: https://docs.aws.amazon.com/glue/latest/dg/aws-glue-api-jobs-runs.html
    """
    name = request.get("JobName")
    job = glue._jobs.get(name)
    if job is None:
        return error_response_json("EntityNotFoundException", f"Job {name} not found", 400)
    with _starting:
        runs = glue._job_runs.get(name) or []
        limit = _limit(job)
        if sum(run["JobRunState"] in ACTIVE for run in runs) >= limit:
            return error_response_json(
                "ConcurrentRunsExceededException",
                f"Concurrent runs exceeded for {name}: {limit} of {limit} are active",
                400,
            )
        run = _new_run(job, request)
        glue._job_runs[name] = [*runs, run]
        _children[run["Id"]] = None
    context = contextvars.copy_context()
    threading.Thread(
        target=context.run,
        args=(_execute, run, job, request, settings),
        name=f"glue-{name}",
        daemon=True,
    ).start()
    return json_response({"JobRunId": run["Id"]})


def _limit(job: Job) -> int:
    return int((job.get("ExecutionProperty") or {}).get("MaxConcurrentRuns") or 1)


def _new_run(job: Job, request: dict[str, Any]) -> Run:
    now = int(time.time())
    copied = ("GlueVersion", "MaxCapacity", "NumberOfWorkers", "WorkerType")
    return {
        "Id": "jr_" + new_uuid().replace("-", ""),
        "JobName": job["Name"],
        "Attempt": 0,
        "StartedOn": now,
        "LastModifiedOn": now,
        "CompletedOn": None,
        "JobRunState": "STARTING",
        "Arguments": request.get("Arguments") or {},
        "ErrorMessage": "",
        "PredecessorRuns": [],
        "ExecutionTime": 0,
        "Timeout": request.get("Timeout") or job.get("Timeout") or 2880,
        **{name: job[name] for name in copied if job.get(name)},
    }


def _execute(run: Run, job: Job, request: dict[str, Any], settings: Settings) -> None:
    if run["JobRunState"] == "STARTING":
        run["JobRunState"] = "RUNNING"
    try:
        script = glue._resolve_script(job.get("Command", {}).get("ScriptLocation", ""))
        outcome = _run_child(run, job, request, settings, script)
    except Exception as error:
        log.exception("job %s run %s could not be started", run["JobName"], run["Id"])
        outcome = Outcome("FAILED", f"the runner {settings.glue_runner!r} can't start: {error}")
    del _children[run["Id"]]
    if run["JobRunState"] == "STOPPING":
        outcome = Outcome("STOPPED", "")
    finish(run, outcome)


def _run_child(
    run: Run, job: Job, request: dict[str, Any], settings: Settings, script: str | None
) -> Outcome:
    if not script:
        location = job.get("Command", {}).get("ScriptLocation", "")
        return Outcome("FAILED", f"the script {location} doesn't exist")
    child = _children[run["Id"]] = Child(settings, job, script, _arguments(run, job, request))
    return child.run(
        run["Timeout"] * settings.glue_minute_seconds, lambda: run["JobRunState"] == "STOPPING"
    )


def _arguments(run: Run, job: Job, request: dict[str, Any]) -> dict[str, str]:
    """What the script finds in sys.argv; stock 1.5.33 gives environment variables instead.

    https://docs.aws.amazon.com/glue/latest/dg/aws-glue-programming-python-calling.html
    """
    return {
        **(job.get("DefaultArguments") or {}),
        "--JOB_NAME": run["JobName"],
        "--JOB_RUN_ID": run["Id"],
        **(request.get("Arguments") or {}),
        **(job.get("NonOverridableArguments") or {}),
    }


def finish(run: Run, outcome: Outcome) -> None:
    """Write the end of a run down and publish its event.

    Stock 1.5.33 publishes none, and refuses a test that would publish it as aws.glue. AWS does for
    these four states: https://docs.aws.amazon.com/glue/latest/dg/automating-awsglue-with-cloudwatch-events.html
    """
    now = int(time.time())
    run.update(
        ErrorMessage=outcome.message,
        CompletedOn=now,
        LastModifiedOn=now,
        ExecutionTime=now - run["StartedOn"],
    )
    run["JobRunState"] = outcome.state
    severity, message = _MESSAGES[outcome.state]
    detail = {
        "jobName": run["JobName"],
        "severity": severity,
        "state": outcome.state,
        "jobRunId": run["Id"],
        "message": outcome.message or message,
    }
    entry = {
        "Source": "aws.glue",
        "DetailType": "Glue Job State Change",
        "Detail": json.dumps(detail),
    }
    eventbridge._put_events({"Entries": [entry]}, allow_aws_source=True)


def _stop_children(stock: Function) -> Function:
    """Kill what BatchStopJobRun stops; stock 1.5.33 changes the state and lets it run on."""

    def stop(request: dict[str, Any]) -> Any:  # noqa: ANN401 - the stock type
        answer = stock(request)
        for run in glue._job_runs.get(request.get("JobName")) or []:
            if run["Id"] in request.get("JobRunIds", []) and run["Id"] in _children:
                run.update(JobRunState="STOPPING", CompletedOn=None)
                if child := _children.get(run["Id"]):
                    child.kill()
        return answer

    return stop


def _keep_limit_at_create(stock: Function) -> Function:
    """Keep a new job's ExecutionProperty, which stock 1.5.33 drops; 1 concurrent run unless told.

    https://docs.aws.amazon.com/glue/latest/dg/aws-glue-api-jobs-job.html#aws-glue-api-jobs-job-ExecutionProperty
    """

    def create(request: dict[str, Any]) -> Any:  # noqa: ANN401 - the stock type
        answer = stock(request)
        if answer[0] == 200:
            _keep_limit(request["Name"], request.get("ExecutionProperty"))
        return answer

    return create


def _keep_limit_at_update(stock: Function) -> Function:
    """Keep a changed job's ExecutionProperty, which stock 1.5.33 drops."""

    def update(request: dict[str, Any]) -> Any:  # noqa: ANN401 - the stock type
        answer = stock(request)
        changed = (request.get("JobUpdate") or {}).get("ExecutionProperty")
        if answer[0] == 200 and changed:
            _keep_limit(request["JobName"], changed)
        return answer

    return update


def _keep_limit(name: str, execution: dict[str, Any] | None) -> None:
    limit = int((execution or {}).get("MaxConcurrentRuns") or 1)
    glue._jobs[name]["ExecutionProperty"] = {"MaxConcurrentRuns": limit}


def _fail_orphans_after(stock: Function) -> Function:
    """Fail the runs that a kill -9 of the server left running, and tell the queue.

    Stock 1.5.33 restores such a run as RUNNING for ever: it holds a slot of MaxConcurrentRuns, and
    nobody hears of it. A run on AWS always ends.
    """

    def load() -> None:
        stock()
        for (account, region, _), runs in list(glue._job_runs._data.items()):
            with request_scope(account, region):
                for run in runs:
                    if run["JobRunState"] in ACTIVE:
                        finish(run, Outcome("FAILED", RESTARTED))

    return load
