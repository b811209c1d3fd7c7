"""The log that the invocations of a function print."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from mayfly import observe
from mayfly.settings import Settings

SETTINGS = Settings(
    stack="ci",
    fleet_table="ci-fleet",
    region="eu-central-1",
    service="dispatch",
    metrics_namespace="Mayfly",
    log_level="INFO",
)
COLD = "aws_lambda_powertools.logging.logger.is_cold_start"


@dataclass(frozen=True, slots=True)
class Invoked:
    """Lambda's context of an invocation; the default leaves no time for a second tick."""

    aws_request_id: str = "11111111-2222-4333-8444-555555555555"
    function_name: str = "ci-dispatch"
    memory_limit_in_mb: str = "512"
    invoked_function_arn: str = "arn:aws:lambda:eu-central-1:123456789012:function:ci-dispatch"
    milliseconds: int = 8000

    def get_remaining_time_in_millis(self) -> int:
        return self.milliseconds


@dataclass(frozen=True, slots=True)
class FunctionLog:
    """The printed log."""

    stream: io.StringIO = field(default_factory=io.StringIO)

    @property
    def text(self) -> str:
        """The whole printed text."""
        return self.stream.getvalue()

    @property
    def lines(self) -> list[dict[str, Any]]:
        """Every line, parsed; raises ValueError for a line that is not JSON."""
        return [json.loads(line) for line in self.text.splitlines()]


@contextmanager
def function_log(
    monkeypatch: pytest.MonkeyPatch, settings: Settings = SETTINGS
) -> Iterator[FunctionLog]:
    """Log as a freshly started function; the tests' own logging is restored at the end."""
    root, ours = logging.root, logging.getLogger("mayfly")
    before = root.handlers[:], root.level, ours.level
    monkeypatch.setattr(COLD, True)
    observe.logger.cache_clear()
    observe.metrics().clear_metrics()
    observe.configure(settings)
    (handler,) = root.handlers
    assert isinstance(handler, logging.StreamHandler)
    written = FunctionLog()
    handler.setStream(written.stream)
    try:
        yield written
    finally:
        root.handlers[:] = before[0]
        root.setLevel(before[1])
        ours.setLevel(before[2])
        logging.captureWarnings(False)
