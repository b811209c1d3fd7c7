"""The last line of `mayfly-lab run`: how the build ended, and what lets it go on."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from buildkite_emulator import Buildkite
from mayfly_lab.commands.one_build import ending, unused_answers

BLOCK = "steps: [{block: Release, fields: [{text: Version, key: version, required: true}]}]"


@pytest.mark.parametrize(
    ("steps", "refused", "words"),
    [
        ("steps: [wait]", False, "ran no job"),
        ("steps: [{command: x, skip: true}]", False, "ran no job"),
        ("steps: [{trigger: x}]", False, "passed"),
        ("steps: [{command: x}]", False, "did not end in time (--timeout)"),
        (BLOCK, False, "is BLOCKED (--unblock lets it through)"),
        (BLOCK, True, "is BLOCKED: a block step needs answers (--answer KEY=VALUE)"),
    ],
)
def test_the_ending_of_a_build_says_what_happened_and_what_helps(
    steps: str, refused: bool, words: str
) -> None:
    buildkite = Buildkite(lambda: datetime.now(UTC), queues=("default",))
    try:
        buildkite.add_pipeline("demo", steps, "")
        assert ending(buildkite.create_build("demo"), refused) == words
    finally:
        buildkite.close()


def test_an_answer_that_no_field_took_is_told() -> None:
    buildkite = Buildkite(lambda: datetime.now(UTC), queues=("default",))
    try:
        buildkite.add_pipeline("demo", BLOCK, "")
        taken = buildkite.meta_data(buildkite.create_build("demo").id)
    finally:
        buildkite.close()
    [warning] = unused_answers({"version": "1"}, taken)
    assert warning == (
        "warning: --answer version was not used: no unblocked step has the field version"
    )
    assert list(unused_answers({"version": "1"}, {**taken, "version": "1"})) == []
