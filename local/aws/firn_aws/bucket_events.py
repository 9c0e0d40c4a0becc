"""EventBridge: an event of a versioned bucket has the version id."""

import json
from contextvars import ContextVar
from typing import Any

from ministack.services import eventbridge, s3

from .patching import Function, wrap

_version_id: ContextVar[str | None] = ContextVar("version_id", default=None)


def apply() -> None:
    """Install the patches of this module."""
    wrap(s3, "_fire_s3_event", _remember_version)
    wrap(eventbridge, "_dispatch_event", _add_version)


def _remember_version(stock: Function) -> Function:
    """Remember the version id of an event of S3, for its copy to EventBridge."""

    def fire(*arguments: Any, version_id: str | None = None, **options: Any) -> None:  # noqa: ANN401
        token = _version_id.set(version_id)
        try:
            stock(*arguments, version_id=version_id, **options)
        finally:
            _version_id.reset(token)

    return fire


def _add_version(stock: Function) -> Function:
    """Add the version id to the object of an event of S3.

    Stock ministack leaves the version id out. AWS sends the id for a versioned bucket:
    https://docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html
    """

    def dispatch(event: dict[str, Any], *rest: object, **options: object) -> Any:  # noqa: ANN401
        version_id = _version_id.get()
        if version_id and event.get("Source") == "aws.s3":
            detail = json.loads(event["Detail"])
            detail["object"]["version-id"] = version_id
            event = {**event, "Detail": json.dumps(detail)}
        return stock(event, *rest, **options)

    return dispatch
