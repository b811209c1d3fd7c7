"""What a host gives its job: the whole supervisor, with fakes of machine and AWS."""

from __future__ import annotations

import json
from typing import Any

import pytest

from mayfly_protocol.grants import Secrets, SshHosts
from tests.instance.fake_machine import Act
from tests.instance.giving import (
    KEY,
    PATH,
    REPO,
    SLUG,
    TOKEN,
    at_the_start,
    granted,
    owner_of,
    policy,
)
from tests.instance.worlds import SANDBOX_ROW, World


def test_a_job_gets_the_variables_of_its_folders_and_no_others(ready: World) -> None:
    ready.cloud.lay_down(f"{PATH}/global/env/region", "nowhere-1")
    ready.cloud.lay_down(f"{PATH}/app/env/deploy-token", TOKEN)
    ready.cloud.lay_down(f"{PATH}/another/env/deploy-token", "of another pipeline")
    ready.cloud.lay_down(f"{PATH}/appendix/env/x", "of another pipeline")
    seen = at_the_start(ready)

    assert seen["variables"] == "export DEPLOY_TOKEN=hunter-22/blue\nexport REGION=nowhere-1\n"
    assert sorted(json.loads(seen["hidden"]).values()) == [TOKEN, "nowhere-1"]
    assert seen["environment"] == "give-secrets"
    assert "of another pipeline" not in "".join(seen.values())
    agent = ready.agent().program.environment
    assert agent["BUILDKITE_REDACTED_VARS"].startswith("*_TOKEN,*_MINE,*_PASSWORD,")
    assert agent["BUILDKITE_REDACTED_VARS"].endswith(",DEPLOY_TOKEN,REGION")
    given = ready.machine.places.given
    assert owner_of(ready.machine, given / ".variables.new") == "mayfly-job"
    assert owner_of(ready.machine, given) == "mayfly-job"


def test_no_value_is_told_anywhere_else(ready: World) -> None:
    ready.cloud.lay_down(f"{PATH}/app/env/deploy-token", TOKEN)
    ready.cloud.lay_down(f"{PATH}/app/ssh/key", KEY)
    seen = at_the_start(ready)

    told = ready.everything_readable() + str(ready.agent().program) + str(policy(ready))
    told += "".join(str(value) for value in ready.agent().program.environment.values())
    told += "".join(text for name, text in seen.items() if name not in {"variables", "hidden"})
    for secret in (TOKEN, "b3BlbnNzaC1rZXktdjE"):
        assert secret not in told


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("hunter-22-blue", "password hunter-22-blue failed"),
        ("hunter-22/'blue' $x", "password hunter-22/'blue' $x failed"),
        ("first-line-of-it\nsecond-line-of-it", "it ends: second-line-of-it"),
        ("first-line-of-it\r\nsecond-line-of-it\r\n", "first-line-of-it\nsecond-line-of-it"),
        ("Zq3x9Kd0/" * 900, "Zq3x9Kd0/" * 900),
        ("grüße-aus-köln", "grüße-aus-köln"),
        ('{"user": "a", "key": "Zq3x9Kd0-77"}', '{"user": "a", "key": "Zq3x9Kd0-77"}'),
        ("a value,another value", "a value,another value"),
    ],
    ids=["word", "quotes", "a line of many", "CRLF", "8 KB", "umlauts", "JSON", "StringList"],
)
def test_a_value_that_the_agents_log_shows_is_not_reported(
    ready: World, value: str, shown: str
) -> None:
    ready.cloud.lay_down(f"{PATH}/app/env/value", value)
    ready.machine.acts["mayfly-job"] = Act(code=1, says=f"it says\n{shown}\nthe end\n")
    ready.run()

    assert ready.last_report["words"].endswith("the end\n")
    told = ready.everything_readable()
    for line in shown.splitlines():
        assert line not in told
        assert json.dumps(line)[1:-1] not in told
    for part in ("hunter", "Zq3x9Kd0", "köln", "another", "second-line"):
        assert part not in told


def test_nothing_is_left_when_the_job_has_ended(ready: World) -> None:
    ready.cloud.lay_down(f"{PATH}/app/env/deploy-token", TOKEN)
    ready.cloud.lay_down(f"{PATH}/app/ssh/key", KEY)
    ready.run()

    places = ready.machine.places
    assert not places.given.exists()
    assert not places.ssh.exists()
    for unit in ("shared", "repository"):
        kill = f"systemctl kill --signal=SIGKILL mayfly-ssh-{unit}.scope"
        assert ready.machine.ran(kill)


def test_a_job_without_anything_to_give_has_no_hook(ready: World) -> None:
    seen = at_the_start(ready)

    assert not {"environment", "pre-checkout", "post-checkout", "variables"} & set(seen)
    assert "BUILDKITE_REDACTED_VARS" not in ready.agent().program.environment


def test_a_queue_without_secrets_reads_none(ready: World) -> None:
    ready.assignment = granted(secrets=None, no_role="no line of role/* has this pipeline")
    seen = at_the_start(ready)

    assert not {"parameters_named", "parameters_below"} & set(ready.cloud.asked)
    assert seen["notes"] == "no line of role/* has this pipeline\n"


def test_two_agents_hold_the_keys_and_git_gets_each_in_its_time(ready: World) -> None:
    ready.assignment = granted(Secrets(PATH, shared_ssh_keys=("/keys/plugins",)))
    ready.cloud.lay_down("/keys/plugins", KEY)
    ready.cloud.lay_down(f"{PATH}/{SLUG}/ssh/key", KEY)
    seen = at_the_start(ready)

    machine, sockets = ready.machine, ready.machine.places.ssh
    for name in ("shared", "repository"):
        (program,) = [
            each.program for each in machine.started if each.program.unit == f"mayfly-ssh-{name}"
        ]
        assert program.user == "mayfly-job"
        assert list(program.argv) == ["/usr/bin/ssh-agent", "-D", "-a", f"{sockets}/{name}"]
    adds = [
        n for n, argv in enumerate(machine.commands) if argv[-3:] == ["/usr/bin/ssh-add", "-q", "-"]
    ]
    assert len(adds) == 2
    assert machine.inputs.count(KEY) == 2
    assert seen["given"].splitlines() == [
        "directory=''",
        "agent=/usr/bin/buildkite-agent",
        f"shared={sockets}/shared",
        f"repository={sockets}/repository",
        "pid=4242",
        "keep=''",
        "region=''",
    ]
    hooks = {name: seen[name] for name in ("environment", "pre-checkout", "post-checkout")}
    assert hooks == {
        "environment": "give-secrets",
        "pre-checkout": "lend-key",
        "post-checkout": "take-key",
    }
    assert policy(ready)["has_key"] is True


def test_a_queue_may_leave_the_key_to_the_command(ready: World) -> None:
    ready.assignment = granted(Secrets(PATH, ssh_during_command=True))
    ready.cloud.lay_down(f"{PATH}/app/ssh/key", KEY)

    assert "keep=yes" in at_the_start(ready)["given"]


@pytest.mark.parametrize(
    ("break_it", "reason"),
    [
        (
            lambda world: world.cloud.denied.add(f"{PATH}/app"),
            f"{PATH}/app cannot be read: ssm: 400 AccessDeniedException: no right",
        ),
        (
            lambda world: world.cloud.lay_down(f"{PATH}/app/env/path", TOKEN),
            f"{PATH}/app/env/path: PATH cannot be set: it changes how shells work",
        ),
        (
            lambda world: world.cloud.lay_down(f"{PATH}/app/allowed_pipelines", "x", "String"),
            f"its pipeline is not in {PATH}/app/allowed_pipelines",
        ),
        (
            lambda world: (
                world.cloud.lay_down(f"{PATH}/app/ssh/key", KEY),
                world.machine.programs.discard("ssh-add"),
            ),
            "the host lacks ssh-add, which the job's keys need",
        ),
        (
            lambda world: (
                world.cloud.lay_down(f"{PATH}/app/ssh/key", KEY),
                world.machine.failing.update(setpriv="Error loading key: bad\npassphrase\n"),
            ),
            f"ssh-add refuses the key of {PATH}/app/ssh/key: Error loading key: bad passphrase",
        ),
        (
            lambda world: (
                world.cloud.lay_down(f"{PATH}/app/ssh/key", KEY),
                world.machine.acts.update({"mayfly-ssh-repository": Act(code=2, lasts=0)}),
            ),
            "ssh-agent ended with 2",
        ),
    ],
    ids=["denied", "refused name", "list", "no ssh-add", "bad key", "no agent"],
)  # fmt: skip
def test_what_was_promised_and_is_missing_refuses_the_job_with_the_reason(
    ready: World, break_it: Any, reason: str
) -> None:
    ready.cloud.lay_down(f"{PATH}/global/env/deploy-token", TOKEN)
    break_it(ready)
    seen = at_the_start(ready)

    assert policy(ready)["refused"].startswith(reason)
    assert f"the job must not run: {reason}" in ready.console
    # The agent runs, so that the job ends at Buildkite; the check before the job refuses it.
    assert ready.phases[-1] == "done"
    assert not {"environment", "variables", "hidden"} & set(seen)
    assert not ready.machine.places.ssh.exists()


def test_hosts_are_known_by_roots_files_and_not_by_a_scan(ready: World) -> None:
    ready.assignment = granted(
        secrets=None, ssh=SshHosts("github.com ssh-ed25519 AAAA\n", ("github.com",))
    )
    places = ready.machine.places
    places.known_hosts.parent.mkdir(parents=True)
    places.known_hosts.write_text("git.example.org ssh-ed25519 BBBB")
    ready.machine.agent_help = "hostname ssh.github.com\nport 443\n"
    ready.run()

    assert places.known_hosts.read_text() == (
        "git.example.org ssh-ed25519 BBBB\ngithub.com ssh-ed25519 AAAA\n"
    )
    assert places.ssh_config.read_text() == (
        "Host github.com\n  HostName ssh.github.com\n  Port 443\n  HostKeyAlias github.com\n"
    )
    assert ready.agent().program.environment["BUILDKITE_NO_SSH_KEYSCAN"] == "true"


def test_an_image_whose_ssh_ignores_the_settings_refuses_the_job(ready: World) -> None:
    ready.assignment = granted(secrets=None, ssh=SshHosts(over_443=("gitlab.com",)))
    ready.run()

    assert "ssh does not reach gitlab.com over port 443" in policy(ready)["refused"]


def test_the_check_before_the_job_gets_the_facts_by_which_it_was_given_its_secrets(
    ready: World,
) -> None:
    ready.run()

    assert policy(ready)["facts"] == {
        "BUILDKITE_ORGANIZATION_SLUG": "acme",
        "BUILDKITE_PIPELINE_SLUG": "app",
        "BUILDKITE_BUILD_NUMBER": "7",
        "BUILDKITE_REPO": REPO,
        "BUILDKITE_BRANCH": "main",
        "BUILDKITE_SOURCE": "",
    }


def test_a_missing_key_is_told_with_the_parameters_that_were_looked_for(ready: World) -> None:
    says = "mayfly: there is no ssh key for github.com\n"
    ready.machine.acts["mayfly-job"] = Act(lasts=10, says=says)
    ready.run()

    assert ready.machine.places.no_key.read_text() == (
        "queue deploy has no key for github.com: Parameter Store has no "
        f"{PATH}/{SLUG}/ssh/key and no {PATH}/app/ssh/key (docs/pipelines.md).\n"
    )


def test_an_operators_hook_keeps_its_place_after_ours(ready: World) -> None:
    """For an agent that takes one hooks path."""
    places = ready.machine.places
    places.operator_hooks.mkdir(parents=True)
    (places.operator_hooks / "environment").write_text("#!/bin/bash\n")
    ready.cloud.lay_down(f"{PATH}/app/env/a", "x")
    seen = at_the_start(ready)

    assert seen["environment"] == "give-secrets"
    assert (
        places.hooks / "environment.operator"
    ).readlink() == places.operator_hooks / "environment"


def test_the_sandbox_row_never_holds_a_secret(ready: World) -> None:
    ready.cloud.lay_down(f"{PATH}/app/env/deploy-token", TOKEN)
    ready.run()

    assert TOKEN not in json.dumps(ready.cloud.rows[SANDBOX_ROW])


@pytest.mark.parametrize(
    ("path", "has_ssh", "installs"), [(PATH, False, True), (PATH, True, False), ("", False, False)]
)
def test_set_up_installs_ssh_only_for_a_queue_with_secrets_that_lacks_it(
    world: World, path: str, has_ssh: bool, installs: bool
) -> None:
    world.machine.programs |= {"dnf", *(("ssh", "ssh-agent", "ssh-add") if has_ssh else ())}
    world.machine.installable["openssh-clients"] = "ssh"
    if path:
        world.cloud.parameters["/mayfly/ci/queues/deploy/secrets/path"] = path
    world.set_up()

    assert world.phases[-1] == "bootstrapped"
    assert world.machine.ran("dnf install --assumeyes --quiet openssh-clients") == installs


def test_a_host_that_cannot_install_ssh_says_so_and_boots(world: World) -> None:
    """Its jobs may need no key; one that needs a key is refused."""
    world.cloud.parameters["/mayfly/ci/queues/deploy/secrets/path"] = PATH
    world.set_up()

    assert world.phases[-1] == "bootstrapped"
    assert "the host lacks ssh, ssh-agent, ssh-add, which the job's keys need" in world.console
