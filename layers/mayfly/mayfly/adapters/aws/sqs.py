"""The Nudges port over SQS."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from mayfly.adapters.aws.boto_errors import translated

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient


class SqsNudges:
    """Implements `mayfly.ports.Nudges`."""

    def __init__(self, client: SQSClient, queue_url: str) -> None:
        self._client = client
        self._queue_url = queue_url

    def send(self, reason: str) -> None:
        """See `mayfly.ports.Nudges`."""
        with translated():
            self._client.send_message(
                QueueUrl=self._queue_url, MessageBody=json.dumps({"reason": reason})
            )
