"""The operators' sources after a failure: last words, logs, metrics."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mayfly_lab.lab import STACK, Lab


@dataclass(slots=True)
class Logs:
    """The logs of one lab."""

    lab: Lab

    def last_words(self, instance_id: str) -> str:
        """The log group's text of a failed host; empty without one."""
        logs = self.lab.aws.client("logs")
        group = f"/mayfly/{STACK}/last-words"
        streams = logs.describe_log_streams(logGroupName=group)["logStreams"]
        names = [s["logStreamName"] for s in streams if instance_id in s["logStreamName"]]
        events = (
            event["message"]
            for name in names
            for event in logs.get_log_events(logGroupName=group, logStreamName=name)["events"]
        )
        return "\n".join(events)

    def log_lines(self, function: str) -> list[Mapping[str, Any]]:
        """The JSON lines of the function's log."""
        lines = self.log_text(function).splitlines(keepends=True)
        return [json.loads(line) for line in lines if line.startswith("{") and line.endswith("\n")]

    def log_text(self, function: str) -> str:
        """The whole log of the function."""
        return self.lab.aws.log_of(function).read_text(encoding="utf-8")

    def said(self, function: str, words: str) -> bool:
        """True if a line of the function's log contains these words."""
        return any(words in str(line.get("message")) for line in self.log_lines(function))

    def problems(self, function: str) -> set[str]:
        """The problems for a person in the function's answers."""
        answers = [line["outcome"] for line in self.log_lines(function) if "outcome" in line]
        return {problem for answer in answers for problem in answer["problems"]}

    def counted(self, function: str, metric: str) -> float:
        """The sum of the function's values of a metric."""
        lines = (line for line in self.log_lines(function) if "_aws" in line)
        return sum(sum(line[metric]) for line in lines if metric in line)
