"""Units and scopes: their order, their limits, and a disk without space."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

from .telling import USER, Bad, Skip, must, run, say, write_unit

DELEGATED = "mayfly-check-delegated"
"""The scope whose user may make cgroups, without `.scope`."""


def after_cloud_init(_: dict[str, Any]) -> str:
    """A unit that is ordered after cloud-init can be started and waited for."""
    loaded = run("systemctl", "show", "--property=LoadState", "--value", "cloud-final.service")[1]
    if loaded != "loaded":
        raise Skip("the machine has no cloud-init")
    text = "[Unit]\nAfter=cloud-final.service cloud-init.target\n[Service]\nType=oneshot\n"
    write_unit("mayfly-check-late.service", text + "ExecStart=/bin/true\n")
    must("systemctl", "start", "mayfly-check-late.service", seconds=180)
    return "cloud-init has ended: " + run("systemctl", "is-active", "cloud-final.service")[1]


def scope(settings: dict[str, Any], name: str, *more: str) -> list[str]:
    """The words before a command that run it in a scope with the known properties of a job's."""
    options = [f"--property={each}" for each in (*known_properties(settings), *more)]
    return ["systemd-run", "--scope", "--collect", "--quiet", f"--unit={name}", *options, "--"]


def known_properties(settings: dict[str, Any]) -> list[str]:
    """The properties of a job's scope that this systemd takes, or their older form."""
    known = []
    for each in settings["properties"]:
        older = settings["older"].get(each)
        known += [name for name in (each, older) if name and _takes(name)][:1]
    return known


def _takes(name: str) -> bool:
    """Whether systemd makes a scope with this property."""
    probe = ["systemd-run", "--scope", "--collect", "--quiet"]
    return not run(*probe, f"--property={name}", "--", "true")[0]


def job_scope(settings: dict[str, Any]) -> str:
    """A job's scope with its properties, under the job's user."""
    unknown = sorted(set(settings["properties"]) - set(known_properties(settings)))
    drop = ["setpriv", f"--reuid={USER}", f"--regid={USER}", "--init-groups", "--"]
    script = "id -un; cat /proc/self/cgroup; exit 7"
    status, output = run(*scope(settings, "mayfly-check-job"), *drop, "sh", "-c", script)
    if status != 7 or not output.startswith(USER) or "mayfly-check-job.scope" not in output:
        raise Bad(f"exit {status}: {output}")
    return f"runs as {USER} with its exit status; unknown properties: {unknown or 'none'}"


_LIMITS = """\
set -e
cat /proc/self/cgroup
cd /sys/fs/cgroup
mkdir container
echo $$ >container/cgroup.procs
cat /proc/self/cgroup
grep -qw memory cgroup.controllers || exit 9
echo 64M >container/memory.max
cat container/memory.max
"""
"""A job makes a cgroup for a container, enters it, and limits its memory."""


def delegated(settings: dict[str, Any]) -> str:
    """The job's user makes cgroups below its scope, as containers with limits need them."""
    words = scope(settings, DELEGATED, settings["delegation"])
    status, output = run(*words, *settings["enter"], "sh", "-c", _LIMITS)
    top, below = "0::/program", "0::/container"
    if top not in output or below not in output:
        raise Bad(f"exit {status}: {output}")
    if status == 9:
        raise Skip("the job's cgroups have no limit of memory here")
    if status or not output.endswith(str(64 << 20)):
        raise Bad(f"exit {status}: {output}")
    return "the job's user made a cgroup, entered it and limited its memory"


_EATS = '''\
import os, re, subprocess, sys
group = "/sys/fs/cgroup" + re.search("0::(.*)", open("/proc/self/cgroup").read())[1]
if not os.path.exists(group + "/memory.events"):
    sys.exit(9)
eat = """
open("/proc/self/oom_score_adj", "w").write("1000")
held = []
for _ in range(1 << 14):
    held.append(bytearray(b"x") * (16 << 20))
"""
eater = subprocess.run([sys.executable, "-c", eat])
print("child", eater.returncode, open(group + "/memory.events").read())
'''
_FORKS = """\
import os, re, signal, sys
group = "/sys/fs/cgroup" + re.search("0::(.*)", open("/proc/self/cgroup").read())[1]
if not os.path.exists(group + "/pids.max"):
    sys.exit(9)
children = []
try:
    while len(children) < int(sys.argv[1]):
        pid = os.fork() or signal.pause()
        children.append(pid)
except OSError:
    pass
for pid in children:
    os.kill(pid, signal.SIGKILL)
print(len(children) + 1, open(group + "/pids.max").read().strip())
"""


def memory(settings: dict[str, Any]) -> str:
    """A process that eats the machine's memory is killed; its parent lives on and can say so."""
    if not run("systemd-detect-virt", "--container")[0]:
        raise Skip("a container shares the memory of other machines")
    words = scope(settings, "mayfly-check-memory")
    status, output = run(*words, "python3", "-c", _EATS, seconds=300)
    if status == 9:
        raise Skip("the kernel counts no kills of a scope here")
    if "child -9" not in output or not re.search(r"oom_kill [1-9]", output):
        raise Bad(f"exit {status}: {output or 'the parent ended with its child'}")
    last = known_properties(settings)[-1]
    return f"the child was killed, its parent lives on and sees it, with {last}"


def pids(settings: dict[str, Any]) -> str:
    """A limit of processes holds for its scope alone; a job's scope has no such limit."""
    limited = scope(settings, "mayfly-check-pids", "TasksMax=50")
    status, some = run(*limited, "python3", "-c", _FORKS, "500")
    if status == 9:
        raise Skip("scopes have no limit of processes here")
    most = run(*scope(settings, "mayfly-check-most"), "python3", "-c", _FORKS, "0")[1]
    if not some.startswith("50 ") or not most.endswith(" max"):
        raise Bad(f"children and limit, with TasksMax=50: {some}; in a job's scope: {most}")
    return f"with TasksMax=50 a scope has no more; a job's scope has no limit: {most}"


def disk_full(settings: dict[str, Any]) -> str:
    """With a full disk the machine can still report and switch itself off."""
    fill = Path("/var/mayfly-check-fill")
    free = shutil.disk_usage("/").free
    if free > 40 << 30:
        raise Skip(f"{free >> 30} GiB are free, too many to fill")
    try:
        run("dd", "if=/dev/zero", f"of={fill}", "bs=1M", seconds=400)
        status, _output = run("sh", "-c", "echo x >/var/mayfly-check-more")
        must(*scope(settings, "mayfly-check-full"), "true")
        say("fact", "disk-full", f"{shutil.disk_usage('/').free} bytes free, write exits {status}")
    finally:
        fill.unlink()
        Path("/var/mayfly-check-more").unlink(missing_ok=True)
    if not status:
        raise Bad("the disk did not get full")
    return "scopes start and the console takes lines while the disk is full"
