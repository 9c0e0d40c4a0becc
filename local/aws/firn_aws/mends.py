"""All mends, in the order in which they wrap one another."""

from . import (
    buckets,
    cloudformation,
    glue,
    identity,
    lambdas,
    metrics,
    notifications,
    persistence,
    queues,
    schedules,
)
from .settings import Settings


def apply(settings: Settings) -> None:
    """Mend the imported ministack; call it once, before the server starts."""
    identity.apply()
    lambdas.apply(settings)
    metrics.apply(settings)  # before queues: a bad batch answer isn't an error of the function
    queues.apply()
    buckets.apply()
    notifications.apply(settings)
    schedules.apply()
    glue.apply(settings)
    cloudformation.apply()
    persistence.apply(settings)  # last: it saves what the others keep
