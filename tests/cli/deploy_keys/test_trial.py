"""The trial of a key: by a stand-in of ssh everywhere, and by OpenSSH's sshd where there is one."""

from __future__ import annotations

import getpass
import os
from pathlib import Path

import pytest

from mayfly_cli.deploy_keys.key_pair import generate
from mayfly_cli.deploy_keys.repository import repository
from mayfly_cli.deploy_keys.trial import PAUSES, GitTrial
from tests.cli.deploy_keys.git_hosts import HOST_KEY, GitHost, StandIn, real, sshd

PAIR, OTHER = generate(), generate()
APP = repository("git@github.com:acme/app.git")


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StandIn:
    made = StandIn(tmp_path / "host", monkeypatch)
    made.serve("acme/app.git")
    return made


def trial(known_hosts: str, slept: list[float] | None = None, *over_443: str) -> GitTrial:
    return GitTrial(known_hosts, over_443, (slept if slept is not None else []).append)


def test_a_key_that_the_host_knows_reads_the_repository(host: StandIn) -> None:
    host.allow([PAIR.public.text])
    assert trial(host.known_hosts)(APP, PAIR) == ""
    assert len(host.calls) == 1


def test_a_key_that_the_host_learns_of_a_moment_later_works(host: StandIn) -> None:
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == 2:
            host.allow([PAIR.public.text])

    assert GitTrial(host.known_hosts, (), sleep)(APP, PAIR) == ""
    assert slept == list(PAUSES[:2])


def test_a_key_that_the_host_does_not_know_is_given_up_with_sshs_words(host: StandIn) -> None:
    host.allow([OTHER.public.text])
    slept: list[float] = []
    why = trial(host.known_hosts, slept)(APP, PAIR)
    assert why == "git@github.com: Permission denied (publickey)."
    assert slept == list(PAUSES)


def test_a_host_with_another_key_is_never_trusted(host: StandIn) -> None:
    host.allow([PAIR.public.text])
    slept: list[float] = []
    for lines in ("", "github.com ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKxx\n"):
        assert trial(lines, slept)(APP, PAIR) == "Host key verification failed."
    assert slept == []


def test_a_host_over_port_443_is_asked_at_its_other_address(host: StandIn) -> None:
    host.allow([PAIR.public.text])
    assert trial(host.known_hosts, None, "github.com")(APP, PAIR) == ""
    options = host.calls[0]["options"]
    found = [options[name] for name in ("HostName", "Port", "HostKeyAlias")]
    assert found == ["ssh.github.com", "443", "github.com"]


def test_ssh_gets_no_key_but_the_new_one_and_no_setting_of_the_user(host: StandIn) -> None:
    host.allow([PAIR.public.text])
    trial(host.known_hosts)(APP, PAIR)
    options = host.calls[0]["options"]
    assert options["-F"] == "none"
    assert (options["IdentitiesOnly"], options["StrictHostKeyChecking"]) == ("yes", "yes")
    assert options["GlobalKnownHostsFile"] == os.devnull
    assert "PRIVATE" not in str(host.calls)


def test_a_git_configuration_does_not_lead_elsewhere(
    host: StandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tmp_path / ".gitconfig"
    config.write_text('[url "https://192.0.2.1/"]\n  insteadOf = git@github.com:\n')
    for name, value in {"HOME": tmp_path, "GIT_CONFIG_GLOBAL": config}.items():
        monkeypatch.setenv(name, str(value))
    host.allow([PAIR.public.text])
    assert trial(host.known_hosts)(APP, PAIR) == ""


def test_a_repository_that_is_not_there_is_said(host: StandIn) -> None:
    host.allow([PAIR.public.text])
    why = trial(host.known_hosts)(repository("git@github.com:acme/none.git"), PAIR)
    assert "does not appear to be a git repository" in why


def test_a_machine_without_git_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "no git on PATH" in trial("x")(APP, PAIR)


def test_no_file_of_a_trial_has_the_private_half(
    host: StandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    found: list[str] = []

    def look(_: float) -> None:
        found.extend(str(each) for each in (tmp_path / "tmp").rglob("*"))

    written: list[str] = []
    write = Path.write_text

    def kept(path: Path, data: str, *rest: str) -> int:
        written.append(data)
        return write(path, data, *rest)

    monkeypatch.setattr(Path, "write_text", kept)
    GitTrial(host.known_hosts, (), look)(APP, PAIR)
    assert written
    assert not any("PRIVATE" in each for each in written)
    assert list((tmp_path / "tmp").iterdir()) == []


@pytest.mark.skipif(sshd() is None, reason="no sshd that this user can start")
def test_openssh_takes_the_key_from_the_agent_in_memory(tmp_path: Path) -> None:
    host = GitHost(tmp_path / "host")
    host.serve("app.git")
    host.allow([PAIR.public.text])
    with real(host) as (port, key):
        url = f"ssh://{getpass.getuser()}@127.0.0.1:{port}/acme/app.git"
        lines = f"[127.0.0.1]:{port} {key}\n"
        assert trial(lines)(repository(url), PAIR) == ""
        assert "Permission denied" in trial(lines)(repository(url), OTHER)
        other = f"[127.0.0.1]:{port} {HOST_KEY}\n"
        assert "verification failed" in trial(other)(repository(url), PAIR).lower()
