"""A whole host in real processes gives its job secrets: real hooks, real ssh-agent and ssh-add."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import mayfly_instance
from mayfly_protocol.grants import Grants, Secrets
from mayfly_protocol.job_facts import JobFacts
from tests.instance.front import serving
from tests.instance.whole_host import KEYS, WholeHost
from tests.instance.worlds import an_assignment

PATH = "/vendors/buildkite/deploy"
REPO = "git@github.com:acme/app.git"
SLUG = "github.com_acme_app.git"
TOKEN = "hunter-22/blue 'and' $(more)\nsecond line of it"
FACTS = JobFacts(pipeline="app", repository=REPO)
HAS_SSH = pytest.mark.skipif(
    not all(map(shutil.which, ("ssh-agent", "ssh-add", "ssh-keygen"))), reason="there is no ssh"
)
# What the agent does around a job, as far as hooks notice: it sources them in one shell here.
_AGENT = r"""#!/bin/bash
case "$1 ${2-} ${3-}" in
--version*) echo buildkite-agent version 3.83.1+x; exit ;;
*--help*) printf -- '--acquire-job --format\n'; exit ;;
redactor*) /bin/cat >"$ROOT/redacted"; exit ;;
esac
look() {
	printf '%s|%s|%s|%s|%s\n' "$1" "$?" "${DEPLOY_TOKEN-none}" \
		"$(ls "$ROOT/run/mayfly/given" 2>/dev/null | tr '\n' ' ')" \
		"$(ssh-add -l 2>/dev/null | cut -d' ' -f3)" | tr '\n' '~' >>"$ROOT/seen"
	echo >>"$ROOT/seen"
}
run() { [[ ! -e $BUILDKITE_HOOKS_PATH/$1 ]] || source "$BUILDKITE_HOOKS_PATH/$1"; }
look start
$EXTRA
run environment; look environment
run pre-checkout; look pre-checkout
run post-checkout; look post-checkout
echo "the log shows $DEPLOY_TOKEN"
exit 1
"""


@pytest.fixture
def host(tmp_path: Path) -> Iterator[WholeHost]:
    with serving(KEYS) as front:
        yield prepared(WholeHost(tmp_path, front, sys.executable))
        assert front.forged == []


def prepared(host: WholeHost, extra: str = "") -> WholeHost:
    """A host with Mayfly's hooks, an agent that runs them, and a kill that reaches ssh-agent."""
    hooks = Path(mayfly_instance.__file__ or "").parent / "hooks"
    target = host.root / "opt/mayfly/mayfly_instance/hooks"
    if not target.exists():
        shutil.copytree(hooks, target, ignore=shutil.ignore_patterns("__pycache__"))
    agent = host.root / "stand-ins/buildkite-agent"
    text = _AGENT.replace("$ROOT", str(host.root)).replace("$EXTRA", extra)
    agent.write_text(text)
    kill = host.root / "stand-ins/systemctl"
    kill.write_text(
        f'#!/bin/bash\necho systemctl "$@" >>"{host.root}/calls"\n'
        f'pkill -KILL -f "ssh-agent -D -a {host.root}/run/mayfly/ssh/"\nexit 0\n'
    )
    return host


def serve(host: WholeHost, secrets: dict[str, str], wanted: Secrets) -> None:
    """Answer as Parameter Store, and as the control plane with an assignment that has grants."""

    def below(asked: dict[str, Any]) -> tuple[int, str]:
        return 200, listed({n: v for n, v in secrets.items() if n.startswith(asked["Path"] + "/")})

    def named(asked: dict[str, Any]) -> tuple[int, str]:
        return 200, listed({n: v for n, v in secrets.items() if n in asked["Names"]})

    host.front.answers["GetParametersByPath"] = below
    host.front.answers["GetParameters"] = named
    grants = Grants(FACTS, wanted).to_row()
    host.assigned = lambda boot: an_assignment(boot=boot, protocol=2, grants=grants)


def listed(found: dict[str, str]) -> str:
    each = [{"Name": n, "Type": "SecureString", "Value": v} for n, v in found.items()]
    return json.dumps({"Parameters": each})


def make_key(directory: Path, name: str, passphrase: str = "") -> str:
    file = directory / name
    command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", passphrase, "-C", name, "-f", str(file)]
    subprocess.run(command, check=True)
    return file.read_text()


def seen(host: WholeHost) -> dict[str, list[str]]:
    """What the job saw before and after each hook: status, variable, files, keys."""
    lines = (host.root / "seen").read_text().splitlines()
    return {line.split("|")[0]: line.strip("~").split("|")[1:] for line in lines}


def everything_told(host: WholeHost) -> str:
    return host.console + host.calls + json.dumps([report for _, _, report in host.reports])


def ssh_agents(host: WholeHost) -> list[str]:
    """Command lines of agents of this host that still run."""
    found = subprocess.run(
        ["pgrep", "-af", f"ssh-agent -D -a {host.root}/"],
        capture_output=True,
        text=True,
        check=False,
    )  # fmt: skip
    return found.stdout.splitlines()


@HAS_SSH
def test_a_job_gets_its_variables_and_keys_each_for_its_time(
    host: WholeHost, tmp_path: Path
) -> None:
    plugins, repository = make_key(tmp_path, "plugins"), make_key(tmp_path, "repository")
    secrets = {
        f"{PATH}/app/env/deploy-token": TOKEN,
        f"{PATH}/{SLUG}/ssh/key": repository.replace("\n", "\r\n"),
        "/vendors/buildkite/plugins-key": plugins,
    }
    serve(host, secrets, Secrets(PATH, ("/vendors/buildkite/plugins-key",)))
    host.run()

    told = TOKEN.replace("\n", "~")
    assert seen(host) == {
        "start": ["0", "none", "hidden variables ", ""],
        "environment": ["0", told, "", "plugins"],
        "pre-checkout": ["0", told, "", "repository"],
        "post-checkout": ["0", told, "", "plugins"],
    }
    hidden = json.loads((host.root / "redacted").read_text())
    assert set(hidden.values()) == {TOKEN, *TOKEN.splitlines()}
    assert ssh_agents(host) == []
    assert not (host.root / "run/mayfly/given").exists()


@HAS_SSH
def test_no_secret_reaches_console_report_or_command_line(host: WholeHost, tmp_path: Path) -> None:
    key = make_key(tmp_path, "repository")
    serve(
        host,
        {f"{PATH}/app/env/deploy-token": TOKEN, f"{PATH}/app/ssh/key": key},
        Secrets(PATH),
    )
    host.run()

    # The agent failed, so that its log's end is reported.
    assert "the log shows [secret]" in host.reports[-1][2]["words"]
    told = everything_told(host)
    for secret in [*TOKEN.splitlines(), *key.splitlines()[1:-1]]:
        assert secret not in told


@HAS_SSH
@pytest.mark.parametrize("kind", ["passphrase", "damaged"])
def test_a_key_that_ssh_add_refuses_refuses_the_job(
    host: WholeHost, tmp_path: Path, kind: str
) -> None:
    key = make_key(tmp_path, "repository", "a passphrase" if kind == "passphrase" else "")
    if kind == "damaged":
        key = key.replace("b3BlbnNzaC1rZXk", "b3BlbnNzaC1rZXx")
    serve(host, {f"{PATH}/app/ssh/key": key}, Secrets(PATH))
    host.run()

    refused = json.loads((host.root / "run/mayfly/policy.json").read_text())["refused"]
    assert refused.startswith(f"ssh-add refuses the key of {PATH}/app/ssh/key: ")
    assert len(refused) > len(f"ssh-add refuses the key of {PATH}/app/ssh/key: ")
    assert seen(host)["environment"] == ["0", "none", "", ""]
    assert ssh_agents(host) == []


@HAS_SSH
def test_the_pipelines_own_variables_turn_nothing_off(host: WholeHost, tmp_path: Path) -> None:
    """What a pipeline's `env` may set before the agent runs its hooks."""
    forged = tmp_path / "forged"
    forged.mkdir()
    for program in ("rm", "kill", "cat"):
        (forged / program).write_text("#!/bin/bash\nexit 1\n")
        (forged / program).chmod(0o755)
    names = ("directory", "agent", "shared", "repository", "pid", "keep", "here", "line")
    lines = [f"export {name}={forged}" for name in names]
    lines += [f"export PATH={forged}:$PATH", "set -x", "export MAYFLY_SSH_BEFORE=", "set -v"]
    lines += [f"export MAYFLY_HOOKS_DIR={forged} BUILDKITE_REDACTED_VARS= SSH_AUTH_SOCK="]
    prepared(host, "\n".join(lines))
    key = make_key(tmp_path, "repository")
    serve(
        host,
        {f"{PATH}/app/env/deploy-token": TOKEN, f"{PATH}/app/ssh/key": key},
        Secrets(PATH),
    )
    host.run()

    told = TOKEN.replace("\n", "~")
    assert seen(host)["environment"] == ["0", told, "", ""]
    assert seen(host)["pre-checkout"][3] == "repository"
    assert seen(host)["post-checkout"][3] == ""
    log = (host.root / "var/log/mayfly/agent.log").read_text()
    assert "export DEPLOY_TOKEN" not in log
    assert set(json.loads((host.root / "redacted").read_text()).values()) >= {TOKEN}


@HAS_SSH
@pytest.mark.parametrize(
    ("during", "skip", "keys"),
    [
        (False, False, ["", "repository", ""]),
        (True, False, ["", "repository", "repository"]),
        (False, True, ["", "", ""]),
        (True, True, ["repository", "repository", "repository"]),
    ],
)
def test_the_repositorys_key_serves_the_command_only_where_the_queue_says_so(
    host: WholeHost, tmp_path: Path, during: bool, skip: bool, keys: list[str]
) -> None:
    key = make_key(tmp_path, "repository")
    prepared(host, "export BUILDKITE_SKIP_CHECKOUT=true" if skip else "")
    serve(host, {f"{PATH}/app/ssh/key": key}, Secrets(PATH, ssh_during_command=during))
    host.run()

    names = ("environment", "pre-checkout", "post-checkout")
    assert [seen(host)[name][3] for name in names] == keys


def test_a_job_whose_secrets_are_gone_does_not_run_without_them(host: WholeHost) -> None:
    prepared(host, f"rm {host.root}/run/mayfly/given/variables")
    serve(host, {f"{PATH}/app/env/deploy-token": TOKEN}, Secrets(PATH))
    host.run()

    assert seen(host)["environment"][:2] == ["1", "none"]
    log = (host.root / "var/log/mayfly/agent.log").read_text()
    assert "+++ Mayfly: the secrets of this job are gone" in log


def test_a_job_runs_with_no_secret_that_its_agent_does_not_hide(host: WholeHost) -> None:
    agent = host.root / "stand-ins/buildkite-agent"
    agent.write_text(
        agent.read_text().replace("redactor*) /bin/cat", "redactor*) exit 1; /bin/cat")
    )
    serve(host, {f"{PATH}/app/env/deploy-token": TOKEN}, Secrets(PATH))
    host.run()

    assert seen(host)["environment"][:2] == ["1", "none"]


def test_the_operators_environment_hook_sees_the_variables(host: WholeHost) -> None:
    hooks = host.root / "etc/mayfly/hooks"
    hooks.mkdir(parents=True)
    text = 'export DEPLOY_TOKEN="operator saw ${#DEPLOY_TOKEN}"'
    (hooks / "environment").write_text(f"#!/bin/bash\n{text}\n")
    serve(host, {f"{PATH}/app/env/deploy-token": TOKEN}, Secrets(PATH))
    host.run()

    assert seen(host)["environment"][1] == f"operator saw {len(TOKEN)}"


def test_three_folders_are_read_side_by_side(host: WholeHost) -> None:
    """No call waits for another: each waits here until all are on their way."""
    together = threading.Barrier(4, timeout=60)
    serve(host, {}, Secrets(PATH, ("/vendors/buildkite/plugins-key",)))
    below, named = (host.front.answers[n] for n in ("GetParametersByPath", "GetParameters"))
    host.front.answers["GetParametersByPath"] = lambda asked: (together.wait(), below(asked))[1]
    host.front.answers["GetParameters"] = lambda asked: (together.wait(), named(asked))[1]
    host.run()

    assert not together.broken
    refused = json.loads((host.root / "run/mayfly/policy.json").read_text())["refused"]
    assert refused == "/vendors/buildkite/plugins-key does not exist"
