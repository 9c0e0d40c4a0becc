"""EventBridge: a rule reaches a queue only if the queue lets it in."""

import logging
from typing import Any

from ministack.core.responses import get_account_id
from ministack.services import eventbridge, sqs

from .patching import Function, wrap

log = logging.getLogger("firn.aws.rules")


def apply() -> None:
    """Install the mends of this module."""
    wrap(eventbridge, "_invoke_target", _ask_the_queue)


def _ask_the_queue(stock: Function) -> Function:
    """Deliver a rule's event to a queue if the queue's policy allows it.

    Stock 1.5.33 delivers to every queue, so a stack that forgot the policy works. AWS asks for
    sqs:SendMessage for events.amazonaws.com, with the rule as aws:SourceArn:
    https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-use-resource-based.html
    Schedules come the same way and have a role instead.
    """

    def invoke(target: dict[str, Any], event: object, rule: dict[str, Any], *rest: object) -> None:
        queue, source = str(target.get("Arn", "")), str(rule.get("Arn", ""))
        if ":sqs:" in queue and ":events:" in source:
            account = get_account_id()
            if not sqs.queue_policy_allows(queue, "events.amazonaws.com", source, account):
                log.warning("the policy of %s doesn't let %s in", queue, source)
                return
        stock(target, event, rule, *rest)

    return invoke
