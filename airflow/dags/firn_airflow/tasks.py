"""The tasks of firn's DAGs.

Each failing task pushes its fault to XCom, for the DAG's failure callback.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.sdk import BaseOperator, BaseSensorOperator, Context, PokeReturnValue, Variable
from airflow.sdk.exceptions import (
    AirflowFailException,
    AirflowRescheduleException,
    AirflowSensorTimeout,
    AirflowSkipException,
)

from firn_airflow import commands, dbt, progress
from firn_airflow.alert import FAULT_KEY
from firn_airflow.cloud import Cloud
from firn_airflow.contracts import IngestedDataset
from firn_airflow.faults import Failure, Fault
from firn_airflow.interval import Interval
from firn_airflow.settings import Settings

INGEST_TASK = "ingest"
# The Variable with the last build of firn_marts. A Variable outlives runs and logs.
MARTS_VARIABLE = "firn_marts"


def run_task(context: Context, work: Callable[[], Any]) -> Any:  # noqa: ANN401 - the task's result
    """Run a task's work; if the work fails, push the fault to XCom.

    If a retry can't succeed, the task fails at once, without retries.
    """
    try:
        return work()
    except (AirflowRescheduleException, AirflowSkipException):
        raise
    except Failure as failure:
        push_fault(context, failure.fault)
        if not failure.fault.retryable:
            raise AirflowFailException(str(failure)) from failure
        raise
    except AirflowSensorTimeout as timeout:
        push_fault(context, Fault(code="run_overdue", cause=str(timeout)))
        raise
    except Exception as error:
        push_fault(context, Fault(code="task_failed", cause=f"{type(error).__name__}: {error}"))
        raise


def push_fault(context: Context, fault: Fault) -> None:
    """Push a fault to XCom, for the DAG's failure callback."""
    context["ti"].xcom_push(key=FAULT_KEY, value=fault.as_dict())


class IngestOperator(BaseSensorOperator):
    """Requests the run of the data interval at the schedule's time of day.

    The request is a message on the ingest queue. The task ends after the request,
    because the ingest function takes minutes or hours. The task's result is the
    time of the request.
    """

    def __init__(
        self,
        *,
        dataset: str,
        delay: timedelta,
        settings: Settings,
        **kwargs: Any,  # noqa: ANN401
    ) -> None:
        super().__init__(mode="reschedule", poke_interval=settings.poke_interval, **kwargs)
        self.dataset = dataset
        self.delay = delay
        self.stack = settings.stack

    def execute(self, context: Context) -> Any:  # noqa: ANN401
        """Send the request, or reschedule the task to the schedule's time."""
        return run_task(context, lambda: super(IngestOperator, self).execute(context))

    def poke(self, context: Context) -> PokeReturnValue:
        """Send the request, or reschedule the task to the schedule's time."""
        interval = Interval.of(context)
        due = interval.end + self.delay
        now = datetime.now(UTC)
        if now < due:
            self.log.info("%s is due at %s", interval.run_id, due)
            raise AirflowRescheduleException(due)
        Cloud(self.stack).ingest(self.dataset, interval)
        self.log.info("requested %s %s", self.dataset, interval.run_id)
        return PokeReturnValue(is_done=True, xcom_value=now.isoformat())


class LoadedSensor(BaseSensorOperator):
    """Waits until every object of the run is loaded. The wait occupies no worker."""

    def __init__(self, *, ingested: IngestedDataset, settings: Settings, **kwargs: Any) -> None:  # noqa: ANN401
        super().__init__(
            mode="reschedule",
            poke_interval=settings.poke_interval,
            timeout=settings.wait_limit,
            **kwargs,
        )
        self.dataset = ingested.dataset
        self.prefix = ingested.prefix
        self.stack = settings.stack

    def execute(self, context: Context) -> Any:  # noqa: ANN401
        """Check the run once, and reschedule the task if the run isn't loaded."""
        return run_task(context, lambda: super(LoadedSensor, self).execute(context))

    def poke(self, context: Context) -> bool:
        """Return whether the run is loaded.

        Raises:
            Failure: The run or an object of the run failed.
        """
        interval = Interval.of(context)
        requested_at = datetime.fromisoformat(context["ti"].xcom_pull(task_ids=INGEST_TASK))
        cloud = Cloud(self.stack)
        try:
            run = progress.Run.read(cloud.run(self.dataset, interval.run_id), requested_at)
            listed = cloud.newest(f"{self.prefix}run={interval.run_id}/")
            entries = cloud.entries([version.object_id for version in listed])
            unloaded = progress.unloaded(run, listed, entries)
        except Failure as failure:
            raise Failure(self.with_commands(failure.fault, context)) from failure
        self.log.info(
            "%s is %s: %d of %d objects are loaded",
            interval.run_id,
            run.description,
            len(listed) - len(unloaded),
            len(listed),
        )
        return run.finished and not unloaded

    def with_commands(self, fault: Fault, context: Context) -> Fault:
        """Append the clear command to a fault's commands.

        For a failed run, the command clears the ingest task, which requests the run
        again. For failed or deleted objects, the command clears this task.
        """
        task = INGEST_TASK if fault.mailed and not fault.commands else self.task_id
        command = commands.clear(self.dag_id, task, context.get("logical_date"))
        return replace(fault, commands=(*fault.commands, command))


class DbtBuildOperator(BaseOperator):
    """Builds the whole dbt project, or the models that depend on a dataset."""

    def __init__(self, *, settings: Settings, dataset: str = "", **kwargs: Any) -> None:  # noqa: ANN401
        super().__init__(**kwargs)
        self.dbt = str(settings.dbt)
        self.project = str(settings.home / "dbt")
        # A dataset has a table, and in two of the three modes a view of the current rows.
        self.select = f"source:{dataset}+ source:{dataset}_current+" if dataset else ""
        self.process: dbt.Process | None = None

    def execute(self, context: Context) -> str:
        """Build, and return dbt's summary."""
        self.process = dbt.Process(self.dbt, self.project, self.select, log=self.log.info)
        return run_task(context, self.process.run)

    def on_kill(self) -> None:
        """End dbt when Airflow ends the task."""
        if self.process is not None:
            self.process.end()


class NewLoadsOperator(BaseOperator):
    """Skips the rest of the run unless a load was committed since the last build.

    Before the build, the task saves the number of loads and the run id. A failed
    build is therefore not repeated by later runs, only by retries or a cleared
    task.
    """

    def __init__(self, *, settings: Settings, **kwargs: Any) -> None:  # noqa: ANN401
        super().__init__(**kwargs)
        self.stack = settings.stack

    def execute(self, context: Context) -> int:
        """Return the number of loads, or skip the rest of the run."""
        return run_task(context, lambda: self.check(context))

    def check(self, context: Context) -> int:
        """Compare the journal's number of loads with the number at the last build."""
        loads = Cloud(self.stack).load_count()
        run_id = context["run_id"]
        built = Variable.get(MARTS_VARIABLE, default=None, deserialize_json=True) or {}
        if built.get("loads", 0) == loads and built.get("run_id") != run_id:
            raise AirflowSkipException(f"no new load since the last build, at {loads} loads")
        Variable.set(MARTS_VARIABLE, {"loads": loads, "run_id": run_id}, serialize_json=True)
        return loads


class RefusedOperator(BaseOperator):
    """Fails with the reason that the contract's schedule isn't supported."""

    def __init__(self, *, reason: str, **kwargs: Any) -> None:  # noqa: ANN401
        super().__init__(**kwargs)
        self.reason = reason

    def execute(self, context: Context) -> None:
        """Fail with the reason."""
        run_task(context, self.fail)

    def fail(self) -> None:
        """Raise the failure.

        Raises:
            Failure: Always, with code schedule_refused.
        """
        raise Failure(Fault(code="schedule_refused", cause=self.reason))
