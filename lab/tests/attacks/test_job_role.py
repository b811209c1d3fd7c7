"""The role of a running job, taken by other users of its machine and by what is no job of its own.

The attacked job has a role, and its endpoint answers the same request from the job's own process.
"""

from __future__ import annotations

import re
import shlex

from attacks.attempts import Attempt
from attacks.conftest import Seen
from attacks.rows import Code, attack
from attacks.searching import digest, found, search
from attacks.ways import one_line
from mayfly_lab.aws.config import ACCOUNT
from mayfly_lab.given import make_role
from stories.stage import Stage

QUEUE = "closed"
PIPELINE = f"attacks-{QUEUE}"
NAME = "attacked-job"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/ci/{NAME}"
PARAMETERS: dict[str, dict[str, str]] = {QUEUE: {"role/attacked": f"pipeline={PIPELINE} -> {ROLE}"}}
STACKS = {QUEUE: {"JobRolePath": "/ci/"}}
_CANARY = "ASIACANARY0000000000"
_ASK = (
    "curl -sS --max-time 9 -o /dev/null -w 'HTTP %{http_code}. '"
    ' -H "Authorization: $token" "$uri"; '
)
_OWN = f"""
uri=$AWS_CONTAINER_CREDENTIALS_FULL_URI token=$(cat "$AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE")
{_ASK}
"""
_FOUND = """
uri=$(cat /proc/[0-9]*/environ 2>/dev/null | tr '\\0' '\\n' \\
  | sed -n 's/^AWS_CONTAINER_CREDENTIALS_FULL_URI=//p' | head -1)
token=$(cat /run/mayfly/role/token)
"""


def furnish(stage: Stage) -> None:
    """Make the role that the job has; it trusts the queue's sandbox role for this pipeline."""
    sandbox_role = stage.published(QUEUE)["sandbox_role"]
    make_role(stage.lab.aws.client("iam"), f"/ci/{NAME}", sandbox_role, PIPELINE)


@attack(
    "Another user of the machine, and root, ask the endpoint of the job's role with the job's own"
    " token, over IPv4 and IPv6",
    refused_by="the host",
    mechanism="the kernel's table of sockets names the user at the other end, and only the job's"
    " user is answered",
    code=Code(
        _OWN,
        root=f"""{_FOUND}
        {_ASK}
        uri=$(printf %s "$uri" | sed 's/127.0.0.1/[::1]/'); {_ASK.replace("curl ", "curl -g ")}
        export uri token
        setpriv --reuid=65534 --regid=65534 --clear-groups bash -c {shlex.quote(_ASK)}
        """,
    ),
)
def test_no_other_user_gets_the_role_with_the_jobs_token(attempt: Attempt, seen: Seen) -> None:
    job, others = attempt.as_job().output, attempt.as_root().output
    assert re.findall(r"HTTP (\d+)", job) == ["200"]
    assert re.findall(r"HTTP (\d+)", others) == ["403"] * 3, others
    seen(f"job: {one_line(job)}; root by IPv4 and IPv6, and nobody: {one_line(others)}")


@attack(
    "A process of the job's user asks for the role without its token, and with those of others:"
    " an empty one, the agent's, and one of another job",
    refused_by="the host",
    mechanism="each job's endpoint has a token of its own, compared in constant time",
    code=Code(
        f"""uri=$AWS_CONTAINER_CREDENTIALS_FULL_URI
        for token in '' "$BUILDKITE_AGENT_ACCESS_TOKEN" "$(head -c 32 /dev/urandom | base64)"; do
          {_ASK}
        done
        {_OWN}"""
    ),
)
def test_no_other_token_opens_the_endpoint(attempt: Attempt, seen: Seen) -> None:
    job = attempt.as_job().output
    assert re.findall(r"HTTP (\d+)", job) == ["403"] * 3 + ["200"], job
    seen(f"job: {one_line(job)}, the last with its own token")


@attack(
    "The job holds a hundred half-open requests at its endpoint, and then asks",
    refused_by="the host",
    mechanism="a connection has five seconds; the supervisor waits for none of them, and goes on",
    code=Code(
        f"""port=$(printf %s "$AWS_CONTAINER_CREDENTIALS_FULL_URI" | sed 's/.*:\\([0-9]*\\).*/\\1/')
        python3 -c "
import socket, time
held = [socket.create_connection(('127.0.0.1', $port), 9) for _ in range(100)]
for each in held: each.sendall(b'GET /role HT')
time.sleep(14)" &
        sleep 1
        {_OWN.replace("--max-time 9", "--max-time 14")}
        kill $!
        """,
        limit=30,
    ),
)
def test_half_open_requests_hold_up_only_the_job(attempt: Attempt, seen: Seen) -> None:
    job = attempt.as_job().output
    assert re.findall(r"HTTP (\d+)", job) == ["200"], job
    seen(f"job: {one_line(job)}, beside 100 half-open requests of its own")


@attack(
    "Environments of every process, the agent's and the job's among them, and all files are"
    " searched for the credentials of the job's role, by root",
    refused_by="the host",
    mechanism="the variables name an address and a file; the credentials are in the supervisor's"
    " memory alone",
    code=Code(f"{_OWN}; CANARY={_CANARY} sleep 60 & sleep 1; kill $!"),
)
def test_no_environment_and_no_file_holds_the_roles_credentials(
    attempt: Attempt, seen: Seen
) -> None:
    assert "HTTP 200" in attempt.as_job().output
    holders = attempt.attempts.stage.lab.aws.credentials._holders.values()
    keys = [each.keys for each in holders if each.principal.name == NAME]
    assert keys, "the job never had a role"
    secrets = [part for each in keys for part in (each.secret_key, each.token[20:80])]
    wanted = "\n".join([*map(re.escape, secrets), _CANARY])
    attempt.run(f"echo {_CANARY} >/var/tmp/canary")
    attempt.run(f"CANARY={_CANARY} setsid sleep 100 >/dev/null 2>&1 </dev/null &")
    for place in ("processes", "files"):
        by_root = attempt.run(search(place), wanted).output
        assert found(by_root) == {digest(_CANARY)}, by_root
    seen(f"{len(secrets)} secrets, none found in environments and files; the canary is found")
