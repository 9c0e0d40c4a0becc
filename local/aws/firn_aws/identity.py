"""IAM: loopback traffic counts as TLS, and wildcards and batches match as on AWS."""

import re
from contextvars import ContextVar
from functools import lru_cache
from typing import Any

from ministack import app
from ministack.core import iam_actions, iam_evaluator

from .patching import Function, replace, wrap

CACHED_DOCUMENTS = 256
"""The number of parsed policies in the cache. A deployed firn has about thirty policies."""

CACHED_PATTERNS = 4096
"""The number of compiled patterns in the cache, as in stock ministack."""

_LOOPBACK = frozenset({"127.0.0.1", "::1"})


def apply() -> None:
    """Install the patches of this module."""
    wrap(iam_evaluator, "pin_request_origin", _trust_loopback)
    replace(app, "pin_request_origin", iam_evaluator.pin_request_origin)
    _trust_internal_calls()
    wrap(iam_actions, "extract_iam_action", _use_single_action_for_batch)
    wrap(iam_evaluator, "parse_policy_document", _cache_documents)
    wrap(iam_evaluator, "_fnmatch_compile", _match_line_breaks)


def _trust_loopback(stock: Function) -> Function:
    """Let http from this machine satisfy `aws:SecureTransport`.

    Stock ministack sets the key by the transport. With AUTH=true the Deny of CDK's enforceSSL then
    refuses every call, even the first call of the deployment. On AWS each call of an SDK uses
    https:
    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html#condition-keys-securetransport
    Loopback traffic never leaves the machine and counts as secure here. Traffic from any other
    address doesn't.
    """

    def pin(source_ip: str, secure_transport: bool) -> None:
        stock(source_ip, secure_transport or source_ip in _LOOPBACK)

    return pin


def _trust_internal_calls() -> None:
    """Let deliveries between services satisfy `aws:SecureTransport` too.

    Stock ministack evaluates a delivery without a request (S3 to SQS, SNS to SQS) as plain http. On
    AWS services use TLS between each other.
    """
    origin: ContextVar[tuple[str, bool]] = ContextVar("origin", default=("127.0.0.1", True))
    replace(iam_evaluator, "_request_origin", origin)


def _cache_documents(stock: Function) -> Function:
    """Cache parsed policies; callers don't change them.

    Stock ministack parses each policy twice a request.
    """
    cached = lru_cache(maxsize=CACHED_DOCUMENTS)(stock)

    def parse(document: str | dict[str, Any]) -> list[Any]:
        return cached(document) if isinstance(document, str) else stock(document)

    return parse


def _use_single_action_for_batch(stock: Function) -> Function:
    """Evaluate SQS's batch requests by the action of the single request.

    Stock ministack requires `sqs:SendMessageBatch`, an action that IAM doesn't have, so every
    correct policy is refused. AWS requires `sqs:SendMessage`, and follows the same rule for the
    other batch requests:
    https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-api-permissions-reference.html
    """

    def action(service: str, *request: object) -> str | None:
        found = stock(service, *request)
        return found.removesuffix("Batch") if found and service == "sqs" else found

    return action


def _match_line_breaks(stock: Function) -> Function:
    """Let a wildcard match every character, and let a pattern match only whole texts.

    Stock ministack makes a regular expression from a pattern. The expression's dot matches no line
    break, so no grant with a wildcard covers a key with a line break. Its end matches before a line
    break at the end too. On AWS an asterisk matches any combination of characters, and a question
    mark any single character:
    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_resource.html#reference_policies_elements_resource_wildcards
    """

    @lru_cache(maxsize=CACHED_PATTERNS)
    def compile_whole(pattern: str, ignore_case: bool) -> re.Pattern[str]:
        found = stock(pattern, ignore_case)
        return re.compile(found.pattern.removesuffix("$") + r"\Z", found.flags | re.DOTALL)

    return compile_whole
