"""What operators see of a function: JSON lines without secrets, and metrics.

Mayfly logs through the standard `logging`, below the logger `mayfly`. Powertools is loaded when a
function is configured, so that modules which only log stay cheap to import.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING

from mayfly.metrics import Metric
from mayfly.scrubbing import Scrubber, scrub
from mayfly.settings import Settings

if TYPE_CHECKING:
    from aws_lambda_powertools import Metrics

log = logging.getLogger("mayfly")


class FunctionFailed(Exception):
    """What Lambda may print of an error that nobody caught: its text, without secrets."""


def configure(settings: Settings) -> None:
    """Let all that is logged go to standard output as JSON, and metrics name function and stack."""
    from aws_lambda_powertools.logging.formatter import LambdaPowertoolsFormatter

    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        LambdaPowertoolsFormatter(service=settings.service, stack=settings.stack, utc=True)
    )
    handler.addFilter(Scrubber())
    log.handlers[:] = [handler]
    log.setLevel(settings.log_level)
    # Lambda's own handler on the root logger would print every line again, unscrubbed.
    log.propagate = False
    metrics = _metrics()
    metrics.namespace, metrics.service = settings.metrics_namespace, settings.service
    metrics.set_default_dimensions(stack=settings.stack)


def count(metric: Metric, value: int = 1) -> None:
    """Add to a metric of this invocation."""
    _metrics().add_metric(metric, metric.unit, value)


@contextmanager
def invocation() -> Iterator[None]:
    """Around all of a handler: metrics go out at its end, and errors without their secrets.

    Raises FunctionFailed in place of any exception: the runtime prints what escapes a handler
    by itself, and no filter sees that.
    """
    try:
        yield
    except Exception as error:
        log.exception("the function failed")
        raise FunctionFailed(scrub(f"{type(error).__name__}: {error}")) from None
    finally:
        if _metrics().metric_set:
            _metrics().flush_metrics()


@cache
def _metrics() -> Metrics:
    from aws_lambda_powertools import Metrics

    return Metrics()
