"""Refusals of invalid arguments: one line, exit code 2, and nothing started."""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from emulator.odd_pipelines import WHOLE_FILES
from mayfly_cli.ends import UsageError
from mayfly_lab.cli import run_command
from mayfly_lab.commands.internet import is_remote
from mayfly_lab.commands.source import jobs_of, queues_of, read_source

GOOD = "steps:\n  - command: 'true'\n"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A working directory, beside a directory for temporary files that must stay empty."""
    temporary = tmp_path / "tmp"
    work = tmp_path / "work"
    for each in (temporary, work):
        each.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    monkeypatch.chdir(work)
    (work / "good.yml").write_text(GOOD)
    yield work
    assert list(temporary.iterdir()) == []


def complaint(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """The one line of a command's refusal."""
    code = run_command(arguments)
    said = capsys.readouterr()
    assert code == 2, said
    assert said.out == ""
    assert said.err.count("\n") == 1
    return said.err.strip()


COMMANDS = "demo, run, up, bench, sim"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], f"mayfly-lab: Missing command; there is {COMMANDS} (see mayfly-lab --help)"),
        (["fly"], f"mayfly-lab: No such command 'fly'; there is {COMMANDS}"),
        (["run"], "run: PIPELINE.yml is missing (see mayfly-lab run --help)"),
        (
            ["run", "good.yml", "--quick"],
            "mayfly-lab run: no such option: --quick (see mayfly-lab run --help)",
        ),
        (["up", "--quick"], "up: no such option: --quick (see mayfly-lab up --help)"),
        (["demo", "--quick"], "no such option: --quick"),
        (["up", "--laten", "aws=1s"], "no such option: --laten; did you mean --latency?"),
        (["run", "none.yml"], "none.yml does not exist"),
        (["run", "."], ". is a folder; name the pipeline's file"),
        (
            ["run", "good.yml", "--queue", "a b"],
            "--queue: 'a b' is not the key of a queue: letters, digits, - and _",
        ),
        (["run", "good.yml", "--hot", "many"], "--hot: 'many' is not a number from 0 to 200"),
        (["run", "good.yml", "--env", "X"], "--env: 'X' is not NAME=VALUE"),
        (
            ["run", "good.yml", "--timeout", "soon"],
            "--timeout: not a duration: 'soon' (try 250ms, 5s or 2m)",
        ),
        (["run", "good.yml", "--timeout", "0"], "--timeout: '0' is not a time above zero"),
        (
            ["run", "good.yml", "--latency", "azure=1s"],
            "--latency: 'azure=1s' is not buildkite or aws=",
        ),
        (
            ["run", "good.yml", "--logs", "some"],
            "--logs: 'some' is not one of 'all', 'failed', 'none'",
        ),
        (["run", "good.yml", "--agent", "no-such"], "no-such is not a program; give its path"),
        (["demo", "--agent", "no-such"], "no-such is not a program; give its path"),
        (["run", "good.yml", "--agent", "/bin/true"], "/bin/true --version does not print"),
        (["run", "good.yml", "--json", "none/x.json"], "--json: the folder none does not exist"),
        (["demo", "--json", "none/x.json"], "--json: the folder none does not exist"),
        (["up", "--ready-file", "."], "--json: . is a folder; name a file in it"),
        (["run", "good.yml", "--repo", "none"], "--repo: none is not a folder"),
        (["run", "good.yml", "--repo", "."], "--repo: . is not a git repository; `git init`"),
        (["run", "good.yml", "--branch", "a b"], "--branch: git does not allow the name 'a b'"),
        (["run", "good.yml", "--branch", ""], "--branch: git does not allow the name ''"),
        (["run", "good.yml", "--parameter", "x"], "--parameter: 'x' is not QUEUE/NAME=VALUE"),
        (["run", "good.yml", "--stack", "gpu/SecretsPath=/ci"], "--stack: unknown queue 'gpu'"),
        (["run", "good.yml", "--stack", "default/Sacret=/ci"], "has no parameter Sacret"),
        (["run", "good.yml", "--stack", "default/QueueKey=x"], "has no parameter QueueKey"),
        (["run", "good.yml", "--stack", "default/SecretsPath=ci"], "SecretsPath: 'ci' is not all"),
        (["run", "good.yml", "--secret", "letmein"], "--secret: not /NAME=VALUE"),
        (["run", "good.yml", "--secret", "/ci/x=@none"], "--secret: /ci/x: cannot read none"),
        (["run", "good.yml", "--secret", f"/ci/x={'x' * 8193}"], "not a text of 1 to 8192"),
        (["run", "good.yml", "--role", "default=app"], "'default=app' is not QUEUE=/PATH/NAME"),
        (["run", "good.yml", "--role", "gpu=/ci/app"], "--role: unknown queue 'gpu'"),
        (
            ["run", "good.yml", "--role", "default=/ci/app", "--role", "default=/cd/app"],
            "--role: an account has one role of a name: app",
        ),
        (
            ["run", "good.yml", "--parameter", "default/secrets/path=/ci"],
            "default/secrets/path",
        ),
        (
            ["run", "good.yml", "--parameter", "gpu/pool/hot=1"],
            "unknown queue 'gpu'; the lab has def",
        ),
        (
            ["run", "good.yml", "--parameter", "default/pool/hot=x"],
            'default/pool/hot = "x": column 1: "x" in place of a count from 0 to 5000',
        ),
        (
            ["run", "good.yml", "--parameter", "default/pool/hott=1"],
            "no such parameter; did you mean pool/hot?",
        ),
        (["bench", "--quick"], "no such option: --quick"),
        (["bench", "--jobs", "0"], "--jobs: '0' is not a number from 1 to 10000"),
        (["bench", "--pool", "201"], "--pool: '201' is not a number from 1 to 200"),
        (["bench", "--every", "0s"], "--every: '0s' is not a time above zero"),
        (["bench", "--json", "."], "--json: . is a folder; name a file in it"),
        (["up", "--port-aws", "0"], "--port-aws: '0' is not a port from 1 to 65535"),
        (["up", "--port-aws"], "up: Option '--port-aws' requires an argument (see mayfly-lab up"),
        (["up", "--port-aws", "9", "--port-buildkite", "9"], "--port-buildkite are both 9"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_invalid_arguments_are_refused(
    capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    assert words in complaint(capsys, *arguments)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("steps:\n  - command: [\n", "line 3: "),
        ("hello", "the pipeline cannot be read"),
        ("steps:\n  - command: x\n    retry: often\n", "line 2: step 1: "),
        ("steps:\n  - command: x\n    flavour: sweet\n", "line 2: step 1: "),
        (
            "steps:\n  - {command: 'x {{matrix.os}}', matrix: {setup: {lang: [a]}}}\n",
            "bad.yml: step 'x {{matrix.os}}': unknown matrix tokens in input: matrix.os",
        ),
        ("steps:\n  - command: 'echo ${NOPE'\n", "Expected an operator, got the end of the text"),
    ],
)
def test_an_invalid_pipeline_file_is_refused_with_line_and_reason(
    capsys: pytest.CaptureFixture[str], folder: Path, text: str, words: str
) -> None:
    (folder / "bad.yml").write_text(text)
    assert words in complaint(capsys, "run", "bad.yml")


def test_a_file_that_is_not_text_is_refused(
    capsys: pytest.CaptureFixture[str], folder: Path
) -> None:
    (folder / "bad.yml").write_bytes(b"\xff\xfe\x00")
    assert "bad.yml is not text in UTF-8" in complaint(capsys, "run", "bad.yml")


def test_a_step_for_a_queue_without_an_option_is_refused(
    capsys: pytest.CaptureFixture[str], folder: Path
) -> None:
    text = "steps:\n  - {label: Train, command: x, agents: {queue: gpu}}\n"
    (folder / "train.yml").write_text(text)
    said = complaint(capsys, "run", "train.yml", "--queue", "default")
    assert "step 'Train' goes to queue 'gpu', and the lab has default; add --queue gpu" in said


def test_a_step_for_a_misspelt_queue_is_refused_with_the_queue_that_was_meant(
    capsys: pytest.CaptureFixture[str], folder: Path
) -> None:
    (folder / "p.yml").write_text("steps:\n  - {command: x, agents: {queue: dfault}}\n")
    said = complaint(capsys, "run", "p.yml", "--queue", "default")
    assert "the lab has default; did you mean default? Otherwise add --queue dfault" in said


@pytest.mark.parametrize("queue", ["a b", "", "*", "ü", "x" * 101])
def test_a_step_for_a_queue_that_no_cluster_can_have_is_refused(
    capsys: pytest.CaptureFixture[str], folder: Path, queue: str
) -> None:
    text = f"steps:\n  - {{label: Train, command: x, agents: {{queue: '{queue}'}}}}\n"
    (folder / "train.yml").write_text(text)
    said = complaint(capsys, "run", "train.yml")
    assert f"step 'Train' goes to queue {queue!r}, which is not the key of a" in said


@pytest.mark.parametrize("text", WHOLE_FILES.values(), ids=WHOLE_FILES)
def test_an_odd_pipeline_has_queues_or_is_refused_in_a_line(folder: Path, text: str) -> None:
    file = folder / "odd.yml"
    file.write_text(text, encoding="utf-8")
    source = read_source(file, None, None)
    said = ""
    try:
        assert queues_of(jobs_of(source, [], {}), [])
    except UsageError as error:
        said = str(error)
    assert not said or said.startswith((f"the pipeline cannot be read: {file}: ", "step "))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["run", "good.yml/x"], "good.yml/x cannot be read: Not a directory"),
        (["run", "x" * 300], "cannot be read: File name too long"),
        (["run", "good.yml", "--repo", "x" * 300], "is not a folder"),
        (["run", "good.yml", "--json", "x" * 300], "File name too long"),
        (["run", "good.yml", "--json", f"{'x' * 300}/y"], "File name too long"),
        (["run", "good.yml", "--env", "A=\udcff"], "--env: 'A=\\udcff' is not text in UTF-8"),
        (["run", "good.yml", "--branch", "\udcff"], "--branch: '\\udcff' is not text in UTF-8"),
        (["run", "good.yml", "--parameter", "default/tags=\udcff"], "is not text in UTF-8"),
        (["run", "good.yml", "--answer", "a b=c"], "--answer: 'a b=c' is not NAME=VALUE"),
    ],
    ids=lambda value: ascii(value)[:60],
)
def test_names_that_the_system_does_not_take_are_refused(
    capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    assert words in complaint(capsys, *arguments)


def test_a_system_without_git_is_refused(
    capsys: pytest.CaptureFixture[str], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(folder))
    said = complaint(capsys, "run", "good.yml", "--agent", "stand-in")
    assert "git cannot be run: No such file or directory; the lab needs git" in said


def test_a_commit_message_in_another_encoding_is_read(folder: Path) -> None:
    def git(*arguments: str | bytes) -> None:
        who = ("-c", "user.name=M", "-c", "user.email=m@example.org")
        subprocess.run(("git", "-C", "old", *who, *arguments), check=True)

    subprocess.run(["git", "init", "--quiet", "old"], check=True)
    encoding = ("-c", "i18n.commitEncoding=binary")
    git(*encoding, "commit", "--quiet", "--allow-empty", b"--message=caf\xe9")
    assert read_source(folder / "good.yml", folder / "old", None).message.startswith("caf")


def test_a_repository_without_a_commit_is_refused(
    capsys: pytest.CaptureFixture[str], folder: Path
) -> None:
    subprocess.run(["git", "init", "--quiet", "new"], check=True)
    said = complaint(capsys, "run", "good.yml", "--repo", "new")
    assert "new has no commit; commit the files that jobs need" in said


PLUGINS = """\
env: {{VERSION: v5}}
steps:
  - {{command: x, skip: true, plugins: ["ecr#v2"]}}
  - {{command: x, if: build.branch == "other", plugins: ["ecr#v2"]}}
  - command: x
    plugins:
      - ./.buildkite/plugins/ours: ~
      - {plugin}:
          run: app
"""


@pytest.mark.parametrize(
    ("plugin", "words"),
    [
        ("docker#v5", "the plugin github.com/buildkite-plugins/docker-buildkite-plugin#v5 is on"),
        ("docker#$VERSION", "github.com/buildkite-plugins/docker-buildkite-plugin#v5 is on"),
        ("acme/tool#main", "the plugin github.com/acme/tool-buildkite-plugin#main is on the int"),
        ("https://git.acme.dev/p.git#v1", "the plugin https://git.acme.dev/p.git#v1 is on the i"),
        ("ssh://git@acme.dev/p.git", "the plugin ssh://git@acme.dev/p.git is on the internet"),
        ("git@github.com:acme/p.git", "the plugin git@github.com:acme/p.git is on the internet"),
    ],
)
def test_a_plugin_from_the_internet_is_refused_with_its_file_and_line(
    capsys: pytest.CaptureFixture[str], folder: Path, plugin: str, words: str
) -> None:
    (folder / "plugins.yml").write_text(PLUGINS.format(plugin=f'"{plugin}"'))
    said = complaint(capsys, "run", "plugins.yml")
    assert said.startswith("mayfly-lab run: plugins.yml:8: ")
    assert words in said
    assert "copy the plugin into the repository and name its path (./…)" in said


@pytest.mark.parametrize("url", ["https://github.com/acme/lib", "git@acme.dev:lib", "../lib.git"])
def test_a_submodule_from_outside_is_refused_with_its_file_and_line(
    capsys: pytest.CaptureFixture[str], folder: Path, url: str
) -> None:
    given = ("run", "good.yml", "--repo", "app", "--agent", "no-such")
    subprocess.run(["git", "init", "--quiet", "app"], check=True)
    (folder / "app/.gitmodules").write_text(f'[submodule "lib"]\n\tpath = lib\n\turl = {url}\n')
    commit = "-c user.name=a -c user.email=a@example.org commit --quiet --message=Begin"
    for command in ("add --all", commit):
        subprocess.run(["git", "-C", "app", *command.split()], check=True)
    said = complaint(capsys, *given)
    assert f"mayfly-lab run: .gitmodules:3: the submodule {url} is outside the repository" in said
    assert "--parameter default/agent/config=no-git-submodules=true leaves submodules out" in said
    without = ("--parameter", "default/agent/config=no-git-submodules=true")
    assert "--agent: no-such is not a program" in complaint(capsys, *given, *without)


@pytest.mark.parametrize(
    ("address", "remote"),
    [
        ("./plugin", False),
        ("/srv/git/plugin", False),
        ("file:///srv/git/plugin", False),
        ("http://127.0.0.1:3000/git/plugin", False),
        ("ssh://git@localhost:22/plugin", False),
        ("git@localhost:plugin", False),
        ("http://[::1]:80/plugin", False),
        ("github.com/acme/plugin#v1", True),
        ("https://192.0.2.1/plugin", True),
        ("http://[nothing", True),
    ],
)
def test_an_address_on_this_machine_is_not_remote(address: str, remote: bool) -> None:
    assert is_remote(address) is remote


@pytest.mark.parametrize("option", ["--port-aws", "--port-buildkite"])
def test_a_port_in_use_is_refused(capsys: pytest.CaptureFixture[str], option: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        said = complaint(capsys, "up", option, str(port))
    assert f"{option}: port {port}: address already in use; choose another" in said


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_report_file_that_cannot_be_written_is_refused(
    capsys: pytest.CaptureFixture[str], folder: Path
) -> None:
    (folder / "closed").mkdir(mode=0o500)
    said = complaint(capsys, "run", "good.yml", "--json", "closed/out.json")
    assert "closed/out.json: no permission to write it" in said


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("kil=dispatch", "unknown fault 'kil'; did you mean kill?"),
        ("no-capacty=*", "unknown fault 'no-capacty'; did you mean no-capacity?"),
        ("zzzz=1", "unknown fault 'zzzz'; the faults are throttle, bucket"),
        ("kill", "kill: needs a target (try kill=provision/ec2:CreateFleet)"),
        ("kill=disptach", "kill: unknown function 'disptach'; the functions are dispatch, p"),
        (
            "kill=dispatch,often=1",
            "kill: unknown option 'often'; the options are value, count, after, for, by",
        ),
        ("kill=dispatch,count=x", "kill: count must be a number, not 'x'"),
        ("kill=dispatch,count", "kill: count needs a value"),
        ("kill=dispatch,for=ever", "kill: not a duration: 'ever' (try 250ms, 5s or 2m)"),
        ("throttle=CreateFleet", "throttle: 'CreateFleet' is not SERVICE:OPERATION"),
        ("throttle=*,value=3", "throttle: takes no value"),
        ("bucket=ec2:*,value=5", "bucket: not a bucket: '5' (SIZE/PER_SECOND, try 5/0.5)"),
        ("imds-lag=*", "imds-lag: needs a value (try imds-lag=*,value=30s)"),
        ("imds-error=*,value=200", "imds-error: not an HTTP status of an error: '200'"),
        ("partial-fleet=*,value=few", "partial-fleet: not a number: 'few'"),
        ("no-capacity=m7i.large", "no-capacity: 'm7i.large' is not TYPE/ZONE (try m7i.large/*)"),
        ("clock-skew=*,value=late", "clock-skew: not a duration: 'late'"),
        ("event-lost=ec2", "event-lost: unknown event 'ec2'; the events are aws.ec2/*"),
        (
            "buildkite-answer=stacks.reserve,value=500",
            "buildkite-answer: unknown call 'stacks.reserve'; did you mean stacks.",
        ),
        ("buildkite-answer=stacks.*", "buildkite-answer: needs a value"),
        ("queue-paused=gpu", "queue-paused: unknown queue 'gpu'; the lab has default"),
    ],
)
def test_an_invalid_fault_is_refused(
    capsys: pytest.CaptureFixture[str], fault: str, words: str
) -> None:
    assert f"mayfly-lab run: --fault: {words}" in complaint(
        capsys, "run", "good.yml", "--fault", fault
    )
