"""The progress of an ingestion run, computed from the journal and the landing bucket."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from firn_airflow.cloud import Version
from firn_airflow.faults import Failure, Fault

# The journal's final states. Only a newer version of the key needs new work.
FINAL = {"loaded", "superseded", "withdrawn", "dismissed", "ignored"}
FAILED = "failed"
# Go's zero time, for a time that isn't set.
ZERO_TIME = "0001-01-01T00:00:00Z"
# The most failed objects that a fault names.
MAX_NAMED = 10


@dataclass(frozen=True)
class Run:
    """An ingestion run, as in its journal item.

    Attributes:
        finished: Whether all parts of the run are written.
        keys: The keys of the parts; empty before the run is finished.
        wait: The code of the run's wait for its source; empty without a wait.
    """

    finished: bool
    keys: tuple[str, ...]
    wait: str = ""

    @property
    def description(self) -> str:
        """Return the run's state as text for a log."""
        if self.finished:
            return "complete"
        return f"waiting: {self.wait}" if self.wait else "being fetched"

    @classmethod
    def read(cls, item: Mapping[str, str], requested_at: datetime) -> Run:
        """Read a run's item of the journal. internal/journal writes the item.

        Args:
            item: The item; empty if the run hasn't begun.
            requested_at: The time of this run's request. An older failure belongs
                to an earlier request and is ignored.

        Raises:
            Failure: The run failed after the request.
        """
        if "failed_at" in item and time_of(item["failed_at"]) >= requested_at:
            raise Failure(
                Fault(
                    code=item["code"],
                    cause=item.get("cause", ""),
                    hint=item.get("hint", ""),
                    mailed=True,
                )
            )
        checkpoint = json.loads(item.get("checkpoint", "{}"))
        if checkpoint.get("finished_at", ZERO_TIME) == ZERO_TIME:
            return cls(finished=False, keys=(), wait=item.get("delay_code", ""))
        return cls(finished=True, keys=tuple(part["key"] for part in checkpoint["parts"] or []))


def time_of(text: str) -> datetime:
    """Parse a time in the journal's format."""
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC)


def unloaded(
    run: Run, listed: Sequence[Version], entries: Mapping[str, Mapping[str, str]]
) -> list[str]:
    """Return the URIs of the run's objects without a final state.

    A run that isn't finished can get more objects.

    Args:
        run: The run.
        listed: The newest versions below the run's prefix.
        entries: The journal's entries of these versions, by object id.

    Raises:
        Failure: An object of the run failed or was deleted.
    """
    missing = sorted(set(run.keys) - {version.key for version in listed})
    if missing:
        raise Failure(
            Fault(
                code="parts_gone",
                cause=f"{len(missing)} parts were deleted from the landing bucket: {missing[0]}",
            )
        )
    failed = [version for version in listed if state(version, entries) == FAILED]
    if failed:
        raise Failure(fault_of(failed, entries))
    return [version.uri for version in listed if state(version, entries) not in FINAL]


def state(version: Version, entries: Mapping[str, Mapping[str, str]]) -> str:
    """Return an object's state; empty if the journal has no entry of the object."""
    return entries.get(version.object_id, {}).get("state", "")


def fault_of(failed: Sequence[Version], entries: Mapping[str, Mapping[str, str]]) -> Fault:
    """Return the fault of a run with failed objects. The fault names the objects and causes.

    The repair isn't part of the fault. The alert function sends one mail for each
    failed object, and the mail names the repair: a corrected file or a redrive.
    """

    def describe(version: Version) -> str:
        entry = entries[version.object_id]
        where, code = entry.get("stage", "?"), entry.get("code", "?")
        return f"{version.uri} failed in {where}: {code}: {entry.get('cause', '')}"

    more = f"\nand {len(failed) - MAX_NAMED} more" if len(failed) > MAX_NAMED else ""
    return Fault(
        code="object_failed",
        cause="\n".join(map(describe, failed[:MAX_NAMED])) + more,
        hint=entries[failed[0].object_id].get("hint", ""),
        commands=tuple(f"firn status {shlex.quote(version.uri)}" for version in failed[:MAX_NAMED]),
        mailed=True,
    )
