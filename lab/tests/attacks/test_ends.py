"""Jobs that resist their end, stop their agent, use up their host, or as root attack the host."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime

from attacks import hosts
from attacks.collector import Collector
from attacks.conftest import Seen
from attacks.rows import Place, attack
from attacks.searching import ANY_KEY, digest, found, keys_of, search
from attacks.ways import BOTH, ask
from mayfly.records.model import Instance
from mayfly_lab.aws.front.call import Kind
from stories.stage import Stage
from whole.output import lines, values
from whole.steps import HOLD, leave_free

PARAMETERS = {
    "closed": {"job/attempts": "1", "pool/hot": "1"},
    "root": {"job/root": "yes", "imds": "off", "job/max-minutes": "60"},
    "sandbox": {"job/root": "yes", "imds": "job"},
}
_WHOLE = (Place.WHOLE,)
_OFF = 60.0
"""Seconds from a job's end to the end of its machine; seconds on an idle machine."""


def end_of(stage: Stage, job: str) -> datetime:
    """Wait for the job's end. Returns when the job ended."""
    finished = stage.ended(job).timeline.finished
    assert finished is not None
    return finished


def off_after(gone: Instance, since: datetime) -> float:
    """Seconds from a moment until the machine was off, which must not be many."""
    seconds = (gone.history[-1].at - since).total_seconds()
    assert seconds < _OFF
    return seconds


def off_after_job(stage: Stage, job: str) -> float:
    """Wait until a job has ended and its instance is gone. Returns the seconds between both."""
    finished = end_of(stage, job)
    return off_after(stage.gone(stage.served(job).instance_id or ""), finished)


_STAYS = """
cat >stays <<'CODE'
trap '' TERM INT QUIT HUP ABRT
while :; do curl -s --max-time 1 -d "$1" COLLECTOR/stays; sleep 0.2; done
CODE
setsid bash stays session </dev/null >/dev/null 2>&1 &
nohup bash stays nohup </dev/null >/dev/null 2>&1 &
( (bash stays orphan </dev/null >/dev/null 2>&1 &) & )
unshare --user --map-root-user --pid --fork bash stays namespace </dev/null >/dev/null 2>&1 &
sleep 600 & kill -STOP $!
sleep 2; echo job ends
"""


@attack(
    "A job leaves processes behind: of another session, orphaned, in namespaces, that ignore"
    " signals,"
    " stopped",
    refused_by="the host",
    mechanism="the job's scope is killed whole, then the machine is switched off; no other job"
    " runs there",
    places=BOTH,
)
def test_processes_of_a_job_end_with_it(stage: Stage, collector: Collector, seen: Seen) -> None:
    before = len(collector.sent("/stays"))
    job = stage.push("closed", _STAYS.replace("COLLECTOR", collector.url))
    off = off_after_job(stage, job)
    sent = collector.sent("/stays")[before:]
    assert {each.body for each in sent} == {"session", "nohup", "orphan", "namespace"}
    last = max(each.at for each in sent) - end_of(stage, job).timestamp()
    time.sleep(1)
    assert collector.sent("/stays")[before:] == sent
    seen(
        f"4 processes sent {len(sent)} times, the last {last:+.1f} s from the job's end; the"
        f" machine was off {off:.1f} s after it"
    )


@attack(
    "Job code stops its agent, a process of the same user, by SIGSTOP",
    refused_by="nobody",
    mechanism="agent and job are one user; all that the agent holds is good for this one job",
    places=(Place.LAB,),
    remains="The job harms itself: Buildkite marks the agent as lost, or the host ends it at"
    " job/max-minutes. A lower job/max-minutes ends it sooner.",
)
def test_a_job_that_stops_its_agent_harms_itself(stage: Stage, seen: Seen) -> None:
    command = (
        "agent=$(pgrep -o -u $(id -u) buildkite-agent || ps -o ppid= -p $PPID)\n"
        "echo stopping; sleep 1; (kill -STOP $agent; echo $? >/tmp/sent) & sleep 1000"
    )
    job = stage.push("closed", command)
    host = stage.running(job)
    stage.until("the signal is sent", lambda: hosts.run(stage, host, "cat /tmp/sent").output == "0")
    states = hosts.run(stage, host, "ps -eo stat=,user:20=,args=").output
    assert re.search(r"^T\S*\s+mayfly-job\s+.*buildkite-agent", states, re.MULTILINE), states
    assert re.search(r"root\s.*-m mayfly_instance", states)
    # A cancel at Buildkite does not reach a stopped agent; an operator's terminate ends the host.
    stage.lab.aws.client("ec2").terminate_instances(InstanceIds=[host])
    gone = stage.gone(host)
    assert len(stage.assignments(job)) == 1
    seen(f"the agent stands still, the supervisor runs on; the instance is {gone.state}, no rerun")


@attack(
    "Job code kills its agent",
    refused_by="nobody",
    mechanism="agent and job are one user; the host sees the agent's end, and switches off",
    places=BOTH,
    remains="The job harms itself: it fails as a lost agent, and its machine is switched off."
    " Nobody can be"
    " kept from killing a process of the same user.",
)
def test_a_job_that_kills_its_agent_loses_its_machine(stage: Stage, seen: Seen) -> None:
    job = stage.push("closed", "echo killing; sleep 1; pkill -KILL -u $(id -u) buildkite-agent")
    host = stage.running(job)
    killed = datetime.now(UTC)
    gone = stage.gone(host)
    off = off_after(gone, killed)
    assert len(stage.assignments(job)) == 1
    seen(f"the machine was off {off:.1f} s later; the job ran once; {gone.reason}")


# ---------------------------------------------------------------- resources


_FILLS = f"""
set +e
{HOLD}
dd if=/dev/zero of=filler bs=1M; echo "disk=$?"
echo more >more; echo "more=$?"
exit 0
"""
_TRAPS = """
trap '' TERM INT QUIT HUP
python3 - <<'CODE'
import os, signal
children = []
try:
    while len(children) < 2000:
        pid = os.fork()
        if pid == 0:
            for number in (signal.SIGTERM, signal.SIGQUIT, signal.SIGINT, signal.SIGHUP):
                signal.signal(number, signal.SIG_IGN)
            os.setsid()
            while True:
                signal.pause()
        children.append(pid)
        if len(children) % 2:
            os.kill(pid, signal.SIGSTOP)
except OSError as error:
    print("fork:", error)
print(f"processes={len(children)}", flush=True)
CODE
exit 3
"""


@attack(
    "Job code fills the disk of its host, so that the host cannot write either",
    refused_by="the host",
    mechanism="what the host writes after the job goes to the network and the console",
    places=_WHOLE,
)
def test_a_full_disk_does_not_keep_a_machine(stage: Stage, seen: Seen) -> None:
    job = stage.push("closed", _FILLS)
    host = stage.running(job)
    leave_free(stage, host, 64 << 20)
    hosts.let_go(stage, host)
    told = values(stage.log_of(job)) if stage.ended(job).outcome == "passed" else {}
    assert (told["disk"], told["more"]) == ("1", "1")
    off = off_after_job(stage, job)
    assert "the agent ended with 0" in stage.lab.room.console(host)
    seen(f"no byte was left; the job passed; the machine was off {off:.1f} s after its end")


@attack(
    "Two thousand processes that ignore signals, half of them stopped, when the job ends",
    refused_by="the host",
    mechanism="SIGKILL to the whole scope, then power-off",
    places=_WHOLE,
)
def test_many_processes_that_ignore_signals_do_not_keep_a_machine(stage: Stage, seen: Seen) -> None:
    job = stage.push("closed", _TRAPS)
    assert stage.ended(job).exit_status == 3
    assert values(stage.log_of(job))["processes"] == "2000"
    off = off_after_job(stage, job)
    seen(f"2000 processes; the machine was off {off:.1f} s after the job's end")


# ---------------------------------------------------------------- root in a job


_ASK = ask("169.254.169.254")
_FLUSH = f'echo "before: $({_ASK})"; nft flush ruleset; echo "after: $({_ASK})"; sleep 300'


@attack(
    "A job of root removes the metadata rules of its host",
    refused_by="the host, after at most 5 seconds",
    mechanism="the host tries the rule every 5 seconds, sets it again, and stops the job",
    places=BOTH,
    remains="With job/root=yes or docker a job can undo the rules, and take the sandbox role's"
    " credentials, never bootstrap's. job/root=no or rootless-docker closes it; or give the"
    " sandbox role nothing that its jobs must not have.",
)
def test_a_job_of_root_opens_the_service_for_a_moment(stage: Stage, seen: Seen) -> None:
    job = stage.push("root", _FLUSH)
    ended = stage.ended(job)
    log = stage.log_of(job)
    assert "before: HTTP 000" in log
    assert "after: HTTP 200" in log
    assert ended.outcome == "failed"
    gone = stage.gone(stage.served(job).instance_id or "")
    words = f"{gone.ended_job} {gone.reason}"
    assert "the metadata rules were removed while the job ran" in words
    seen("before: HTTP 000; after the flush: HTTP 200; then the host stopped the job")


@attack(
    "A job of root reboots its host, to run again without the gate",
    refused_by="the host",
    mechanism="a boot that is not the first one runs no job, and powers off",
    places=_WHOLE,
)
def test_a_reboot_by_a_job_of_root_ends_the_machine(stage: Stage, seen: Seen) -> None:
    job = stage.push("root", "echo here; sleep 1; systemctl reboot; sleep 100")
    gone = stage.gone(stage.running(job))
    console = stage.lab.room.console(gone.instance_id or "")
    assert "the instance has had its job" in console
    first, second = console.split("running in system mode")[1:]
    assert "starting the agent for job" in first
    assert "starting the agent for job" not in second
    seen("the second boot said that the instance has had its job, and powered off without an agent")


@attack(
    "A job of root kills the supervisor",
    refused_by="systemd",
    mechanism="FailureAction=poweroff of the supervisor's unit",
    places=_WHOLE,
)
def test_a_killed_supervisor_takes_its_machine_along(stage: Stage, seen: Seen) -> None:
    command = "echo here; sleep 1; pkill -KILL -f -- '-m mayfly_[i]nstance'; sleep 300"
    job = stage.push("root", command)
    host = stage.running(job)
    killed = datetime.now(UTC)
    seen(f"the machine was off {off_after(stage.gone(host), killed):.1f} s later")


@attack(
    "A job of root searches the supervisor's memory for bootstrap credentials",
    refused_by="the host",
    mechanism="the supervisor's process never had them: set-up ends with an exec, and the gate asks"
    " whether bootstrap is still served without reading the answer",
    places=BOTH,
)
def test_root_in_a_job_finds_no_bootstrap_credentials(stage: Stage, seen: Seen) -> None:
    job = stage.push("sandbox", f'echo "user $(id -u)"\n{search("memory", ANY_KEY)}')
    assert stage.ended(job).outcome == "passed", stage.log_of(job)
    host = stage.served(job).instance_id or ""
    log = "\n".join(lines(stage.log_of(job)))
    ids = {k: {digest(e.access_key) for e in keys_of(stage, host, k)} for k in Kind}
    assert found(log) & ids[Kind.SANDBOX], "the search is blind"
    assert found(log).isdisjoint(ids[Kind.BOOTSTRAP])
    seen("root's job found keys of the sandbox role, which it may have, and none of bootstrap")
