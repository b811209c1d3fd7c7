"""The LastWords port over CloudWatch Logs."""

from __future__ import annotations

import logging
import re
from datetime import datetime
from typing import TYPE_CHECKING

from mayfly.adapters.aws.boto_errors import translated
from mayfly.errors import Misconfigured
from mayfly.records.about import fields
from mayfly.scrubbing import scrub

if TYPE_CHECKING:
    from mypy_boto3_logs import CloudWatchLogsClient


log = logging.getLogger(__name__)

LONGEST_EVENT = 200_000
"""Bytes of one event; CloudWatch accepts 256 KB including its own overhead."""


class LogGroup:
    """Implements `mayfly.ports.LastWords` in one log group, which must exist."""

    def __init__(self, client: CloudWatchLogsClient, group: str) -> None:
        self._client = client
        self._group = group

    def keep(self, stream: str, text: str, at: datetime) -> None:
        """See `mayfly.ports.LastWords`. Removes secrets, and the beginning of a long text."""
        name = re.sub("[:*]", "_", stream)[:512]
        # Hosts should not print secrets, but the output of a failure may hold some anyway.
        message = scrub(text).encode()[-LONGEST_EVENT:].decode(errors="ignore") or "(nothing)"
        with translated():
            try:
                self._put(name, message, at)
            except self._client.exceptions.ResourceNotFoundException:
                self._create(name)
                self._put(name, message, at)

    def _put(self, stream: str, message: str, at: datetime) -> None:
        answer = self._client.put_log_events(
            logGroupName=self._group,
            logStreamName=stream,
            logEvents=[{"timestamp": int(at.timestamp() * 1000), "message": message}],
        )
        if rejected := answer.get("rejectedLogEventsInfo"):
            log.warning(
                "CloudWatch Logs rejects the last words of %s: %s",
                *(stream, rejected),
                extra=fields(instances=[stream]),
            )

    def _create(self, stream: str) -> None:
        client = self._client
        try:
            client.create_log_stream(logGroupName=self._group, logStreamName=stream)
        except client.exceptions.ResourceAlreadyExistsException:
            return
        except client.exceptions.ResourceNotFoundException as error:
            raise Misconfigured(f"the log group {self._group} does not exist") from error
