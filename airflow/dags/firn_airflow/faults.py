"""What can go wrong in a DAG, with a hint for each, as firn's functions have it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

# One entry for each in docs/airflow.md.
HINTS = {
    "parts_gone": "Bring them back from the bucket's older versions, then clear the task.",
    "object_failed": "Do what the object's own mail says, then clear the task.",
    "run_overdue": "Look whether it still waits, and at the ingest queue, then clear the task.",
    "dbt_failed": "Look at the task's log for the model or test, mend it, then clear the task.",
    "schedule_refused": "Write a schedule into the contract that fires once a day.",
    "task_failed": "Look at the task's log, mend what it names, then clear the task.",
    "task_lost": "Airflow lost or ended the task: look at the scheduler's log, then clear it.",
}


@dataclass(frozen=True)
class Fault:
    """Why a task failed.

    Attributes:
        code: A key of HINTS, or the journal's code.
        cause: One or more sentences.
        hint: What to do about it; the code's if empty.
        commands: What to type then, one after the other.
        told: Whether the alert function has mailed it, or is about to.
        retried: Whether trying the task again can help.
    """

    code: str
    cause: str
    hint: str = ""
    commands: tuple[str, ...] = ()
    told: bool = False
    retried: bool = False

    @property
    def advice(self) -> str:
        """Return the hint, or else that of the code."""
        return self.hint or HINTS.get(self.code, "")

    def as_dict(self) -> dict[str, Any]:
        """Return what `of_dict` takes: JSON's types only."""
        return asdict(self) | {"commands": list(self.commands)}

    @classmethod
    def of_dict(cls, values: dict[str, Any]) -> Fault:
        """Return the fault that `as_dict` wrote."""
        return cls(**values | {"commands": tuple(values["commands"])})

    def text(self) -> str:
        """Return all of it for a task's log."""
        lines = [f"{self.code}: {self.cause}", f"What to do  {self.advice}"]
        return "\n".join(lines + [f"Then type   {command}" for command in self.commands])


class Failure(Exception):
    """An exception that knows its fault."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.text())
        self.fault = fault
