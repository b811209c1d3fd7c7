"""The help of the commands is their documentation: complete, and no wider than a screen."""

from __future__ import annotations

import pytest

from mayfly_lab.cli import run_command
from mayfly_lab.commands.fault_options import fault
from mayfly_lab.faults import SWITCHES


def shown(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[str]:
    with pytest.raises(SystemExit) as ended:
        run_command([*arguments, "--help"])
    assert ended.value.code == 0
    return capsys.readouterr().out.splitlines()


@pytest.mark.parametrize("command", ["", "demo", "run", "up", "bench"])
def test_no_line_is_wider_than_a_hundred_columns(
    capsys: pytest.CaptureFixture[str], command: str
) -> None:
    assert max(map(len, shown(capsys, *command.split()))) <= 100


@pytest.mark.parametrize("command", ["run", "up"])
def test_every_fault_has_its_line(capsys: pytest.CaptureFixture[str], command: str) -> None:
    lines = shown(capsys, command)
    for name, switch in SWITCHES.items():
        mine = [line for line in lines if line.strip().startswith(f"{name}={switch.example} ")]
        assert len(mine) == 1, name
        assert mine[0].endswith(switch.meaning)


@pytest.mark.parametrize("name", SWITCHES)
def test_every_example_can_be_used_as_it_stands(name: str) -> None:
    assert fault(f"{name}={SWITCHES[name].example}").name == name
