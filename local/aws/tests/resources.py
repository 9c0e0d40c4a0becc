"""Functions that create resources in the cloud for a test."""

import functools
import io
import json
import textwrap
import zipfile
from typing import Any

from servers import ACCOUNT, REGION, Cloud, until

PYTHON_RUNTIME = "python3.11"


def queue(cloud: Cloud, name: str, **attributes: str) -> tuple[str, str]:
    """Create a queue and return its URL and ARN."""
    url = cloud.client("sqs").create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
    return url, f"arn:aws:sqs:{REGION}:{ACCOUNT}:{name}"


def open_queue(cloud: Cloud, name: str) -> tuple[str, str]:
    """Create a queue to which every service may send."""
    arn = f"arn:aws:sqs:{REGION}:{ACCOUNT}:{name}"
    statement = {"Effect": "Allow", "Principal": "*", "Action": "sqs:SendMessage", "Resource": arn}
    return queue(cloud, name, Policy=policy(statement))


def queue_with_dead_letters(
    cloud: Cloud, name: str, receives: int, visibility: int = 2
) -> tuple[str, str, str, str]:
    """Create a queue and its dead-letter queue, and return URL, ARN, URL, ARN."""
    dead_url, dead_arn = queue(cloud, f"{name}-dead")
    redrive = {"deadLetterTargetArn": dead_arn, "maxReceiveCount": receives}
    url, arn = queue(
        cloud, name, VisibilityTimeout=str(visibility), RedrivePolicy=json.dumps(redrive)
    )
    return url, arn, dead_url, dead_arn


def policy(*statements: dict[str, Any]) -> str:
    """Return a policy document."""
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def depth(cloud: Cloud, url: str) -> int:
    """Count the messages of a queue, including hidden messages."""
    attributes = cloud.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["All"])[
        "Attributes"
    ]
    return sum(
        int(attributes[name])
        for name in ("ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible")
    )


def receive(cloud: Cloud, url: str, count: int = 1, seconds: float = 8) -> list[dict[str, Any]]:
    """Receive and delete `count` messages; WaitTimeoutError after `seconds`."""
    client, messages = cloud.client("sqs"), []

    def has_enough() -> bool:
        for message in client.receive_message(
            QueueUrl=url, MaxNumberOfMessages=10, AttributeNames=["All"]
        ).get("Messages", []):
            client.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
            messages.append(message)
        return len(messages) >= count

    until(f"{count} messages in {url}", has_enough, seconds)
    return messages


def role(cloud: Cloud, name: str, *statements: dict[str, Any]) -> str:
    """Create a role with these grants and return its ARN."""
    client = cloud.client("iam")
    trust = {
        "Effect": "Allow",
        "Action": "sts:AssumeRole",
        "Principal": {"Service": ["lambda.amazonaws.com", "glue.amazonaws.com"]},
    }
    client.create_role(RoleName=name, AssumeRolePolicyDocument=policy(trust))
    if statements:
        client.put_role_policy(RoleName=name, PolicyName="own", PolicyDocument=policy(*statements))
    return f"arn:aws:iam::{ACCOUNT}:role/{name}"


def user(
    cloud: Cloud, name: str, *statements: dict[str, Any], root: str = "test"
) -> tuple[str, str]:
    """Create a user with these grants, and return the id and the secret of its access key.

    Args:
        cloud: the server.
        name: the name of the user.
        statements: the grants; without a grant the user may do nothing.
        root: the access key of the root user of the user's account.
    """
    client = cloud.client("iam", root)
    client.create_user(UserName=name)
    if statements:
        grant(cloud, name, *statements, root=root)
    key = client.create_access_key(UserName=name)["AccessKey"]
    return key["AccessKeyId"], key["SecretAccessKey"]


def grant(cloud: Cloud, user_name: str, *statements: dict[str, Any], root: str = "test") -> None:
    """Replace the grants of a user."""
    cloud.client("iam", root).put_user_policy(
        UserName=user_name, PolicyName="own", PolicyDocument=policy(*statements)
    )


def allow(actions: str | list[str], resource: str) -> dict[str, Any]:
    """Return a statement that allows the actions on a resource."""
    return {"Effect": "Allow", "Action": actions, "Resource": resource}


def zipped(file: str, text: str) -> bytes:
    """Return a zip with one executable file."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        entry = zipfile.ZipInfo(file)
        entry.external_attr = 0o755 << 16
        archive.writestr(entry, text)
    return buffer.getvalue()


def function(cloud: Cloud, name: str, body: str, **options: Any) -> str:
    """Create a Python function with this handler body, and return its ARN."""
    code = "import os\ndef handle(event, context):\n" + textwrap.indent(body, "    ")
    settings = {"Runtime": PYTHON_RUNTIME, "Handler": "code.handle", **options}
    created = cloud.client("lambda").create_function(
        FunctionName=name,
        Role=role(cloud, f"{name}-role"),
        Code={"ZipFile": settings.pop("Zip", None) or zipped("code.py", code)},
        **settings,
    )
    return created["FunctionArn"]


def read_queue(cloud: Cloud, function_name: str, queue_arn: str, **options: Any) -> str:
    """Map the queue to the function, with partial batches, and return the mapping's id."""
    settings = {"FunctionResponseTypes": ["ReportBatchItemFailures"], **options}
    # A cold start longer than the visibility timeout would look like a failure.
    cloud.client("lambda").invoke(FunctionName=function_name)
    return cloud.client("lambda").create_event_source_mapping(
        FunctionName=function_name, EventSourceArn=queue_arn, **settings
    )["UUID"]


@functools.lru_cache
def bucket(cloud: Cloud, name: str) -> str:
    """Create a versioned bucket and return its name."""
    client = cloud.client("s3")
    client.create_bucket(Bucket=name)
    client.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    return name


def stack(
    cloud: Cloud, name: str, resources: dict[str, Any], outputs: dict[str, Any] | None = None
) -> dict[str, str]:
    """Deploy a template and return its outputs; RuntimeError with the reason of a failure."""
    client = cloud.client("cloudformation")
    template = {
        "Resources": resources,
        "Outputs": {key: {"Value": value} for key, value in (outputs or {}).items()},
    }
    client.create_stack(StackName=name, TemplateBody=json.dumps(template))

    def finished() -> dict[str, Any] | None:
        described = client.describe_stacks(StackName=name)["Stacks"][0]
        return None if described["StackStatus"].endswith("_IN_PROGRESS") else described

    described = until(f"stack {name}", finished)
    if described["StackStatus"] != "CREATE_COMPLETE":
        events = client.describe_stack_events(StackName=name)["StackEvents"]
        raise RuntimeError([event.get("ResourceStatusReason") for event in events])
    return {entry["OutputKey"]: entry["OutputValue"] for entry in described.get("Outputs", [])}
