"""What the image has, and the first steps of the set-up."""

from __future__ import annotations

import http.server
import pwd
import shutil
import threading
from pathlib import Path
from typing import Any, ClassVar

from .telling import USER, Bad, must, run, say


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
    given = _ranges()
    ids = "500000000-500065535"
    must("usermod", "--add-subuids", ids, "--add-subgids", ids, USER)
    if f"{USER}:500000000:65536" not in _ranges():
        raise Bad(f"usermod added no ids: {_ranges()}")
    return (
        f"uid {account.pw_uid}, ids of useradd for containers: {given or 'none'}; usermod adds some"
    )


def _ranges() -> list[str]:
    """The ranges of the job's user in both files of ids for containers."""
    files = [Path("/etc/subuid"), Path("/etc/subgid")]
    for each in files:
        each.touch()  # usermod adds no range without the file.
    lines = [set(each.read_text().split()) for each in files]
    return sorted(line for line in lines[0] & lines[1] if line.startswith(f"{USER}:"))


def ssh(_: dict[str, Any]) -> str:
    """What holds keys for git, as `mayfly_instance.ssh` looks for it. Its lack is no fault.

    Only a queue with secrets/path needs it, and only for jobs with keys.
    """
    missing = [name for name in ("ssh", "ssh-agent", "ssh-add") if shutil.which(name) is None]
    if not missing:
        return "the image has it"
    if shutil.which("dnf") is not None:
        return "set-up installs openssh-clients for a queue with secrets/path"
    return f"the image lacks {missing}: jobs with keys out of secrets/path are refused"
