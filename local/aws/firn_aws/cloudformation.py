"""CloudFormation: the properties that the stock provisioners drop."""

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
    """Install the mends of this module."""
    _after("AWS::DynamoDB::Table", _set_time_to_live)
    _after("AWS::S3::Bucket", _set_encryption)
    _after("AWS::Lambda::Function", _set_recursion)
    _after("AWS::Scheduler::Schedule", _set_schedule_times)
    _refer_to_secrets_by_arn()


def _after(kind: str, finish: Function) -> None:
    """Call `finish(physical id, properties)` after each create and update of a resource type."""
    handler = _HANDLERS[kind]

    def then(stock: Function, position: int) -> Function:
        def provision(*arguments: Any, **options: Any) -> Resource:  # noqa: ANN401 - as stock
            resource = stock(*arguments, **options)
            finish(resource[0], arguments[position])
            return resource

        return provision

    # create(logical id, properties, stack), update(physical id, old, new, stack)
    handler["create"] = then(handler["create"], 1)
    if handler.get("update"):
        handler["update"] = then(handler["update"], 2)


def _is_true(value: object) -> bool:
    return str(value).lower() == "true"


def _set_time_to_live(table: str, properties: Properties) -> None:
    """Switch a table's time to live on; stock 1.5.33 drops TimeToLiveSpecification.

    https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-properties-dynamodb-table-timetolivespecification.html
    """
    wanted = properties.get("TimeToLiveSpecification")
    if not wanted or not wanted.get("AttributeName"):
        return
    enabled = _is_true(wanted.get("Enabled"))
    specification = {"AttributeName": wanted["AttributeName"], "Enabled": enabled}
    dynamodb._update_ttl({"TableName": table, "TimeToLiveSpecification": specification})


def _set_encryption(bucket: str, properties: Properties) -> None:
    """Encrypt a bucket by default as told; stock 1.5.33 drops BucketEncryption.

    A rule for AWS's own KMS key is left out, since the server has no such key and would answer 400
    to each PutObject; the bucket then has SSE-S3, as every bucket has.
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
    """Keep a function's RecursiveLoop, which stock 1.5.33 drops; Terminate unless told.

    https://docs.aws.amazon.com/lambda/latest/dg/invocation-recursion.html
    """
    wanted = properties.get("RecursiveLoop") or "Terminate"
    answer = lambda_svc._put_function_recursion_config(function, {"RecursiveLoop": wanted})
    if answer[0] >= 400:
        raise ValueError(f"AWS::Lambda::Function RecursiveLoop: {json.loads(answer[2])}")


def _set_schedule_times(name: str, properties: Properties) -> None:
    """Keep a schedule's time zone and dates; stock 1.5.33 drops them, so all cron is UTC.

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
    """Make Ref of a secret its ARN.

    Stock 1.5.33 gives the name, so the grant that CDK writes with Ref names no secret and never
    matches. AWS gives the ARN:
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
    """The name in a secret's ARN, whose last seven characters are a dash and random ones."""
    return secret.rsplit(":", 1)[1][:-7] if secret.startswith("arn:") else secret
