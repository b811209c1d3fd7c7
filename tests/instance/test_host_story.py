"""The life of an instance, from the first report to power-off."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from mayfly_instance.notices import stop_at
from tests.instance.fakes import INSTANCE, START, Act, a_process
from tests.instance.worlds import (
    BOOTSTRAP_ROW,
    CLOSED_TO_ALL,
    CLOSED_TO_JOBS,
    HOST,
    JOB,
    SANDBOX_ROW,
    TOKEN,
    World,
    an_assignment,
    in_minutes,
)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_an_instance_is_set_up_proves_itself_and_runs_its_one_job(world: World) -> None:
    world.live()

    assert world.phases == ["booting", "bootstrapped", "sandboxed", "assigned", "running", "done"]
    rows = [key for key, _ in world.cloud.reports]
    assert rows == [BOOTSTRAP_ROW] * 2 + [SANDBOX_ROW] * 4
    assert world.last | {"at": ""} == {
        "protocol": 1,
        "phase": "done",
        "boot": world.machine.boot,
        "at": "",
        "job": JOB,
        "exit": 0,
        "agent": "3.83.1",
    }


def test_the_agent_gets_one_job_a_name_its_tags_and_a_scope_of_its_own(world: World) -> None:
    world.live()

    program = world.agent().program
    assert program.argv == ["/usr/bin/buildkite-agent", "start", "--acquire-job", JOB]
    assert (program.unit, program.user) == ("mayfly-job", "mayfly-job")
    settings = program.environment
    assert settings["BUILDKITE_AGENT_NAME"] == f"deploy-{INSTANCE}"
    assert settings["BUILDKITE_AGENT_TAGS"].startswith("queue=deploy,")
    assert settings["BUILDKITE_AGENT_PING_MODE"] == "poll-only"
    assert "BUILDKITE_AGENT_ENDPOINT" not in settings
    assert world.machine.ran("systemctl kill --signal=SIGKILL mayfly-job.scope")


def test_the_job_inherits_nothing_of_the_supervisors_environment(world: World) -> None:
    world.live()

    assert "AWS_SECRET_ACCESS_KEY" not in world.agent().program.environment
    assert world.agent().program.environment["PATH"] == "/usr/bin:/bin"


def test_no_secret_is_in_a_command_line_a_report_or_on_the_console(world: World) -> None:
    world.machine.acts["mayfly-job"] = Act(code=1, says=f"cannot register with {TOKEN}\n")
    world.a_script(Act(says="AWS_SESSION_TOKEN=session-token-of-bootstrap-0123456789abcdef"))
    world.live()

    said = world.everything_said()
    assert "cannot register with [secret]" in said
    assert TOKEN not in said
    assert "secret-key-of" not in said
    assert "session-token-of" not in said


def test_an_old_agent_takes_its_token_from_its_environment(world: World) -> None:
    world.live()

    assert world.agent().program.environment["BUILDKITE_AGENT_TOKEN"] == TOKEN


def test_a_new_agent_takes_its_token_from_an_open_file(world: World) -> None:
    world.scene = replace(world.scene, host=replace(HOST, agent_version="3.133.0"))
    world.machine.agent_version = "3.133.0"
    read: list[bytes] = []
    world.machine.acts["mayfly-job"] = Act(
        does=lambda program: read.append(Path(f"/dev/fd/{program.pass_files[0]}").read_bytes())
    )
    world.live()

    settings = world.agent().program.environment
    assert settings["BUILDKITE_AGENT_TOKEN"] == f"fd://{world.agent().program.pass_files[0]}"
    assert read == [TOKEN.encode()]


def test_the_hook_finds_the_policy_of_the_assignment(world: World) -> None:
    world.live()

    policy = json.loads(world.machine.places.policy.read_text())
    assert policy == {"job": JOB, "rules": ["pipeline=deploy fork=no"], "repository": None}


def test_the_second_process_never_asks_for_bootstrap_credentials(world: World) -> None:
    assert world.set_up()
    world.serve_sandbox()
    world.metadata.requests.clear()
    world.sandbox()

    # It asks for them only to see that they are gone, and is answered 404.
    assert "bootstrap" not in world.metadata.roles + world.metadata.lingering
    assert world.phases[-1] == "done"


def test_imds_is_closed_to_the_job_before_the_proof(world: World) -> None:
    closed: list[str] = []
    hear = world.cloud.on_report

    def seen(phase: str) -> None:
        closed.append(f"{phase}: {world.machine.rules == CLOSED_TO_JOBS}")
        hear(phase)

    world.cloud.on_report = seen
    world.live()

    assert closed[1:3] == ["bootstrapped: False", "sandboxed: True"]


def test_imds_off_closes_it_to_root_as_well_and_reports_go_on(world: World) -> None:
    world.assignment = an_assignment(imds="off")
    closed_at: list[int] = []

    def close(_: object) -> None:
        closed_at.append(len(world.metadata.requests))
        world.metadata.open = False

    world.machine.acts["mayfly-job"] = Act(lasts=60, does=close)
    world.live()

    assert world.machine.rules == CLOSED_TO_ALL
    assert len(world.metadata.requests) == closed_at[0]
    assert world.phases[-2:] == ["running", "done"]


def test_imds_open_to_the_job_leaves_no_rule(world: World) -> None:
    world.assignment = an_assignment(imds="job")
    world.live()

    assert "reject" not in world.machine.rules
    assert world.phases[-1] == "done"


def test_a_job_that_may_be_root_runs_its_agent_as_root(world: World) -> None:
    world.assignment = an_assignment(imds="off", root="yes")
    world.live()

    assert world.agent().program.user == "root"
    assert world.agent().program.environment["HOME"] == "/root"


def test_the_agents_exit_code_is_recorded_and_not_interpreted(world: World) -> None:
    world.machine.acts["mayfly-job"] = Act(code=27, says="the job was taken by another\n")
    world.live()

    assert (world.last["phase"], world.last["exit"]) == ("done", 27)
    assert world.last["words"] == "the job was taken by another\n"
    assert "reason" not in world.last


def test_the_operators_lines_reach_the_agent_in_its_only_configuration_file(world: World) -> None:
    world.assignment = an_assignment(config="no-plugins=true")
    world.live()

    file = world.machine.places.agent_config
    assert file.read_text() == "no-plugins=true"
    assert world.agent().program.environment["BUILDKITE_AGENT_CONFIG"] == str(file)


def test_a_job_that_reaches_its_limit_is_stopped_by_sigquit(world: World) -> None:
    world.assignment = an_assignment(max_minutes=2)
    world.machine.acts["mayfly-job"] = Act(code=0, lasts=10_000)
    world.live()

    assert world.last["reason"] == "the job ran for its limit of 2 minutes"
    assert world.agent().signals == [3]
    assert 120 <= world.agent().ends - 5 < 135


def test_a_spot_notice_stops_the_job_half_a_minute_before_the_end(world: World) -> None:
    world.machine.acts["mayfly-job"] = Act(lasts=10_000)
    world.clock.after(60, lambda: setattr(world.metadata, "spot", in_minutes(3)))
    world.live()

    assert world.last["notice"] == in_minutes(3)
    assert world.last["reason"] == f"the spot instance is taken at {in_minutes(3)}"
    assert 149.9 <= world.agent().ends - 3 < 156


def test_a_spot_notice_that_came_by_the_mailbox_is_obeyed(world: World) -> None:
    world.assignment = an_assignment(imds="off")
    world.machine.acts["mayfly-job"] = Act(lasts=10_000)
    world.clock.after(
        60, lambda: world.cloud.rows[SANDBOX_ROW].update(notice="EC2 Spot Instance Interruption")
    )
    world.live()

    assert world.agent().signals == [3]
    assert world.clock.passed < 80


@pytest.mark.parametrize(
    ("notice", "left"),
    [
        ("2026-11-21T08:02:00Z", 90),
        ("2026-11-21T08:02:00+00:00", 90),
        ("it is interrupted at 2026-11-21T08:02:00.000Z by EC2", 90),
        ("EC2 Spot Instance Interruption Warning", 0),
        ("2026-13-40T99:00:00Z", 0),
        ("", 0),
    ],
)
def test_a_notice_says_when_or_is_obeyed_at_once(notice: str, left: float) -> None:
    assert stop_at(notice, START, margin=30) == START + timedelta(seconds=left)


def test_a_short_job_may_end_before_spot_takes_the_instance(world: World) -> None:
    world.machine.acts["mayfly-job"] = Act(lasts=50)
    world.metadata.spot = None
    world.clock.after(20, lambda: setattr(world.metadata, "spot", in_minutes(3)))
    world.live()

    assert world.agent().signals == []
    assert (world.last["phase"], world.last["exit"]) == ("done", 0)


def test_an_agent_that_does_not_leave_is_killed_after_the_time_for_its_log(world: World) -> None:
    world.machine.acts["mayfly-job"] = Act(lasts=100_000, quits_in=None)
    world.live()

    assert world.phases[-1] == "done"
    assert "exit" not in world.last
    assert world.last["reason"] == "the agent did not end after its job"
    assert 25 * 60 <= world.clock.passed < 26 * 60
    assert world.machine.ran("systemctl kill --signal=SIGKILL mayfly-job.scope")


def test_a_job_may_run_for_longer_than_the_time_for_its_log(world: World) -> None:
    def run_a_child(_: object) -> None:
        world.machine.table.append(a_process(4300, "bootstrap", parent=4242))
        world.clock.after(40 * 60, world.machine.table.pop)

    world.machine.acts["mayfly-job"] = Act(lasts=41 * 60, does=run_a_child)
    world.live()

    assert (world.last["phase"], world.last["exit"]) == ("done", 0)
    assert world.agent().signals == []


def test_the_mailbox_may_be_gone_while_a_job_runs(world: World) -> None:
    def lose(_: object) -> None:
        world.clock.after(5, lambda: setattr(world.cloud, "gone", True))
        world.clock.after(900, lambda: setattr(world.cloud, "gone", False))

    world.machine.acts["mayfly-job"] = Act(lasts=1000, does=lose)
    world.live()

    assert world.agent().signals == []
    assert world.phases[-1] == "done"


def test_the_scripts_work_is_done_with_its_own_home_and_without_our_environment(
    world: World,
) -> None:
    world.a_script(Act(says="laid down a deploy key\n"), "s3://scripts/ci/set-up.sh minutes=3")
    world.live()

    program = next(each.program for each in world.machine.started if "script" in each.program.unit)
    expected = {
        "MAYFLY_STACK": "ci",
        "MAYFLY_QUEUE": "deploy",
        "MAYFLY_JOB_USER": "mayfly-job",
        "AWS_REGION": "eu-west-1",
        "HOME": str(world.machine.places.script / "home"),
        "MAYFLY_HOOKS_DIR": str(world.machine.places.operator_hooks),
    }
    assert expected.items() <= program.environment.items()
    assert "AWS_SECRET_ACCESS_KEY" not in program.environment
    log = world.machine.places.logs / "bootstrap-script.log"
    assert log.read_text() == "laid down a deploy key\n"
    order = [argv[0] for argv in world.machine.commands if argv[0] in {"mount", "start", "umount"}]
    assert order == ["mount", "start", "umount", "start"]
    assert world.phases[-1] == "done"


def test_an_old_agent_finds_the_operators_hooks_beside_ours(world: World) -> None:
    def add_hooks(_: object) -> None:
        for name in ("environment", "pre-bootstrap"):
            world.machine.places.operator_hooks.joinpath(name).write_text("true\n")

    world.a_script(Act(does=add_hooks))
    world.live()

    hooks = world.machine.places.hooks
    assert hooks.joinpath("environment").readlink() == (
        world.machine.places.operator_hooks / "environment"
    )
    assert not hooks.joinpath("pre-bootstrap").is_symlink()


def test_credentials_that_set_up_left_in_files_are_removed(world: World) -> None:
    root = world.machine.places.root
    left = [root / "root/.aws/credentials", root / "home/ec2-user/.aws/cli/cache/x.json"]
    for file in left:
        file.parent.mkdir(parents=True)
        file.write_text("secret")
    world.live()

    assert not any(file.exists() for file in left)
