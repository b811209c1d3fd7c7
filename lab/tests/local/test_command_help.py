"""The help of the commands is their documentation: complete, and at most 80 columns wide."""

from __future__ import annotations

import subprocess
import sys
from itertools import takewhile

import pytest

from mayfly_lab.cli import mayfly_lab, run_command
from mayfly_lab.commands.fault_options import fault
from mayfly_lab.faults import SWITCHES, Faults

COMMANDS = ["demo", "run", "up", "bench", "sim"]


def shown(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[str]:
    assert run_command([*arguments, "--help"]) == 0
    return capsys.readouterr().out.splitlines()


def unspaced(text: str) -> str:
    """The text without blanks, so that a wrapped text equals the whole one."""
    return "".join(text.split())


def test_every_command_is_tested_here(capsys: pytest.CaptureFixture[str]) -> None:
    assert list(mayfly_lab.commands) == COMMANDS
    listed = shown(capsys)
    for name, command in mayfly_lab.commands.items():
        first = (command.help or "").split("\n\n")[0]
        assert f"  {name:<5}  {first}" in listed


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_no_line_is_wider_than_eighty_columns(
    capsys: pytest.CaptureFixture[str], command: str
) -> None:
    assert max(map(len, shown(capsys, *command.split()))) <= 80


@pytest.mark.parametrize("command", COMMANDS)
def test_the_examples_in_help_use_existing_options(
    capsys: pytest.CaptureFixture[str], command: str
) -> None:
    lines = shown(capsys, command)
    examples = [line for line in lines if line.startswith(f"  mayfly-lab {command}")]
    assert examples
    assert "Examples:" in lines
    known = {option for each in mayfly_lab.commands[command].params for option in each.opts}
    given = {word for line in examples for word in line.split() if word.startswith("--")}
    assert given <= known


@pytest.mark.parametrize("command", ["run", "up"])
def test_help_has_a_line_for_every_fault(capsys: pytest.CaptureFixture[str], command: str) -> None:
    """A meaning follows its example, or begins on the line below a long example."""
    lines = [*shown(capsys, command), ""]
    for name, switch in SWITCHES.items():
        example = f"{name}={switch.example}"
        at = [i for i, line in enumerate(lines) if f"{line} ".startswith(f"  {example} ")]
        assert len(at) == 1, name
        more = takewhile(lambda line: line.startswith("     "), lines[at[0] + 1 :])
        told = "".join([lines[at[0]].removeprefix(f"  {example}"), *more])
        assert unspaced(told) == unspaced(switch.explained)


@pytest.mark.parametrize("command", ["run", "up"])
def test_help_marks_each_fault_that_strikes_once_and_says_what_the_mark_means(
    capsys: pytest.CaptureFixture[str], command: str
) -> None:
    text = unspaced("".join(shown(capsys, command)))
    assert unspaced("A fault marked `once` strikes once unless `count` or `for` is given") in text
    for name, switch in SWITCHES.items():
        struck = Faults().set(name, value=switch.example.partition("value=")[2].partition(",")[0])
        assert (unspaced(f"once: {switch.meaning}") in text) is (struck.count == 1), name


@pytest.mark.parametrize("name", SWITCHES)
def test_every_fault_example_can_be_parsed(name: str) -> None:
    assert fault(f"{name}={SWITCHES[name].example}").name == name


def test_help_imports_no_slow_modules() -> None:
    program = "from mayfly_lab import cli; import sys; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True
    ).stdout.split()
    assert "click" in loaded
    late = {"boto3", "botocore", "moto", "requests", "pydantic", "yaml", "buildkite_emulator"}
    assert not late & set(loaded)


def test_shell_completion_offers_the_names_of_faults() -> None:
    asked = {
        "_MAYFLY_LAB_COMPLETE": "bash_complete",
        "COMP_WORDS": "mayfly-lab run --fault kil",
        "COMP_CWORD": "3",
    }
    program = "from mayfly_lab.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", program], env=asked, check=True, capture_output=True, text=True
    )
    assert done.stdout == "plain,kill=\n"
