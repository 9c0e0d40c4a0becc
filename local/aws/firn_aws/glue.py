"""Glue: real job runs with limits, states and events."""

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

from .glue_jobs import is_true
from .glue_process import GlueProcess, Outcome
from .patching import Function, replace, wrap
from .settings import Settings

log = logging.getLogger("firn.aws.glue")

Run = dict[str, Any]
Job = dict[str, Any]

ACTIVE = frozenset({"STARTING", "RUNNING", "STOPPING"})
"""States of a run that occupies a slot of MaxConcurrentRuns."""

RESTART_MESSAGE = "the stand-in was restarted during the run"

_MESSAGES = {
    "SUCCEEDED": ("INFO", "Job run succeeded"),
    "FAILED": ("ERROR", "Job run failed"),
    "TIMEOUT": ("WARN", "Job run timed out"),
    "STOPPED": ("INFO", "Job run stopped"),
}

_processes: dict[str, GlueProcess | None] = {}
"""The process of every run that hasn't ended; None until the process is prepared."""

_start_lock = threading.Lock()

_waiting_runs: dict[str, Callable[[], None]] = {}
"""The start function of each run that waits for a slot, in the order of their requests."""


def apply(settings: Settings) -> None:
    """Install the patches of this module."""
    replace(glue, "_start_job_run", lambda request: _start_job_run(request, settings))
    wrap(glue, "_batch_stop_job_run", _stop_processes)
    wrap(app, "_load_persisted_state", _fail_interrupted_runs)


def _start_job_run(request: dict[str, Any], settings: Settings) -> Any:  # noqa: ANN401
    """Start a run of a job's script with the command in MS_GLUE_RUNNER.

    Stock ministack has no Spark without Docker. Every glueetl run is SUCCEEDED at once there, even
    with a failing or missing script, and MaxConcurrentRuns has no effect. AWS runs the script. A
    run above the limit is refused, or waits if JobRunQueuingEnabled is true:
    https://docs.aws.amazon.com/glue/latest/dg/aws-glue-api-jobs-runs.html
    https://docs.aws.amazon.com/glue/latest/dg/job-run-statuses.html
    """
    name = request.get("JobName")
    job = glue._jobs.get(name)
    if job is None:
        return error_response_json("EntityNotFoundException", f"Job {name} not found", 400)
    with _start_lock:
        run = _new_run(job, request)
        if not _has_slot(job) and not run["JobRunQueuingEnabled"]:
            limit = _max_concurrent_runs(job)
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
        _waiting_runs[run["Id"]] = thread.start
        _start_waiting_runs(job)
    return json_response({"JobRunId": run["Id"]})


def _max_concurrent_runs(job: Job) -> int:
    return int((job.get("ExecutionProperty") or {}).get("MaxConcurrentRuns") or 1)


def _has_slot(job: Job) -> bool:
    runs = glue._job_runs.get(job["Name"]) or []
    return sum(run["JobRunState"] in ACTIVE for run in runs) < _max_concurrent_runs(job)


def _start_waiting_runs(job: Job) -> None:
    """Start waiting runs in their order while slots are free. The caller holds `_start_lock`."""
    for run in glue._job_runs.get(job["Name"]) or []:
        if run["JobRunState"] == "WAITING" and run["Id"] in _waiting_runs and _has_slot(job):
            run.update(JobRunState="STARTING", StartedOn=int(time.time()))
            _processes[run["Id"]] = None
            _waiting_runs.pop(run["Id"])()


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
        outcome = _run_process(run, job, settings, script)
    except Exception as error:
        log.exception("job %s run %s could not be started", run["JobName"], run["Id"])
        outcome = Outcome("FAILED", f"the runner {settings.glue_runner!r} can't start: {error}")
    del _processes[run["Id"]]
    if run["JobRunState"] == "STOPPING":
        outcome = Outcome("STOPPED", "")
    finish_run(run, outcome)
    with _start_lock:
        _start_waiting_runs(job)


def _run_process(run: Run, job: Job, settings: Settings, script: str | None) -> Outcome:
    if not script:
        location = job.get("Command", {}).get("ScriptLocation", "")
        return Outcome("FAILED", f"the script {location} doesn't exist")
    arguments = _arguments(run, job)
    modules = {uri: glue._resolve_script(uri) for uri in _module_addresses(arguments)}
    if missing := [uri for uri, path in modules.items() if not path]:
        return Outcome("FAILED", f"the module {missing[0]} doesn't exist")
    process = _processes[run["Id"]] = GlueProcess(
        settings, job, script, [*modules.values()], arguments
    )
    return process.run(
        run["Timeout"] * settings.glue_minute_seconds, lambda: run["JobRunState"] == "STOPPING"
    )


def _module_addresses(arguments: dict[str, str]) -> list[str]:
    """Return the addresses of the modules that Glue adds to the Python path of the script.

    https://docs.aws.amazon.com/glue/latest/dg/aws-glue-programming-etl-glue-arguments.html
    """
    return [uri for uri in arguments.get("--extra-py-files", "").split(",") if uri]


def _arguments(run: Run, job: Job) -> dict[str, str]:
    """Return the arguments of the script; stock ministack sets environment variables instead.

    https://docs.aws.amazon.com/glue/latest/dg/aws-glue-programming-python-calling.html
    """
    return {
        **(job.get("DefaultArguments") or {}),
        "--JOB_NAME": run["JobName"],
        "--JOB_RUN_ID": run["Id"],
        **run["Arguments"],
        **(job.get("NonOverridableArguments") or {}),
    }


def finish_run(run: Run, outcome: Outcome) -> None:
    """Store the end of a run and publish its event.

    Stock ministack publishes no event, and refuses a test's own event with the source aws.glue. AWS
    publishes an event for these four states:
    https://docs.aws.amazon.com/glue/latest/dg/automating-awsglue-with-cloudwatch-events.html
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


def _stop_processes(stock: Function) -> Function:
    """Kill the processes of the runs in a BatchStopJobRun request.

    Stock ministack changes the state, and the process continues. A waiting run, a state that stock
    ministack lacks, becomes STOPPED without a start.
    """

    def stop(request: dict[str, Any]) -> Any:  # noqa: ANN401 - the stock type
        requested = [
            run
            for run in glue._job_runs.get(request.get("JobName")) or []
            if run["Id"] in request.get("JobRunIds", [])
        ]
        with _start_lock:
            never_started = [run for run in requested if _waiting_runs.pop(run["Id"], None)]
            for run in never_started:
                run["JobRunState"] = "STARTING"
            answer = stock(request)
            for run in requested:
                if run["Id"] in _processes:
                    _stop_process(run)
        for run in never_started:
            finish_run(run, Outcome("STOPPED", ""))
        return answer

    return stop


def _stop_process(run: Run) -> None:
    run.update(JobRunState="STOPPING", CompletedOn=None)
    if process := _processes.get(run["Id"]):
        process.kill()


def _fail_interrupted_runs(stock: Function) -> Function:
    """Fail the runs that were active or waiting at a kill -9, and publish their events.

    Stock ministack restores such a run as RUNNING without an end and without an event. The run
    occupies a slot of MaxConcurrentRuns. A run on AWS always ends.
    """

    def load() -> None:
        stock()
        for (account, region, _), runs in list(glue._job_runs._data.items()):
            with request_scope(account, region):
                for run in runs:
                    if run["JobRunState"] in ACTIVE or run["JobRunState"] == "WAITING":
                        finish_run(run, Outcome("FAILED", RESTART_MESSAGE))

    return load
