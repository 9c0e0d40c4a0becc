"""How far a run is, judged by what the journal and the landing bucket have."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from firn_airflow.cloud import Version
from firn_airflow.faults import Failure, Fault

# The journal's states that nothing but a newer version changes.
FINAL = {"loaded", "superseded", "ignored"}
FAILED = "failed"
# Of a time that isn't set, as Go writes it.
NEVER = "0001-01-01T00:00:00Z"
# How many failed objects are named.
NAMED = 10


@dataclass(frozen=True)
class Run:
    """An ingestion run as its item in the journal has it.

    Attributes:
        finished: Whether all its parts are written.
        keys: The parts' keys, if it is finished.
    """

    finished: bool
    keys: tuple[str, ...]

    @classmethod
    def read(cls, item: Mapping[str, str], ordered_at: datetime) -> Run:
        """Read the item that internal/journal writes.

        Args:
            item: The item, empty if the run hasn't begun.
            ordered_at: When this run was ordered. An older failure is that of an
                earlier order, which is being tried again.

        Raises:
            Failure: The run failed since it was ordered.
        """
        if "failed_at" in item and time_of(item["failed_at"]) >= ordered_at:
            raise Failure(
                Fault(
                    code=item["code"],
                    cause=item.get("cause", ""),
                    hint=item.get("hint", ""),
                    told=True,
                )
            )
        checkpoint = json.loads(item.get("checkpoint", "{}"))
        if checkpoint.get("finished_at", NEVER) == NEVER:
            return cls(finished=False, keys=())
        return cls(finished=True, keys=tuple(part["key"] for part in checkpoint["parts"] or []))


def time_of(text: str) -> datetime:
    """Read a time as the journal writes it."""
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC)


def waiting(
    run: Run, listed: Sequence[Version], entries: Mapping[str, Mapping[str, str]]
) -> list[str]:
    """Return the URIs of the run's objects that aren't loaded yet.

    A run that isn't finished may get more of them.

    Args:
        run: The run.
        listed: The newest versions below the run's prefix.
        entries: What the journal knows of them, by object id.

    Raises:
        Failure: One of them failed, or isn't there any more.
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
        raise Failure(failure_of(failed, entries))
    return [version.uri for version in listed if state(version, entries) not in FINAL]


def state(version: Version, entries: Mapping[str, Mapping[str, str]]) -> str:
    """Return an object's state; empty if the journal hasn't heard of it yet."""
    return entries.get(version.object_id, {}).get("state", "")


def failure_of(failed: Sequence[Version], entries: Mapping[str, Mapping[str, str]]) -> Fault:
    """Say which objects failed, where and why.

    What to do is in the mail of each: the alert function knows which are mended by
    another file, and which by a redrive.
    """

    def told(version: Version) -> str:
        entry = entries[version.object_id]
        where, code = entry.get("stage", "?"), entry.get("code", "?")
        return f"{version.uri} failed in {where}: {code}: {entry.get('cause', '')}"

    more = f"\nand {len(failed) - NAMED} more" if len(failed) > NAMED else ""
    return Fault(
        code="object_failed",
        cause="\n".join(map(told, failed[:NAMED])) + more,
        hint=entries[failed[0].object_id].get("hint", ""),
        commands=tuple(f"firn status {shlex.quote(version.uri)}" for version in failed[:NAMED]),
        told=True,
    )
