"""The states of a job with all transitions, and the times in a log."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime

import pytest

from buildkite_emulator.jobs.logs import JobLog
from buildkite_emulator.jobs.states import (
    ENDED,
    TRANSITIONS,
    WITH_AGENT,
    IllegalTransitionError,
    JobState,
    check,
)

WAYS = {
    "waiting": "scheduled limited blocked waiting_failed canceled expired",
    "waiting_failed": "waiting",
    "blocked": "waiting scheduled limited blocked_failed canceled expired",
    "blocked_failed": "waiting",
    "limited": "scheduled canceled expired",
    "scheduled": "reserved assigned accepted finished canceled expired",
    "reserved": "scheduled accepted finished canceled expired",
    "assigned": "accepted scheduled canceled",
    "accepted": "running finished canceling",
    "running": "finished canceling timing_out",
    "canceling": "canceled",
    "timing_out": "timed_out finished",
    "skipped": "",
    "broken": "",
    "finished": "",
    "canceled": "",
    "timed_out": "",
    "expired": "",
}


@pytest.mark.parametrize(("before", "after"), list(itertools.product(JobState, JobState)))
def test_only_the_stated_transitions_are_allowed(before: JobState, after: JobState) -> None:
    if str(after) in WAYS[before].split():
        check(before, after)
    else:
        with pytest.raises(IllegalTransitionError):
            check(before, after)


def test_every_state_has_its_transitions_and_can_be_reached() -> None:
    assert set(WAYS) == set(map(str, JobState)) == set(map(str, TRANSITIONS))
    reached = set().union(*TRANSITIONS.values())
    # Jobs with a false `if` and skipped jobs are created in these states.
    assert set(JobState) - reached == {JobState.SKIPPED, JobState.BROKEN}
    ends = {state for state, ways in TRANSITIONS.items() if not ways}
    assert ends | {JobState.WAITING_FAILED, JobState.BLOCKED_FAILED} == ENDED
    assert not ENDED & WITH_AGENT


def code(second: int) -> bytes:
    return b"\x1b_bk;t=%d000\x07" % second


LOG = (
    code(1) + b"~~~ Preparing working directory\r\n",
    code(2) + b"hi\r\n",
    code(3) + b"~~~ Running commands\r\n",
    code(4) + b"\x1b[90m$\x1b[0m echo hi\r\n",
    code(4) + b"sleep 1\r\n",
    code(5) + b"hi\r\n",
)


@pytest.mark.parametrize(("lines", "second"), [(6, 5), (5, None), (3, None), (2, None), (0, None)])
def test_the_commands_first_output_line_follows_its_echo(lines: int, second: int | None) -> None:
    """Seen with buildkite-agent 3.83.1: the command is echoed line by line before it starts."""
    log = JobLog()
    for sequence, line in enumerate(LOG[:lines], start=1):
        log.add(sequence, line)
    expected = None if second is None else datetime.fromtimestamp(second, UTC)
    assert log.command_output_at("echo hi\nsleep 1") == expected


def test_the_text_of_a_log_has_no_time_codes() -> None:
    log = JobLog()
    content = code(1) + "é\r\n".encode()
    log.add(2, content[-3:])
    log.add(1, content[:-3])
    assert log.text() == "é\r\n"
