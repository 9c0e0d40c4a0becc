"""The faults of the DAGs, each with a code and a hint, as in firn's functions."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

# The hint of each code. docs/airflow.md has an entry for each code.
HINTS = {
    "parts_gone": "Restore the parts from older versions in the bucket, then clear the task.",
    "object_failed": "Follow the mail of the failed object, then clear the task.",
    "run_overdue": "Find the cause of the wait with `firn status`, then clear the task.",
    "dbt_failed": "Find the failed model or test in the task's log, fix it, then clear the task.",
    "schedule_refused": "Write a schedule into the contract that fires once a day.",
    "task_failed": "Fix the error in the task's log, then clear the task.",
    "task_lost": "Airflow lost or ended the task: read the scheduler's log, then clear the task.",
}


@dataclass(frozen=True)
class Fault:
    """The error of a failed task.

    Attributes:
        code: A key of HINTS, or a fault code from the journal.
        cause: One or more sentences.
        hint: The advice for this fault; empty for the code's own hint.
        commands: The commands that repair the run, in order.
        mailed: Whether the alert function has sent a mail about this fault, or
            will send one.
        retryable: Whether a retry of the task can succeed.
    """

    code: str
    cause: str
    hint: str = ""
    commands: tuple[str, ...] = ()
    mailed: bool = False
    retryable: bool = False

    @property
    def advice(self) -> str:
        """Return the fault's hint; without a hint, the hint of the code."""
        return self.hint or HINTS.get(self.code, "")

    def as_dict(self) -> dict[str, Any]:
        """Return the fault as a dictionary with JSON types only, for `of_dict`."""
        return asdict(self) | {"commands": list(self.commands)}

    @classmethod
    def of_dict(cls, values: dict[str, Any]) -> Fault:
        """Return the fault of a dictionary from `as_dict`."""
        return cls(**values | {"commands": tuple(values["commands"])})

    def text(self) -> str:
        """Return the fault as text for a task's log."""
        lines = [f"{self.code}: {self.cause}", f"What to do  {self.advice}"]
        return "\n".join(lines + [f"Then type   {command}" for command in self.commands])


class Failure(Exception):
    """An exception with a fault."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.text())
        self.fault = fault
