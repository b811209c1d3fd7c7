"""Bootstrap credentials searched for after set-up: on disk, in processes, in memory, in logs.

The queue's bootstrap script has used them as careless scripts do: in its environment, in files of
AWS's tools, in a process that stays behind, in its output. The searched-for secrets are those that
the metadata service has given to this very machine, to the script and to the image's own daemons.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence

from attacks.attempts import Attempt
from attacks.conftest import Seen
from attacks.rows import Code, attack
from attacks.searching import ANY_KEY, digest, found, keys_of, search
from attacks.ways import BOTH, SESSION
from mayfly_lab.aws.front.call import Kind
from mayfly_lab.contracts import Keys

_CANARY = "ASIACANARY0000000000"
_TAKE = f"""#!/bin/bash
set -eu
{SESSION}
ask() {{ curl -fsS -H "X-aws-ec2-metadata-token: $token" $imds/meta-data/iam/$1; }}
keys=$(ask security-credentials/$(ask security-credentials/))
"""
_CARELESS = f"""{_TAKE}
export AWS_KEYS=$keys
for home in "$HOME" /root /home/someone /var/lib/mayfly-job; do
  mkdir -p "$home/.aws/cli/cache"
  echo "$keys" | tee "$home/.aws/credentials" >"$home/.aws/cli/cache/1.json"
done
setsid sleep 7777 >/dev/null 2>&1 &
echo "$keys"
echo {_CANARY} >/var/tmp/canary
chmod 644 /var/tmp/canary
"""
_KEPT = f"""{_TAKE}
echo "$keys" >/opt/kept
"""
PARAMETERS: dict[str, dict[str, str]] = {"closed": {}, "kept": {}}
SCRIPTS = {"closed": _CARELESS, "kept": _KEPT}


def bootstrap_keys(attempt: Attempt) -> Sequence[Keys]:
    """The bootstrap credentials that the attempt's host was given."""
    host = attempt.attempts.host(attempt.code.queue)
    given = keys_of(attempt.attempts.stage, host, Kind.BOOTSTRAP)
    assert given, "the machine never had bootstrap credentials"
    return given


def secrets_of(attempt: Attempt) -> Sequence[str]:
    """Secret keys and parts of tokens of the host's bootstrap role; ids of keys are no secret."""
    given = bootstrap_keys(attempt)
    return [part for keys in given for part in (keys.secret_key, keys.token[20:80])]


def assert_nothing_found(attempt: Attempt, seen: Seen, place: str) -> None:
    """Assert that neither the job nor root finds the host's bootstrap credentials.

    Root searches for the very secrets, the job for the form of an access key's id, which stands
    beside its secret wherever tools keep one.
    """
    secrets = secrets_of(attempt)
    by_job = attempt.as_job().output
    by_root = attempt.run(search(place), "\n".join([*map(re.escape, secrets), _CANARY])).output
    assert digest(_CANARY) in found(by_root), f"the search is blind: {by_root}"
    assert found(by_job).isdisjoint(digest(keys.access_key) for keys in bootstrap_keys(attempt))
    assert found(by_root) == {digest(_CANARY)}, by_root
    seen(
        f"{len(secrets)} secrets, none found; the canary is found by root, in"
        f" {_number(by_root)} {place}; job: {_number(by_job)} readable"
    )


def _number(output: str) -> str:
    number: str = re.findall(r"^searched (\d+)", output, re.MULTILINE)[-1]
    return number


@attack(
    "The disk is searched for bootstrap credentials, its tmpfs and cloud-init's folders"
    " included, by"
    " job code and by root",
    refused_by="the host",
    mechanism="the script's HOME and caches are a tmpfs that is unmounted; files where tools keep"
    " keys are removed; user data never has keys",
    places=BOTH,
    code=Code(search("files", ANY_KEY), limit=150),
)
def test_no_file_holds_bootstrap_credentials(attempt: Attempt, seen: Seen) -> None:
    assert_nothing_found(attempt, seen, "files")
    assert digest(_CANARY) in found(attempt.as_job().output), "the job's search is blind"


@attack(
    "Command lines, environments and deleted open files of every process are searched"
    " for bootstrap credentials",
    refused_by="the host",
    mechanism="the script's scope is killed whole; its environment goes with its processes, and a"
    " process that is left over condemns the host",
    places=BOTH,
    code=Code(f"CANARY={_CANARY} sleep 60 & {search('processes', ANY_KEY)}; kill $!"),
)
def test_no_process_shows_bootstrap_credentials(attempt: Attempt, seen: Seen) -> None:
    assert digest(_CANARY) in found(attempt.as_job().output), "the job's search is blind"
    attempt.run(f"CANARY={_CANARY} setsid sleep 100 >/dev/null 2>&1 </dev/null &")
    assert_nothing_found(attempt, seen, "processes")


@attack(
    "The memory of every process is searched for bootstrap credentials, by job code and by root",
    refused_by="the host",
    mechanism="set-up ends with an exec, so that no process knows both roles; the job's user may"
    " not read the memory of root's processes",
    places=BOTH,
    code=Code(search("memory", ANY_KEY)),
)
def test_no_memory_holds_bootstrap_credentials(attempt: Attempt, seen: Seen) -> None:
    holds = f"import time; kept = b'{_CANARY[:10]}' + b'{_CANARY[10:]}'; time.sleep(100)"
    attempt.run(f"setsid python3 -c {shlex.quote(holds)} >/dev/null 2>&1 </dev/null & sleep 1")
    assert_nothing_found(attempt, seen, "memory")


@attack(
    "The console and the machine's log show what the bootstrap script has printed",
    refused_by="the host",
    mechanism="the script's output is kept without secrets: by their shape and by what the"
    " supervisor knows",
    places=BOTH,
    code=Code(
        "cat /var/log/mayfly/* 2>&1 | grep -c .; journalctl --quiet 2>&1 | grep -c ASIA || true",
        root="cat /var/log/mayfly/bootstrap-script.log; journalctl --quiet -o cat 2>/dev/null",
    ),
)
def test_no_log_holds_bootstrap_credentials(attempt: Attempt, seen: Seen) -> None:
    secrets = secrets_of(attempt)
    host = attempt.attempts.host(attempt.code.queue)
    log, console = attempt.as_root().output, attempt.attempts.stage.lab.room.console(host)
    assert "AccessKeyId" in log, "the script printed nothing"
    assert "mayfly: " in console
    for secret in secrets:
        assert secret not in log
        assert secret not in console
    assert attempt.as_job().output.splitlines()[-1] == "0"
    seen(f"{len(secrets)} secrets, none in the log, where the script's output is, nor the console")


@attack(
    "A bootstrap script keeps its credentials in a file of its own, which the job reads",
    refused_by="nobody",
    mechanism="Mayfly removes files where tools keep keys; it does not know a script's own files",
    places=BOTH,
    code=Code(f"grep -oE '{ANY_KEY}' /opt/kept | sha256sum | cut -c1-64", queue="kept"),
    remains="The job has bootstrap credentials until they expire, within six hours. They can write"
    " one mailbox row of the same instance, which no longer counts, and whatever policies the"
    " operator attached to the bootstrap role allow. A script's keys belong in its environment"
    " or below its HOME, which is removed.",
)
def test_a_script_can_leave_its_credentials_to_the_job(attempt: Attempt, seen: Seen) -> None:
    read = attempt.as_job().output
    assert read in {digest(f"{keys.access_key}\n") for keys in bootstrap_keys(attempt)}
    seen("the job has read the access key of bootstrap that the script kept")
