"""A job's secrets, keys and role on a whole machine: who sees them, at which moment, what is left.

One job for each Debian, from a private repository with a submodule and a plugin. Hooks of the
operator hold it before its first hook and before its checkout, its command holds it once more; at
each of these moments root looks at the machine, and a unit of the image looks when it goes down.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest

from e2e.repositories import private_server
from e2e.ssh_server import SshServer
from mayfly_lab.aws.config import ACCOUNT
from mayfly_lab.machines.machine import Door
from whole.looks import URI, last_look, lay_program, look
from whole.machines import Result, Running, WholeStage, a_whole_stage
from whole.output import lines, values

pytestmark = pytest.mark.whole

_PIPELINE = "app"
_PATH = "/vendors/buildkite/default"
_OWN, _SHARED = "canary-of-app-4711", "canary-of-all-4711"
_ROLE = f"arn:aws:iam::{ACCOUNT}:role/ci/app-deploy"
# GitHub's own. Source: GitHub docs, "GitHub's SSH key fingerprints".
_GITHUB = (
    "github.com ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl"
)
_OF_THE_IMAGE = _GITHUB.replace("github.com", "git.example.org")
_BEFORE_HOOKS, _BEFORE_CHECKOUT, _COMMAND, _END = "pre-bootstrap", "pre-checkout", "command", "end"
_POWER = 30.0
"""From the supervisor's end to power-off. systemd's own limit for a stop is 90 s."""
_HOLD = "touch /tmp/at-{0}; until [ -e /tmp/go-{0} ]; do sleep 0.1; done"
_SCRIPT = "#!/bin/bash\nset -e\n" + "".join(
    f"install -m 755 /dev/stdin \"$MAYFLY_HOOKS_DIR/{each}\" <<'END'\n"
    f"#!/bin/bash\n{_HOLD.format(each)}\nEND\n"
    for each in (_BEFORE_HOOKS, _BEFORE_CHECKOUT)
)
_COMMANDS = rf"""
echo "token $DEPLOY_TOKEN, for all $FOR_ALL"
cat library/NAME
for host in github.com git.example.org "$GIT_HOST"; do
  ssh-keygen -F "$host" -f /etc/ssh/ssh_known_hosts >/dev/null && echo "known=$host"
done
ssh -G github.com | sed -nE 's/^(hostname|port|hostkeyalias|globalknownhostsfile) /ssh.\1=/p'
ssh -G gitlab.com | sed -nE 's/^(hostname|port) /gitlab.\1=/p'
echo "imds=$AWS_EC2_METADATA_DISABLED"
echo "keys=${{AWS_ACCESS_KEY_ID-none}}"
cat >/tmp/ask.py <<'EOF'
import json, os, urllib.request
from datetime import datetime, timezone
from mayfly_instance.aws import Aws
from mayfly_instance.clock import Clock
from mayfly_instance.sigv4 import Credentials
with open(os.environ["AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"]) as file:
    headers = {{"Authorization": file.read()}}
uri = os.environ["AWS_CONTAINER_CREDENTIALS_FULL_URI"]
for name, url in (("ipv4", uri), ("ipv6", uri.replace("127.0.0.1", "[::1]"))):
    request = urllib.request.Request(url, headers=headers)
    try:
        found = json.load(urllib.request.urlopen(request, timeout=30))
    except OSError as error:
        print(f"{{name}}={{error}}")
        continue
    ends = datetime.strptime(found["Expiration"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=timezone.utc)
    keys = Credentials(found["AccessKeyId"], found["SecretAccessKey"], found["Token"], ends)
    aws = Aws(os.environ["AWS_REGION"], "aws", os.environ["AWS_ENDPOINT_URL"], Clock(), seconds=30)
    print(name + "=" + aws.caller(keys).arn, "of", found["RoleArn"])
EOF
PYTHONPATH=${{BUILDKITE_HOOKS_PATH%/mayfly_instance/hooks}} python3 -S /tmp/ask.py
printf %s "$AWS_CONTAINER_CREDENTIALS_FULL_URI" >{URI}
{_HOLD.format(_COMMAND)}
"""
_ASK = rf"""
token=$(cat /run/mayfly/role/token)
ask() {{
  echo "$1=$(runuser -u "$2" -- curl -gsS --max-time 9 --output /dev/null \
    --write-out '%{{http_code}}' ${{4:+--header "Authorization: $4"}} "$3")"
}}
for family in ipv4 ipv6; do
  uri=$(cat {URI})
  [ $family = ipv4 ] || uri=$(sed 's/127.0.0.1/[::1]/' {URI})
  ask $family.job mayfly-job "$uri" "$token"
  ask $family.job-without mayfly-job "$uri"
  ask $family.job-with-another mayfly-job "$uri" "${{token}}x"
  ask $family.nobody nobody "$uri" "$token"
  ask $family.root root "$uri" "$token"
done
"""
_WRITTEN = """
journalctl --no-pager --all --output=verbose
systemctl show 'mayfly*'
cat /run/systemd/transient/* /proc/[0-9]*/cmdline
cat /var/log/mayfly/* /run/mayfly/policy.json /opt/mayfly/mayfly_instance/hooks/*
"""
"""What systemd and the host have written, and every command line."""


@dataclass(frozen=True, slots=True)
class _Life:
    """One job, from its assignment to the end of its machine."""

    server: SshServer
    stage: WholeStage
    result: Result
    looks: Mapping[str, Mapping[str, str]]
    """What was there, by moment."""
    answers: Mapping[str, str]
    """HTTP status of the role's endpoint, by address and who asks."""
    written: str
    """What was written on the machine while the command ran."""
    hidden: frozenset[str]
    """What must stand nowhere: values, the secret lines of keys, the token of the role."""

    @property
    def log(self) -> str:
        return self.result.job.log

    @property
    def told(self) -> dict[str, str]:
        return values(self.log)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SshServer]:
    with private_server(tmp_path_factory.mktemp("repositories")) as server:
        yield server


@pytest.fixture(scope="module")
def life(
    suite: str, server: SshServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[_Life]:
    layer = tmp_path_factory.mktemp("layer")
    lay_program(layer)
    known = layer / "etc/ssh/ssh_known_hosts"
    known.parent.mkdir(parents=True)
    known.write_text(_OF_THE_IMAGE)  # An editor may have left no line break at its end.
    server.used.clear()
    shared, own = server.key_of("greeter"), server.key_of("parts", "library")
    secrets = {
        f"{_PATH}/{_PIPELINE}/env/deploy-token": _OWN,
        f"{_PATH}/global/env/for-all": _SHARED,
        f"{_PATH}/plugins/greeter": shared,
        f"{_PATH}/127.0.0.1-{server.port}_parts.git/ssh/key": own,
    }
    # The line of a key's file in which its secret part begins (PROTOCOL.key of OpenSSH).
    hidden = frozenset({_OWN, _SHARED, shared.splitlines()[4], own.splitlines()[4]})
    with a_whole_stage(
        suite,
        scripts={"default": _SCRIPT},
        parameters={
            "default": {
                "job/attempts": "1",
                "secrets/path": _PATH,
                "secrets/shared-ssh-keys": f"{_PATH}/plugins/greeter",
                "ssh/known-hosts": f"{_GITHUB}\n{server.deploy_key.known_hosts}",
                "ssh/over-443": "github.com",
                "role/deploy": f"pipeline={_PIPELINE} -> {_ROLE} minutes=15",
            }
        },
        stacks={"default": {"SecretsPath": _PATH, "JobRolePath": "/ci/"}},
        secrets=secrets,
        roles={"default": ["/ci/app-deploy"]},
        layers=[layer],
        doors=[Door(server.port, server)],
    ) as stage:
        yield _lived(stage, server, hidden)


def _start(stage: WholeStage, server: SshServer, pipeline: str) -> tuple[Running, str]:
    """Start the job as a pipeline. Returns the id of its machine, too."""
    step = {
        "label": pipeline,
        "command": _COMMANDS,
        "env": {"GIT_HOST": f"[127.0.0.1]:{server.port}"},
        "plugins": [{f"{server.url('greeter')}#main": None}],
    }
    running = stage.start(json.dumps({"steps": [step]}), pipeline, server.url("parts"))
    return running, stage.assigned(running.jobs()[0].id)


def _lived(stage: WholeStage, server: SshServer, hidden: frozenset[str]) -> _Life:
    """Start the job, and look at its machine at each moment."""
    running, machine = _start(stage, server, _PIPELINE)
    looks: dict[str, Mapping[str, str]] = {}
    answers, written, token = dict[str, str](), "", ""
    for moment in (_BEFORE_HOOKS, _BEFORE_CHECKOUT, _COMMAND):
        _wait_for(stage, running, machine, moment)
        looks[moment] = look(stage, machine)
        if moment == _COMMAND:
            # First, because the journal gets command lines of what is asked below.
            written = stage.shell(machine, _WRITTEN).stdout
            answers = values(stage.shell(machine, _ASK).stdout)
            token = stage.shell(machine, "cat /run/mayfly/role/token").stdout
        _let_go(stage, machine, moment)
    result = running.result()
    looks[_END] = last_look(result.machine.console.text)
    assert token, "the job has no role"
    return _Life(server, stage, result, looks, answers, written, hidden | {token})


def _wait_for(stage: WholeStage, running: Running, machine: str, moment: str) -> None:
    def held() -> bool:
        (job,) = running.jobs()
        assert job.outcome is None, stage.log_of(job.id)
        return stage.shell(machine, f"test -e /tmp/at-{moment}").returncode == 0

    stage.until(f"the job is held at {moment}", held)


def _let_go(stage: WholeStage, machine: str, moment: str) -> None:
    done = stage.shell(machine, f"touch /tmp/go-{moment}")
    assert done.returncode == 0, done.stderr


def test_a_job_gets_its_variables_and_its_log_hides_them(life: _Life) -> None:
    assert life.result.job.outcome == "passed", f"{life.log}\n{life.result.machine.console}"
    assert "token [REDACTED], for all [REDACTED]" in lines(life.log)


def test_variables_lie_in_memory_for_the_jobs_user_alone_until_its_first_hook(life: _Life) -> None:
    before = life.looks[_BEFORE_HOOKS]
    for name in ("variables", "hidden"):
        assert before[f"{name}.mayfly-job"] == "read"
        assert before[f"{name}.nobody"] == "Permission denied"
        assert before[f"{name}.owner"] == "mayfly-job 400"
        assert before[f"{name}.folder"] == "mayfly-job 700"
        assert before[f"{name}.kind"] == "tmpfs"
        assert int(before[f"{name}.bytes"]) > len(_OWN) + len(_SHARED)
    for moment in (_BEFORE_CHECKOUT, _COMMAND):
        assert life.looks[moment]["given"] == "there:"


@pytest.mark.parametrize("key", ["shared", "repository"])
def test_each_ssh_agent_is_a_scope_of_systemd_as_the_jobs_user(key: str, life: _Life) -> None:
    for moment in (_BEFORE_HOOKS, _BEFORE_CHECKOUT):
        found = life.looks[moment]
        assert f"mayfly-ssh-{key}.scope" in found["units"].split()
        assert found[f"{key}.state"] == "active"
        assert found[f"{key}.processes"] == "mayfly-job ssh-agent"
        assert found["agents"] == "mayfly-job mayfly-job"


def test_each_key_is_used_for_its_repositories_and_by_no_other_user(life: _Life) -> None:
    keys = {"shared": "greeter (ED25519)", "repository": "parts library (ED25519)"}
    for key, name in keys.items():
        assert life.looks[_BEFORE_CHECKOUT][f"{key}.mayfly-job"] == name
        assert life.looks[_BEFORE_CHECKOUT]["ssh.folder"] == "mayfly-job 700"
        refused = life.looks[_BEFORE_CHECKOUT][f"{key}.nobody"]
        assert refused == "Error connecting to agent: Permission denied"
    assert "hello from the plugin" in lines(life.log)
    assert "the library" in lines(life.log)
    assert set(life.server.used) == {
        ("greeter", "greeter"),
        ("parts library", "parts"),
        ("parts library", "library"),
    }


def test_the_repositorys_ssh_agent_ends_with_the_checkout(life: _Life) -> None:
    found = life.looks[_COMMAND]
    assert found["repository.state"] == "inactive"
    assert found["units"] == "mayfly-ssh-shared.scope"
    assert found["agents"] == "mayfly-job"
    assert found["shared.mayfly-job"] == "greeter (ED25519)"


def test_the_roles_token_is_the_jobs_users_alone(life: _Life) -> None:
    found = life.looks[_COMMAND]
    assert found["token.mayfly-job"] == "read"
    assert found["token.nobody"] == "Permission denied"
    assert found["token.owner"] == "mayfly-job 400"
    assert found["token.folder"] == "mayfly-job 700"
    assert found["token.kind"] == "tmpfs"
    assert int(found["token.bytes"]) > 40


def test_the_job_has_its_role_by_the_endpoint_alone_over_ipv4_and_ipv6(life: _Life) -> None:
    job = life.result.job.view.id
    session = f"arn:aws:sts::{ACCOUNT}:assumed-role/app-deploy/{_PIPELINE}-1-{job}"
    told = life.told
    assert (told["ipv4"], told["ipv6"]) == (f"{session} of {_ROLE}",) * 2
    assert (told["imds"], told["keys"]) == ("true", "none")


@pytest.mark.parametrize("family", ["ipv4", "ipv6"])
def test_the_endpoint_answers_the_jobs_user_with_the_token_and_nobody_else(
    family: str, life: _Life
) -> None:
    assert {who: status for who, status in life.answers.items() if who.startswith(family)} == {
        f"{family}.job": "200",
        f"{family}.job-without": "403",
        f"{family}.job-with-another": "403",
        f"{family}.nobody": "403",
        f"{family}.root": "403",
    }


def test_ssh_knows_the_pinned_hosts_beside_those_of_the_image(life: _Life) -> None:
    known = [line.partition("=")[2] for line in lines(life.log) if line.startswith("known=")]
    assert known == ["github.com", "git.example.org", f"[127.0.0.1]:{life.server.port}"]
    assert "/etc/ssh/ssh_known_hosts" in life.told["ssh.globalknownhostsfile"].split()
    assert "ssh-keyscan" not in life.log


def test_ssh_takes_port_443_of_the_chosen_hosts_alone(life: _Life) -> None:
    told = life.told
    assert (told["ssh.hostname"], told["ssh.port"]) == ("ssh.github.com", "443")
    assert told["ssh.hostkeyalias"] == "github.com"
    assert (told["gitlab.hostname"], told["gitlab.port"]) == ("gitlab.com", "22")


def test_no_value_no_key_and_no_token_is_written_down(life: _Life) -> None:
    """Not in the journal of systemd either, nor in its units, described by their commands."""
    texts = {
        "log": life.log,
        "console": life.result.machine.console.text,
        "machine": life.written,
    }
    assert [(w, each) for w, text in texts.items() for each in life.hidden if each in text] == []
    for control in (
        "UNIT=mayfly-ssh-repository.scope",
        "Id=mayfly-ssh-shared.scope",
        "ssh-agent\0-D\0-a\0/run/mayfly/ssh/shared",
        "shared=/run/mayfly/ssh/shared",
        '"has_key": true',
    ):
        assert control in life.written, control


def test_nothing_is_left_of_secrets_keys_and_role_when_the_machine_goes_down(life: _Life) -> None:
    there, left = life.looks[_COMMAND], life.looks[_END]
    assert there["role"] == "there: token"
    assert there["ssh"].startswith("there: ")
    assert re.fullmatch(r"127\.0\.0\.1:(\d+) \[::1\]:\1", there["endpoint"])
    assert left["policy"] == there["policy"] == "/run/mayfly/policy.json"
    assert [left[place] for place in ("given", "role", "ssh")] == ["gone"] * 3
    assert (left["units"], left["agents"], left["endpoint"]) == ("", "", "")
    console = life.result.machine.console
    assert console.at("look=begun") > console.at("the agent ended with 0")


def test_the_ssh_agents_of_a_killed_supervisor_end_with_its_machine_at_once(life: _Life) -> None:
    stage = life.stage
    running, machine = _start(stage, life.server, "killed")
    _wait_for(stage, running, machine, _BEFORE_HOOKS)
    _let_go(stage, machine, _BEFORE_HOOKS)
    _wait_for(stage, running, machine, _BEFORE_CHECKOUT)
    assert look(stage, machine)["agents"] == "mayfly-job mayfly-job"
    since = datetime.now(UTC)
    killed = stage.shell(machine, "systemctl kill --kill-whom=main -s KILL mayfly.service")
    assert killed.returncode == 0, killed.stderr
    result = running.result()
    assert result.job.outcome == "failed"
    off = (result.machine.record.history[-1].at - since).total_seconds()
    assert off < _POWER, str(result.machine.console)
    # What the supervisor would have ended is there, until systemd ends it.
    assert last_look(result.machine.console.text)["agents"] == "mayfly-job mayfly-job"
    assert "Reached target poweroff.target" in result.machine.console


def test_every_promise_was_kept(life: _Life) -> None:
    assert life.stage.broken_promises() == []
