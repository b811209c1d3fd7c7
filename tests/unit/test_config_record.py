"""Which configuration is in force beside bad parameters, and which parts make a spec."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from mayfly.config.queue import QueueConfig
from mayfly.config.read import ControlPlane, queue_record, spec
from mayfly.config.roles import parse_roles
from mayfly.config.rules import UNREADABLE, parse_rules
from mayfly.config.schedule import Schedule
from mayfly.records.model import QueueRecord
from tests.unit.published import GIVING, TEMPLATES, arn, infra, parameters, queue_stack

BUNDLE = "a" * 64


def record(
    texts: dict[str, str], old: QueueRecord | None = None, stack_says: str = ""
) -> QueueRecord:
    return queue_record(
        old, "deploy", stack_says or queue_stack(), parameters(texts), ControlPlane("ci", BUNDLE)
    )


def config(of: QueueRecord) -> QueueConfig:
    return QueueConfig.from_json(of.config)


def test_good_parameters_make_a_queue_record() -> None:
    made = record({"pool/hot": "2"})
    assert config(made) == QueueConfig(queue="deploy", hot=Schedule(2))
    assert made.infra == queue_stack()
    assert made.problems == ()
    assert made.active
    assert made.version == 0


@pytest.mark.parametrize("texts", [{}, {"pool/hot": "2", "strange": "1"}, {"pool/hot": "many"}])
def test_reading_unchanged_parameters_again_changes_nothing(texts: dict[str, str]) -> None:
    stored = replace(record(texts, record({"pool/hot": "1"})), version=5)
    assert record(texts, stored) == stored


def test_a_bad_value_is_reported_and_the_last_good_configuration_stays() -> None:
    good = record({"pool/hot": "2", "job/attempts": "5"})
    bad = record({"pool/hot": "many", "job/attempts": "7"}, good)
    assert bad.config == good.config
    assert bad.spec == good.spec
    assert [each.partition(" = ")[0] for each in bad.problems] == ["pool/hot"]


def test_a_repaired_value_takes_the_other_changes_along() -> None:
    bad = record({"pool/hot": "many", "job/attempts": "7"}, record({}))
    repaired = record({"pool/hot": "4", "job/attempts": "7"}, bad)
    assert config(repaired) == QueueConfig(queue="deploy", hot=Schedule(4), attempts=7)
    assert repaired.problems == ()


def test_a_queue_that_never_had_a_valid_configuration_has_none() -> None:
    made = record({"pool/hot": "many"})
    assert made.config == ""
    assert made.spec == ""
    assert len(made.problems) == 1


def test_a_pause_takes_effect_beside_bad_parameters() -> None:
    good = record({"pool/hot": "2"})
    stopped = record({"pool/hot": "many", "paused": "true"}, good)
    assert config(stopped) == QueueConfig(queue="deploy", hot=Schedule(2), paused=True)
    assert config(record({"pool/hot": "many"}, stopped)) == config(good)


def test_an_unreadable_pause_changes_nothing() -> None:
    stopped = record({"paused": "true"})
    assert config(record({"paused": "soon"}, stopped)).paused


def test_a_policy_takes_effect_beside_bad_parameters() -> None:
    good = record({"policy/rules/a": "pipeline=web"})
    changed = record({"pool/hot": "many", "policy/rules/a": "pipeline=api"}, good)
    assert config(changed).rules == parse_rules("a", "pipeline=api")
    opened = record({"pool/hot": "many"}, changed)
    assert config(opened).rules == ()


def test_an_unreadable_policy_closes_a_queue_that_was_open() -> None:
    closed = record({"policy/rules/a": "pipeline"}, record({}))
    assert config(closed).rules == (UNREADABLE,)
    assert closed.problems
    again = record({"policy/rules/a": "pipeline", "pool/hot": "many"}, closed)
    assert config(again).rules == (UNREADABLE,)
    assert config(record({"policy/rules/a": "pipeline=web"}, closed)).rules == parse_rules(
        "a", "pipeline=web"
    )


def test_a_misspelt_policy_closes_a_queue_that_was_open() -> None:
    assert config(record({"policy/rule/a": "pipeline=web"}, record({}))).rules == (UNREADABLE,)


def test_an_unreadable_policy_keeps_the_rules_of_a_restricted_queue() -> None:
    good = record({"policy/rules/a": "pipeline=web"})
    bad = record({"policy/rules/a": "pipeline=web", "policy/rules/b": "fork=maybe"}, good)
    assert config(bad) == replace(config(good), rules=(*config(good).rules, UNREADABLE))
    again = record({"policy/rules/b": "fork=maybe", "pool/hot": "many"}, bad)
    assert config(again) == config(bad)
    assert config(record({"policy/rules/a": "pipeline=web"}, again)) == config(good)


STACK = queue_stack(**GIVING)
SECRETS = {"secrets/path": "/vendors/buildkite/{queue}"}
WEB = "pipeline=web -> arn:aws:iam::123456789012:role/ci/web"
API = "pipeline=api -> arn:aws:iam::123456789012:role/ci/api"

MANY = {f"role/r{n}": WEB.replace("=web", f"={n}{'w' * 4000}") for n in range(30)}


def given(texts: dict[str, str], old: QueueRecord | None = None) -> QueueRecord:
    return record(texts, old, STACK)


def test_what_jobs_are_given_takes_effect_beside_bad_parameters() -> None:
    good = given({**SECRETS, "role/a": WEB})
    changed = given({"pool/hot": "many", "role/a": API}, good)
    assert config(changed).roles == parse_roles("a", API)
    assert config(changed).secrets_path is None
    taken = given({"pool/hot": "many"}, changed)
    assert not config(taken).has_grants
    assert not config(taken).grants_unread


@pytest.mark.parametrize(
    "bad",
    [
        *({**SECRETS, "role/a": API, "role/b": text} for text in ("pipeline=x", "", "x -> y")),
        {"secrets/path": "vendors", "role/a": API},
        {"secrets/path": "/elsewhere", "role/a": API},
        {**SECRETS, "role/a": API, "ssh/known-hosts": "github.com"},
        {**SECRETS, **MANY},
    ],
)
def test_what_jobs_are_given_stays_while_a_part_of_it_is_bad_and_is_marked(
    bad: dict[str, str],
) -> None:
    good = given({**SECRETS, "role/a": WEB})
    record = given(bad, good)
    assert record.problems
    assert config(record) == replace(config(good), grants_unread=True)
    assert config(given({**SECRETS, "role/a": WEB}, record)) == config(good)


def test_what_jobs_are_given_is_judged_by_the_imds_in_force_while_another_one_is_refused() -> None:
    good = given({**SECRETS, "role/a": WEB})
    record = given({**SECRETS, "role/a": API, "imds": "job"}, good)
    assert [each.partition(" = ")[0] for each in record.problems] == ["imds"]
    assert config(record) == replace(config(good), roles=parse_roles("a", API))


@pytest.mark.parametrize("bad", [{"role/a": "pipeline=x"}, {"secrets/path": "vendors"}])
def test_a_first_bad_value_of_what_jobs_are_given_changes_nothing_but_the_mark(
    bad: dict[str, str],
) -> None:
    good = given({"pool/hot": "2"})
    assert config(given({**bad, "pool/hot": "3"}, good)) == replace(
        config(good), grants_unread=True
    )


def test_a_misspelt_name_of_what_jobs_are_given_is_told_with_the_name_that_is_meant() -> None:
    made = given({"roles/deploy": WEB, "secret/path": "/vendors/buildkite", "ssh/known-host": "x"})
    assert not config(made).has_grants
    assert made.problems == (
        "roles/deploy: no such parameter; did you mean role/deploy?",
        "secret/path: no such parameter; did you mean secrets/path?",
        "ssh/known-host: no such parameter; did you mean ssh/known-hosts?",
    )


def test_roles_come_in_the_order_of_their_names() -> None:
    made = given({"role/b": WEB, "role/a": API})
    assert config(made).roles == (*parse_roles("a", API), *parse_roles("b", WEB))


def test_roles_that_fit_no_record_are_a_problem() -> None:
    lines = "\n".join(WEB.replace("=web", f"={n}") for n in range(300))
    assert given({"role/short": lines}).problems == ()
    long_name = given({f"role/{'n' * 200}": lines}, given({}))
    assert ["at most 60,000 bytes" in each for each in long_name.problems] == [True]
    made = given(MANY, given({}))
    (problem,) = made.problems
    assert problem.startswith('role = "30 parameters": allowed: at most 60,000 bytes')


def too_many_rules() -> dict[str, str]:
    return {f"policy/rules/r{n}": f"pipeline={'p' * 4000}" for n in range(30)}


def test_rules_that_fit_no_record_close_a_queue_that_was_open() -> None:
    closed = record(too_many_rules(), record({}))
    assert config(closed).rules == (UNREADABLE,)
    (problem,) = closed.problems
    assert problem.startswith('policy/rules = "30 parameters": allowed: at most 100,000 bytes')


def test_rules_that_fit_no_record_keep_the_rules_of_a_restricted_queue() -> None:
    good = record({"policy/rules/main": "branch=main"})
    assert config(record(too_many_rules(), good)).rules == (*config(good).rules, UNREADABLE)


def test_a_record_names_the_first_of_very_many_problems_and_counts_the_rest() -> None:
    made = record({f"strange-{n:04}": "x" for n in range(5000)})
    assert len(made.problems) == 41
    assert made.problems[0].startswith("strange-0000")
    assert made.problems[-1] == "4960 more parameters are not in force"
    assert sum(len(each.encode()) for each in made.problems) < 100_000


def test_a_new_publication_takes_effect_under_the_last_good_configuration() -> None:
    good = record({"pool/hot": "2"})
    newer = queue_stack(templates={**TEMPLATES, "x86_64": {"id": "lt-0a", "version": "9"}})
    bad = record({"pool/hot": "many"}, good, newer)
    assert bad.infra == newer
    assert bad.config == good.config
    assert bad.spec != good.spec


@pytest.mark.parametrize("published", ["{", queue_stack(protocol=2), queue_stack(queue="other")])
def test_a_bad_publication_leaves_the_former_publication_in_force(published: str) -> None:
    good = record({"pool/hot": "2"})
    kept = record({"pool/hot": "3"}, good, published)
    assert kept.infra == good.infra
    assert config(kept).hot == Schedule(3)
    assert len(kept.problems) == 1
    assert "infrastructure published for queue" in kept.problems[0]


def test_a_bad_first_publication_makes_a_record_with_nothing_in_force() -> None:
    made = record({}, stack_says=queue_stack(protocol=2))
    assert (made.infra, made.config, made.spec) == ("", "", "")
    assert len(made.problems) == 1


def test_a_publication_that_does_not_fit_the_last_good_configuration_is_refused() -> None:
    good = record({"launch/architecture": "arm64"})
    without = queue_stack(templates={"x86_64": TEMPLATES["x86_64"]})
    kept = record({"launch/architecture": "arm64"}, good, without)
    assert kept.infra == good.infra
    assert kept.config == good.config
    assert any("launch template" in each for each in kept.problems)


def test_a_queue_that_is_published_again_is_active() -> None:
    gone = replace(record({}), active=False, version=3)
    assert record({}, gone) == replace(gone, active=True)


def test_a_configuration_of_another_version_is_read_anew() -> None:
    older = replace(record({}), config=json.dumps({"queue": "deploy"}))
    assert config(record({"pool/hot": "2"}, older)) == QueueConfig(queue="deploy", hot=Schedule(2))


SCRIPT = {"bootstrap/script": "s3://scripts/mayfly/x.sh"}


@pytest.mark.parametrize(
    "other",
    [
        record(SCRIPT, stack_says=queue_stack(sandbox_role_id="AROAANOTHERAAAAAAAAAA")),
        record(
            SCRIPT,
            stack_says=queue_stack(
                bootstrap_profile=arn("instance-profile", "bootstrap") + "-2",
            ),
        ),
        record(
            SCRIPT,
            stack_says=queue_stack(
                templates={"x86_64": {"id": "lt-0123456789abcdef0", "version": "4"}}
            ),
        ),
        record({}),
        record({"bootstrap/script": "s3://scripts/mayfly/x.sh minutes=16"}),
        record({**SCRIPT, "launch/generation": "2"}),
        # A parameter that was deleted and made again begins with version 1 again.
        record({"bootstrap/script": "s3://scripts/mayfly/x.sh version=a"}),
        record({"bootstrap/script": f"s3://scripts/mayfly/x.sh sha256={BUNDLE}"}),
        queue_record(
            None, "deploy", queue_stack(), parameters(SCRIPT, 2), ControlPlane("ci", BUNDLE)
        ),
        queue_record(
            None, "deploy", queue_stack(), parameters(SCRIPT), ControlPlane("ci", "b" * 64)
        ),
    ],
)
def test_changes_of_the_set_up_change_the_spec(other: QueueRecord) -> None:
    assert other.spec != record(SCRIPT).spec


@pytest.mark.parametrize(
    "texts",
    [
        {"pool/hot": "4"},
        {"job/max-minutes": "30"},
        {"imds": "job"},
        {"policy/rules/a": "pipeline=web"},
        {"debug/keep-failed-minutes": "30"},
        {"agent/config": "no-plugins=true"},
        {"tags": "os=linux"},
        {"ssh/over-443": "github.com"},
    ],
)
def test_changes_that_an_assignment_carries_leave_the_spec(texts: dict[str, str]) -> None:
    assert record({**SCRIPT, **texts}).spec == record(SCRIPT).spec


PINS = ["version=a", f"sha256={BUNDLE}", f"minutes=5 sha256={BUNDLE} version=a"]


@pytest.mark.parametrize("pin", ["", "minutes=16", *PINS])
def test_a_record_warns_of_a_script_without_a_pin_and_the_script_is_in_force(pin: str) -> None:
    made = record({"bootstrap/script": f"s3://scripts/mayfly/x.sh {pin}"})
    assert config(made).script is not None
    assert made.problems == ()
    assert len(made.warnings) == (pin not in PINS)
    for line in made.warnings:
        assert line.startswith('bootstrap/script = "s3://scripts/mayfly/x.sh": names no version=')


def test_a_bad_value_leaves_the_warnings_of_the_configuration_in_force() -> None:
    made = record(SCRIPT)
    bad = record({**SCRIPT, "pool/hot": "x"}, made)
    assert bad.problems
    assert bad.warnings == made.warnings
    assert record({}, bad).warnings == ()


def test_the_spec_of_a_known_input_never_changes() -> None:
    # Another spec replaces every warm instance of every queue: change this value only on purpose.
    assert spec(infra(), QueueConfig(queue="deploy"), BUNDLE) == "b13deb25b9fc2c1b"
