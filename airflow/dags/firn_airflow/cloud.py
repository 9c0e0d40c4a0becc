"""The DAGs' requests to AWS. The stack's outputs name the resources.

No code here runs while Airflow parses a DAG. The credentials come from boto3's
default chain: on MWAA from the execution role.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import boto3

from firn_airflow.interval import REQUEST_TIME, Interval

# The most items of a request (docs.aws.amazon.com/amazondynamodb/latest/APIReference,
# BatchGetItem).
MAX_BATCH_ITEMS = 100
ID_DIGITS = 32
MANIFEST = "_manifest.json"


@dataclass(frozen=True)
class Version:
    """One version of a key in the landing bucket."""

    bucket: str
    key: str
    version: str

    @property
    def object_id(self) -> str:
        """Return firn's object id. internal/object computes the same id."""
        parts = "\x00".join((self.bucket, self.key, self.version))
        return hashlib.sha256(parts.encode()).hexdigest()[:ID_DIGITS]

    @property
    def uri(self) -> str:
        """Return s3://bucket/key."""
        return f"s3://{self.bucket}/{self.key}"


class Cloud:
    """A deployed stack."""

    def __init__(self, stack: str) -> None:
        """Read the stack's outputs."""
        answer = boto3.client("cloudformation").describe_stacks(StackName=stack)
        self.stack = stack
        self.outputs = {o["OutputKey"]: o["OutputValue"] for o in answer["Stacks"][0]["Outputs"]}
        self.dynamodb = boto3.client("dynamodb")

    def output(self, name: str) -> str:
        """Return one of the stack's outputs.

        Raises:
            LookupError: The stack has no such output, because the stack is older
                than the DAGs.
        """
        try:
            return self.outputs[name]
        except KeyError:
            raise LookupError(
                f"stack {self.stack} has no output {name}: deploy this version of firn"
            ) from None

    def ingest(self, dataset: str, interval: Interval) -> None:
        """Send the ingest function a request for an interval, as `firn ingest` does."""
        request = {
            "dataset": dataset,
            "start": f"{interval.start:{REQUEST_TIME}}",
            "end": f"{interval.end:{REQUEST_TIME}}",
        }
        boto3.client("sqs").send_message(
            QueueUrl=self.output("IngestQueueUrl"), MessageBody=json.dumps(request)
        )

    def run(self, dataset: str, run_id: str) -> dict[str, str]:
        """Return the run's item of the journal; empty if the run has no item yet."""
        return self.item(f"run#{dataset}/{run_id}")

    def load_count(self) -> int:
        """Return the number of committed loads in the lifetime of the journal."""
        return int(self.item("loads").get("loads", "0"))

    def item(self, pk: str) -> dict[str, str]:
        """Return one item of the journal; empty if the key has no item."""
        answer = self.dynamodb.get_item(
            TableName=self.output("JournalTable"), Key={"pk": {"S": pk}}, ConsistentRead=True
        )
        return plain(answer.get("Item", {}))

    def newest(self, prefix: str) -> list[Version]:
        """Return the newest versions below a prefix of the landing bucket.

        Delete markers and the manifest of a run are left out.
        """
        bucket = self.output("LandingBucket")
        pages = (
            boto3.client("s3")
            .get_paginator("list_object_versions")
            .paginate(Bucket=bucket, Prefix=prefix)
        )
        return [
            Version(bucket, listed["Key"], listed["VersionId"])
            for page in pages
            for listed in page.get("Versions", [])
            if listed["IsLatest"] and not listed["Key"].endswith("/" + MANIFEST)
        ]

    def entries(self, ids: Sequence[str]) -> dict[str, dict[str, str]]:
        """Return the journal's entries of these objects, by object id."""
        table = self.output("JournalTable")
        found = {}
        for chunk in chunks(ids, MAX_BATCH_ITEMS):
            wanted: dict[str, Any] = {
                table: {
                    "Keys": [{"pk": {"S": object_id}} for object_id in chunk],
                    "ConsistentRead": True,
                }
            }
            while wanted:
                answer = self.dynamodb.batch_get_item(RequestItems=wanted)
                items = [plain(item) for item in answer["Responses"].get(table, [])]
                found.update({item["pk"]: item for item in items})
                wanted = answer.get("UnprocessedKeys", {})
        return found

    def alert(self, subject: str, body: str) -> None:
        """Publish a mail to the Alerts topic."""
        boto3.client("sns").publish(
            TopicArn=self.output("AlertsTopicArn"), Subject=subject, Message=body
        )


def plain(item: dict[str, dict[str, str]]) -> dict[str, str]:
    """Return the strings and numbers of a DynamoDB item without their types."""
    return {name: next(iter(value.values())) for name, value in item.items()}


def chunks(values: Sequence[str], size: int) -> Iterator[Sequence[str]]:
    """Cut a list into pieces of at most the given size."""
    for start in range(0, len(values), size):
        yield values[start : start + size]
