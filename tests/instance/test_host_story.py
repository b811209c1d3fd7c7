"""An instance from its first report to power-off."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from mayfly_instance.mailbox import Letter
from tests.instance.fake_machine import Act
from tests.instance.fakes import INSTANCE
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
)


def test_an_instance_is_set_up_proves_its_sandbox_and_runs_one_job(world: World) -> None:
    world.run()

    assert world.phases == ["booting", "bootstrapped", "sandboxed", "running", "done"]
    rows = [key for key, _ in world.cloud.reports]
    assert rows == [BOOTSTRAP_ROW] * 2 + [SANDBOX_ROW] * 3
    assert world.last_report | {"at": ""} == {
        "protocol": 1,
        "phase": "done",
        "boot": world.machine.boot,
        "at": "",
        "job": JOB,
        "exit": 0,
        "agent": "3.83.1",
    }


def test_the_agent_gets_one_job_a_name_its_tags_and_a_scope_of_its_own(world: World) -> None:
    world.run()

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
    world.run()

    assert "AWS_SECRET_ACCESS_KEY" not in world.agent().program.environment
    assert world.agent().program.environment["PATH"] == "/usr/bin:/bin"


def test_no_secret_is_in_a_command_line_a_report_or_on_the_console(world: World) -> None:
    world.machine.acts["mayfly-job"] = Act(code=1, says=f"cannot register with {TOKEN}\n")
    world.add_script(Act(says="AWS_SESSION_TOKEN=session-token-of-bootstrap-0123456789abcdef"))
    world.run()

    said = world.everything_readable()
    assert "cannot register with [secret]" in said
    assert TOKEN not in said
    assert "secret-key-of" not in said
    assert "session-token-of" not in said


def test_a_token_of_any_shape_is_in_no_command_line_report_or_console(world: World) -> None:
    token = "minted without a known shape"
    world.assignment = an_assignment(token=token)
    world.machine.acts["mayfly-job"] = Act(code=1, says=f"cannot register with {token}\n")
    world.run()

    assert "cannot register with [secret]" in world.everything_readable()
    assert token not in world.everything_readable()


def test_the_token_is_in_the_repr_of_neither_the_row_nor_the_agents_program(world: World) -> None:
    world.run()

    assert TOKEN in world.agent().program.environment.values()
    assert "bkjat_" not in repr(world.agent().program)
    assert "bkjat_" not in repr(Letter(an_assignment()))


def test_a_host_proves_its_sandbox_three_times_in_a_row_before_it_reports(world: World) -> None:
    looks: dict[str, int] = {}
    react = world.cloud.on_report

    def count(phase: str) -> None:
        looks[phase] = world.metadata.requests.count("credentials of sandbox")
        react(phase)

    world.cloud.on_report = count
    world.run()

    assert looks["sandboxed"] - looks["bootstrapped"] == 3
    assert looks["running"] - looks["sandboxed"] == 1


def test_an_old_agent_takes_its_token_from_its_environment(world: World) -> None:
    world.run()

    assert world.agent().program.environment["BUILDKITE_AGENT_TOKEN"] == TOKEN


def test_a_new_agent_takes_its_token_from_an_open_file(world: World) -> None:
    world.context = replace(world.context, host=replace(HOST, agent_version="3.133.0"))
    world.machine.agent_version = "3.133.0"
    read: list[bytes] = []
    world.machine.acts["mayfly-job"] = Act(
        does=lambda program: read.append(Path(f"/dev/fd/{program.pass_files[0]}").read_bytes())
    )
    world.run()

    settings = world.agent().program.environment
    assert settings["BUILDKITE_AGENT_TOKEN"] == f"fd://{world.agent().program.pass_files[0]}"
    assert read == [TOKEN.encode()]


def test_the_hook_finds_the_policy_of_the_assignment(world: World) -> None:
    world.run()

    policy = json.loads(world.machine.places.policy.read_text())
    assert policy == {
        "job": JOB,
        "rules": ["pipeline=deploy fork=no"],
        "repository": None,
        "refused": "",
        "facts": {},
        "has_key": False,
    }


def test_the_second_process_never_asks_for_bootstrap_credentials(world: World) -> None:
    assert world.set_up()
    world.serve_sandbox()
    world.metadata.requests.clear()
    world.sandbox()

    # The gate requests them only to see a 404.
    assert "bootstrap" not in world.metadata.roles + world.metadata.lingering
    assert world.phases[-1] == "done"


def test_imds_is_closed_to_the_job_before_the_proof(world: World) -> None:
    closed: list[str] = []
    hear = world.cloud.on_report

    def seen(phase: str) -> None:
        closed.append(f"{phase}: {world.machine.rules == CLOSED_TO_JOBS}")
        hear(phase)

    world.cloud.on_report = seen
    world.run()

    assert closed[1:3] == ["bootstrapped: False", "sandboxed: True"]


def test_imds_off_closes_imds_to_root_and_reports_continue(world: World) -> None:
    world.assignment = an_assignment(imds="off")
    closed_at: list[int] = []

    def close(_: object) -> None:
        closed_at.append(len(world.metadata.requests))
        world.metadata.open = False

    world.machine.acts["mayfly-job"] = Act(lasts=60, does=close)
    world.run()

    assert world.machine.rules == CLOSED_TO_ALL
    assert len(world.metadata.requests) == closed_at[0]
    assert world.phases[-2:] == ["running", "done"]


def test_imds_open_to_the_job_leaves_no_rule(world: World) -> None:
    world.assignment = an_assignment(imds="job")
    world.run()

    assert "reject" not in world.machine.rules
    assert world.phases[-1] == "done"


def test_a_job_that_may_be_root_runs_its_agent_as_root(world: World) -> None:
    world.assignment = an_assignment(imds="off", root="yes")
    world.run()

    assert world.agent().program.user == "root"
    assert world.agent().program.environment["HOME"] == "/root"


def test_the_agents_exit_code_is_recorded_and_not_interpreted(world: World) -> None:
    world.machine.acts["mayfly-job"] = Act(code=27, says="the job was taken by another\n")
    world.run()

    assert (world.last_report["phase"], world.last_report["exit"]) == ("done", 27)
    assert world.last_report["words"] == "the job was taken by another\n"
    assert "reason" not in world.last_report


def test_the_operators_lines_reach_the_agent_in_its_only_configuration_file(world: World) -> None:
    world.assignment = an_assignment(config="no-plugins=true")
    world.run()

    file = world.machine.places.agent_config
    assert file.read_text() == "no-plugins=true"
    assert world.agent().program.environment["BUILDKITE_AGENT_CONFIG"] == str(file)


def test_the_script_runs_with_its_own_home_and_without_the_supervisors_environment(
    world: World,
) -> None:
    world.add_script(Act(says="laid down a deploy key\n"), "s3://scripts/ci/set-up.sh minutes=3")
    world.run()

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
    assert order == ["mount", "start", "umount", "mount", "start"]  # The last two are the job's.
    assert world.phases[-1] == "done"


def test_an_old_agent_finds_the_operators_hooks_beside_mayflys(world: World) -> None:
    def add_hooks(_: object) -> None:
        for name in ("environment", "pre-bootstrap", "pre-exit"):
            world.machine.places.operator_hooks.joinpath(name).write_text("true\n")

    world.add_script(Act(does=add_hooks))
    world.run()

    hooks = world.machine.places.hooks
    assert hooks.joinpath("environment").readlink() == (
        world.machine.places.operator_hooks / "environment"
    )
    assert not hooks.joinpath("pre-bootstrap").is_symlink()
    assert hooks.joinpath("pre-exit").readlink() == (
        world.machine.places.operator_hooks / "pre-exit"
    )


def test_an_agent_with_additional_hooks_runs_the_operators_hooks_itself(world: World) -> None:
    world.machine.agent_help += "\n   --additional-hooks-paths value"

    def add_hook(_: object) -> None:
        world.machine.places.operator_hooks.joinpath("pre-exit").write_text("true\n")

    world.add_script(Act(does=add_hook))
    world.run()

    assert list(world.machine.places.hooks.iterdir()) == []


def test_files_with_credentials_are_removed_after_set_up(world: World) -> None:
    root = world.machine.places.root
    left = [root / "root/.aws/credentials", root / "home/ec2-user/.aws/cli/cache/x.json"]
    for file in left:
        file.parent.mkdir(parents=True)
        file.write_text("secret")
    world.run()

    assert not any(file.exists() for file in left)


def test_the_agent_has_the_tags_of_its_instance_beside_those_of_its_queue(world: World) -> None:
    world.assignment = an_assignment(tags="queue=deploy,arch=x86_64")
    world.run()

    assert world.agent().program.environment["BUILDKITE_AGENT_TAGS"] == (
        f"queue=deploy,arch=x86_64,aws:instance-id={INSTANCE},aws:instance-type=m7i.large"
    )
