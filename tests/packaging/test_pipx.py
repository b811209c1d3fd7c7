"""`pipx install .` in a checkout, as the README says: the tool runs without the checkout."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from mayfly_cli.command_line import leaves
from mayfly_cli.main import DAILY, mayfly
from tests.packaging.conftest import ROOT

pytestmark = pytest.mark.slow
KEYS = ("create", "rotate", "list", "delete")
_OF_PIP = ("PATH", "LC_ALL", "http_proxy", "https_proxy", "no_proxy")


def daily() -> set[str]:
    """The words that call each command of every day."""
    names = {each.name for each in DAILY}
    return {words for words in leaves(mayfly) if words.split()[0] in names}


class Installed:
    """The tool as pipx has installed it, in a home that had nothing before."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.script = home / ".local" / "bin" / "mayfly"

    @property
    def environment(self) -> dict[str, str]:
        """No credentials and no settings but those with which pip finds its registry."""
        kept = {n: v for n, v in os.environ.items() if n in _OF_PIP or n.startswith("PIP_")}
        return {**kept, "HOME": str(self.home), "AWS_EC2_METADATA_DISABLED": "true"}

    def run(self, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
        """Run the tool in its empty home."""
        return subprocess.run(
            [self.script, *words],
            env={**self.environment, **more},
            cwd=self.home,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """pipx from the registry, and the tool from the checkout by pipx."""
    place = tmp_path_factory.mktemp("pipx")
    found = Installed(place / "home")
    found.home.mkdir()
    subprocess.run([sys.executable, "-m", "venv", place / "venv"], check=True, timeout=120)
    tools = place / "venv" / "bin"
    commands: tuple[list[str], ...] = (
        ["pip", "install", "--quiet", "pipx"],
        ["pipx", "install", "."],
    )
    for name, *words in commands:
        ended = subprocess.run(
            [tools / name, *words],
            env=found.environment,
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
        assert ended.returncode == 0, ended.stdout + ended.stderr
    return found


def test_the_help_and_the_version_are_shown(installed: Installed) -> None:
    assert installed.run("--help").stdout.startswith("Usage: mayfly [OPTIONS] COMMAND [ARGS]...")
    assert installed.run("--version").stdout == "mayfly, version 0.1.0\n"


@pytest.mark.parametrize("name", sorted(daily()))
def test_each_command_is_there_and_says_in_one_line_that_it_lacks_credentials(
    installed: Installed, name: str
) -> None:
    """Every import of the command works outside the checkout, down to the call of AWS."""
    assert installed.run(*name.split(), "--help").stdout.startswith(f"Usage: mayfly {name} ")
    words = {
        "explain": ["app/812"], "logs": ["app/812"], "get": ["q"], "set": ["q", "pool/hot", "1"],
        "unset": ["q", "pool/hot"], "pool": ["q", "1"],
        **{each: ["q"] for each in ("pause", "resume", "drain", "recycle")},
        **{f"deploy-key {each}": ["git@github.com:a/b.git", "--queue=q"] for each in KEYS},
        "import-secrets": ["s3://secrets", "--queue=q"],
    }.get(name, [])  # fmt: skip
    ended = installed.run(*name.split(), *words, AWS_REGION="eu-central-1")
    assert ended.returncode == 2
    assert f"mayfly {name}: no AWS credentials: log in" in ended.stderr


def test_a_shell_completes_commands_and_parameters(installed: Installed) -> None:
    source = installed.run(_MAYFLY_COMPLETE="bash_source").stdout
    assert "complete -o nosort -F _mayfly_completion mayfly" in source
    words = {"_MAYFLY_COMPLETE": "bash_complete", "COMP_WORDS": "mayfly st", "COMP_CWORD": "1"}
    assert installed.run(**words).stdout == "plain,status\n"
    words |= {"COMP_WORDS": "mayfly set q pool/h", "COMP_CWORD": "3"}
    assert "plain,pool/hot" in installed.run(**words).stdout


def test_the_pages_of_the_report_are_installed(installed: Installed) -> None:
    [venv] = (installed.home / ".local").glob("*/pipx/venvs/mayfly")
    script = (
        "from mayfly_cli.html_report.render import page; "
        "from mayfly_cli.html_report.model import Report, Tone; "
        "print(page(Report('t', 'v', Tone.GOOD, (), ()))[:15])"
    )
    ended = subprocess.run(
        [venv / "bin" / "python", "-c", script],
        env=installed.environment,
        cwd=installed.home,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.stdout == "<!doctype html>\n", ended.stderr
