"""Tries on the machine under it what a Mayfly host needs, and writes a verdict for each scenario.

Runs as root as the unit `mayfly-check.service`, once in each of three boots. The first boot has
most scenarios and ends with a job that waits for the power button, the second boot ends with a
reboot, the third with the kill of a unit whose failure switches the machine off. Python 3.9,
standard library alone: `mayfly check-image` sends this file as user data.

A verdict is a line of the console: `mayfly-check|WORD|SCENARIO|TEXT`, with the words `ok`, `bad`,
`skip` and `fact`, and `ready` where somebody outside must act.
"""

from __future__ import annotations

import contextlib
import http.server
import json
import os
import pwd
import re
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar

HOME = Path("/var/lib/mayfly-check")
USER = "mayfly-job"
IPV4, IPV6 = "169.254.169.254", "[fd00:ec2::254]"
UNITS = Path("/etc/systemd/system")
PROPERTIES = (
    "After=network-online.target nss-lookup.target",
    "TimeoutStopSec=20",
    "TasksMax=infinity",
    "OOMPolicy=continue",
)
"""Properties of a job's scope; systemd refuses a scope with one that it does not know."""
AT_MOST = 15 * 60
"""Seconds of one boot, after which the machine switches itself off."""
_LONGEST = 300


class Bad(Exception):
    """The scenario went wrong. The text says what was seen."""


class Skip(Exception):
    """The machine lacks what the scenario is about."""


def say(word: str, scenario: str, text: str) -> None:
    """Write a verdict to the console, and keep it on the disk."""
    flat = re.sub(r"[^ -~]+", " ", text)[:_LONGEST]
    line = f"mayfly-check|{word}|{scenario}|{flat}\n"
    # A full disk must not hide a verdict from the console.
    with contextlib.suppress(OSError), (HOME / "verdicts").open("a") as file:
        file.write(line)
    with Path("/dev/console").open("w") as console:
        console.write("\n" + line)


def run(*argv: str, seconds: float = 60, stdin: str = "") -> tuple[int, str]:
    """Exit status and whole output of a program. Raises Bad for one that takes longer."""
    try:
        done = subprocess.run(
            argv,
            input=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=seconds,
            check=False,
            text=True,
        )
    except subprocess.TimeoutExpired:
        raise Bad(f"{' '.join(argv[:3])} took longer than {seconds:g} s") from None
    except OSError as error:
        return 127, str(error)
    return done.returncode, done.stdout.strip()


def must(*argv: str, seconds: float = 60, stdin: str = "") -> str:
    """Output of a program. Raises Bad if it fails."""
    status, output = run(*argv, seconds=seconds, stdin=stdin)
    if status:
        raise Bad(f"{' '.join(argv[:4])} exited with {status}: {output}")
    return output


def until(holds: Callable[[], bool], seconds: float) -> bool:
    """Whether this holds within so many seconds."""
    end = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > end:
            return False
        time.sleep(0.2)
    return True


def boot_id() -> str:
    """The kernel's id of this boot."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def write_unit(name: str, text: str) -> None:
    """Write a unit into /etc and make it known."""
    (UNITS / name).write_text(text)
    must("systemctl", "daemon-reload")


# -- facts -----------------------------------------------------------------------------------------


def facts() -> None:
    """What the page about the image states, as seen here. Nothing depends on these lines."""
    release = dict(
        line.split("=", 1)
        for line in Path("/etc/os-release").read_text().splitlines()
        if "=" in line
    )
    asked: dict[str, list[str]] = {
        "kernel": ["uname", "-rm"],
        "python": ["/usr/bin/python3", "--version"],
        "systemd": ["systemctl", "--version"],
        "cloud-init": ["cloud-init", "--version"],
        "curl": ["curl", "--version"],
        "nft": ["nft", "--version"],
        "git": ["git", "--version"],
        "selinux": ["getenforce"],
        "cgroup": ["stat", "-fc", "%T", "/sys/fs/cgroup"],
        "root": ["findmnt", "-no", "FSTYPE,SIZE", "/"],
        "tmp": ["findmnt", "-no", "FSTYPE,SIZE", "/tmp"],  # noqa: S108 - the directory is the question
        "swap": ["swapon", "--show", "--noheadings"],
        "locale": ["locale"],
        "time": ["timedatectl", "show", "--property=NTPSynchronized"],
        "network": ["systemctl", "is-active", "systemd-networkd", "systemd-resolved"],
        "nss": ["grep", "^hosts:", "/etc/nsswitch.conf"],
        "output": ["grep", "-rhs", "^output", "/etc/cloud"],
    }
    say("fact", "os", release.get("PRETTY_NAME", "?").strip('"'))
    for name, argv in asked.items():
        status, output = run(*argv, seconds=20)
        say("fact", name, output.splitlines()[0] if output else f"nothing, exit {status}")
    denials = run("journalctl", "--boot", "--grep", "avc: +denied", "--quiet", seconds=30)[1]
    say("fact", "selinux-denials", str(len(denials.splitlines())))


# -- set-up ----------------------------------------------------------------------------------------


def python(_: dict[str, Any]) -> str:
    """The Python that the supervisor runs on."""
    found = must("/usr/bin/python3", "-c", "import sys; print(*sys.version_info[:3])").split()
    if tuple(map(int, found)) < (3, 9):
        raise Bad(f"/usr/bin/python3 is {'.'.join(found)}")
    return ".".join(found)


class _Refusing(http.server.BaseHTTPRequestHandler):
    """Answers 400 with a body, and keeps the request's signature."""

    seen: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        self.seen.append(self.headers.get("Authorization", ""))
        self.send_response(400)
        self.end_headers()
        self.wfile.write(b"the body of a refusal")

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        """Log nothing."""


def curl(_: dict[str, Any]) -> str:
    """The options of user data's curl: signature, and the body of an error."""
    server = http.server.HTTPServer(("127.0.0.1", 0), _Refusing)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    options = ["--silent", "--show-error", "--fail-with-body", "--max-time", "10", "--config", "-"]
    url = f"http://127.0.0.1:{server.server_port}/"
    status, output = run(
        *("curl", *options, "--aws-sigv4", "aws:amz:eu-central-1:ssm", url), stdin='user = "a:b"\n'
    )
    server.shutdown()
    signed = [each for each in _Refusing.seen if each.startswith("AWS4-HMAC-SHA256 ")]
    if status != 22 or "the body of a refusal" not in output or not signed:
        raise Bad(f"exit {status}, {len(signed)} signatures, output {output!r}")
    return "signs, and shows the body of a refusal"


def packages(_: dict[str, Any]) -> str:
    """Git and nft, installed as `mayfly_instance.image` installs them."""
    wanted = {"git": "git", "nft": "nftables"}
    missing = [package for name, package in wanted.items() if shutil.which(name) is None]
    if missing:
        must("dnf", "install", "--assumeyes", "--quiet", *missing, seconds=240)
    still = [name for name in wanted if shutil.which(name) is None]
    if still:
        raise Bad(f"dnf did not bring {still}")
    return f"installed {missing}" if missing else "the image has both"


def user(_: dict[str, Any]) -> str:
    """The job's user, made as `mayfly_instance.machine` makes it."""
    home = Path("/var/lib/mayfly-job")
    options = ["--system", "--user-group", "--create-home", "--shell", "/bin/bash"]
    must("useradd", *options, "--home-dir", str(home), USER)
    account = pwd.getpwnam(USER)
    if account.pw_dir != str(home) or home.stat().st_uid != account.pw_uid:
        raise Bad(f"home {account.pw_dir}, owner {home.stat().st_uid}")
    ranges = [line for line in Path("/etc/subuid").read_text().split() if line.startswith(USER)]
    return f"uid {account.pw_uid}, subordinate ids of useradd: {ranges or 'none'}"


# -- daemons of the image --------------------------------------------------------------------------


def mask(unit: str) -> None:
    """Mask and stop a unit as user data does: `systemctl mask` fails while /etc has its file."""
    if (UNITS / unit).is_file() and not (UNITS / unit).is_symlink():
        (UNITS / unit).unlink()
    must("systemctl", "mask", "--quiet", unit)
    run("systemctl", "stop", "--quiet", unit, seconds=100)


def unit_in_etc(_: dict[str, Any]) -> str:
    """A daemon whose unit file is in /etc can be masked and stopped."""
    name = "mayfly-check-decoy.service"
    text = "[Service]\nExecStart=/bin/sleep 5000\n[Install]\nWantedBy=multi-user.target\n"
    write_unit(name, text)
    must("systemctl", "enable", "--now", "--quiet", name)
    status, _output = run("systemctl", "mask", "--quiet", name)
    mask(name)
    if run("systemctl", "is-active", name)[1] == "active" or not run("systemctl", "start", name)[0]:
        raise Bad("the unit runs, or can be started, after its file was removed and it was masked")
    return f"mask alone exits with {status}; without the file the unit is masked and stopped"


def daemons(settings: dict[str, Any]) -> str:
    """Each unit of the image that user data masks: gone, and not to be started."""
    listed = run("systemctl", "list-unit-files", "--no-legend", "--type=service")[1]
    known = {line.split()[0] for line in listed.splitlines() if line.strip()}
    present = [unit for unit in settings["masked"] if unit in known]
    if not present:
        raise Skip("the image has none of the units that user data masks")
    told = []
    for unit in present:
        path = must("systemctl", "show", "--property=FragmentPath", "--value", unit)
        group = must("systemctl", "show", "--property=ControlGroup", "--value", unit)
        pids = _pids(group) if group else []
        mask(unit)
        if left := _left(pids, 10):
            raise Bad(f"{unit} ({path}): processes {left} live after stop")
        if not run("systemctl", "start", unit)[0]:
            raise Bad(f"{unit} ({path}) can be started although it is masked")
        told.append(f"{unit} of {path}, {len(pids)} processes")
    return "masked: " + "; ".join(told)


def _pids(group: str) -> list[int]:
    try:
        return [int(pid) for pid in Path(f"/sys/fs/cgroup{group}/cgroup.procs").read_text().split()]
    except OSError:
        return []


def _left(pids: list[int], seconds: float) -> list[int]:
    """Those processes that still live after so many seconds."""
    until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in pids), seconds)
    return [pid for pid in pids if Path(f"/proc/{pid}").exists()]


# -- the metadata service --------------------------------------------------------------------------


def reaches(who: str, host: str, *before: str) -> bool:
    """Whether curl of this user gets a token of the metadata service."""
    ask = ["--request", "PUT", "--header", "X-aws-ec2-metadata-token-ttl-seconds: 60"]
    curl_ = ["curl", "--silent", "--globoff", "--max-time", "3", "--output", "/dev/null", *ask]
    argv = [*before, *curl_, "--write-out", "%{http_code}", f"http://{host}/latest/api/token"]
    return run("runuser", "-u", who, "--", *argv)[1].endswith("200")


def imds(mode: str) -> Callable[[dict[str, Any]], str]:
    """The scenario of one `imds` mode: who reaches the service, by IPv4 and IPv6."""

    def tried(settings: dict[str, Any]) -> str:
        must("nft", "--file", "-", stdin=settings["rules"]["job"])
        hosts = [host for host in (IPV4, IPV6) if reaches("root", host)]
        if not hosts:
            raise Skip("no metadata service answers, without any rule")
        must("nft", "--file", "-", stdin=settings["rules"][mode])
        allowed = {"off": [], "supervisor": ["root"], "job": ["root", USER]}[mode]
        for host in (IPV4, IPV6):
            for who in ("root", USER):
                if reaches(who, host) is not (who in allowed and host in hosts):
                    raise Bad(f"{who} at {host}: reached {reaches(who, host)}, allowed {allowed}")
        return f"reached by {allowed or 'nobody'}; answering without rules: {hosts}"

    return tried


def user_namespaces(settings: dict[str, Any]) -> str:
    """Root of a user namespace is the job's user for the packet filter."""
    must("nft", "--file", "-", stdin=settings["rules"]["job"])
    enter = ["unshare", "--user", "--map-root-user"]
    if not reaches("root", IPV4):
        raise Skip("no metadata service answers, without any rule")
    if run("runuser", "-u", USER, "--", *enter, "true")[0]:
        raise Skip("the job's user cannot make a user namespace")
    if not reaches(USER, IPV4, *enter):
        raise Bad("without rules the job's user does not reach the service from a namespace")
    must("nft", "--file", "-", stdin=settings["rules"]["supervisor"])
    if reaches(USER, IPV4, *enter):
        raise Bad("root of a user namespace reaches the service")
    return "root of the job's user namespace is refused like the job"


# -- units and scopes ------------------------------------------------------------------------------


def after_cloud_init(_: dict[str, Any]) -> str:
    """A unit that is ordered after cloud-init can be started and waited for."""
    if run("systemctl", "cat", "cloud-final.service")[0]:
        raise Skip("the machine has no cloud-init")
    text = "[Unit]\nAfter=cloud-final.service cloud-init.target\n[Service]\nType=oneshot\n"
    write_unit("mayfly-check-late.service", text + "ExecStart=/bin/true\n")
    must("systemctl", "start", "mayfly-check-late.service", seconds=180)
    return "cloud-init has ended: " + run("systemctl", "is-active", "cloud-final.service")[1]


def scope(name: str, *more: str) -> list[str]:
    """The words before a command that run it in a scope with the known properties of a job's."""
    options = [f"--property={each}" for each in (*known_properties(), *more)]
    return ["systemd-run", "--scope", "--collect", "--quiet", f"--unit={name}", *options, "--"]


def known_properties() -> list[str]:
    """Those of PROPERTIES that this systemd takes."""
    probe = ["systemd-run", "--scope", "--collect", "--quiet"]
    return [p for p in PROPERTIES if not run(*probe, f"--property={p}", "--", "true")[0]]


def job_scope(_: dict[str, Any]) -> str:
    """A job's scope with its properties, under the job's user."""
    unknown = sorted(set(PROPERTIES) - set(known_properties()))
    drop = ["setpriv", f"--reuid={USER}", f"--regid={USER}", "--init-groups", "--"]
    script = "id -un; cat /proc/self/cgroup; exit 7"
    status, output = run(*scope("mayfly-check-job"), *drop, "sh", "-c", script)
    if status != 7 or not output.startswith(USER) or "mayfly-check-job.scope" not in output:
        raise Bad(f"exit {status}: {output}")
    return f"runs as {USER} with its exit status; unknown properties: {unknown or 'none'}"


_EATS = """\
import os, re, subprocess, sys
group = "/sys/fs/cgroup" + re.search("0::(.*)", open("/proc/self/cgroup").read())[1]
if not os.path.exists(group + "/memory.max"):
    sys.exit(9)
eater = subprocess.run([sys.executable, "-c", "x = bytearray(300 << 20)"])
print("child", eater.returncode, open(group + "/memory.events").read())
"""
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
print(len(children))
"""


def memory(_: dict[str, Any]) -> str:
    """One process too large for its scope is killed; its parent lives on and can say so."""
    limits = ["MemoryMax=64M", "MemorySwapMax=0"]
    status, output = run(*scope("mayfly-check-memory", *limits), "python3", "-c", _EATS)
    if status == 9:
        raise Skip("scopes have no limit of memory here")
    if "child -9" not in output or not re.search(r"oom_kill [1-9]", output):
        raise Bad(f"exit {status}: {output or 'the parent ended with its child'}")
    return "the child was killed, its parent lives on, and memory.events counts the kill"


def pids(_: dict[str, Any]) -> str:
    """A limit of processes holds for its scope alone; a job's scope has no such limit."""
    limited = scope("mayfly-check-pids", "TasksMax=50")
    status, some = run(*limited, "python3", "-c", _FORKS, "500")
    if status == 9:
        raise Skip("scopes have no limit of processes here")
    status, all_ = run(*scope("mayfly-check-most"), "python3", "-c", _FORKS, "2000")
    if not some.isdigit() or not 0 < int(some) < 50 or all_ != "2000":
        raise Bad(f"with a limit of 50: {some}; in a job's scope: {all_} of 2000")
    return f"with a limit of 50: {some} children; in a job's scope: {all_} of 2000"


def disk_full(_: dict[str, Any]) -> str:
    """With a full disk the machine can still report and switch itself off."""
    fill = Path("/var/mayfly-check-fill")
    free = shutil.disk_usage("/").free
    if free > 40 << 30:
        raise Skip(f"{free >> 30} GiB are free, too many to fill")
    try:
        run("dd", "if=/dev/zero", f"of={fill}", "bs=1M", seconds=400)
        status, _output = run("sh", "-c", "echo x >/var/mayfly-check-more")
        must(*scope("mayfly-check-full"), "true")
        say("fact", "disk-full", f"{shutil.disk_usage('/').free} bytes free, write exits {status}")
    finally:
        fill.unlink()
        Path("/var/mayfly-check-more").unlink(missing_ok=True)
    if not status:
        raise Bad("the disk did not get full")
    return "scopes start and the console takes lines while the disk is full"


# -- what ends a machine ---------------------------------------------------------------------------

_TELLER = """\
trap 'tell; exit 0' TERM
tell() {
  code=$(curl --silent --max-time 5 --request PUT --output /dev/null --write-out '%{http_code}' \\
    --header 'X-aws-ec2-metadata-token-ttl-seconds: 60' http://169.254.169.254/latest/api/token)
  echo "curl $?, answer $code" >/var/lib/mayfly-check/told
  sync
}
while :; do sleep 1 & wait $!; done
"""


def wait_for_button() -> None:
    """Start a job that tells its end to a server when the machine goes down."""
    subprocess.Popen(
        [*scope("mayfly-check-teller"), "bash", "-c", _TELLER],
        stdin=subprocess.DEVNULL,
        start_new_session=True,
    )
    if not until(
        lambda: run("systemctl", "is-active", "mayfly-check-teller.scope")[1] == "active", 20
    ):
        say("bad", "power-button", "the job's scope did not start")
    say("ready", "power-button", "stop this instance from outside, then start it again")


def power_button(_: dict[str, Any]) -> str:
    """At the power button the job is told while the network is still there."""
    try:
        code = (HOME / "told").read_text().strip()
    except OSError:
        raise Bad("the job got no SIGTERM before the machine was off") from None
    if not code.endswith(" 200"):
        raise Bad(f"the job got SIGTERM, and its request failed: {code}")
    return "the job got SIGTERM, and its request was answered"


def reboot(_: dict[str, Any]) -> str:
    """The machine comes back from a reboot, in another boot."""
    if (HOME / "boot").read_text() == boot_id():
        raise Bad("the kernel has the same boot id")
    return "the machine came back, and ran its enabled unit"


def kill_supervisor() -> None:
    """Kill a unit whose failure must switch the machine off; somebody outside sees it go."""
    text = "[Unit]\nFailureAction=poweroff\n[Service]\nExecStart=/bin/sleep 5000\n"
    write_unit("mayfly-check-supervisor.service", text)
    must("systemctl", "start", "mayfly-check-supervisor.service")
    say("ready", "supervisor-killed", "this machine must be off within a minute")
    must("systemctl", "kill", "--signal=SIGKILL", "mayfly-check-supervisor.service")
    time.sleep(60)
    say(
        "bad",
        "supervisor-killed",
        "the machine still runs a minute after its supervisor was killed",
    )


# -- order -----------------------------------------------------------------------------------------

Scenario = Callable[[dict[str, Any]], str]

FIRST_BOOT: dict[str, Scenario] = {
    "python": python,
    "curl": curl,
    "packages": packages,
    "user": user,
    "after-cloud-init": after_cloud_init,
    "unit-in-etc": unit_in_etc,
    "daemons": daemons,
    "imds-job": imds("job"),
    "imds-supervisor": imds("supervisor"),
    "imds-off": imds("off"),
    "user-namespaces": user_namespaces,
    "scope": job_scope,
    "memory": memory,
    "pids": pids,
    "disk-full": disk_full,
}
SECOND_BOOT: dict[str, Scenario] = {"power-button": power_button}
THIRD_BOOT: dict[str, Scenario] = {"reboot": reboot}


def judge(scenarios: dict[str, Scenario], settings: dict[str, Any]) -> None:
    """Try the scenarios one after the other; none hides the others."""
    for name, scenario in scenarios.items():
        try:
            say("ok", name, scenario(settings))
        except Skip as why:
            say("skip", name, str(why))
        except Bad as why:
            say("bad", name, str(why))
        except Exception as error:  # noqa: BLE001 - a defect of one scenario hides no other
            say("bad", name, f"{type(error).__name__}: {error}")


@contextlib.contextmanager
def bounded() -> Iterator[None]:
    """Switch the machine off after AT_MOST seconds, whatever happens to this process."""
    off = ["systemd-run", "--quiet", f"--on-active={AT_MOST}", "systemctl", "poweroff"]
    must(*off)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    yield


def main() -> None:
    """Do what is next: the number of this boot is on the disk."""
    HOME.mkdir(parents=True, exist_ok=True)
    number = HOME / "number"
    boot = int(number.read_text()) + 1 if number.exists() else 1
    number.write_text(str(boot))
    settings = json.loads(Path(__file__).with_name("settings.json").read_text())
    with bounded():
        if boot == 1:
            facts()
            judge(FIRST_BOOT, settings)
            must("nft", "--file", "-", stdin=settings["rules"]["job"])
            wait_for_button()
        elif boot == 2:
            judge(SECOND_BOOT, settings)
            (HOME / "boot").write_text(boot_id())
            os.sync()
            must("systemctl", "reboot")
        elif boot == 3:
            judge(THIRD_BOOT, settings)
            kill_supervisor()
            must("systemctl", "poweroff")
        else:
            must("systemctl", "poweroff")


if __name__ == "__main__":
    main()
