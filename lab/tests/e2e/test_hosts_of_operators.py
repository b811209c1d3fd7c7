"""Operators' scripts and hooks on their hosts, and their effect on jobs."""

from __future__ import annotations

from collections.abc import Mapping

from e2e.repositories import add_hooks
from e2e.runs import Run, Runs

HOOKED, GUARDED = "hooked", "guarded"
PARAMETERS = {
    "jobs": {"pool/hot": "0"},
    HOOKED: {"limits/max-instances": "6"},
    # Jobs run one after another: policy admits the second, which waits.
    GUARDED: {"limits/max-instances": "1"},
}

_SAYS = 'echo "{name} of the operator"\n[ "$FAIL_IN" != "{name} of the operator" ] || exit 43\n'
_AROUND = ("pre-checkout", "post-checkout", "pre-command", "post-command", "pre-exit")
HOOKS = {
    **{name: _SAYS.format(name=name) for name in _AROUND},
    "environment": "export REGISTRY=registry.of.the.operator MAYFLY_QUEUE_OF_HOST={queue}\n",
    # The pipeline's variables are in this file only, not in the hook's environment.
    "pre-bootstrap": "! grep -q '^CLEARANCE=' \"$BUILDKITE_ENV_FILE\"\n",
}


def prepare(runs: Runs) -> None:
    lab, stage = runs.stage.lab, runs.stage
    add_hooks(lab)
    lab.put_parameter(HOOKED, "bootstrap/script", lab.put_script(HOOKED, "hooks.sh", script(HOOKS)))
    stage.until("the script is in force", lambda: stage.in_force(HOOKED).script)
    lab.put_parameter(HOOKED, "pool/hot", "2")


def script(hooks: Mapping[str, str]) -> str:
    """The bootstrap script that installs these hooks."""
    lines = ["#!/bin/bash", "set -euo pipefail"]
    for name, text in hooks.items():
        lines += [
            f"install -m 755 /dev/stdin \"$MAYFLY_HOOKS_DIR/{name}\" <<'END'",
            "#!/bin/bash",
            f"{text}END",
        ]
    lines.append('sed -i "s/{queue}/$MAYFLY_QUEUE/" "$MAYFLY_HOOKS_DIR/environment"')
    return "\n".join([*lines, ""])


def test_hooks_of_the_operator_run_before_those_of_the_repository(run: Run) -> None:
    assert run.state() == "passed"
    said = [line for line in run.lines() if line.startswith("command") or " of the " in line]
    assert said == [
        "pre-checkout of the operator",
        "post-checkout of the operator",
        "post-checkout of the repository",
        "pre-command of the operator",
        "pre-command of the repository",
        "command with what it has set",
        "post-command of the operator",
        "post-command of the repository",
        "pre-exit of the operator",
        "pre-exit of the repository",
    ]


def test_an_environment_hook_of_the_operator_outranks_what_the_pipeline_sets(run: Run) -> None:
    assert run.state() == "passed"
    assert {"pull from registry.of.the.operator", f"for {HOOKED}"} <= set(run.lines())


def test_a_failing_hook_of_the_operator_prevents_the_command(run: Run) -> None:
    assert run.state() == "failed"
    job = run.job()
    assert (job["state"], job["exit_status"]) == ("failed", 43)
    lines = run.lines()
    assert {"pre-command of the operator", "pre-exit of the operator"} <= set(lines)
    assert "it ran" not in lines


def test_a_job_that_the_operators_pre_bootstrap_hook_refuses_ends_before_it_begins(
    run: Run,
) -> None:
    assert run.state() == "failed"
    assert refusal(run, run.job()) == REFUSED


def test_a_job_without_a_matching_policy_rule_is_refused_by_its_host(run: Run) -> None:
    before, after = run.job("before"), run.job("after")
    stage = run.stage
    run.until("the first runs", lambda: run.job("before")["state"] == "running")
    run.until("the second waits", lambda: stage.claim(after["id"]))
    stage.lab.put_parameter(GUARDED, "policy/rules/releases", "branch=release/*")
    run.until("the rule is in force", lambda: stage.in_force(GUARDED).rules)
    run.cancel(before)
    run.ended()
    assert refusal(run, run.job("after")) == REFUSED
    # Buildkite assigned the job to an agent: so only the host can have refused it.
    name = run.job("after")["agent"]["name"]
    assert name.startswith(f"{GUARDED}-i-")
    # The instance's record has the reason for the operator.
    assert run.stage.gone(name.partition("-")[2]).reason.startswith("the job is refused: ")


def test_at_the_end_nothing_is_left_and_every_promise_was_kept(runs: Runs) -> None:
    runs.stage.empty()
    assert runs.stage.broken_promises() == []


REFUSED = (
    "failed",
    -1,
    "agent_refused",
    ["pre-bootstrap hook rejected this job, see the buildkite-agent logs for more details"],
)


def refusal(run: Run, job: Mapping[str, object]) -> tuple[object, ...]:
    """The refused job's state, exit status, reason and log."""
    return job["state"], job["exit_status"], job["signal_reason"], run.lines(job)
