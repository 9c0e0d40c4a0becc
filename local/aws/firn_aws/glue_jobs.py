"""Glue: what a job keeps of what it is told."""

from collections.abc import Mapping
from typing import Any

from ministack.services import glue
from ministack.services.cloudformation import provisioners

from .patching import Function, wrap

_KEPT: Mapping[str, Any] = {
    "ExecutionProperty": {"MaxConcurrentRuns": 1},
    "ExecutionClass": "STANDARD",
    "JobRunQueuingEnabled": False,
}
"""Properties of a job that stock 1.5.33 drops, with what AWS takes for them unless told."""


def apply() -> None:
    """Install the mends of this module."""
    wrap(glue, "_create_job", _keep_at_create)
    wrap(glue, "_update_job", _keep_at_update)
    provisioners._GLUE_JOB_DEFAULTS.update(_KEPT)


def is_true(value: object) -> bool:
    """Read a boolean, which a template may write as a text."""
    return str(value).lower() == "true"


def _keep_at_create(stock: Function) -> Function:
    """Keep a new job's limit, class and queuing, which stock 1.5.33 drops.

    https://docs.aws.amazon.com/glue/latest/dg/aws-glue-api-jobs-job.html
    """

    def create(request: dict[str, Any]) -> Any:  # noqa: ANN401 - the stock type
        answer = stock(request)
        if answer[0] == 200:
            _keep(request["Name"], {**_KEPT, **request})
        return answer

    return create


def _keep_at_update(stock: Function) -> Function:
    """Keep what is changed of them, which stock 1.5.33 drops."""

    def update(request: dict[str, Any]) -> Any:  # noqa: ANN401 - the stock type
        answer = stock(request)
        if answer[0] == 200:
            _keep(request["JobName"], request.get("JobUpdate") or {})
        return answer

    return update


def _keep(name: str, told: Mapping[str, Any]) -> None:
    kept = {key: told[key] for key in _KEPT if told.get(key) is not None}
    if "ExecutionProperty" in kept:
        limit = int(kept["ExecutionProperty"].get("MaxConcurrentRuns") or 1)
        kept["ExecutionProperty"] = {"MaxConcurrentRuns": limit}
    if "JobRunQueuingEnabled" in kept:
        kept["JobRunQueuingEnabled"] = is_true(kept["JobRunQueuingEnabled"])
    glue._jobs[name].update(kept)
