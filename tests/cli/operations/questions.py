"""The questions of an operator on call, the one command that answers each, and how long it took.

`MEASURED` holds the seconds of the last run that was kept: where `MAYFLY_KEEP_SECONDS` is set,
`lab/tests/operators/test_questions.py` writes them.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

MEASURED = Path(__file__).with_name("questions.json")
MOST_SECONDS = 2.0
"""The most seconds of the processor for an answer, process start and all."""


@dataclass(frozen=True, slots=True)
class Question:
    """A question; INSTANCE, HOLDER and FILE in it stand for what only a run knows."""

    asked: str
    command: str
    says: tuple[str, ...]
    """Words and numbers that the answer has, as regular expressions."""
    shown: str
    """The decisive part of the answer, as a document shows it."""
    ends: int = 0
    """The exit status: 0 nothing to do, 1 something needs a person."""


QUESTIONS = (
    Question(
        "Why does this job wait? No rule is met",
        "mayfly explain picky/1",
        (r"picky #1 .*waits", r"RULE NOT MET .* does not meet the rule gpu=true", r"no tag\s+gpu"),
        "`RULE NOT MET queue default does not meet the rule gpu=true: the queue has no tag gpu`",
        1,
    ),
    Question(
        "Why does this job wait? The queue is at its limit",
        "mayfly explain late/1",
        (
            r"MAX INSTANCES queue deploy has 1 instance, which is its limit",
            r"frees up\s+HOLDER runs long #1",
            r"-> mayfly set deploy limits/max-instances 2",
        ),
        "`MAX INSTANCES queue deploy has 1 instance, which is its limit`, which job frees it, and"
        " `-> mayfly set deploy limits/max-instances 2`",
    ),
    Question(
        "Why does this job wait? The queue is paused",
        "mayfly explain held/1",
        (r"PAUSED queue docs is paused by its operators", r"-> mayfly resume docs"),
        "`PAUSED queue docs is paused by its operators, since 05:42`, `-> mayfly resume docs`",
    ),
    Question(
        "Why does this job wait? EC2 has no capacity",
        "mayfly explain train/1",
        (r"NO CAPACITY", r"g5\.xlarge"),
        "`NO CAPACITY`, the types, the next try",
    ),
    Question(
        "How many instances are hot, coming, running, in each queue?",
        "mayfly status",
        (
            r"(?m)^default\s+1/1\s+0\s+\d",
            r"(?m)^deploy\s+0/0\s+0\s+1\s+1/1\s+1",
            r"BAD VALUE pool/hot = \"ten\"",
        ),
        "one line a queue: `HOT COMING RUNNING OF MAX WAITING OLDEST P50/P99`",
        1,
    ),
    Question(
        "Why did the last launch fail?",
        "mayfly launches --failed",
        (
            r"setup\s+1 of 1 failed .* s3://mayfly-scripts/setup/script exited with 3",
            r"-> mayfly logs i-",
        ),
        "`setup 1 of 1 failed … exited with 3`, `-> mayfly logs i-…`",
    ),
    Question(
        "Which job ran on this instance?",
        "mayfly explain INSTANCE",
        (r"on-demand \S+  queue default", r"job\s+app #1", r"ended with exit code 0"),
        "its life, type and price, and `job app #1`",
    ),
    Question(
        "What became of the job whose spot instance was taken?",
        "mayfly explain taken/1",
        (r"spot", r"i-[0-9a-f]+"),
        "the notice with its time, and the instance",
    ),
    Question(
        "What does each pipeline cost?",
        "mayfly cost --by pipeline",
        (
            r"(?m)^long\s+1\s+0\.0\s+\$0\.\d\d\s+0%",
            r"boots, and instances that waited for a job: \$.* list prices",
        ),
        "jobs, hours, dollars and share of spot by pipeline; boots, and instances that waited",
    ),
    Question(
        "Does Buildkite take the token? Is everything in order?",
        "mayfly doctor",
        (
            r"token\s+ok\s+Buildkite takes the agent token",
            r"tools: configuration\s+wrong\s+pool/hot = \"ten\"",
        ),
        "`token ok Buildkite takes the agent token, last list 05:42`, and each other subject",
        1,
    ),
    Question(
        "How long did jobs wait today?",
        "mayfly waits",
        (r"(?m)^default\s+hot\s+1\s+\d+\.\ds\s+\d+\.\ds",),
        "`default hot 1`, P50, P99, and the share of each phase",
    ),
    Question(
        "Is the queue drained?",
        "mayfly drain old --wait",
        (r"drained",),
        "`drained`",
    ),
    Question(
        "A larger pool for two hours",
        "mayfly pool timed 2 --for 2h",
        (
            r"timed: 0 -> 2 until \d\d:\d\d, then 0 \(2 launches",
            r"; until \S+Z = 2\s+in force after",
        ),
        "`timed: 0 -> 2 until 07:44, then 0 (2 launches)`, `in force after 1.0 s`",
    ),
    Question(
        "What happened in the week? In one file",
        "mayfly report --html FILE",
        (r"FILE", r"9 queues", r"setup\s+\d+ failed launch(es)? .*exited with 3"),
        "`7d, 9 queues`, failed launches, cost, and [the file](#the-report)",
    ),
    Question(
        "What changed, and who did it?",
        "mayfly changes",
        (
            r"tools/pool/hot\s+operator\s+0 -> ten",
            r"old/tags\s+operator\s+old=1 -> \(default\)",
        ),
        "`tools/pool/hot operator 0 -> ten`; deleted: `old/tags operator old=1 -> (default)`",
    ),
)


def measured() -> dict[str, tuple[float, float]]:
    """Seconds of each command at the last kept run, by the clock and of the processor."""
    if not MEASURED.is_file():
        return {}
    found = json.loads(MEASURED.read_text("utf-8"))
    return {command: (clock, processor) for command, (clock, processor) in found.items()}
