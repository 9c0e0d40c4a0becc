"""CloudWatch Logs: a log line in the embedded metric format (EMF) becomes values of metrics.

The rules are from the specification:
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
"""

import json
import logging
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Self

from ministack.core import lambda_runtime
from ministack.services import lambda_svc

from . import metric_points
from .metric_points import Metric
from .patching import Function, wrap

log = logging.getLogger("firn.aws.embedded")

MAX_BYTES = 1024 * 1024
"""The largest document, in bytes."""

MAX_METRICS = 100
"""The largest number of metrics of one directive, and of values of one metric."""

MAX_DIMENSIONS = 30
"""The largest number of dimensions of one dimension set."""

MAX_NAME = 255
"""The longest name of a namespace, a metric or a dimension, in characters."""

MAX_DIMENSION_VALUE = 1024
"""The longest value of a dimension, in characters.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_Dimension.html
"""

_SIZES = "Bytes|Kilobytes|Megabytes|Gigabytes|Terabytes|Bits|Kilobits|Megabits|Gigabits|Terabits"
UNITS = frozenset(
    ["Seconds", "Microseconds", "Milliseconds", "Percent", "Count", "Count/Second", "None"]
    + _SIZES.split("|")
    + [f"{size}/Second" for size in _SIZES.split("|")]
)
"""The units of CloudWatch. A metric without a unit has the unit None.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_MetricDatum.html
"""


class MalformedError(ValueError):
    """A document that breaks a rule of the specification. The text has names and no values."""


@dataclass(frozen=True)
class Value:
    """One value of one metric."""

    metric: Metric
    value: float
    at: float
    """Seconds since 1970."""


def apply() -> None:
    """Install the patches of this module.

    Stock ministack stores the lines of a function's log, and no line becomes a metric. CloudWatch
    reads the documents in the lines, for every kind of invocation. The lines are read here at
    their arrival: ministack sometimes adds a late line to the log of the next invocation.
    """
    wrap(lambda_runtime.Worker, "_read_stderr", _read_managed_runtime)
    wrap(lambda_runtime.ProvidedWorker, "_pump_output", _read_provided_runtime)


def _read_managed_runtime(stock: Function) -> Function:
    def read(worker: lambda_runtime.Worker) -> None:
        worker._proc.stderr = _LineReader(worker._proc.stderr, worker.config)
        stock(worker)

    return read


def _read_provided_runtime(stock: Function) -> Function:
    def pump(worker: lambda_runtime.ProvidedWorker, stream: object, *rest: object) -> None:
        stock(worker, _LineReader(stream, worker.config), *rest)

    return pump


class _LineReader:
    """A stream of log lines that records the metrics of each line before the line is read."""

    def __init__(self, stream: Any, configuration: Mapping[str, Any]) -> None:  # noqa: ANN401
        """Read from `stream`; the configuration names the function's account and region."""
        self._stream, self._configuration = stream, configuration

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - a member of the stream
        return getattr(self._stream, name)

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> str | bytes:
        if line := self.readline():
            return line
        raise StopIteration

    def readline(self) -> str | bytes:
        """Return the next line; an empty text at the end of the stream."""
        line = self._stream.readline()
        text = line.decode(errors="replace") if isinstance(line, bytes) else line
        if '"_aws"' in text:
            try:
                lambda_svc._run_with_function_config_scope(self._configuration, record, text)
            except Exception:  # an error here would end the log of the function
                log.exception("metrics of %s", self._configuration.get("FunctionName"))
        return line


def record(line: str) -> None:
    """Add the values of a log line to their metrics. A malformed document adds no value.

    CloudWatch counts malformed documents in the namespace AWS/Logs. Here the reason is in the log.
    """
    try:
        values = read(line)
    except MalformedError as reason:
        log.warning("a document in the embedded metric format is ignored: %s", reason)
        return
    for each in values:
        metric_points.add(each.metric, each.value, each.at)


def read(line: str) -> list[Value]:
    """Return the values in a log line; none for a line that isn't such a document.

    Raises:
        MalformedError: the document breaks a rule.
    """
    root = _json_object(line)
    metadata = root.get("_aws")
    if not isinstance(metadata, dict) or "CloudWatchMetrics" not in metadata:
        return []
    _require(len(line.encode()) <= MAX_BYTES, f"more than {MAX_BYTES} bytes")
    at = metadata.get("Timestamp")
    _require(_is_number(at) and at == int(at), "_aws.Timestamp isn't a number of milliseconds")
    directives = _list(metadata["CloudWatchMetrics"], "CloudWatchMetrics")
    return [
        Value(metric, value, at / 1000)
        for directive in directives
        for metric, value in _values(root, directive)
    ]


def _json_object(line: str) -> dict[str, Any]:
    """Return the object of a line. A line with text around the object isn't a document."""
    try:
        found = json.loads(line, parse_constant=_refuse_constant)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} isn't JSON")


def _values(root: Mapping[str, Any], directive: object) -> Iterator[tuple[Metric, float]]:
    """Yield each value with its metric: every metric once for each dimension set."""
    _require(isinstance(directive, dict), "a metric directive isn't an object")
    namespace = directive.get("Namespace")
    _require(_is_name(namespace), "Namespace isn't a name")
    sets = [_dimensions(root, each) for each in _list(directive.get("Dimensions"), "Dimensions")]
    _require(sets != [], "Dimensions is empty; one empty set stands for no dimension")
    metrics = _list(directive.get("Metrics"), "Metrics", MAX_METRICS)
    for definition in metrics:
        _require(isinstance(definition, dict), "a metric definition isn't an object")
        name, unit = definition.get("Name"), definition.get("Unit", "None")
        _require(_is_name(name), "the Name of a metric isn't a name")
        _require(
            isinstance(unit, str) and unit in UNITS,
            f"the Unit of {name} isn't a unit of CloudWatch",
        )
        for value in _numbers(root, name):
            for dimensions in sets:
                yield Metric(namespace, name, unit, dimensions), value


def _dimensions(root: Mapping[str, Any], names: object) -> dict[str, str]:
    """Return a dimension set with its values, which are texts on the root."""
    found = {}
    for name in _list(names, "a dimension set", MAX_DIMENSIONS):
        _require(_is_name(name), "the name of a dimension isn't a name")
        value = root.get(name)
        usable = isinstance(value, str) and value.strip() and len(value) <= MAX_DIMENSION_VALUE
        _require(bool(usable), f"the dimension {name} has no text on the root")
        found[name] = value
    return found


def _numbers(root: Mapping[str, Any], name: str) -> list[float]:
    """Return the values of a metric: a number on the root, or a list of numbers."""
    target = root.get(name)
    numbers = target if isinstance(target, list) else [target]
    _require(len(numbers) <= MAX_METRICS, f"{name} has more than {MAX_METRICS} values")
    _require(all(_is_number(number) for number in numbers), f"{name} has no number on the root")
    return [float(number) for number in numbers]


def _list(value: object, name: str, longest: float = math.inf) -> list[Any]:
    _require(isinstance(value, list), f"{name} isn't a list")
    _require(len(value) <= longest, f"{name} has more than {longest} entries")
    return value


def _is_name(value: object) -> bool:
    return isinstance(value, str) and 0 < len(value) <= MAX_NAME


def _is_number(value: object) -> bool:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and math.isfinite(value)


def _require(holds: bool, reason: str) -> None:
    if not holds:
        raise MalformedError(reason)
