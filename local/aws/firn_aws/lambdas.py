"""Lambda: a listed environment for each function."""

import os
import subprocess
from collections.abc import Mapping
from contextvars import ContextVar
from socketserver import StreamRequestHandler
from types import ModuleType
from typing import Any

from ministack.core import lambda_runtime
from ministack.services import lambda_svc

from .patching import Function, replace, wrap
from .settings import Settings

RUNTIME_NAMES = frozenset(
    {
        "AWS_ACCESS_KEY_ID",
        "AWS_DEFAULT_REGION",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
        "AWS_LAMBDA_FUNCTION_NAME",
        "AWS_LAMBDA_FUNCTION_VERSION",
        "AWS_LAMBDA_LOG_GROUP_NAME",
        "AWS_LAMBDA_LOG_STREAM_NAME",
        "AWS_LAMBDA_RUNTIME_API",
        "AWS_REGION",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "LAMBDA_TASK_ROOT",
        "LANG",
        "LD_LIBRARY_PATH",
        "PATH",
        "_HANDLER",
        "_X_AMZN_TRACE_ID",
    }
)
"""What the Lambda runtime itself defines.

https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html#configuration-envvars-runtime
"""

STAND_IN_NAMES = frozenset(
    {
        "AWS_DISABLE_HOST_PREFIX_INJECTION",
        "AWS_ENDPOINT_URL",
        "_LAMBDA_FUNCTION_ARN",
        "_LAMBDA_LAYERS_DIRS",
        "_LAMBDA_TIMEOUT",
        lambda_runtime.INVOKE_DEPTH_ENV,
    }
)
"""What a function needs to find this server instead of AWS."""

_spawning: ContextVar[Mapping[str, Any] | None] = ContextVar("spawning", default=None)


def apply(settings: Settings) -> None:
    """Install the mends of this module."""
    passed = frozenset(settings.lambda_pass)
    wrap(lambda_svc, "_provided_worker_env", lambda stock: _listed_for_bootstrap(stock, passed))
    wrap(lambda_runtime.Worker, "_spawn", _note_configuration)
    replace(lambda_runtime, "subprocess", _listing_subprocess(passed))
    _answer_at_once()


def _answer_at_once() -> None:
    """Send what the Runtime API answers without waiting for an acknowledgement of its header.

    Stock 1.5.33 writes header and body of an event as two packets, and Nagle's algorithm keeps the
    second back until the function's machine has acknowledged the first, which Linux puts off for
    40 ms: at each hop. Lambda's own Runtime API has no such wait.
    """
    replace(StreamRequestHandler, "disable_nagle_algorithm", True)


def listed_environment(
    configuration: Mapping[str, Any], environment: Mapping[str, str], passed: frozenset[str]
) -> dict[str, str]:
    """Keep what a function has on AWS, and the names that are passed on purpose.

    Stock 1.5.33 gives each function the server's whole environment, so a variable that the template
    forgot is there all the same. On AWS a function sees its own variables and the runtime's:
    https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html
    """
    own = ((configuration.get("Environment") or {}).get("Variables") or {}).keys()
    names = RUNTIME_NAMES | STAND_IN_NAMES | passed | own
    kept = {name: value for name, value in environment.items() if name in names}
    kept.setdefault("TZ", ":UTC")
    return kept


def _listed_for_bootstrap(stock: Function, passed: frozenset[str]) -> Function:
    """List the environment of a `provided.*` function; the reason is in `listed_environment`."""

    def environment(configuration: Mapping[str, Any], *rest: object) -> dict[str, str]:
        return listed_environment(configuration, stock(configuration, *rest), passed)

    return environment


def _note_configuration(stock: Function) -> Function:
    """Remember whose process a managed runtime starts, for `_listing_subprocess`."""

    def spawn(worker: lambda_runtime.Worker) -> None:
        token = _spawning.set(worker.config)
        try:
            stock(worker)
        finally:
            _spawning.reset(token)

    return spawn


def _listing_subprocess(passed: frozenset[str]) -> ModuleType:
    """A `subprocess` module whose Popen lists the environment of a managed runtime.

    The stock spawn builds the environment and starts the process in one function, so there is no
    other place to stand in between; the reason is in `listed_environment`.
    """

    def popen(*command: object, **options: Any) -> subprocess.Popen:  # noqa: ANN401 - as Popen
        configuration = _spawning.get()
        if configuration is not None:
            built = options.get("env") or os.environ
            options["env"] = listed_environment(configuration, built, passed)
        return subprocess.Popen(*command, **options)

    module = ModuleType("subprocess")
    module.__dict__.update(subprocess.__dict__)
    module.Popen = popen
    return module
