"""The tests' access to the laptop's cloud."""

from __future__ import annotations

import email
import email.policy
import gzip
import json
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import EmailMessage
from pathlib import Path
from typing import TypeVar

import boto3

from firn_airflow import dbt
from firn_airflow.cloud import Version
from firn_airflow.settings import Settings

T = TypeVar("T")
ROOT = Path(__file__).resolve().parents[2]
# The made-up project of firn's tests.
PROJECT = ROOT / "testdata/project"
EVENTS = PROJECT / "datasets/station/event/events.geojson.gz"
# Far longer than a wait takes on a busy machine.
TIMEOUT_SECONDS = 120


def until(event: str, check: Callable[[], T], timeout: float = TIMEOUT_SECONDS) -> T:
    """Call a function until the result is true, and return the result.

    Raises:
        AssertionError: The timeout in seconds passed. The error names the event.
    """
    end = time.monotonic() + timeout
    while not (found := check()):
        assert time.monotonic() < end, f"not within {timeout} s: {event}"
        time.sleep(0.5)
    return found


def events_of(day: datetime) -> int:
    """Count the events of a day in the file that the FDSN stand-in serves."""
    features = json.loads(gzip.decompress(EVENTS.read_bytes()))["features"]
    times = [datetime.fromtimestamp(f["properties"]["time"] / 1000, UTC) for f in features]
    return sum(at.date() == day.date() for at in times)


@dataclass(frozen=True)
class Laptop:
    """The laptop's cloud."""

    program: Path
    mails_folder: Path
    scratch: Path

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Laptop:
        """Read the variables that test/airflow sets."""
        return cls(
            program=Path(environment["FIRN_TEST_PROGRAM"]),
            mails_folder=Path(environment["FIRN_TEST_MAILS"]),
            scratch=Path(environment["FIRN_TEST_SCRATCH"]),
        )

    def firn(self, *arguments: str) -> str:
        """Run a firn command, and return its standard output."""
        done = subprocess.run(
            [self.program, *arguments],
            capture_output=True,
            text=True,
            check=False,
            timeout=TIMEOUT_SECONDS,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def number(self, sql: str) -> int:
        """Return the only number in the result of a query."""
        [row] = json.loads(self.firn("query", "--json", sql))
        return int(next(iter(row.values())))

    def build(self) -> None:
        """Build the whole dbt project, as firn_marts does."""
        settings = Settings.read({})
        output: list[str] = []
        build = dbt.Process(str(settings.dbt), str(PROJECT / "dbt"), "", output.append)
        assert "ERROR=0" in build.run(), output

    def in_marts(self, day: datetime) -> int:
        """Count a day's events in the marts."""
        day_of = f"OCCURRED_DATE = '{day:%Y-%m-%d}'"
        return self.number(f"select count(*) as N from MARTS.FACT_EVENT where {day_of}")

    def mails(self, *texts: str) -> list[EmailMessage]:
        """Return the mails with all of these texts in subject or body."""
        read = [
            email.message_from_bytes(file.read_bytes(), policy=email.policy.default)
            for file in sorted(self.mails_folder.glob("*.eml"))
        ]
        return [
            m for m in read if all(text in f"{m['Subject']}\n{m.get_content()}" for text in texts)
        ]

    def outputs(self) -> dict[str, str]:
        """Return the stack's outputs."""
        stack = boto3.client("cloudformation").describe_stacks(StackName="Firn")["Stacks"][0]
        return {o["OutputKey"]: o["OutputValue"] for o in stack["Outputs"]}

    def put(self, key: str, body: bytes) -> Version:
        """Put an object into the landing bucket."""
        bucket = self.outputs()["LandingBucket"]
        s3 = boto3.client("s3")
        return Version(bucket, key, s3.put_object(Bucket=bucket, Key=key, Body=body)["VersionId"])

    def state(self, version: Version) -> str:
        """Return an object's state in the journal; empty without an entry."""
        key = {"pk": {"S": version.object_id}}
        item = boto3.client("dynamodb").get_item(
            TableName=self.outputs()["JournalTable"], Key=key, ConsistentRead=True
        )
        return item.get("Item", {}).get("state", {}).get("S", "")
