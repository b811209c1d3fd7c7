"""Who reaches the metadata service while a job runs: root and the job's user, by every way."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from whole.machines import WholeStage, a_whole_stage
from whole.steps import HOLD, let_go

pytestmark = pytest.mark.whole

_TRY = r"""
try() {
  local name=$1 url=$2/latest/api/token; shift 2
  echo "$name=$("$@" curl -gs --max-time 3 --output /dev/null --write-out '%{http_code}' \
    --request PUT --header 'X-aws-ec2-metadata-token-ttl-seconds: 60' "$url")"
}
try ipv4 http://169.254.169.254
try ipv6 'http://[fd00:ec2::254]'
try mapped 'http://[::ffff:169.254.169.254]'
unshare --user --map-root-user true && echo unshare=works
try namespace-ipv4 http://169.254.169.254 unshare --user --map-root-user
try namespace-ipv6 'http://[fd00:ec2::254]' unshare --user --map-root-user
"""
_WAYS = ("ipv4", "ipv6", "mapped", "namespace-ipv4", "namespace-ipv6")
_REACHED, _REFUSED = "200", "000"
_OPEN_TO = {"off": set[str](), "supervisor": {"root"}, "job": {"root", "job"}}


@pytest.fixture(scope="module")
def stage() -> Iterator[WholeStage]:
    parameters = {word: {"imds": word, "job/max-minutes": "60"} for word in _OPEN_TO}
    with a_whole_stage("bookworm", queues=tuple(_OPEN_TO), parameters=parameters) as found:
        yield found


@pytest.mark.parametrize("word", _OPEN_TO)
def test_the_metadata_service_is_open_to_the_chosen_users_by_no_way_to_others(
    word: str, stage: WholeStage
) -> None:
    step = f"steps: [{{label: {word}, command: '{HOLD}', agents: {{queue: '{word}'}}}}]"
    running = stage.start(step)
    machine = running.machine()
    found = {
        "root": _answers(stage.shell(machine, _TRY).stdout),
        "job": _answers(stage.shell(machine, _TRY, user="mayfly-job").stdout),
    }
    let_go(stage, machine)
    assert running.result().job.outcome == "passed"
    for who, answers in found.items():
        expected = _REACHED if who in _OPEN_TO[word] else _REFUSED
        assert answers.pop("unshare") == "works"
        assert answers == dict.fromkeys(_WAYS, expected), who


def _answers(text: str) -> dict[str, str]:
    return {name: code for name, _, code in (line.partition("=") for line in text.splitlines())}


def test_every_promise_was_kept(stage: WholeStage) -> None:
    assert stage.broken_promises() == []
