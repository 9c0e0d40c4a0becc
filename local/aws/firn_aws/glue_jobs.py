"""Glue: the properties of a job that stock ministack ignores."""

from collections.abc import Mapping
from typing import Any

from ministack.services import glue
from ministack.services.cloudformation import provisioners

from .patching import Function, wrap

_DEFAULTS: Mapping[str, Any] = {
    "ExecutionProperty": {"MaxConcurrentRuns": 1},
    "ExecutionClass": "STANDARD",
    "JobRunQueuingEnabled": False,
}
"""The ignored properties with the defaults of AWS."""


def apply() -> None:
    """Install the patches of this module."""
    wrap(glue, "_create_job", _store_at_create)
    wrap(glue, "_update_job", _store_at_update)
    provisioners._GLUE_JOB_DEFAULTS.update(_DEFAULTS)


def is_true(value: object) -> bool:
    """Return the value of a boolean that a template may write as a text: any case of "true"."""
    return str(value).lower() == "true"


def _store_at_create(stock: Function) -> Function:
    """Store a new job's limit, class and queuing, which stock ministack ignores.

    https://docs.aws.amazon.com/glue/latest/dg/aws-glue-api-jobs-job.html
    """

    def create(request: dict[str, Any]) -> Any:  # noqa: ANN401 - the stock type
        answer = stock(request)
        if answer[0] == 200:
            _store(request["Name"], {**_DEFAULTS, **request})
        return answer

    return create


def _store_at_update(stock: Function) -> Function:
    """Store a change of these properties, which stock ministack ignores."""

    def update(request: dict[str, Any]) -> Any:  # noqa: ANN401 - the stock type
        answer = stock(request)
        if answer[0] == 200:
            _store(request["JobName"], request.get("JobUpdate") or {})
        return answer

    return update


def _store(name: str, properties: Mapping[str, Any]) -> None:
    stored = {key: properties[key] for key in _DEFAULTS if properties.get(key) is not None}
    if "ExecutionProperty" in stored:
        limit = int(stored["ExecutionProperty"].get("MaxConcurrentRuns") or 1)
        stored["ExecutionProperty"] = {"MaxConcurrentRuns": limit}
    if "JobRunQueuingEnabled" in stored:
        stored["JobRunQueuingEnabled"] = is_true(stored["JobRunQueuingEnabled"])
    glue._jobs[name].update(stored)
