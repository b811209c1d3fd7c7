"""The first-day guide, walked as its reader walks it: every command, as it stands, in order."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from build.blocks import ROOT
from build.guide import PAGE, Command, commands, questions
from mayfly_lab.commands.lines import aws_cli_runs
from mayfly_lab.lab import LabChoices
from operators.guide_lab import GuideLab, a_guide_lab
from stories.stage import BOOT, PATIENCE, QUICK

NOT_RUN = {
    "make install": "the test runs in an environment that this target has made",
    "git pull": "it would change the checkout under test",
    "sam deploy": "moto's update of a stack loses properties; the lab deploys each stack once",
    "aws ce update-cost-allocation-tags-status --cost-allocation-tags-status"
    " TagKey=mayfly-stack,Status=Active TagKey=mayfly-queue,Status=Active": "the lab has no bills",
    ".venv/bin/mayfly check-aws": "the lab evaluates no condition keys, which the command measures",
    ".venv/bin/mayfly check-profiles --runs 50": (
        "the lab's metadata service follows as the lab decides, which the command measures"
    ),
    ".venv/bin/mayfly check-policies --stack mayfly --queue default": (
        "the lab has no policy simulator, which the command asks"
    ),
}
"""Commands that cannot be run in the lab, each with the reason. All others are run."""
AGAIN = {
    ".venv/bin/mayfly pool default 1": "in force after",
    ".venv/bin/mayfly instances default": "ready",
}
"""By beginning of a command that the reader repeats: the word that ends the repetition."""
SHOWN = {
    ".venv/bin/mayfly preflight": " 0 wrong, ",
    "sam deploy --guided": "Successfully created/updated stack - mayfly",
    ".venv/bin/mayfly first-job": "the build has passed",
    ".venv/bin/mayfly launches default --failed": "1 of",
    '.venv/bin/mayfly logs "$HOST"': "history:",
    'BUILDKITE_AGENT_TOKEN="$TOKEN" .venv/bin/mayfly check-buildkite': " 0 broken, ",
    ".venv/bin/mayfly uninstall --stack mayfly --queue deploy": "nothing of queue deploy of mayfly",
    ".venv/bin/mayfly uninstall --stack mayfly": "nothing of stack mayfly is left",
}
"""By beginning of a command: words that its output must have."""
PAGE_TEXT = PAGE.read_text("utf-8")


@pytest.fixture
def guide(tmp_path: Path) -> Iterator[GuideLab]:
    choices = LabChoices(
        queues=("default",),
        further_queues=("deploy", "contract"),
        delays=replace(QUICK, minute=10.0),
        boot_seconds=BOOT,
    )
    with a_guide_lab(choices, tmp_path / "checkout") as made:
        yield made


def typed(guide: GuideLab, command: str) -> Sequence[str]:
    """The lines that the reader types while a command runs."""
    tokens = guide.lab.buildkite
    given: Mapping[str, Callable[[], Sequence[str]]] = {
        "read -rs TOKEN": lambda: [tokens.agent_token],
        "read -rs BUILDKITE_API_TOKEN": lambda: [tokens.api_token],
        "sam deploy --guided": lambda: [
            guide.shell.value(each.answer[1:]) if each.answer.startswith("$") else each.answer
            for each in questions(PAGE_TEXT)
        ],
        ".venv/bin/mayfly uninstall --stack mayfly --queue deploy": lambda: ["deploy"],
        ".venv/bin/mayfly uninstall --stack mayfly": lambda: ["mayfly"],
    }
    return given.get(command, list)()


def prepared(guide: GuideLab, section: str) -> None:
    """Bring about what a section is about, where it is no command of the page."""
    if section != "A boot that fails":
        return
    guide.lab.faults.set("machine-dies", value="0s", count=1)
    guide.lab.put_parameter("default", "pool/hot", "2")
    logs = guide.lab.aws.client("logs")
    group = "/mayfly/mayfly/last-words"
    guide.stage.until(
        "the last words of the failed host are kept",
        lambda: logs.describe_log_streams(logGroupName=group)["logStreams"],
    )


def walked(guide: GuideLab, command: Command) -> str:
    """Run a command, again and again where the page says so. Returns its last output."""
    wanted = next((word for start, word in AGAIN.items() if command.text.startswith(start)), "")
    end = time.monotonic() + PATIENCE
    while True:
        status, output = guide.shell.run(command.text, typed(guide, command.text))
        if wanted in output and status == 0:
            return output
        assert wanted, "\n".join(guide.shell.shown[-3:])
        assert time.monotonic() < end, f"{wanted} never came\n{guide.stage.picture()}"
        time.sleep(1)


@pytest.mark.slow
def test_the_commands_of_the_first_day_guide_work_as_they_stand(guide: GuideLab) -> None:
    if not aws_cli_runs():
        pytest.skip("there is no AWS CLI that runs")
    found = list(commands(PAGE_TEXT))
    section = ""
    for command in found:
        if command.section != section:
            section = command.section
            prepared(guide, section)
        if command.text in NOT_RUN:
            continue
        output = walked(guide, command)
        print(guide.shell.shown[-1])
        for start, words in SHOWN.items():
            if command.text.startswith(start):
                assert words in output, output
                break
        if command.text == "sam deploy --guided":
            asked = re.findall(r"\t([^\t\n]+?) \[([^]]*)\]: ", output)
            assert asked == [(each.text, each.default) for each in questions(PAGE_TEXT)]
    assert guide.stage.lab.buildkite.stacks() == ()


def test_only_commands_of_the_guide_are_excused_repeated_or_expected() -> None:
    found = [command.text for command in commands(PAGE_TEXT)]
    assert NOT_RUN.keys() <= set(found)
    for start in (*AGAIN, *SHOWN):
        assert any(text.startswith(start) for text in found), start


def test_the_page_about_the_lab_names_each_command_that_is_not_run_with_its_reason() -> None:
    page = (ROOT / "docs" / "lab.md").read_text("utf-8")
    for command, reason in NOT_RUN.items():
        assert f"| `{command.split(' --')[0]}` | {reason} |" in page
