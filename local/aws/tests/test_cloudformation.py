"""CloudFormation: resources keep the properties of their template."""

import json
from typing import Any

import pytest

import resources
from servers import ACCOUNT, REGION, Cloud


@pytest.fixture(scope="module")
def kms_key(cloud: Cloud) -> str:
    return cloud.client("kms").create_key()["KeyMetadata"]["Arn"]


def single_resource(kind: str, properties: dict[str, Any]) -> dict[str, Any]:
    """Return the resources of a template with one resource, named Single."""
    return {"Single": {"Type": kind, "Properties": properties}}


@pytest.mark.gap
def test_table_has_time_to_live_enabled(cloud: Cloud, name: str) -> None:
    table = {
        "TableName": name,
        "BillingMode": "PAY_PER_REQUEST",
        "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
        "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
        "TimeToLiveSpecification": {"AttributeName": "expires", "Enabled": True},
    }
    resources.stack(cloud, name, single_resource("AWS::DynamoDB::Table", table))
    described = cloud.client("dynamodb").describe_time_to_live(TableName=name)
    assert described["TimeToLiveDescription"] == {
        "AttributeName": "expires",
        "TimeToLiveStatus": "ENABLED",
    }


@pytest.mark.gap
def test_bucket_encrypts_with_kms_key(cloud: Cloud, name: str, kms_key: str) -> None:
    by_default = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": kms_key}
    rule = {"ServerSideEncryptionByDefault": by_default, "BucketKeyEnabled": True}
    bucket = {"BucketName": name, "BucketEncryption": {"ServerSideEncryptionConfiguration": [rule]}}
    resources.stack(cloud, name, single_resource("AWS::S3::Bucket", bucket))
    put = cloud.client("s3").put_object(Bucket=name, Key="k", Body=b"x")
    assert (put.get("ServerSideEncryption"), put.get("SSEKMSKeyId")) == ("aws:kms", kms_key)


@pytest.mark.gap
def test_ref_to_secret_returns_arn(cloud: Cloud, name: str) -> None:
    secret = single_resource("AWS::SecretsManager::Secret", {"Name": name, "SecretString": "s"})
    outputs = resources.stack(cloud, name, secret, {"Reference": {"Ref": "Single"}})
    secrets = cloud.client("secretsmanager")
    assert outputs["Reference"] == secrets.describe_secret(SecretId=name)["ARN"]
    cloudformation = cloud.client("cloudformation")
    changed = {
        "Resources": single_resource(
            "AWS::SecretsManager::Secret", {"Name": name, "SecretString": "changed"}
        )
    }
    cloudformation.update_stack(StackName=name, TemplateBody=json.dumps(changed))
    cloudformation.get_waiter("stack_update_complete").wait(
        StackName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 8}
    )
    assert secrets.get_secret_value(SecretId=name)["SecretString"] == "changed"
    cloudformation.delete_stack(StackName=name)
    cloudformation.get_waiter("stack_delete_complete").wait(
        StackName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 8}
    )
    with pytest.raises(secrets.exceptions.ResourceNotFoundException):
        secrets.get_secret_value(SecretId=name)


@pytest.mark.gap
def test_schedule_keeps_time_zone(cloud: Cloud, name: str) -> None:
    schedule = {
        "Name": name,
        "ScheduleExpression": "cron(0 6 * * ? *)",
        "ScheduleExpressionTimezone": "Europe/Oslo",
        "FlexibleTimeWindow": {"Mode": "OFF"},
        "Target": {
            "Arn": f"arn:aws:sqs:{REGION}:{ACCOUNT}:q",
            "RoleArn": f"arn:aws:iam::{ACCOUNT}:role/r",
        },
    }
    resources.stack(cloud, name, single_resource("AWS::Scheduler::Schedule", schedule))
    found = cloud.client("scheduler").get_schedule(Name=name)
    assert found["ScheduleExpressionTimezone"] == "Europe/Oslo"


@pytest.mark.gap
def test_glue_job_keeps_limit_class_and_queuing(cloud: Cloud, name: str) -> None:
    job = {
        "Name": name,
        "Role": "r",
        "ExecutionProperty": {"MaxConcurrentRuns": 3},
        "ExecutionClass": "FLEX",
        "JobRunQueuingEnabled": True,
        "Command": {"Name": "glueetl", "ScriptLocation": "s3://b/k"},
    }
    resources.stack(cloud, name, single_resource("AWS::Glue::Job", job))
    found = cloud.client("glue").get_job(JobName=name)["Job"]
    assert found.get("ExecutionProperty") == {"MaxConcurrentRuns": 3}
    assert (found.get("ExecutionClass"), found.get("JobRunQueuingEnabled")) == ("FLEX", True)


@pytest.mark.gap
def test_large_batch_without_window_fails_stack(cloud: Cloud, name: str) -> None:
    def deploy(number: int, **options: int) -> None:
        function = {
            "Runtime": resources.PYTHON_RUNTIME,
            "Handler": "index.handle",
            "Code": {"ZipFile": "def handle(event, context): return None"},
            "Role": f"arn:aws:iam::{ACCOUNT}:role/r",
        }
        mapping = {
            "FunctionName": {"Ref": "Function"},
            "EventSourceArn": {"Fn::GetAtt": ["Queue", "Arn"]},
            "BatchSize": 100,
            **options,
        }
        template = {
            "Function": {"Type": "AWS::Lambda::Function", "Properties": function},
            "Queue": {"Type": "AWS::SQS::Queue"},
            "Mapping": {"Type": "AWS::Lambda::EventSourceMapping", "Properties": mapping},
        }
        resources.stack(cloud, f"{name}-{number}", template)

    deploy(1, MaximumBatchingWindowInSeconds=1)
    with pytest.raises(RuntimeError, match="MaximumBatchingWindowInSeconds must be at least 1"):
        deploy(2)


@pytest.mark.gap
def test_function_keeps_recursive_loop(cloud: Cloud, name: str) -> None:
    function = {
        "FunctionName": name,
        "Runtime": resources.PYTHON_RUNTIME,
        "Handler": "index.handle",
        "Code": {"ZipFile": "def handle(event, context): pass"},
        "Role": f"arn:aws:iam::{ACCOUNT}:role/r",
        "RecursiveLoop": "Allow",
    }
    resources.stack(cloud, name, single_resource("AWS::Lambda::Function", function))
    found = cloud.client("lambda").get_function_recursion_config(FunctionName=name)
    assert found["RecursiveLoop"] == "Allow"


def test_queues_keep_encryption_and_mappings_keep_scaling(
    cloud: Cloud, name: str, kms_key: str
) -> None:
    def mapping(queue: str) -> dict[str, Any]:
        return {
            "Type": "AWS::Lambda::EventSourceMapping",
            "Properties": {
                "FunctionName": {"Ref": "Function"},
                "EventSourceArn": {"Fn::GetAtt": [queue, "Arn"]},
                "BatchSize": 10,
                "FunctionResponseTypes": ["ReportBatchItemFailures"],
                "ScalingConfig": {"MaximumConcurrency": 2},
            },
        }

    outputs = resources.stack(
        cloud,
        name,
        {
            "Function": {
                "Type": "AWS::Lambda::Function",
                "Properties": {
                    "Runtime": resources.PYTHON_RUNTIME,
                    "Handler": "index.handle",
                    "Code": {"ZipFile": "def handle(event, context): return None"},
                    "Role": f"arn:aws:iam::{ACCOUNT}:role/r",
                },
            },
            "Own": {"Type": "AWS::SQS::Queue", "Properties": {"SqsManagedSseEnabled": True}},
            "Kms": {
                "Type": "AWS::SQS::Queue",
                "Properties": {"KmsMasterKeyId": kms_key, "KmsDataKeyReusePeriodSeconds": 86400},
            },
            "OwnMapping": mapping("Own"),
            "KmsMapping": mapping("Kms"),
        },
        {"Own": {"Ref": "Own"}, "Kms": {"Ref": "Kms"}, "Mapping": {"Ref": "KmsMapping"}},
    )

    def attributes(url: str) -> dict[str, str]:
        return cloud.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["All"])[
            "Attributes"
        ]

    assert attributes(outputs["Own"])["SqsManagedSseEnabled"] == "true"
    assert attributes(outputs["Kms"])["KmsMasterKeyId"] == kms_key
    found = cloud.client("lambda").get_event_source_mapping(UUID=outputs["Mapping"])
    assert found["ScalingConfig"] == {"MaximumConcurrency": 2}
    assert found["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
