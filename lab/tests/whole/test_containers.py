"""Containers of a job that has no root: where their processes are, what they reach, what ends them.

Needs podman of the machine alone: the image is made of the machine's static busybox.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from mayfly_instance import agent
from mayfly_instance.containers import IDS
from mayfly_instance.places import JOB_USER
from mayfly_lab.machines.whole.kinds import Kind
from whole.machines import Running, WholeStage, a_whole_stage

OPEN, CLOSED, DOCKER = "open", "closed", "docker"
_PARAMETERS = {
    OPEN: {"imds": "job"},
    CLOSED: {"imds": "supervisor", "pool/hot": "1"},
    DOCKER: {"imds": "off", "job/max-minutes": "60", "job/root": "docker", "job/attempts": "1"},
}
_NSPAWN = ("--system-call-filter=@keyring",)
"""systemd-nspawn forbids keyrings, which an instance does not: crun gives each container one."""
# systemd-nspawn covers parts of /proc, and then the kernel refuses a new one to a user namespace
# (mount_too_revealing in fs/namespace.c), unless the machine has a whole one somewhere.
_SCRIPT = f"""\
#!/bin/bash
set -e
mkdir /run/whole-proc
mount -t proc proc /run/whole-proc
ps -u {JOB_USER} -o comm= >/var/lib/before-the-proof || true
"""
_IMAGE = """\
mkdir image
cp /bin/busybox image
ln -s usr/lib image/lib
ln -s usr/lib64 image/lib64
tar -C image -c . | podman import --quiet - base
printf 'FROM localhost/base\\nRUN ["/busybox", "touch", "/made"]\\n' >Containerfile
podman build --quiet --tag app .
"""
_WAIT = "touch /tmp/up; until [ -e /tmp/go ]; do sleep 0.1; done"
# The root of a machine in systemd-nspawn is an overlay, on which no other overlay can write.
_JOB = f"""\
set -e
export STORAGE_DRIVER=vfs
echo runtime=$XDG_RUNTIME_DIR is $(stat --format %U:%a $XDG_RUNTIME_DIR)
{_IMAGE}
echo built=$(podman run --rm localhost/app /busybox ls /made)
reach() {{
  local name=$1 url=$2
  shift 2
  echo $name=$(podman run --rm "$@" --volume /usr:/usr:ro localhost/app /usr/bin/curl -gs \
    --max-time 5 -X PUT -H 'X-aws-ec2-metadata-token-ttl-seconds: 60' \
    --output /dev/null --write-out '%{{http_code}}' $url/latest/api/token || true)
}}
reach host-ipv4 http://169.254.169.254 --network host
reach host-ipv6 'http://[fd00:ec2::254]' --network host
reach default http://169.254.169.254
podman run --detach --name root localhost/app /busybox sleep 600
podman run --detach --name other --user 1000 localhost/app /busybox sleep 600
{_WAIT}
"""
_LIMITED = f"""\
set -e
{_IMAGE}
echo limit=$(podman run --rm --memory 64m localhost/app /busybox cat /sys/fs/cgroup/memory.max)
podman run --rm --memory 64m localhost/app /busybox tail /dev/zero || echo status=$?
"""
_WAYS = ("host-ipv4", "host-ipv6", "default")
_SCOPE = f"/system.slice/{agent.UNIT}.scope"


@dataclass(frozen=True, slots=True)
class Process:
    """One process that has not ended."""

    uid: int
    cgroup: str
    name: str


@dataclass(frozen=True, slots=True)
class Scene:
    """What was seen while two jobs with containers ran."""

    stage: WholeStage
    before: str
    """Processes of the job's user when the bootstrap script ran, and on the ready host."""
    ids: dict[str, str]
    """Line of the job's user in each file."""
    during: list[Process]
    """Processes of the job's user, and of its ids for containers, while the job ran."""
    outlived: list[Process]
    """Those that were there after the agent's end."""
    left: list[Process]
    """Those that were there after the kill of the job's scope."""
    answers: dict[str, dict[str, str]]
    """Lines NAME=VALUE of the log, by queue."""
    outcomes: dict[str, str | None]


@pytest.fixture(scope="module")
def scene(suite: str) -> Iterator[Scene]:
    queues = (OPEN, CLOSED, DOCKER)
    scripts = dict.fromkeys((OPEN, CLOSED), _SCRIPT)
    with a_whole_stage(
        suite, queues=queues, parameters=_PARAMETERS, scripts=scripts, words=_NSPAWN
    ) as stage:
        (machine,) = stage.ready(CLOSED)
        before = _before(stage, machine)
        stage.lab.put_parameter(CLOSED, "pool/hot", "0")
        stage.until("no host is kept for later jobs", lambda: stage.in_force(CLOSED).hot.most == 0)
        docker = stage.start(_steps("true", DOCKER))
        held = stage.start(_steps(_JOB, OPEN, CLOSED))
        hosts = {job.label: stage.assigned(job.id) for job in held.jobs()}
        assert hosts[CLOSED] == machine
        for job in held.jobs():
            _until_up(stage, job.id, hosts[job.label])
        yield _seen(stage, held, hosts, before)
        docker.result()


def _steps(command: str, *queues: str) -> str:
    steps = [{"label": each, "command": command, "agents": {"queue": each}} for each in queues]
    return json.dumps({"steps": steps})


def _before(stage: WholeStage, machine: str) -> str:
    return stage.shell(machine, f"cat /var/lib/before-the-proof; ps -u {JOB_USER} -o comm=").stdout


def _until_up(stage: WholeStage, job: str, machine: str) -> None:
    def up() -> bool:
        assert stage.job(job).outcome is None, stage.log_of(job)
        return stage.shell(machine, "[ -e /tmp/up ]").returncode == 0

    stage.until(f"containers run on {machine}", up)


def _seen(stage: WholeStage, held: Running, hosts: dict[str, str], before: str) -> Scene:
    machine = hosts[CLOSED]
    files = ("/etc/subuid", "/etc/subgid")
    ids = {each: stage.shell(machine, f"grep ^{JOB_USER}: {each}").stdout for each in files}
    during = _processes(stage, machine)
    # A supervisor that stands still cannot end what the agent leaves.
    stage.shell(machine, "systemctl kill --kill-who=main --signal=SIGSTOP mayfly.service")
    for each in hosts.values():
        stage.shell(each, "touch /tmp/go")
    stage.until("both jobs end", lambda: all(job.outcome for job in held.jobs()))
    stage.until("the agent ends", lambda: not _named(_processes(stage, machine), "buildkite-agent"))
    outlived = _processes(stage, machine)
    stage.shell(machine, f"systemctl kill --signal=SIGKILL {agent.UNIT}.scope")
    left = _after_kill(stage, machine)
    stage.shell(machine, "systemctl kill --kill-who=main --signal=SIGCONT mayfly.service")
    held.result()
    jobs = held.jobs()
    answers = {job.label: _values(stage.log_of(job.id)) for job in jobs}
    outcomes = {job.label: job.outcome for job in jobs}
    return Scene(stage, before, ids, during, outlived, left, answers, outcomes)


def _processes(stage: WholeStage, machine: str) -> list[Process]:
    """Processes of the job's user, and of its ids for containers."""
    first = int(stage.shell(machine, f"grep ^{JOB_USER}: /etc/subuid").stdout.split(":")[1])
    user = int(stage.shell(machine, f"id -u {JOB_USER}").stdout)
    mine = {user, *range(first, first + IDS)}
    # A process that has ended and that its parent has not asked for is a Z.
    lines = stage.shell(machine, "ps -eo stat=,uid=,cgroup:200=,comm=").stdout.splitlines()
    fields = [line.split(None, 3) for line in lines]
    found = [
        Process(int(uid), group, name) for state, uid, group, name in fields if state[0] != "Z"
    ]
    return [process for process in found if process.uid in mine]


def _named(processes: list[Process], name: str) -> list[Process]:
    return [process for process in processes if process.name.startswith(name)]


def _after_kill(stage: WholeStage, machine: str, seconds: float = 10) -> list[Process]:
    """Processes of the job that a kill leaves; a killed process may take a moment to end."""
    until = time.monotonic() + seconds
    while (left := _processes(stage, machine)) and time.monotonic() < until:
        time.sleep(0.1)
    return left


def _values(log: str) -> dict[str, str]:
    """The lines NAME=VALUE of a log, without the agent's timestamps."""
    lines = (line.rpartition("\x07")[2].strip() for line in log.splitlines())
    return {
        name: value for name, equals, value in (line.partition("=") for line in lines) if equals
    }


@pytest.mark.whole
@pytest.mark.parametrize("queue", [OPEN, CLOSED])
def test_a_job_without_root_builds_an_image_and_runs_it(scene: Scene, queue: str) -> None:
    assert scene.outcomes[queue] == "passed"
    assert scene.answers[queue]["built"] == "/made"


@pytest.mark.whole
def test_the_job_user_has_ids_for_containers_and_a_runtime_directory(scene: Scene) -> None:
    for line in scene.ids.values():
        assert int(line.split(":")[2]) == IDS
    runtime, owner = scene.answers[CLOSED]["runtime"].split(" is ")
    assert runtime.startswith("/run/user/")
    assert owner == f"{JOB_USER}:700"


@pytest.mark.whole
def test_no_process_of_the_job_user_exists_before_the_job(scene: Scene) -> None:
    assert scene.before == ""


@pytest.mark.whole
def test_containers_and_what_serves_them_are_in_the_jobs_scope(scene: Scene) -> None:
    assert {process.name for process in scene.during} >= {"buildkite-agent", "busybox", "conmon"}
    assert len(_named(scene.during, "busybox")) == 2
    assert len({process.uid for process in scene.during}) == 2
    outside = [each for each in scene.during if not each.cgroup.startswith(f"0::{_SCOPE}/")]
    assert outside == []


@pytest.mark.whole
def test_detached_containers_outlive_the_agent_and_end_with_the_jobs_scope(scene: Scene) -> None:
    assert len(_named(scene.outlived, "busybox")) == 2
    assert scene.left == []


@pytest.mark.whole
@pytest.mark.parametrize(("queue", "code"), [(OPEN, "200"), (CLOSED, "000")])
def test_a_container_reaches_the_metadata_service_no_further_than_its_job(
    scene: Scene, queue: str, code: str
) -> None:
    answers = scene.answers[queue]
    assert {way: answers[way] for way in _WAYS} == dict.fromkeys(_WAYS, code)


@pytest.mark.whole
def test_a_host_without_the_docker_of_its_queue_fails_and_the_jobs_page_says_what_is_missing(
    scene: Scene,
) -> None:
    stage = scene.stage
    (job,) = (job for job in stage.lab.buildkite.jobs() if job.queue == DOCKER)
    ended = stage.ended(job.id)
    said = "job/root is docker, and the host lacks docker, dockerd, docker.service"
    (machine,) = stage.launched(DOCKER)
    assert said in stage.gone(machine).reason
    assert said in stage.last_words(machine)
    assert ended.outcome == "failed"
    assert said in (ended.detail or "")


@pytest.mark.whole
def test_every_promise_was_kept(scene: Scene) -> None:
    assert scene.stage.broken_promises() == []


@pytest.mark.vm
def test_a_containers_limit_of_memory_holds_and_the_jobs_log_says_what_it_killed() -> None:
    """Needs a kernel that gives its controllers to cgroups of version 2."""
    with a_whole_stage(kind=Kind.VM) as stage:
        job = stage.run(_steps(_LIMITED, "default")).job
        assert job.outcome == "passed", job.log
        values = _values(job.log)
        assert values["limit"] == str(64 << 20)
        assert values["status"] == "137"
        assert "of this job for memory: a memory limit inside the job was reached" in job.log
