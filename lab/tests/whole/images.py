"""What images have that Debian's tree has not: folders that lie over it."""

from __future__ import annotations

from pathlib import Path

_UNITS = Path("etc/systemd/system")
_WORKER = """\
#!/usr/bin/python3 -IS
# As the SSM agent's worker: ignores SIGTERM, and ends by itself a moment after its agent.
import ctypes, pathlib, signal, time
ctypes.CDLL(None).prctl(15, b"ssm-agent-worker", 0, 0, 0)
signal.signal(signal.SIGTERM, signal.SIG_IGN)
def agent_runs():
    names = set()
    for each in pathlib.Path("/proc").glob("[0-9]*/comm"):
        try:
            names.add(each.read_text().strip())
        except OSError:
            pass
    return "amazon-ssm-agen" in names
while not agent_runs():
    time.sleep(0.05)
while agent_runs():
    time.sleep(0.05)
time.sleep(2)
"""


def lay_daemons(layer: Path) -> None:
    """Daemons of AWS where packages and image builders put them.

    The CloudWatch agent has its unit file in /etc, as its own package does it. The unit of xray in
    /etc is a link to a file elsewhere. A worker of the SSM agent lives in another unit than the
    agent, and a moment longer.
    """
    _daemon(layer, "amazon-cloudwatch-agent", "/opt/aws/amazon-cloudwatch-agent")
    _daemon(layer, "xray", "/opt/xray/xray", linked=True)
    worker = layer / "usr/local/bin/ssm-agent-worker"
    worker.parent.mkdir(parents=True)
    worker.write_text(_WORKER)
    worker.chmod(0o755)
    _unit(layer, "image-worker", "/usr/local/bin/ssm-agent-worker", "KillMode=process\n")


def _daemon(layer: Path, name: str, program: str, *, linked: bool = False) -> None:
    """A daemon of this name: `sleep`, whose process has the program's name."""
    file = layer / program.lstrip("/")
    file.parent.mkdir(parents=True)
    file.symlink_to("/bin/sleep")
    _unit(layer, name, f"{program} infinity")
    if linked:
        target = file.with_suffix(".service")
        (layer / _UNITS / f"{name}.service").rename(target)
        (layer / _UNITS / f"{name}.service").symlink_to(f"/{target.relative_to(layer)}")


def _unit(layer: Path, name: str, command: str, more: str = "") -> None:
    """A unit in /etc that the machine starts at boot."""
    file = layer / _UNITS / f"{name}.service"
    wants = layer / _UNITS / f"multi-user.target.wants/{name}.service"
    wants.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"[Unit]\nDescription={name}\n[Service]\nExecStart={command}\n{more}")
    wants.symlink_to(f"/{_UNITS}/{name}.service")
