"""CloudFormation: the properties that the stock provisioners ignore."""

import json
import time
from collections.abc import Mapping
from typing import Any
from xml.etree.ElementTree import Element, SubElement, tostring

from ministack.services import dynamodb, lambda_svc, s3, scheduler
from ministack.services.cloudformation import provisioners

from .patching import Function

Properties = Mapping[str, Any]
Resource = tuple[str, dict[str, Any]]

_HANDLERS = provisioners._RESOURCE_HANDLERS


def apply() -> None:
    """Install the patches of this module."""
    _run_after_provisioning("AWS::DynamoDB::Table", _set_time_to_live)
    _run_after_provisioning("AWS::S3::Bucket", _set_encryption)
    _run_after_provisioning("AWS::Lambda::Function", _set_recursion)
    _run_after_provisioning("AWS::Scheduler::Schedule", _set_schedule_times)
    _refer_to_secrets_by_arn()


def _run_after_provisioning(kind: str, step: Function) -> None:
    """Call `step(physical id, properties)` after each create and update of a resource type."""
    handler = _HANDLERS[kind]

    def with_step(stock: Function, position: int) -> Function:
        def provision(*arguments: Any, **options: Any) -> Resource:  # noqa: ANN401 - as stock
            resource = stock(*arguments, **options)
            step(resource[0], arguments[position])
            return resource

        return provision

    # create(logical id, properties, stack), update(physical id, old, new, stack)
    handler["create"] = with_step(handler["create"], 1)
    if handler.get("update"):
        handler["update"] = with_step(handler["update"], 2)


def _is_true(value: object) -> bool:
    return str(value).lower() == "true"


def _set_time_to_live(table: str, properties: Properties) -> None:
    """Enable a table's time to live: stock ministack ignores TimeToLiveSpecification.

    https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-properties-dynamodb-table-timetolivespecification.html
    """
    declared = properties.get("TimeToLiveSpecification")
    if not declared or not declared.get("AttributeName"):
        return
    enabled = _is_true(declared.get("Enabled"))
    specification = {"AttributeName": declared["AttributeName"], "Enabled": enabled}
    dynamodb._update_ttl({"TableName": table, "TimeToLiveSpecification": specification})


def _set_encryption(bucket: str, properties: Properties) -> None:
    """Set a bucket's default encryption: stock ministack ignores BucketEncryption.

    A rule for the AWS managed KMS key is skipped. The server has no such key and would answer each
    PutObject with 400. Such a bucket uses SSE-S3, the default of every bucket.
    https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-properties-s3-bucket-bucketencryption.html
    """
    encryption = properties.get("BucketEncryption") or {}
    for rule in encryption.get("ServerSideEncryptionConfiguration") or []:
        default = rule.get("ServerSideEncryptionByDefault") or {}
        if default.get("SSEAlgorithm") == "aws:kms" and not default.get("KMSMasterKeyID"):
            continue
        s3._put_bucket_encryption(bucket, _encryption_xml(rule, default))


def _encryption_xml(rule: Properties, default: Properties) -> bytes:
    root = Element("ServerSideEncryptionConfiguration")
    element = SubElement(root, "Rule")
    by_default = SubElement(element, "ApplyServerSideEncryptionByDefault")
    SubElement(by_default, "SSEAlgorithm").text = str(default.get("SSEAlgorithm"))
    if default.get("KMSMasterKeyID"):
        SubElement(by_default, "KMSMasterKeyID").text = str(default["KMSMasterKeyID"])
    key_enabled = str(_is_true(rule.get("BucketKeyEnabled"))).lower()
    SubElement(element, "BucketKeyEnabled").text = key_enabled
    return tostring(root)


def _set_recursion(function: str, properties: Properties) -> None:
    """Set a function's RecursiveLoop, which stock ministack ignores; the default is Terminate.

    https://docs.aws.amazon.com/lambda/latest/dg/invocation-recursion.html
    """
    action = properties.get("RecursiveLoop") or "Terminate"
    answer = lambda_svc._put_function_recursion_config(function, {"RecursiveLoop": action})
    if answer[0] >= 400:
        raise ValueError(f"AWS::Lambda::Function RecursiveLoop: {json.loads(answer[2])}")


def _set_schedule_times(name: str, properties: Properties) -> None:
    """Set a schedule's time zone and dates. Stock ministack ignores both and reads cron as UTC.

    https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-resource-scheduler-schedule.html
    """
    schedule = scheduler._schedules.get(f"{properties.get('GroupName', 'default')}/{name}")
    if schedule is None:
        return
    schedule["ScheduleExpressionTimezone"] = properties.get("ScheduleExpressionTimezone") or "UTC"
    for date in ("StartDate", "EndDate"):
        if properties.get(date):
            schedule[date] = properties[date]
        else:
            schedule.pop(date, None)
    schedule["LastModificationDate"] = time.time()


def _refer_to_secrets_by_arn() -> None:
    """Return the ARN for a Ref to a secret.

    Stock ministack returns the name. CDK writes grants with Ref, so such a grant never matches a
    secret. AWS returns the ARN:
    https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-resource-secretsmanager-secret.html#aws-resource-secretsmanager-secret-return-values
    """
    handler = _HANDLERS["AWS::SecretsManager::Secret"]
    update, delete = handler["update"], handler["delete"]

    def create_by_arn(stock: Function) -> Function:
        def create(*arguments: object) -> Resource:
            _, attributes = stock(*arguments)
            return attributes["Arn"], attributes

        return create

    def update_by_arn(secret: str, *arguments: object, **options: object) -> Resource:
        _, attributes = update(_secret_name(secret), *arguments, **options)
        return attributes["Arn"], attributes

    def delete_by_arn(secret: str, properties: Properties) -> None:
        delete(_secret_name(secret), properties)

    handler["create"] = create_by_arn(handler["create"])
    handler["update"] = update_by_arn
    handler["delete"] = delete_by_arn


def _secret_name(secret: str) -> str:
    """Return the name in a secret's ARN, without the last seven characters.

    The last seven characters of the ARN are a dash and a random suffix.
    """
    return secret.rsplit(":", 1)[1][:-7] if secret.startswith("arn:") else secret
