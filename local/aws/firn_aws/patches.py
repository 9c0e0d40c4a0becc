"""All patches, in the order in which the later patches wrap the earlier patches."""

from . import (
    batching,
    bucket_events,
    buckets,
    cloudformation,
    embedded,
    encryption,
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
    """Patch the imported ministack. Call this function once, before the server starts."""
    serving.apply()
    identity.apply()
    lambdas.apply(settings)
    embedded.apply()
    metrics.apply(settings)  # before queues: an invalid batch answer isn't a function error
    queues.apply()
    batching.apply()
    buckets.apply()
    bucket_events.apply()
    encryption.apply()
    notifications.apply(settings)
    rules.apply()
    schedules.apply()
    glue.apply(settings)
    glue_jobs.apply()
    cloudformation.apply()
    persistence.apply(settings)  # last: saves the state of the other patches
