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
"""The variables that the Lambda runtime defines.

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
"""The variables that lead a function to this server instead of AWS."""

_starting_function: ContextVar[Mapping[str, Any] | None] = ContextVar(
    "starting_function", default=None
)


def apply(settings: Settings) -> None:
    """Install the patches of this module."""
    passed = frozenset(settings.lambda_pass)
    wrap(lambda_svc, "_provided_worker_env", lambda stock: _filter_provided(stock, passed))
    wrap(lambda_runtime.Worker, "_spawn", _remember_configuration)
    replace(lambda_runtime, "subprocess", _filtering_subprocess(passed))
    _disable_nagle()


def _disable_nagle() -> None:
    """Send the answers of the Runtime API without the delay of Nagle's algorithm.

    Stock ministack writes the header and the body of an event as two packets. Nagle's algorithm
    holds the second packet until the receiver acknowledges the first packet. Linux delays this
    acknowledgement by 40 ms, at each hop. Lambda's own Runtime API has no such delay.
    """
    replace(StreamRequestHandler, "disable_nagle_algorithm", True)


def function_environment(
    configuration: Mapping[str, Any], environment: Mapping[str, str], passed: frozenset[str]
) -> dict[str, str]:
    """Return the variables that a function has on AWS, and the variables of FIRN_LAMBDA_PASS.

    Stock ministack passes the whole environment of the server to each function, which hides a
    variable missing from the template. On AWS a function has its own variables and the variables of
    the runtime:
    https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html
    """
    own = ((configuration.get("Environment") or {}).get("Variables") or {}).keys()
    names = RUNTIME_NAMES | STAND_IN_NAMES | passed | own
    kept = {name: value for name, value in environment.items() if name in names}
    kept.setdefault("TZ", ":UTC")
    return kept


def _filter_provided(stock: Function, passed: frozenset[str]) -> Function:
    """Filter the environment of a `provided.*` function; `function_environment` has the reason."""

    def environment(configuration: Mapping[str, Any], *rest: object) -> dict[str, str]:
        return function_environment(configuration, stock(configuration, *rest), passed)

    return environment


def _remember_configuration(stock: Function) -> Function:
    """Remember the function of a starting managed runtime, for `_filtering_subprocess`."""

    def spawn(worker: lambda_runtime.Worker) -> None:
        token = _starting_function.set(worker.config)
        try:
            stock(worker)
        finally:
            _starting_function.reset(token)

    return spawn


def _filtering_subprocess(passed: frozenset[str]) -> ModuleType:
    """Return a `subprocess` module whose Popen filters the environment of a managed runtime.

    The stock function builds the environment and starts the process in one step, so this module is
    the only place for a filter. `function_environment` has the reason.
    """

    def popen(*command: object, **options: Any) -> subprocess.Popen:  # noqa: ANN401 - as Popen
        configuration = _starting_function.get()
        if configuration is not None:
            built = options.get("env") or os.environ
            options["env"] = function_environment(configuration, built, passed)
        return subprocess.Popen(*command, **options)

    module = ModuleType("subprocess")
    module.__dict__.update(subprocess.__dict__)
    module.Popen = popen
    return module
