"""The real user data and supervisor on a machine, from power on to power off."""

from __future__ import annotations

from collections.abc import Iterator
from threading import Timer

import pytest

from local.host_cloud import JOB, HostCloud
from local.machine_kit import INSTANCE, Bench, ScriptedEc2, a_bench, a_profile
from mayfly_lab.machines.ground import Ground

BEFORE = [("AROABOOTSTRAP", "booting"), ("AROABOOTSTRAP", "bootstrapped")]
AFTER = [("AROASANDBOX", phase) for phase in ("sandboxed", "running", "done")]


class Host:
    """One instance with its machine and its cloud."""

    def __init__(self, bench: Bench, cloud: HostCloud) -> None:
        self.bench = bench
        self.cloud = cloud

    def live(self) -> str:
        """Boot, and wait until the machine is off. Returns its console."""
        self.bench.boot(self.cloud.user_data())
        self.bench.until_off()
        return self.bench.room.console(INSTANCE)

    def reason(self) -> str:
        """The instance's own reason for its failure."""
        return str(self.cloud.reports[-1][1].get("reason", ""))


@pytest.fixture
def host(ground: Ground) -> Iterator[Host]:
    ec2 = ScriptedEc2()
    cloud = HostCloud(ec2)
    with a_bench(ground, cloud, ec2, decoys=True) as bench:
        cloud.url = f"http://127.0.0.1:{bench.port}"
        yield Host(bench, cloud)


def test_an_instance_is_set_up_and_proven_and_runs_one_job_and_ends(host: Host) -> None:
    console = host.live()
    assert host.cloud.phases() == BEFORE + AFTER, console
    assert host.cloud.told["arguments"] == f"start --acquire-job {JOB}"
    assert host.cloud.told["name"] == f"q-{INSTANCE}"
    assert host.cloud.told["imds"] == "000", "the job must not reach IMDS"
    if host.bench.namespaces:
        assert host.cloud.told["user"] == "mayfly-job"


def test_no_service_of_the_image_outlives_the_beginning_of_user_data(host: Host) -> None:
    seen = []
    host.cloud.on_phase["booting"] = lambda: seen.append(len(host.cloud.services))
    host.live()
    assert set(host.cloud.services) == {"ASIABOOTSTRAP"}
    assert seen == [len(host.cloud.services)]


def test_jobs_reach_imds_on_a_queue_that_opens_imds_to_jobs(host: Host) -> None:
    host.cloud.assignment = {"imds": "job"}
    host.live()
    assert host.cloud.told["imds"] == "200"


def test_an_instance_ends_cleanly_on_a_queue_that_closes_imds_to_all(host: Host) -> None:
    host.cloud.assignment = {"imds": "off"}
    host.live()
    assert host.cloud.told["imds"] == "000"
    assert host.cloud.phases()[-1] == AFTER[-1]


def test_processes_that_the_script_leaves_in_its_scope_are_killed(host: Host) -> None:
    host.cloud.script = "#!/bin/bash\nsetsid sleep 300 > /dev/null 2>&1 &\necho $HOME\n"
    console = host.live()
    assert host.cloud.phases() == BEFORE + AFTER, console


def test_a_process_that_escaped_the_scripts_scope_fails_the_host(host: Host) -> None:
    host.cloud.script = (
        "#!/bin/bash\ncd /\n"
        "systemd-run --scope --quiet --unit=away -- sleep 300 > /dev/null 2>&1 &\nsleep 1\n"
    )
    host.live()
    assert host.cloud.phases()[-1] == ("AROABOOTSTRAP", "failed")
    assert "left over" in host.reason()
    assert "sleep" in host.reason()


def test_a_failed_script_is_the_hosts_reported_failure(host: Host) -> None:
    host.cloud.script = "#!/bin/bash\necho no such mirror >&2\nexit 3\n"
    host.live()
    assert host.cloud.phases()[-1] == ("AROABOOTSTRAP", "failed")
    assert "exited with 3" in host.reason()
    assert "no such mirror" in host.cloud.reports[-1][1]["words"]


def test_a_bundle_with_another_hash_is_not_run(host: Host) -> None:
    host.cloud.spoil_bundle = True
    console = host.live()
    assert host.cloud.reports == []
    assert "SHA-256" in console


def test_the_proof_waits_until_a_flapping_metadata_service_is_steady(host: Host) -> None:
    host.bench.faults.set("imds-flapping", INSTANCE, count=6)
    console = host.live()
    assert host.cloud.phases() == BEFORE + AFTER, console


def test_the_proof_waits_until_bootstrap_credentials_are_gone(host: Host) -> None:
    host.bench.ec2.stale = {"bootstrap-role": a_profile("bootstrap").keys}
    reported: list[int] = []

    def forget() -> None:
        reported.append(len(host.cloud.reports))
        host.bench.ec2.stale = {}

    host.cloud.on_phase["bootstrapped"] = Timer(1.5, forget).start
    console = host.live()
    assert reported == [len(BEFORE)]
    assert host.cloud.phases() == BEFORE + AFTER, console


def test_a_reboot_by_a_job_switches_the_machine_off(host: Host) -> None:
    host.cloud.job = "sudo reboot || reboot; sleep 30"
    host.cloud.assignment = {"root": "yes", "imds": "job"}
    console = host.live()
    assert "Restarting system" in console
    assert "this boot is not the instance's first" in console
    assert "done" not in [phase for _, phase in host.cloud.phases()]


TELL_SIGNALS = """
trap 'echo QUIT | tell signal; exit 1' QUIT
trap 'echo TERM | tell signal; exit 1' TERM
(sleep 0.5; {order}) &
while :; do sleep 0.05; done
"""


@pytest.mark.parametrize("order", ["poweroff", "systemctl kill --signal=SIGKILL mayfly.service"])
def test_a_machine_that_goes_down_has_its_agent_fail_the_job_while_it_has_a_network(
    host: Host, order: str
) -> None:
    """At a power button the supervisor tells the agent, without a supervisor systemd does."""
    host.cloud.job = TELL_SIGNALS.format(order=order)
    host.cloud.assignment = {"root": "yes", "imds": "job"}
    console = host.live()
    assert host.cloud.told.get("signal") == "QUIT", console


def test_a_kill_for_memory_ends_neither_agent_nor_job_and_is_reported(host: Host) -> None:
    host.cloud.job = (
        "sleep 60 & lab-oom-kill $!; wait $!; echo $? | tell command; sleep 0.5; echo | tell end"
    )
    host.cloud.assignment = {"root": "yes", "imds": "job"}
    console = host.live()
    assert host.cloud.told["command"] == "137"
    assert "end" in host.cloud.told
    assert host.cloud.phases() == BEFORE + AFTER, console
    assert "the kernel killed a process of the job for memory" in host.reason()
    assert host.reason() in console


def test_a_job_may_have_any_number_of_tasks(host: Host) -> None:
    """systemd's usual limit, 15 % of the kernel's threads, is too low for builds."""
    host.cloud.job = "systemctl show --property=TasksMax mayfly-job.scope | tell tasks"
    host.live()
    assert host.cloud.told["tasks"] == "TasksMax=infinity"


def test_the_script_may_wait_for_units_that_are_ordered_after_cloud_init(host: Host) -> None:
    host.cloud.script = """#!/bin/bash
units=$MAYFLY_HOOKS_DIR/../../systemd/system
printf '[Unit]\\nAfter=cloud-final.service\\n[Service]\\nType=oneshot\\nExecStart=true\\n' \
  >"$units/late.service"
set -- "start late" "is-system-running --wait"
for each in "cloud-init status --wait" "${@/#/systemctl }"; do
  timeout 20 $each; echo "$each: $?"
done | tee "$MAYFLY_HOOKS_DIR/waits"
grep -c ': 0' "$MAYFLY_HOOKS_DIR/waits" | grep -qx 3
"""
    console = host.live()
    assert host.cloud.phases() == BEFORE + AFTER, console + str(host.cloud.reports[-1])


SUPERVISOR = "supervisor=$(pgrep -f 'mayfly_instance sandbox')\n"
"""A line of a job that finds the supervisor; only root may look."""


@pytest.fixture
def private_host(host: Host) -> Host:
    if not host.bench.namespaces:
        pytest.skip("without a pid namespace, a job sees the supervisors of all machines")
    host.cloud.assignment = {"root": "yes", "imds": "job"}
    return host


def test_a_killed_supervisor_switches_the_machine_off(private_host: Host) -> None:
    host = private_host
    host.cloud.job = f"{SUPERVISOR}kill -KILL $supervisor; sleep 300"
    console = host.live()
    assert "mayfly.service failed" in console
    assert [phase for _, phase in host.cloud.phases()][-1] == "running"


def test_a_supervisor_that_hangs_is_ended_by_its_watchdog(private_host: Host) -> None:
    host = private_host
    user_data = host.cloud.user_data
    faster = "sed 's,WatchdogSec=180,WatchdogSec=4,;'"
    host.cloud.user_data = lambda: user_data().replace('sed "', f'{faster}"')  # type: ignore[method-assign]
    host.cloud.job = f"{SUPERVISOR}kill -STOP $supervisor; sleep 300"
    console = host.live()
    assert "mayfly.service: Watchdog timeout" in console
