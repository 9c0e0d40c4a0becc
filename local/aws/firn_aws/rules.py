"""EventBridge: a rule reaches a queue only with the permission of the queue's policy."""

import logging
from typing import Any

from ministack.core.responses import get_account_id
from ministack.services import eventbridge, sqs

from .patching import Function, wrap

log = logging.getLogger("firn.aws.rules")


def apply() -> None:
    """Install the patches of this module."""
    wrap(eventbridge, "_invoke_target", _check_queue_policy)


def _check_queue_policy(stock: Function) -> Function:
    """Deliver a rule's event to a queue if the queue's policy allows the delivery.

    Stock ministack delivers to every queue, so a stack without the policy works. AWS requires
    sqs:SendMessage for events.amazonaws.com, with the rule as aws:SourceArn:
    https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-use-resource-based.html
    Schedules use the same function. They have a role, so this check skips them.
    """

    def invoke(target: dict[str, Any], event: object, rule: dict[str, Any], *rest: object) -> None:
        queue, source = str(target.get("Arn", "")), str(rule.get("Arn", ""))
        if ":sqs:" in queue and ":events:" in source:
            account = get_account_id()
            if not sqs.queue_policy_allows(queue, "events.amazonaws.com", source, account):
                log.warning("the policy of %s refuses events from %s", queue, source)
                return
        stock(target, event, rule, *rest)

    return invoke
