"""Operators' bootstrap scripts: good ones, one that leaves a unit behind, one that fails."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from whole.machines import Result, WholeStage, a_whole_stage
from whole.output import lines
from whole.steps import HOLD, let_go

pytestmark = pytest.mark.whole

_GOOD = r"""#!/bin/bash
set -eux
# Users and processes of all kinds, none of which may outlive the script.
su - mayfly-job -c 'setsid sleep 71001 >/dev/null 2>&1 & id'
runuser -u mayfly-job -- sh -c 'setsid sleep 71002 >/dev/null 2>&1 &'
setsid sleep 71003 >/dev/null 2>&1 &
nohup sleep 71004 >/dev/null 2>&1 &
( trap '' TERM HUP; exec sleep 71005 ) &
# Caches of the operator's own, with credentials.
mkdir -p ~/.cache/x && echo secret >~/.cache/x/y
mkdir -p /root/.aws && echo key >/root/.aws/credentials
printf '#!/bin/bash\necho "operator hook runs as $(id -un)"\n' >"$MAYFLY_HOOKS_DIR/environment"
chmod 777 "$MAYFLY_HOOKS_DIR/environment"
"""
_WAITS = r"""#!/bin/bash
set -u
cat >/etc/systemd/system/late.service <<'UNIT'
[Unit]
After=cloud-final.service
[Service]
Type=oneshot
ExecStart=/bin/true
UNIT
systemctl daemon-reload
tell() { echo "waited for $1: $2" >/dev/console; }
timeout 60 systemctl start late.service; tell "a unit after cloud-init" $?
timeout 60 cloud-init status --wait >/dev/null; tell "cloud-init" $?
timeout 60 systemctl is-system-running --wait >/dev/null; tell "the system" $?
exit 0
"""
_LEAVES = """#!/bin/bash
systemd-run --quiet --unit=operators-daemon sleep 71006
"""
_FAILS = r"""#!/bin/bash
for i in $(seq 200); do echo "line $i of the output, about as long as lines are in practice"; done
echo "aws_secret_access_key = wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY01"
exit 7
"""
_SECRET = "wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY01"
_SCRIPTS = {"good": _GOOD, "waits": _WAITS, "leaves": _LEAVES, "fails": _FAILS}


@pytest.fixture(scope="module")
def suite() -> str:
    return "bookworm"


@pytest.fixture(scope="module")
def stage(suite: str) -> Iterator[WholeStage]:
    once = {"job/attempts": "1"}
    with a_whole_stage(
        suite,
        queues=tuple(_SCRIPTS),
        scripts=_SCRIPTS,
        parameters=dict.fromkeys(_SCRIPTS, once),
    ) as found:
        yield found


def _step(queue: str, command: str = "true") -> str:
    return f"steps: [{{label: {queue}, command: '{command}', agents: {{queue: {queue}}}}}]"


def test_a_good_script_leaves_hooks_and_no_process_mount_or_credential(stage: WholeStage) -> None:
    running = stage.start(_step("good", HOLD))
    machine = running.machine()
    left = stage.shell(machine, "grep -lazE 'sleep.7[1]00' /proc/[0-9]*/cmdline")
    mounts = stage.shell(machine, "grep ^tmpfs.*mayfly /proc/mounts").stdout
    files = stage.shell(machine, "ls -A /root/.aws /root/.cache; ls -l /etc/mayfly/hooks").stdout
    let_go(stage, machine)
    result = running.result()
    assert result.job.outcome == "passed", result.job.log
    assert "operator hook runs as mayfly-job" in lines(result.job.log)
    assert left.stdout == ""
    assert mounts == ""
    assert "credentials" not in files
    assert "-rwxr-xr-x 1 root root" in files


def test_a_script_may_wait_for_units_after_cloud_init(stage: WholeStage) -> None:
    result = stage.run(_step("waits"))
    console = result.machine.console
    assert "waited for a unit after cloud-init: 0" in console, str(console)
    assert "waited for the system: 0" in console, str(console)
    # cloud-init tells warnings by its exit status, too.
    assert "waited for cloud-init: " in console, str(console)
    assert "waited for cloud-init: 124" not in console, str(console)
    assert result.job.outcome == "passed", result.job.log


def test_a_script_that_leaves_a_unit_behind_is_refused_with_its_name(stage: WholeStage) -> None:
    result = stage.run(_step("leaves"))
    assert "processes of the bootstrap script are left over: sleep[" in _failure(result)
    assert result.machine.console.at("are left over: sleep[") > 0


def test_the_last_words_of_a_script_that_fails_are_its_output_without_secrets(
    stage: WholeStage,
) -> None:
    result = stage.run(_step("fails"))
    words = _failure(result)
    assert "exited with 7" in words
    assert "line 200 of the output" in words
    for text in (words, result.machine.console.text, str(result.job.view.detail)):
        assert _SECRET not in text


def _failure(result: Result) -> str:
    """The last words of a host that ended before the job; the job has a reason, too."""
    assert result.job.outcome not in {"passed", None}
    assert result.job.view.detail, result.job.view
    assert not result.machine.record.proven
    return result.machine.last_words


def test_every_promise_was_kept(stage: WholeStage) -> None:
    assert stage.broken_promises() == []
