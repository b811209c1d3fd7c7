"""Help, wrong options and exit statuses of every command."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import click
import pytest

from mayfly_cli.command_line import Command, Group, leaves, run_group
from mayfly_cli.ends import BrokenError, Stopped, UsageError
from mayfly_cli.main import mayfly, run_command
from tests.cli.real_account import Run, bare_environment, one_line, run

NAMES = (
    *("agent-release", "check-aws", "check-buildkite", "check-image", "check-policies"),
    *("check-profiles", "first-job", "preflight", "uninstall"),
    *("status", "explain", "jobs", "instances", "launches", "logs"),
    *("doctor", "waits", "cost", "changes", "plan", "report"),
    *("get", "set", "unset", "pool", "pause", "resume", "drain", "recycle"),
    *("deploy-key create", "deploy-key rotate", "deploy-key list", "deploy-key delete"),
    "import-secrets",
)
REQUIRED = {
    "check-buildkite": ("--queue=q",),
    "first-job": ("--queue=q",),
    "import-secrets": ("--queue=q",),
    **dict.fromkeys((each for each in NAMES if each.startswith("deploy-key")), ("--queue=q",)),
}
KEYS = {"AWS_ACCESS_KEY_ID": "AKIAFAKE", "AWS_SECRET_ACCESS_KEY": "fake"}
NETWORK = ("QueueKey=default", "VpcId=vpc-0", "Subnets=subnet-0")
QUEUE = (*NETWORK, f"AgentRelease=3.138.3,{'1' * 64},{'2' * 64}")


def in_this_process(capsys: pytest.CaptureFixture[str], *arguments: str) -> Run:
    status = run_command(arguments)
    shown = capsys.readouterr()
    return Run(status, shown.out, shown.err)


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """The environment of this test: PATH, HOME and locale only, and what pytest keeps there."""
    bare = bare_environment(tmp_path)
    for name in set(os.environ) - {"PYTEST_CURRENT_TEST"}:
        monkeypatch.delenv(name)
    for name, value in bare.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


def test_the_tests_of_this_file_cover_every_command() -> None:
    assert set(leaves(mayfly)) == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("option", ["--help", "-h"])
@pytest.mark.usefixtures("bare")
def test_help_is_shown_without_credentials(
    name: str, option: str, capsys: pytest.CaptureFixture[str]
) -> None:
    ended = in_this_process(capsys, *name.split(), option)
    assert (ended.status, ended.err) == (0, "")
    assert ended.out.startswith(f"Usage: mayfly {name} ")
    assert "Exit status: 0" in ended.out


@pytest.mark.parametrize("name", ["", "deploy-key", *NAMES])
def test_help_fits_a_screen_of_80_columns(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    shown = in_this_process(capsys, *name.split(), "--help").out.splitlines()
    assert max(map(len, shown)) <= 80


@pytest.mark.parametrize("name", NAMES)
def test_the_examples_in_a_help_text_use_existing_options(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    shown = in_this_process(capsys, *name.split(), "--help").out
    examples = shown[shown.index("\nExamples:\n") :].split("\n\n")[0].replace("\\\n", " ")
    lines = [line for line in examples.splitlines() if f"mayfly {name} " in line]
    assert lines
    known = {option for each in leaves(mayfly)[name].params for option in each.opts}
    given = {word for line in lines for word in line.split() if word.startswith("--")}
    assert given <= known


def test_the_list_of_commands_shows_each_summary_on_one_line(
    capsys: pytest.CaptureFixture[str],
) -> None:
    shown = in_this_process(capsys, "--help").out
    for name, command in mayfly.commands.items():
        first = (command.help or "").split("\n\n")[0]
        assert f"  {name:<15}  {first}\n" in shown


def test_help_imports_no_slow_package() -> None:
    program = "from mayfly_cli import main; import sys; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True
    ).stdout.split()
    assert "click" in loaded
    assert not {"boto3", "botocore", "requests", "pydantic", "pytest", "yaml"} & set(loaded)


def test_mayfly_prints_its_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert in_this_process(capsys, "--version") == Run(0, "mayfly, version 0.1.0\n", "")


def test_mayfly_completes_options_for_a_shell(tmp_path: Path) -> None:
    asked = {
        **bare_environment(tmp_path),
        "_MAYFLY_COMPLETE": "bash_complete",
        "COMP_WORDS": "mayfly uninstall --to",
        "COMP_CWORD": "2",
    }
    program = Path(sys.executable).with_name("mayfly")
    shown = subprocess.run([program], env=asked, check=True, capture_output=True, text=True)
    assert shown.stdout == "plain,--token-parameter\n"


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.usefixtures("bare")
def test_the_error_line_names_an_unknown_option(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    ended = in_this_process(capsys, *name.split(), *REQUIRED.get(name, ()), "--nonsense")
    assert "--nonsense" in one_line(ended)


def test_the_installed_command_shows_help_and_errors(tmp_path: Path) -> None:
    bare = bare_environment(tmp_path)
    shown = run("status", "--help", environment=bare)
    assert (shown.status, shown.err) == (0, "")
    assert shown.out.startswith("Usage: mayfly status ")
    assert "--nonsense" in one_line(run("status", "--nonsense", environment=bare))
    assert "no AWS credentials" in one_line(
        run("status", environment={**bare, "AWS_REGION": "eu-central-1"})
    )


COMMANDS = f"there is {', '.join(mayfly.commands)} (see mayfly --help)"


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("", f"mayfly: Missing command; {COMMANDS}"),
        ("fly", f"mayfly: No such command 'fly'; {COMMANDS}"),
        ("pol", f"mayfly: No such command 'pol'; did you mean pool? {COMMANDS}"),
        ("--fly", "mayfly: no such option: --fly (see mayfly --help)"),
        ("first-job", "mayfly first-job: QUEUE is missing (see"),
        ("first-job --queu q", "no such option: --queu; did you mean --queue?"),
        ("first-job --queue", "mayfly first-job: Option '--queue' requires an argument"),
        ("first-job q now", "mayfly first-job: Got unexpected extra argument (now)"),
        ("first-job --queue q now", "mayfly first-job: --queue is given, and so is the argument"),
        ("status --queue q now", "mayfly status: --queue is given, and so is the argument"),
        (
            "first-job --queue q --minutes 1441",
            "'1441' is not a number, more than 0 and at most 14",
        ),
        (
            "check-buildkite --queue a/b",
            "--queue: 'a/b' is not the key of a queue: letters, digits",
        ),
        (
            "check-buildkite --queue q --agent-endpoint https://example.org",
            "--agent-endpoint: 'https://example.org' does not end in /v3, as https://agent.bu",
        ),
        ("preflight --api-endpoint http://example.org", "--api-endpoint: 'http://example.org' is"),
        ("uninstall --agent-endpoint x", "--agent-endpoint: 'x' is not an https address, as http"),
        (
            "agent-release v3",
            "mayfly agent-release: VERSION: 'v3' is not a version of the agent, such",
        ),
        ("uninstall --yes=1", "mayfly uninstall: Option '--yes' does not take a value"),
    ],
)
def test_the_error_line_names_the_wrong_option_and_the_allowed_values(
    words: str, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert says in one_line(in_this_process(capsys, *words.split()))


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("nonsense",), "'nonsense' is not Name=value"),
        (("Nonsense=1",), "no template has a parameter Nonsense; template.yaml has TokenPar"),
        (("Queuekey=default",), "no template has a parameter Queuekey; did you mean QueueKey?"),
        (
            ("RootVolumSize=9",),
            "no template has a parameter RootVolumSize; did you mean RootVolumeS",
        ),
        (("nonsense/name=1",), "no such parameter"),
        (("QueueKey=default",), "a queue needs VpcId: give VpcId=vpc-0123"),
        (("QueueKey=default", "VpcId=vpc-0"), "a queue needs Subnets"),
        (NETWORK, "a queue needs AgentRelease: give the line that this command prints: mayfly"),
        ((*NETWORK, "AgentRelease=3.138.3"), "AgentRelease: '3.138.3' is not allowed"),
        ((*NETWORK, "AgentVersion=3.138.3"), "AgentSha256Amd64 has no value"),
        (("QueueKey=a b",), "QueueKey"),
        (("AssignPublicIp=perhaps",), "AssignPublicIp"),
        (("TokenParameter=no-slash",), "begins with"),
        ((*QUEUE, "AgentVersion=latest"), "AgentVersion"),
        ((*QUEUE, "limits/max-instances=many"), "limits/max-instances"),
        ((*QUEUE, "imds=supervisor", "job/root=yes"), "imds"),
        (
            ("--stack=9lives",),
            "--stack: '9lives' is not the name of a stack: letters, digits and -",
        ),
        (
            ("--answers=/nowhere/answers",),
            "--answers: /nowhere/answers cannot be read: No such file or directory",
        ),
        (("--answers=/",), "--answers: / cannot be read: Is a directory"),
    ],
)
def test_preflight_refuses_answers_that_a_deployment_would_refuse(
    words: tuple[str, ...], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """This test needs no account, because preflight reads all answers before it opens one."""
    assert says in one_line(in_this_process(capsys, "preflight", *words))


@pytest.mark.parametrize("name", ["check-aws", "check-policies", "preflight", "uninstall"])
@pytest.mark.parametrize(
    ("environment", "says"),
    [
        ({"AWS_REGION": "eu-central-1"}, "no AWS credentials: log in"),
        (KEYS, "no region: give --region, or set AWS_REGION"),
        ({**KEYS, "AWS_REGION": "eu-1", "AWS_PROFILE": "nobody"}, "nobody"),
        (
            {**KEYS, "AWS_REGION": "eu-1", "AWS_ENDPOINT_URL": "http://127.0.0.1:9"},
            "AWS cannot be reached",
        ),
        ({**KEYS, "AWS_REGION": "eu-1", "AWS_ENDPOINT_URL": "nonsense"}, "AWS cannot be called"),
    ],
)
def test_a_command_without_access_to_an_account_says_what_is_missing(
    name: str,
    environment: dict[str, str],
    says: str,
    bare: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for variable, value in environment.items():
        bare.setenv(variable, value)
    assert says in one_line(in_this_process(capsys, name))


@pytest.mark.parametrize(
    ("argument", "says"),
    [
        ("--stack=a b", "'a b' is not the name of a stack"),
        ("--queue=a/b", "'a/b' is not the key of a queue"),
        ("--queue=", "'' is not the key of a queue"),
    ],
)
@pytest.mark.usefixtures("bare")
def test_uninstall_refuses_invalid_names(
    argument: str, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """An empty --queue is an error, because deleting the whole stack instead would be worse."""
    assert says in one_line(in_this_process(capsys, "uninstall", argument))


# -- the end of a command --------------------------------------------------------------------------


def a_tool(error: BaseException | None) -> Group:
    """A group with a command `work` that raises this error, or succeeds without one."""
    tool = Group("tool")

    @tool.command("work")
    def work() -> int:
        if error is not None:
            raise error
        return 0

    return tool


@pytest.mark.parametrize(
    ("error", "status", "says"),
    [
        (None, 0, ""),
        (UsageError("no region:\n give one"), 2, "tool work: no region: give one\n"),
        (BrokenError("it broke"), 1, "tool work: it broke\n"),
        (Stopped("stopped; nothing is left"), 130, "tool work: stopped; nothing is left\n"),
        (KeyboardInterrupt(), 130, "tool work: stopped\n"),
        (
            BrokenError("refused bkct_0123456789abcdef0123456789"),
            1,
            "tool work: refused [redacted]\n",
        ),
    ],
)
def test_an_error_becomes_one_line_and_an_exit_status(
    error: BaseException | None, status: int, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_group(a_tool(error), ["work"]) == status
    assert capsys.readouterr() == ("", says)


@pytest.mark.parametrize("error", [ZeroDivisionError("a defect"), OSError(28, "no space left")])
def test_an_unexpected_error_keeps_its_traceback(error: Exception) -> None:
    with pytest.raises(type(error), match=str(error.args[-1])):
        run_group(a_tool(error), ["work"])


def test_a_broken_pipe_inside_a_command_is_an_error() -> None:
    with pytest.raises(RuntimeError, match="a pipe inside the command broke"):
        run_group(a_tool(BrokenPipeError(32, "Broken pipe")), ["work"])


def test_a_command_ends_without_a_traceback_when_its_reader_is_gone() -> None:
    """The case is `mayfly … | head -1`."""
    program = (
        "import sys; from mayfly_cli.command_line import Group, run_group\n"
        "tool = Group('tool')\n"
        "@tool.command('work')\n"
        "def work(): print('line', flush=True)\n"
        "sys.exit(run_group(tool, ['work']))"
    )
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = subprocess.run(
            [sys.executable, "-c", program],
            stdout=writing,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    finally:
        os.close(writing)
    assert (done.returncode, done.stderr) == (141, "")


def test_a_groups_commands_report_errors_in_one_line_by_default() -> None:
    assert all(isinstance(each, Command) for each in leaves(mayfly).values())
    assert isinstance(click.Group.command(Group("tool"), "work")(lambda: None), Command)
