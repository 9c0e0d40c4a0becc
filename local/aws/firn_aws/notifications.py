"""SNS: e-mail over SMTP, and filter policies on arrays."""

import logging
import queue
import smtplib
import threading
from collections.abc import Callable, Mapping
from email.message import EmailMessage
from email.utils import formataddr, formatdate, make_msgid
from typing import Any

from ministack.services import sns

from . import background
from .patching import Function, replace, wrap
from .settings import Settings

log = logging.getLogger("firn.aws.mail")

SENDER = formataddr(("AWS Notifications", "no-reply@sns.amazonaws.com"))
DEFAULT_SUBJECT = "AWS Notification Message"

_outbox: queue.SimpleQueue[EmailMessage] = queue.SimpleQueue()


def apply(settings: Settings) -> None:
    """Install the patches of this module."""
    replace(sns, "_body_lookup", _lookup)
    replace(sns, "_policy_matches", _policy_matches)
    if settings.smtp_host:
        host, _, port = settings.smtp_host.partition(":")
        wrap(sns, "_fanout", _mail_subscribers)
        background.on_start(lambda: _start_mail_sender(host, int(port or 25)))


def _mail_subscribers(stock: Function) -> Function:
    """Send a published message to the topic's e-mail subscribers, over SMTP to SMTP_HOST.

    Stock ministack only logs the message. AWS sends a mail with the message as its text, or with
    the JSON envelope for `email-json`. A subscriber must confirm first (here: confirmed at once).
    AWS adds a footer with a link that ends the subscription (not added here):
    https://docs.aws.amazon.com/sns/latest/dg/sns-email-notifications.html
    """

    def fanout(
        topic_arn: str,
        message_id: str,
        message: str,
        subject: str = "",
        message_structure: str = "",
        message_attributes: dict[str, Any] | None = None,
        *rest: object,
        **options: object,
    ) -> None:
        stock(
            topic_arn,
            message_id,
            message,
            subject,
            message_structure,
            message_attributes,
            *rest,
            **options,
        )
        attributes = message_attributes or {}
        topic = sns._topic_by_arn_any_scope(topic_arn) or {}
        for subscription in topic.get("subscriptions", []):
            protocol = subscription.get("protocol")
            if protocol not in ("email", "email-json") or not subscription.get("confirmed"):
                continue
            text = sns._resolve_message_for_protocol(message, message_structure, protocol)
            if not sns._matches_filter_policy(subscription, attributes, text):
                continue
            if protocol == "email-json":
                text = sns._build_envelope(topic_arn, message_id, text, subject, attributes, False)
            _outbox.put(_mail(subscription["endpoint"], subject, text))

    return fanout


def _mail(recipient: str, subject: str, text: str) -> EmailMessage:
    mail = EmailMessage()
    mail["From"] = SENDER
    mail["To"] = recipient
    mail["Subject"] = subject or DEFAULT_SUBJECT
    mail["Date"] = formatdate()
    mail["Message-ID"] = make_msgid(domain="sns.amazonaws.com")
    mail.set_content(text)
    return mail


def _start_mail_sender(host: str, port: int) -> None:
    def deliver() -> None:
        while True:
            mail = _outbox.get()
            try:
                with smtplib.SMTP(host, port, timeout=5) as server:
                    server.send_message(mail)
            except (OSError, smtplib.SMTPException) as error:
                log.warning(
                    "mail %r to %s was not delivered, %s:%s failed: %s",
                    mail["Subject"],
                    mail["To"],
                    host,
                    port,
                    error,
                )

    threading.Thread(target=deliver, name="mail-sender", daemon=True).start()


Lookup = Callable[[str], tuple[bool, list[Any], bool]]


def _lookup(body: Mapping[str, Any]) -> Lookup:
    """Return the lookup function of a JSON body.

    The attribute `children` of the function returns every object below a property. Stock ministack
    searches nested objects but no arrays of objects. A policy on `Records: {s3: ...}` never matches
    an S3 event there. AWS searches each element of an array:
    https://docs.aws.amazon.com/sns/latest/dg/sns-subscription-filter-policies.html
    """

    def lookup(key: str) -> tuple[bool, list[Any], bool]:
        value = body.get(key)
        if value is None:
            return False, [], bool(body)
        return True, value if isinstance(value, list) else [value], True

    def children(key: str) -> list[Lookup]:
        value = body.get(key)
        elements = value if isinstance(value, list) else [value]
        return [_lookup(element) for element in elements if isinstance(element, dict)]

    lookup.children = children
    return lookup


def _policy_matches(policy: Mapping[str, Any], lookup: Lookup, nested: bool = False) -> bool:
    """Match one policy object: all of its keys, any member of `$or`, any element of an array."""
    return all(_rule_matches(key, rules, lookup, nested) for key, rules in policy.items())


def _rule_matches(key: str, rules: object, lookup: Lookup, nested: bool) -> bool:
    if key == "$or" and sns._is_or_operator(rules):
        return any(_policy_matches(member, lookup, nested) for member in rules)
    if nested and isinstance(rules, dict):
        return any(_policy_matches(rules, child, nested) for child in lookup.children(key))
    return sns._key_matches(rules if isinstance(rules, list) else [rules], *lookup(key))
