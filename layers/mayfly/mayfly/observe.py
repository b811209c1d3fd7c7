"""Logs and metrics of a function: JSON lines without secrets, and CloudWatch metrics.

Modules log through the standard `logging`, below the logger `mayfly`, so modules stay cheap to
import. Powertools' Logger and Metrics are made on first use.
"""

from __future__ import annotations

import json
import logging
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from functools import cache, wraps
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from mayfly.metrics import NAMESPACE, Dimension, Metric
from mayfly.scrubbing import Scrubber, scrub, scrub_deep
from mayfly.settings import Settings

if TYPE_CHECKING:
    from aws_lambda_powertools import Logger, Metrics

    from mayfly.tick.measures import Series

log = logging.getLogger("mayfly")


class Context(Protocol):
    """The used part of Lambda's context object."""

    @property
    def aws_request_id(self) -> str:
        """The invocation's id; a retry of an event has the same id."""

    @property
    def function_name(self) -> str:
        """The function's name, such as `STACK-dispatch`."""

    @property
    def invoked_function_arn(self) -> str:
        """The function's ARN."""

    @property
    def memory_limit_in_mb(self) -> str | int:
        """The function's memory in MB."""

    def get_remaining_time_in_millis(self) -> int:
        """Milliseconds until Lambda ends the invocation."""


Handler: TypeAlias = Callable[[Mapping[str, Any], Context], dict[str, Any]]


class FunctionFailed(Exception):
    """Replaces an uncaught error, because Lambda prints it: type and text without secrets."""


def configure(settings: Settings) -> None:
    """Set the log level, and add function and stack to every line and metric."""
    log.setLevel(settings.log_level)
    # botocore's DEBUG prints requests with their bodies, so libraries log warnings at least.
    logging.root.setLevel(max(log.level, logging.WARNING))
    logger().append_keys(service=settings.service, stack=settings.stack)
    emitter = metrics()
    emitter.namespace, emitter.service = settings.metrics_namespace, settings.service
    emitter.set_default_dimensions(**{Dimension.STACK: settings.stack})


def count(metric: Metric, value: int = 1) -> None:
    """Add `value` to a metric of this invocation."""
    metrics().add_metric(metric, metric.unit, value)


def measure(series: Series, values: Sequence[float]) -> None:
    """Send the values of a metric of one queue, in a line of its own.

    Powertools' metrics of an invocation all have the same dimensions.
    """
    metric, keys = series.metric, logger().get_current_keys()
    known: dict[str, object] = {
        Dimension.STACK: keys[Dimension.STACK],
        Dimension.QUEUE: series.queue,
    }
    if metric.part is not None:
        known[metric.part] = series.part
    directive = {
        "Namespace": metrics().namespace,
        "Dimensions": [list(metric.dimensions)],
        "Metrics": [{"Name": metric, "Unit": metric.unit}],
    }
    at = {"Timestamp": int(time.time() * 1000), "CloudWatchMetrics": [directive]}
    request = {name: keys.get(name) for name in ("function_request_id", "function_name")}
    line: dict[str, object] = {"_aws": at, **known, metric: list(values), **request}
    sys.stdout.write(json.dumps(line) + "\n")


def invocation(handle: Handler) -> Handler:
    """Decorate a handler: lines and metrics carry the request id, errors lose their secrets.

    Metrics are sent at the end of the invocation, also after an error.

    Lines carry Lambda's context under Powertools' names: `function_request_id`, `function_name`,
    `cold_start` and others. The decorated handler raises FunctionFailed in place of any exception:
    the runtime itself prints an exception that leaves a handler, past every log filter.
    """

    def guarded(event: Mapping[str, Any], context: Context) -> dict[str, Any]:
        try:
            return handle(event, context)
        except Exception as error:
            log.exception("the function failed")
            raise FunctionFailed(scrub(f"{type(error).__name__}: {error}")) from None
        finally:
            _flush()

    @wraps(handle)
    def invoked(event: Mapping[str, Any], context: Context) -> dict[str, Any]:
        answer: dict[str, Any] = logger().inject_lambda_context(guarded)(event, context)
        return answer

    return invoked


def _flush() -> None:
    emitter = metrics()
    if emitter.metric_set:
        keys = logger().get_current_keys()
        for name in ("function_request_id", "function_name", "cold_start"):
            emitter.add_metadata(name, keys[name])
        emitter.flush_metrics()


@cache
def logger() -> Logger:
    """Powertools' logger of this process. Its handler is the only handler that prints."""
    from aws_lambda_powertools import Logger
    from aws_lambda_powertools.logging.formatter import LambdaPowertoolsFormatter

    class Formatter(LambdaPowertoolsFormatter):
        """Scrubs whole lines, because filters do not see the keys appended to a logger."""

        def serialize(self, log: Any) -> str:
            line = super().serialize(scrub_deep(log))  # type: ignore[arg-type]  # a dict
            # Half of a surrogate pair would cost the whole line.
            return line.encode(errors="backslashreplace").decode()

    handler = logging.StreamHandler(sys.stdout)
    handler.addFilter(Scrubber())
    formatter = Formatter(utc=True, name="%(name)s")
    handler.setFormatter(formatter)
    made = Logger(level="INFO", logger_handler=handler, logger_formatter=formatter)
    # Lambda's own handler prints plain, unscrubbed text. Mayfly's handler is only on the root
    # logger: lines of boto3 and urllib3 pass through it too, and no line is printed twice.
    made.handlers.clear()
    logging.root.handlers[:] = [handler]
    logging.captureWarnings(True)
    return made


@cache
def metrics() -> Metrics:
    """Powertools' metrics of this process."""
    from aws_lambda_powertools import Metrics

    return Metrics(namespace=NAMESPACE)
