"""All mends, in the order in which they wrap one another."""

from . import (
    batching,
    buckets,
    cloudformation,
    glue,
    glue_jobs,
    identity,
    lambdas,
    metrics,
    notifications,
    persistence,
    queues,
    rules,
    schedules,
    serving,
)
from .settings import Settings


def apply(settings: Settings) -> None:
    """Mend the imported ministack; call it once, before the server starts."""
    serving.apply()
    identity.apply()
    lambdas.apply(settings)
    metrics.apply(settings)  # before queues: a bad batch answer isn't an error of the function
    queues.apply()
    batching.apply()
    buckets.apply()
    notifications.apply(settings)
    rules.apply()
    schedules.apply()
    glue.apply(settings)
    glue_jobs.apply()
    cloudformation.apply()
    persistence.apply(settings)  # last: it saves what the others keep
