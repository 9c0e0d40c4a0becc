"""The tasks of firn's DAGs.

Each leaves its fault as an XCom when it fails, for the DAG's alert.
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

from firn_airflow import commands, dbt, standing
from firn_airflow.alert import FAULT_KEY
from firn_airflow.cloud import Cloud
from firn_airflow.contracts import Ingested
from firn_airflow.faults import Failure, Fault
from firn_airflow.interval import Interval
from firn_airflow.settings import Settings

ORDER_TASK = "ingest"
# Where firn_marts keeps what it built last: a Variable outlives runs and logs.
MARTS_VARIABLE = "firn_marts"


def telling(context: Context, act: Callable[[], Any]) -> Any:  # noqa: ANN401 - what the task returns
    """Do a task's work; leave the fault behind if it fails.

    Where trying again can't help, the task fails at once.
    """
    try:
        return act()
    except (AirflowRescheduleException, AirflowSkipException):
        raise
    except Failure as failure:
        leave(context, failure.fault)
        if not failure.fault.retried:
            raise AirflowFailException(str(failure)) from failure
        raise
    except AirflowSensorTimeout as timeout:
        leave(context, Fault(code="run_overdue", cause=str(timeout)))
        raise
    except Exception as error:
        leave(context, Fault(code="task_failed", cause=f"{type(error).__name__}: {error}"))
        raise


def leave(context: Context, fault: Fault) -> None:
    """Leave a fault for the DAG's alert."""
    context["ti"].xcom_push(key=FAULT_KEY, value=fault.as_dict())


class IngestOperator(BaseSensorOperator):
    """Orders the run of the data interval, once its time of day has come.

    It returns when it ordered. The order is a message on the ingest queue: the
    function takes minutes or hours, and no connection waits for it.
    """

    def __init__(
        self,
        *,
        dataset: str,
        delay: timedelta,
        settings: Settings,
        **kwargs: Any,  # noqa: ANN401
    ) -> None:
        super().__init__(mode="reschedule", poke_interval=settings.poke, **kwargs)
        self.dataset = dataset
        self.delay = delay
        self.stack = settings.stack

    def execute(self, context: Context) -> Any:  # noqa: ANN401
        """Order, or come back when it is time."""
        return telling(context, lambda: super(IngestOperator, self).execute(context))

    def poke(self, context: Context) -> PokeReturnValue:
        """Order, or come back when it is time."""
        interval = Interval.of(context)
        due = interval.end + self.delay
        now = datetime.now(UTC)
        if now < due:
            self.log.info("%s is fetched at %s", interval.run_id, due)
            raise AirflowRescheduleException(due)
        Cloud(self.stack).ingest(self.dataset, interval)
        self.log.info("ordered %s %s", self.dataset, interval.run_id)
        return PokeReturnValue(is_done=True, xcom_value=now.isoformat())


class LoadedSensor(BaseSensorOperator):
    """Waits until every object of the run is loaded, and holds no worker meanwhile."""

    def __init__(self, *, ingested: Ingested, settings: Settings, **kwargs: Any) -> None:  # noqa: ANN401
        super().__init__(
            mode="reschedule", poke_interval=settings.poke, timeout=settings.patience, **kwargs
        )
        self.dataset = ingested.dataset
        self.prefix = ingested.prefix
        self.stack = settings.stack

    def execute(self, context: Context) -> Any:  # noqa: ANN401
        """Look once, and come back after a while if it isn't done."""
        return telling(context, lambda: super(LoadedSensor, self).execute(context))

    def poke(self, context: Context) -> bool:
        """Tell whether all is loaded; fail at once if something failed."""
        interval = Interval.of(context)
        ordered_at = datetime.fromisoformat(context["ti"].xcom_pull(task_ids=ORDER_TASK))
        cloud = Cloud(self.stack)
        try:
            run = standing.Run.read(cloud.run(self.dataset, interval.run_id), ordered_at)
            listed = cloud.newest(f"{self.prefix}run={interval.run_id}/")
            entries = cloud.entries([version.object_id for version in listed])
            waiting = standing.waiting(run, listed, entries)
        except Failure as failure:
            raise Failure(self.with_commands(failure.fault, context)) from failure
        self.log.info(
            "%s is %s: %d of %d objects are loaded",
            interval.run_id,
            "complete" if run.finished else "being fetched",
            len(listed) - len(waiting),
            len(listed),
        )
        return run.finished and not waiting

    def with_commands(self, fault: Fault, context: Context) -> Fault:
        """Add what to type after the fault's own commands: a run that failed is ordered again."""
        task = ORDER_TASK if fault.told and not fault.commands else self.task_id
        again = commands.clear(self.dag_id, task, context.get("logical_date"))
        return replace(fault, commands=(*fault.commands, again))


class DbtBuildOperator(BaseOperator):
    """Builds dbt: all of it, or what depends on a dataset."""

    def __init__(self, *, settings: Settings, dataset: str = "", **kwargs: Any) -> None:  # noqa: ANN401
        super().__init__(**kwargs)
        self.dbt = str(settings.dbt)
        self.project = str(settings.home / "dbt")
        # The table, and the view of its current rows that firn makes in two modes of three.
        self.select = f"source:{dataset}+ source:{dataset}_current+" if dataset else ""
        self.process: dbt.Process | None = None

    def execute(self, context: Context) -> str:
        """Build; return dbt's last words, which count what passed."""
        self.process = dbt.Process(self.dbt, self.project, self.select, say=self.log.info)
        return telling(context, self.process.run)

    def on_kill(self) -> None:
        """End dbt with the task."""
        if self.process is not None:
            self.process.end()


class NewLoadsOperator(BaseOperator):
    """Skips what follows unless a load was committed since the last build.

    It notes the loads that it saw, with the run, before the build: a build that
    fails isn't tried again by every later run, but by its own retries and by
    whoever clears it.
    """

    def __init__(self, *, settings: Settings, **kwargs: Any) -> None:  # noqa: ANN401
        super().__init__(**kwargs)
        self.stack = settings.stack

    def execute(self, context: Context) -> int:
        """Return the count of loads, or skip."""
        return telling(context, lambda: self.look(context))

    def look(self, context: Context) -> int:
        """Compare the journal's count of loads with that of the last build."""
        loads = Cloud(self.stack).loads()
        run_id = context["run_id"]
        built = Variable.get(MARTS_VARIABLE, default=None, deserialize_json=True) or {}
        if built.get("loads", 0) == loads and built.get("run_id") != run_id:
            raise AirflowSkipException(f"no load since the last build: {loads}")
        Variable.set(MARTS_VARIABLE, {"loads": loads, "run_id": run_id}, serialize_json=True)
        return loads


class RefusedOperator(BaseOperator):
    """Fails with the reason why a dataset has no DAG of its own."""

    def __init__(self, *, reason: str, **kwargs: Any) -> None:  # noqa: ANN401
        super().__init__(**kwargs)
        self.reason = reason

    def execute(self, context: Context) -> None:
        """Fail."""
        telling(context, self.refuse)

    def refuse(self) -> None:
        """Say why."""
        raise Failure(Fault(code="schedule_refused", cause=self.reason))
