"""The host's files, processes and power attacked by job code, which runs as the agent's user."""

from __future__ import annotations

import re
import shlex

from attacks.attempts import Attempt
from attacks.conftest import Seen
from attacks.rows import Code, Place, attack
from attacks.searching import digest
from attacks.ways import BOTH, one_line

PARAMETERS: dict[str, dict[str, str]] = {"closed": {}}

_PLACES = (
    "/opt/mayfly/mayfly_instance/hooks/environment",
    "/opt/mayfly/mayfly_instance/hooks/pre-bootstrap",
    "/opt/mayfly/mayfly_instance/job.py",
    "/opt/mayfly/bin/buildkite-agent",
    "/opt/mayfly/host.json",
    "/etc/mayfly/hooks/pre-exit",
    "/run/mayfly/agent.cfg",
    "/run/mayfly/policy.json",
    "/run/mayfly/scope.json",
    "/etc/systemd/system/mayfly.service",
    "/etc/systemd/system/other.service",
    "/etc/sudoers.d/job",
    "/etc/profile.d/job.sh",
    "/etc/ld.so.preload",
    "/etc/environment",
    "/etc/gitconfig",
    "/etc/passwd",
    "/usr/local/bin/git",
    "/usr/local/sbin/nft",
)
_TRY = 'for path in {places}; do {test} && echo "may write $path"; done 2>/dev/null; echo tried'


@attack(
    "Job code writes hooks, the agent's configuration, the supervisor, units, PATH and profiles",
    refused_by="the host",
    mechanism="root owns these files and their folders",
    places=BOTH,
    code=Code(
        _TRY.format(places=" ".join(_PLACES), test='echo "# here" >>"$path"'),
        root=_TRY.format(
            places=" ".join(_PLACES),
            test='[ -w "$path" -o -w "$(dirname "$path")" ]',
        ),
    ),
)
def test_the_job_writes_no_file_of_the_host(attempt: Attempt, seen: Seen) -> None:
    job, root = attempt.as_job().output, attempt.as_root().output
    assert job == "tried"
    written = root.count("may write")
    assert written >= len(_PLACES) - 2, root
    seen(f"job: 0 of {len(_PLACES)}; root may write {written}")


_OWN = re.compile(
    r"/(?:tmp|var/tmp|dev/shm|run/lock|var/lock|run/user/\d+|var/lib/mayfly-job|run/mayfly/s"
    r"|run/screen|dev/mqueue|dev/pts|sys/fs/cgroup)(?:/|$)|/home/mayfly-job(?:/|$)"
)


@attack(
    "Job code lays links where root writes or cleans up later: in builds, homes, /run",
    refused_by="the host",
    mechanism="after the job has begun, root writes only below folders of its own; nothing cleans"
    " up, because the machine is switched off",
    places=BOTH,
    code=Code(
        "find / -xdev \\( -path /proc -o -path /sys \\) -prune -o -type d -writable -print"
        " 2>/dev/null; for each in /run /dev /var /opt /etc; do"
        " find $each -xdev -type d -writable 2>/dev/null; done",
        root="find /opt/mayfly /run/mayfly /var/log/mayfly /etc/mayfly -type d -writable | wc -l",
        limit=150,
    ),
)
def test_no_folder_of_root_can_hold_a_link_of_the_job(attempt: Attempt, seen: Seen) -> None:
    folders = set(attempt.as_job().output.splitlines())
    assert any(each.startswith("/var/lib/mayfly-job/builds") for each in folders)
    foreign = sorted(each for each in folders if not _OWN.match(each))
    assert foreign == []
    assert int(attempt.as_root().output) >= 4
    seen(f"job may write {len(folders)} folders, all its own or shared; root's four are not")


_SIGNALS = """
for entry in /proc/[0-9]*; do
  tr '\\0' ' ' 2>/dev/null <"$entry/cmdline" | grep -q -- '-m mayfly_instance' || continue
  for signal in 0 STOP TERM KILL; do
    kill -$signal "${entry#/proc/}" 2>/dev/null; echo "$signal: exit $?"
  done
done
"""


@attack(
    "Job code stops, ends and kills the supervisor by signals",
    refused_by="the kernel",
    mechanism="the supervisor's process is root's",
    places=BOTH,
    code=Code(_SIGNALS, root=_SIGNALS.replace("0 STOP TERM KILL", "0")),
)
def test_the_job_cannot_signal_the_supervisor(attempt: Attempt, seen: Seen) -> None:
    job, root = attempt.as_job().output, attempt.as_root().output
    assert job.splitlines() == [f"{each}: exit 1" for each in ("0", "STOP", "TERM", "KILL")]
    assert "0: exit 0" in root
    seen(f"job: {one_line(job)}; root: {one_line(root)}")


_TRACE = """
import ctypes, glob
libc = ctypes.CDLL(None, use_errno=True)
for entry in glob.glob("/proc/[0-9]*"):
    try:
        with open(f"{entry}/cmdline", "rb") as words:
            if b"-m\\0mayfly_instance" not in words.read():
                continue
    except OSError:
        continue
    traced = libc.ptrace(0x4206, int(entry[6:]), None, None)  # PTRACE_SEIZE
    print("supervisor:", "traced" if traced == 0 else f"error {ctypes.get_errno()}")
"""


@attack(
    "Job code traces the supervisor",
    refused_by="the kernel",
    mechanism="ptrace of root's process needs CAP_SYS_PTRACE",
    places=BOTH,
    code=Code(f"python3 -c {shlex.quote(_TRACE)}"),
)
def test_the_job_cannot_trace_the_supervisor(attempt: Attempt, seen: Seen) -> None:
    job, root = attempt.as_job().output, attempt.as_root().output
    assert job == "supervisor: error 1"
    assert "supervisor: traced" in root
    seen(f"job: {job} (EPERM); root: {one_line(root)}")


@attack(
    "Job code reboots or switches off its machine, or hinders its shutdown by an inhibitor",
    refused_by="systemd and the kernel",
    mechanism="the job's user has no rights on logind, systemd's manager or sysrq",
    places=(Place.WHOLE,),
    code=Code(
        "for command in 'reboot' 'reboot -ff' 'poweroff' 'systemctl reboot' 'systemctl kexec' "
        "'systemd-inhibit --what=shutdown --mode=block true' 'tee /proc/sysrq-trigger' "
        "'kill -INT 1'; do\n"
        '  echo b | timeout 3 $command >/dev/null 2>&1; echo "exit $?: $command"\n'
        "done",
        root="systemctl reboot --dry-run 2>&1 | head -1; kill -0 1; echo exit $?",
    ),
)
def test_the_job_has_no_power_over_its_machine(attempt: Attempt, seen: Seen) -> None:
    job = attempt.as_job().output.splitlines()
    allowed = [line for line in job if line.startswith("exit 0")]
    assert len(job) == 8
    assert allowed == []
    assert attempt.as_root().output.splitlines()[-1] == "exit 0"
    seen("8 commands, none ended with 0, and the machine ran on; root may signal systemd")


_TOKENS = r"""
token='bk(ct|jat|aa|aj|ua)_[A-Za-z0-9_.-]{20,}'
{
  cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ | tr '\0' '\n'
  grep -rhaoE "$token" /run /tmp /var /etc /opt
} 2>/dev/null | grep -aoE "$token" | sort -u | while read -r each; do
  printf 'found %s %s\n' "${each%%_*}" "$(printf %s "$each" | sha256sum | cut -c1-64)"
done
"""


@attack(
    "Job code searches processes and files for tokens of Buildkite",
    refused_by="the control plane",
    mechanism="the cluster's token never leaves dispatch; a host holds what is good for its job",
    places=BOTH,
    code=Code(_TOKENS),
)
def test_the_job_finds_no_token_beyond_its_own(attempt: Attempt, seen: Seen) -> None:
    found = re.findall(r"found (\w+) ([0-9a-f]{64})", attempt.as_job().output)
    buildkite = attempt.attempts.stage.lab.buildkite
    acquisition = [digest(each) for each in buildkite.issued_tokens()]
    assert sorted(kind for kind, _ in found if kind != "bkjat") == ["bkaj"], found
    assert {hashed for kind, hashed in found if kind == "bkjat"} <= set(acquisition[-1:])
    assert "found bkaj" in attempt.as_root().output
    kinds = sorted(kind for kind, _ in found)
    seen(f"found: {', '.join(kinds)}, each of this job; not: the cluster's token (bkct)")
