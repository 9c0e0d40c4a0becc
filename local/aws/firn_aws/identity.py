"""IAM: the loopback counts as protected, and a batch needs the right of its single request."""

from contextvars import ContextVar
from functools import lru_cache
from typing import Any

from ministack import app
from ministack.core import iam_actions, iam_evaluator

from .patching import Function, replace, wrap

DOCUMENTS_KEPT = 256
"""Parsed policies that are kept; a deployed firn has some thirty."""

_LOOPBACK = frozenset({"127.0.0.1", "::1"})


def apply() -> None:
    """Install the mends of this module."""
    wrap(iam_evaluator, "pin_request_origin", _trust_loopback)
    replace(app, "pin_request_origin", iam_evaluator.pin_request_origin)
    _trust_inner_calls()
    wrap(iam_actions, "extract_iam_action", _batch_as_single)
    wrap(iam_evaluator, "parse_policy_document", _once_a_document)


def _trust_loopback(stock: Function) -> Function:
    """Let http from this machine satisfy `aws:SecureTransport`.

    Stock 1.5.33 sets the key by the transport, so under AUTH=true the Deny that CDK's enforceSSL
    writes refuses every call, the deployment's first. On AWS each call of an SDK is https:
    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html#condition-keys-securetransport
    Traffic that never leaves the machine counts as protected here; any other address doesn't.
    """

    def pin(source_ip: str, secure_transport: bool) -> None:
        stock(source_ip, secure_transport or source_ip in _LOOPBACK)

    return pin


def _trust_inner_calls() -> None:
    """Let deliveries between services satisfy `aws:SecureTransport` too.

    Stock 1.5.33 judges a delivery that has no request of its own (S3 to SQS, SNS to SQS) as plain
    http. On AWS services call each other over TLS.
    """
    origin: ContextVar[tuple[str, bool]] = ContextVar("origin", default=("127.0.0.1", True))
    replace(iam_evaluator, "_request_origin", origin)


def _once_a_document(stock: Function) -> Function:
    """Parse a policy once, and not twice a request, as stock 1.5.33 does; nobody changes it."""
    kept = lru_cache(maxsize=DOCUMENTS_KEPT)(stock)

    def parse(document: str | dict[str, Any]) -> list[Any]:
        return kept(document) if isinstance(document, str) else stock(document)

    return parse


def _batch_as_single(stock: Function) -> Function:
    """Judge SQS's batch requests by the right to their single request.

    Stock 1.5.33 asks for `sqs:SendMessageBatch`, an action that IAM doesn't have, so every policy
    that is right on AWS is refused. AWS asks for `sqs:SendMessage`, and likewise for the others:
    https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-api-permissions-reference.html
    """

    def action(service: str, *request: object) -> str | None:
        found = stock(service, *request)
        return found.removesuffix("Batch") if found and service == "sqs" else found

    return action
