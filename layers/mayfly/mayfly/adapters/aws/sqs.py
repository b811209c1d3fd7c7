"""The Nudges port over SQS."""

from __future__ import annotations

import json
import math
from datetime import timedelta
from typing import TYPE_CHECKING

from mayfly.adapters.aws.boto_errors import translated

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient


_LONGEST_DELAY = 900
"""Seconds; SQS's limit for one message (API reference, SendMessage)."""


class SqsNudges:
    """Implements `mayfly.ports.Nudges`."""

    def __init__(self, client: SQSClient, queue_url: str) -> None:
        self._client = client
        self._queue_url = queue_url

    def send(self, reason: str, after: timedelta = timedelta(0)) -> None:
        """See `mayfly.ports.Nudges`. SQS counts whole seconds; a part of one counts as one."""
        delay = min(math.ceil(after.total_seconds()), _LONGEST_DELAY)
        with translated():
            self._client.send_message(
                QueueUrl=self._queue_url,
                MessageBody=json.dumps({"reason": reason}),
                DelaySeconds=delay,
            )
