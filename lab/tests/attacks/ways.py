"""Ways to ask the metadata service from a process, in Bash and Python, and what refuses them."""

from __future__ import annotations

import shlex
from collections.abc import Callable

from attacks.attempts import Attempt
from attacks.rows import Place

BOTH = (Place.LAB, Place.WHOLE)
FILTER = "the host's packet filter"
BY_USER = "nftables rejects every packet to the service whose socket is not root's"

PUT = "-X PUT -H 'X-aws-ec2-metadata-token-ttl-seconds: 60'"
SESSION = f"""imds=http://169.254.169.254/latest
token=$(curl -fsS {PUT} $imds/api/token)"""
"""Bash that sets `imds` to the service's URL, and `token` to a new token of version 2."""
SHOWN = "-gs --max-time 4 -o /dev/null -w 'HTTP %{http_code}'"


def ask(address: str, options: str = "", before: str = "") -> str:
    """Bash that asks for a token of the service, and tells HTTP's status and curl's."""
    url = f"'http://{address}/latest/api/token'"
    return f'{before} curl {SHOWN} {PUT} {options} {url}; echo ", curl exits with $?"'


def assert_refused(
    attempt: Attempt, seen: Callable[[str], None], reached: str = "HTTP 200"
) -> None:
    """Assert that the job got no answer, and that root got one by the same code."""
    job, root = attempt.as_job(), attempt.as_root()
    assert "HTTP 000" in job.output
    assert "HTTP 2" not in job.output
    assert "HTTP 4" not in job.output
    assert reached in root.output, root
    seen(f"job: {one_line(job.output)}; root: {one_line(root.output)}")


def one_line(text: str) -> str:
    return " / ".join(dict.fromkeys(line.strip() for line in text.splitlines() if line.strip()))


FORWARDER = """
cat >"$PWD/forward.py" <<'END'
import socket, sys, threading
def copy(source, sink):
    try:
        while piece := source.recv(65536):
            sink.sendall(piece)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        pass
listening = socket.socket(socket.AF_UNIX)
listening.bind(sys.argv[1])
listening.listen()
while True:
    near, _ = listening.accept()
    try:
        far = socket.create_connection(("169.254.169.254", 80), 3)
    except OSError:
        near.close()
        continue
    for pair in ((near, far), (far, near)):
        threading.Thread(target=copy, args=pair, daemon=True).start()
END
python3 "$PWD/forward.py" "$PWD/forward.socket" &
trap 'kill $!; rm -f "$PWD/forward.socket"' EXIT
until [ -S "$PWD/forward.socket" ]; do sleep 0.1; done
"""
BY_PROXY = ask("169.254.169.254", '--unix-socket "$PWD/forward.socket"')
IN_A_NETWORK = "bash -c " + shlex.quote(BY_PROXY)
RAW = """
import socket
for family, kind in ((socket.AF_INET, socket.SOCK_RAW), (socket.AF_PACKET, socket.SOCK_RAW)):
    try:
        socket.socket(family, kind, 6)
        print(family.name, "opened")
    except PermissionError as error:
        print(family.name, error.strerror)
"""
TAKE = """
import ctypes, glob, os
libc = ctypes.CDLL(None, use_errno=True)
taken = refused = 0
for entry in glob.glob("/proc/[0-9]*"):
    try:
        with open(f"{entry}/cmdline", "rb") as words:
            if b"-m\\0mayfly_instance" not in words.read():
                continue
        handle = os.pidfd_open(int(entry[6:]))
    except OSError:
        continue
    for number in range(16):
        got = libc.syscall(438, handle, number, 0)  # pidfd_getfd
        taken += got >= 0
        refused += got < 0 and ctypes.get_errno() == 1
print(f"open files of the supervisor: {taken} taken, {refused} refused")
"""
