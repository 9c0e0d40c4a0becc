"""Glue: jobs that really run, with their limits, states and events."""

import contextvars
import json
import logging
import threading
import time
from collections.abc import Callable
from typing import Any

from ministack import app
from ministack.core.responses import (
    error_response_json,
    json_response,
    new_uuid,
    request_scope,
)
from ministack.services import eventbridge, glue

from .glue_child import Child, Outcome
from .glue_jobs import is_true
from .patching import Function, replace, wrap
from .settings import Settings

log = logging.getLogger("firn.aws.glue")

Run = dict[str, Any]
Job = dict[str, Any]

ACTIVE = frozenset({"STARTING", "RUNNING", "STOPPING"})
"""States of a run that holds a slot of MaxConcurrentRuns."""

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

_waiting: dict[str, Callable[[], None]] = {}
"""How each run that waits for a slot is started, in the order in which they came."""


def apply(settings: Settings) -> None:
    """Install the mends of this module."""
    replace(glue, "_start_job_run", lambda request: _start_job_run(request, settings))
    wrap(glue, "_batch_stop_job_run", _stop_children)
    wrap(app, "_load_persisted_state", _fail_orphans_after)


def _start_job_run(request: dict[str, Any], settings: Settings) -> Any:  # noqa: ANN401
    """Start a run of a job's script by MS_GLUE_RUNNER.

    Stock 1.5.33 has no Spark without Docker and calls every glueetl run SUCCEEDED at once, also if
    the script fails or is missing, and it ignores MaxConcurrentRuns. AWS runs it, and refuses one
    run too many, or lets it wait if JobRunQueuingEnabled says so:
    https://docs.aws.amazon.com/glue/latest/dg/aws-glue-api-jobs-runs.html
    https://docs.aws.amazon.com/glue/latest/dg/job-run-statuses.html
    """
    name = request.get("JobName")
    job = glue._jobs.get(name)
    if job is None:
        return error_response_json("EntityNotFoundException", f"Job {name} not found", 400)
    with _starting:
        run = _new_run(job, request)
        if not _has_slot(job) and not run["JobRunQueuingEnabled"]:
            limit = _limit(job)
            return error_response_json(
                "ConcurrentRunsExceededException",
                f"Concurrent runs exceeded for {name}: {limit} of {limit} are active",
                400,
            )
        run["JobRunState"] = "WAITING"
        glue._job_runs[name] = [*(glue._job_runs.get(name) or []), run]
        thread = threading.Thread(
            target=contextvars.copy_context().run,
            args=(_execute, run, job, settings),
            name=f"glue-{name}",
            daemon=True,
        )
        _waiting[run["Id"]] = thread.start
        _start_waiting(job)
    return json_response({"JobRunId": run["Id"]})


def _limit(job: Job) -> int:
    return int((job.get("ExecutionProperty") or {}).get("MaxConcurrentRuns") or 1)


def _has_slot(job: Job) -> bool:
    runs = glue._job_runs.get(job["Name"]) or []
    return sum(run["JobRunState"] in ACTIVE for run in runs) < _limit(job)


def _start_waiting(job: Job) -> None:
    """Start the runs that wait, the first first, while there are slots; `_starting` is held."""
    for run in glue._job_runs.get(job["Name"]) or []:
        if run["JobRunState"] == "WAITING" and run["Id"] in _waiting and _has_slot(job):
            run.update(JobRunState="STARTING", StartedOn=int(time.time()))
            _children[run["Id"]] = None
            _waiting.pop(run["Id"])()


def _new_run(job: Job, request: dict[str, Any]) -> Run:
    now = int(time.time())
    queued = request.get("JobRunQueuingEnabled", job.get("JobRunQueuingEnabled"))
    copied = ("ExecutionClass", "GlueVersion", "MaxCapacity", "NumberOfWorkers", "WorkerType")
    return {
        "Id": "jr_" + new_uuid().replace("-", ""),
        "JobName": job["Name"],
        "Attempt": 0,
        "StartedOn": now,
        "LastModifiedOn": now,
        "CompletedOn": None,
        "JobRunState": "STARTING",
        "JobRunQueuingEnabled": is_true(queued),
        "Arguments": request.get("Arguments") or {},
        "ErrorMessage": "",
        "PredecessorRuns": [],
        "ExecutionTime": 0,
        "Timeout": request.get("Timeout") or job.get("Timeout") or 2880,
        **{name: job[name] for name in copied if job.get(name)},
    }


def _execute(run: Run, job: Job, settings: Settings) -> None:
    if run["JobRunState"] == "STARTING":
        run["JobRunState"] = "RUNNING"
    try:
        script = glue._resolve_script(job.get("Command", {}).get("ScriptLocation", ""))
        outcome = _run_child(run, job, settings, script)
    except Exception as error:
        log.exception("job %s run %s could not be started", run["JobName"], run["Id"])
        outcome = Outcome("FAILED", f"the runner {settings.glue_runner!r} can't start: {error}")
    del _children[run["Id"]]
    if run["JobRunState"] == "STOPPING":
        outcome = Outcome("STOPPED", "")
    finish(run, outcome)
    with _starting:
        _start_waiting(job)


def _run_child(run: Run, job: Job, settings: Settings, script: str | None) -> Outcome:
    if not script:
        location = job.get("Command", {}).get("ScriptLocation", "")
        return Outcome("FAILED", f"the script {location} doesn't exist")
    arguments = _arguments(run, job)
    modules = {uri: glue._resolve_script(uri) for uri in _modules(arguments)}
    if missing := [uri for uri, path in modules.items() if not path]:
        return Outcome("FAILED", f"the module {missing[0]} doesn't exist")
    child = _children[run["Id"]] = Child(settings, job, script, [*modules.values()], arguments)
    return child.run(
        run["Timeout"] * settings.glue_minute_seconds, lambda: run["JobRunState"] == "STOPPING"
    )


def _modules(arguments: dict[str, str]) -> list[str]:
    """Where the modules are that Glue puts on the Python path before it runs the script.

    https://docs.aws.amazon.com/glue/latest/dg/aws-glue-programming-etl-glue-arguments.html
    """
    return [uri for uri in arguments.get("--extra-py-files", "").split(",") if uri]


def _arguments(run: Run, job: Job) -> dict[str, str]:
    """What the script finds in sys.argv; stock 1.5.33 gives environment variables instead.

    https://docs.aws.amazon.com/glue/latest/dg/aws-glue-programming-python-calling.html
    """
    return {
        **(job.get("DefaultArguments") or {}),
        "--JOB_NAME": run["JobName"],
        "--JOB_RUN_ID": run["Id"],
        **run["Arguments"],
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
    """Kill what BatchStopJobRun stops; stock 1.5.33 changes the state and lets it run on.

    A run that waits never starts, which the stock function doesn't know of either.
    """

    def stop(request: dict[str, Any]) -> Any:  # noqa: ANN401 - the stock type
        named = [
            run
            for run in glue._job_runs.get(request.get("JobName")) or []
            if run["Id"] in request.get("JobRunIds", [])
        ]
        with _starting:
            withdrawn = [run for run in named if _waiting.pop(run["Id"], None)]
            for run in withdrawn:
                run["JobRunState"] = "STARTING"
            answer = stock(request)
            for run in named:
                if run["Id"] in _children:
                    _stop_child(run)
        for run in withdrawn:
            finish(run, Outcome("STOPPED", ""))
        return answer

    return stop


def _stop_child(run: Run) -> None:
    run.update(JobRunState="STOPPING", CompletedOn=None)
    if child := _children.get(run["Id"]):
        child.kill()


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
                    if run["JobRunState"] in ACTIVE or run["JobRunState"] == "WAITING":
                        finish(run, Outcome("FAILED", RESTARTED))

    return load
