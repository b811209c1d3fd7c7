"""A stack with four queues in their usual kinds of trouble, as records; and its results."""

from __future__ import annotations

import io
from dataclasses import replace
from datetime import timedelta
from typing import Any

from mayfly.config.roles import parse_roles
from mayfly.config.schedule import Schedule
from mayfly.records.audit import ParameterChange
from mayfly.records.ledger import Ledger
from mayfly.records.model import (
    Claim,
    Heard,
    Instance,
    Launch,
    Lease,
    QueueRecord,
    Shape,
    SlotKey,
    Step,
    Stray,
)
from mayfly.records.pages import Read
from mayfly.records.phases import Phases
from mayfly.records.standing import LeftAlone, Standing, Target
from mayfly.records.states import ClaimState, InstanceState, LaunchState
from mayfly.records.why import Code, Why
from mayfly_cli.agent_releases import Release
from mayfly_cli.doctor.result import health
from mayfly_cli.doctor.stacks import Stack
from mayfly_cli.doctor.survey import QueueSurvey, Survey
from mayfly_cli.explain.result import explain_instance, explain_job, explain_left
from mayfly_cli.findings import Unknown
from mayfly_cli.listings.failed import Ended
from mayfly_cli.listings.instances import instances_of
from mayfly_cli.listings.jobs import jobs_of
from mayfly_cli.operations.reading import QueueView, StackView, configured
from mayfly_cli.operations.rendering import console, write
from mayfly_cli.operations.running import Result
from mayfly_cli.operations.tuning import Stored
from mayfly_cli.past.changes import Changes, Event
from mayfly_cli.past.cost import cost_of
from mayfly_cli.past.reading import Past
from mayfly_cli.past.volumes import Volumes
from mayfly_cli.past.waits import waits_of
from mayfly_cli.plan.result import plan_of
from mayfly_cli.preflight.snapshot import Token
from mayfly_cli.report.making import Changed, Kept, report_of
from mayfly_cli.report.result import OperatorReport
from mayfly_cli.status.result import status_of
from mayfly_protocol.job_facts import JobFacts
from tests.cli.test_preflight_checks import GOOD, answers
from tests.unit.builders import NOW, a_claim, a_config, a_queue, ago, an_instance, later

TYPES = ("m7i.large",)
KEY = "arn:aws:kms:eu-central-1:123456789012:key/k"
STORED = {"/mayfly/ci/queues/gpuu/paused": Stored("true", 1)}
ALARMS = (
    {
        "AlarmName": "ci-DeadLettersWaiting",
        "StateValue": "ALARM",
        "StateReason": "Threshold Crossed: 1 message",
    },
    {"AlarmName": "ci-TokenRefused", "StateValue": "OK"},
)
EVENTS = (
    Event(ago(12), "parameter", "default/pool/hot", "3", "ten", "arn:aws:iam::1:user/bob"),
    Event(
        ago(30),
        "spec",
        "default",
        "5d1c0f2b6a7e9d40",
        "c3a41be07f2299d1",
        "",
        "deployment of the queue's stack: launch template 3 -> 4 (image, agent, volume)",
    ),
    Event(ago(40), "alarm", "ci-CapacityMissing", "", "ALARM", ""),
    Event(ago(2000), "parameter", "docs/paused", "true", None, ""),
)


def job(number: int, queue: str, **changes: Any) -> Claim:
    """A claim of `app` with a UUID that begins with its number."""
    name = f"{number:08x}-8b7c-4a55-9c1c-2f9d1f3a8b11"
    shape = Shape(queue, "x86_64", TYPES, "on-demand")
    usual = {"queue": queue, "shape": shape, "pipeline": "app", "build": 812, "step": "Integration"}
    return a_claim(name, **{**usual, **changes})


def busy(number: int, queue: str, of: Claim, minutes: float) -> Instance:
    """An instance that has run a job for so long."""
    return an_instance(
        InstanceState.RUNNING,
        number,
        key=SlotKey(f"launch-{queue}", number),
        queue=queue,
        job=of.job,
        since=ago(minutes),
        instance_type="m7i.large",
        market="spot",
        zone="eu-central-1a",
        price="0.1008",
        reason="Buildkite says that the agent has accepted the job",
    )


def hot(number: int, queue: str) -> Instance:
    """A ready instance."""
    return an_instance(
        InstanceState.READY, number, key=SlotKey(f"hot-{queue}", number), queue=queue,
        since=ago(20), instance_type="m7i.large", market="on-demand", zone="eu-central-1b",
        price="0.1008", reason="the host wrote its sandbox row",
    )  # fmt: skip


def cold(number: int) -> Instance:
    """A stopped instance of the queue `gpu`."""
    return an_instance(
        InstanceState.STOPPED, 10 + number, key=SlotKey("cold-gpu", number), queue="gpu",
        since=ago(90), instance_type="g5.xlarge", market="on-demand", zone="eu-central-1a",
        price="1.258", reason="EC2 says that the instance is stopped",
    )  # fmt: skip


def queue(name: str, *, config: dict[str, Any], live: int, **changes: Any) -> QueueView:
    """The view of a queue."""
    made = a_config(queue=name, **config)
    record = QueueRecord(name, "{}", made.to_json(), "spec", version=1)
    problems = changes.pop("problems", ())
    ledger = Ledger(name, epoch=ago(600), live=live, version=1)
    return QueueView(replace(record, problems=problems), made, ledger=ledger, **changes)


WAITING = job(
    0x812A, "deploy", step="Integration 3/8", runnable_at=ago(4, seconds=12),
    since=ago(4, seconds=11),
    reserved_until=later(4),
    history=(Step("waiting", ago(4, seconds=11), "Buildkite lists the job"),),
    why=Why(
        Code.MAX_INSTANCES, "the queue has 2 of 2 instances (limits/max-instances = 2)", ago(4)
    ),
)  # fmt: skip
LONG = job(0x811A, "deploy", build=811, step="Long suite", state=ClaimState.RUNNING, since=ago(6))
LINT = job(
    0x811B, "deploy", build=811, step="Lint", state=ClaimState.RUNNING, since=ago(seconds=20)
)
LEFT = LeftAlone(
    "00000007-8b7c-4a55-9c1c-2f9d1f3a8b11", "gpu", 7, "train",
    Why(Code.RULE_NOT_MET, "gpu=true is not met: the queue has no tag gpu", ago(14)),
)  # fmt: skip
RUNNING = busy(0, "deploy", LONG, 6)


def begun(seconds: float, number: int) -> Claim:
    """A claim of a job that waited so long today, and has ended."""
    start = ago(60 - number)
    accepted = start + timedelta(seconds=seconds)
    return job(
        number, "default", state=ClaimState.FINISHED, runnable_at=start,
        phases=Phases(start, accepted, accepted, accepted + timedelta(minutes=5)),
    )  # fmt: skip


JOBS = Ended(tuple(begun(1.6 + number / 100, number) for number in range(40)))


def deploy() -> QueueView:
    """A queue at its limit."""
    return queue(
        "deploy", config={"max_instances": 2}, live=2, claims=(WAITING, LONG, LINT),
        instances=(RUNNING, busy(1, "deploy", LINT, 0.3)),
        standings=(
            Standing(
                "deploy", "provision", ago(seconds=10),
                (Why(Code.MAX_INSTANCES, "the queue has 2 of 2 instances", ago(4)),),
            ),
        ),
    )  # fmt: skip


def sample() -> StackView:
    """Four queues: a good one with a bad value, one at its limit, one without capacity, a pause."""
    default = queue(
        "default", config={}, live=4, instances=tuple(hot(n, "default") for n in range(3)),
        standings=(
            Standing("default", "provision", ago(seconds=5), hot=Target(3, "default", later(540))),
        ),
        problems=('pool/hot = "ten": allowed: a count from 0 to 5000',),
    )  # fmt: skip
    gpu = queue(
        "gpu", config={"stopped": Schedule(5)}, live=4, instances=(cold(0), cold(1)),
        standings=(
            Standing(
                "gpu", "dispatch", ago(seconds=3), left=(LEFT,), left_total=1, waiting=4,
                oldest=ago(14, seconds=30),
                reasons=(Why(Code.RULE_NOT_MET, "1 job is left alone: gpu=true", ago(14)),),
            ),
            Standing(
                "gpu", "provision", ago(seconds=3),
                hot=Target(2, "Mon-Fri 08:00-18:00 Europe/Berlin", later(480)),
                reasons=(
                    Why(
                        Code.NO_CAPACITY, "EC2 has no g5.xlarge in eu-central-1a, b; 6 tries",
                        ago(14), later(seconds=22), "gpu/x86_64/on-demand/g5.xlarge",
                    ),
                ),
            ),
        ),
    )  # fmt: skip
    docs = queue(
        "docs", config={"paused": True, "max_instances": 20}, live=1,
        standings=(
            Standing(
                "docs", "dispatch", ago(seconds=3), waiting=2, oldest=ago(seconds=40),
                reasons=(Why(Code.PAUSED, "the parameter paused is true", ago(18)),),
            ),
        ),
    )  # fmt: skip
    lease = Lease("i", 1, later(seconds=9), Heard(NOW - timedelta(seconds=0.3)))
    return StackView("ci", "eu-central-1", NOW, (default, deploy(), docs, gpu), lease)


FACTS = JobFacts("acme", "app", "812", "git@github.com:acme/app.git", "main", "webhook", "no")


def giving() -> QueueView:
    """The queue `deploy` with secrets and a role."""
    view = deploy()
    assert view.config is not None
    role = "arn:aws:iam::123456789012:role/ci/deploy/app"
    roles = parse_roles("app", f"pipeline=app branch=main -> {role} minutes=30")
    path = "/vendors/buildkite/deploy"
    return replace(view, config=replace(view.config, secrets_path=path, roles=roles))


def results() -> dict[str, Result]:
    """By name: the result of each command on the sample."""
    view = sample()
    gpu = view.queues[3]
    return {
        "status": status_of(view, {"default": JOBS}),
        "waits": waits_of(past(), "queue"),
        "cost": cost_of(past(), "pipeline"),
        "report": reported(),
        "plan": plan_of(plans()),
        "doctor": health(view, (Stray("i-1", NOW),), surveyed()),
        "changes": Changes("ci", NOW, ago(1440), EVENTS, complete=True),
        "jobs": jobs_of(view, waiting=False),
        "instances": instances_of(view),
        "explain-limit": explain_job(WAITING, None, deploy(), NOW),
        "explain-granted": explain_job(replace(WAITING, facts=FACTS), None, giving(), NOW),
        "explain-left": explain_left(LEFT, gpu, NOW),
        "explain-instance": explain_instance(
            replace(
                RUNNING,
                history=(
                    Step("requested", ago(8), "a slot of a new launch"),
                    Step("ready", ago(7), "the host wrote its sandbox row"),
                    Step("running", ago(6), "Buildkite says that the agent has accepted the job"),
                ),
            ),
            LONG,
            NOW,
        ),
    }


def surveyed() -> Survey:
    """An account seen with a viewer's rights: one quota is small, and no key may be read."""
    given = replace(answers(f"RootVolumeKey={KEY}"), stack="ci")
    key = Unknown("the caller may not kms:DescribeKey")
    seen = replace(
        GOOD,
        now=NOW,
        region="eu-central-1",
        token=Token("SecureString", "", Unknown("its value was not asked for")),
        volume_keys={KEY: key},
        quotas={"L-1216C47A": 32.0},
        agent_line=Release("3.138.0", ago(60 * 24 * 30)),
    )
    stack = Stack("ci-queue-gpu", "UPDATE_ROLLBACK_FAILED", {})
    control = Stack("ci", "UPDATE_COMPLETE", {"TokenParameter": "/ci/token", "TokenKmsKey": ""})
    good = QueueSurvey(Stack("ci-FirstQueue-1A2B", "CREATE_COMPLETE", {}), given, seen)
    lacking = Unknown("the caller may not cloudformation:DescribeStacks")
    return Survey(
        control,
        ALARMS,
        STORED,
        seen,
        {
            "default": good,
            "deploy": QueueSurvey(lacking, lacking),
            "docs": good,
            "gpu": QueueSurvey(stack, given, replace(seen, archive=None)),
        },
    )


def past() -> Past:
    """Jobs and instances of the last hours: one hot, one cold, and a pool that waits."""
    when = ago(50)
    cold = an_instance(
        InstanceState.TERMINATED, 5, key=SlotKey("cold", 0), queue="default", job=begun(41, 1).job,
        created=ago(59) + timedelta(seconds=1), since=when, market="spot", price="0.04",
        history=(Step("assigned", ago(58.4), "bound"), Step("terminated", when, "EC2 says so")),
    )  # fmt: skip
    warm = an_instance(
        InstanceState.TERMINATED, 6, key=SlotKey("warm", 0), queue="default", job=begun(1.6, 2).job,
        created=ago(120), since=when, market="on-demand", price="0.1008",
        history=(Step("assigned", ago(58), "bound"), Step("terminated", when, "EC2 says so")),
    )  # fmt: skip
    unknown = replace(hot(9, "default"), price="")
    claims = (
        replace(begun(41, 1), slot=cold.key),
        replace(begun(1.6, 2), slot=warm.key, pipeline="web"),
    )
    resting = replace(
        hot(7, "default"), state=InstanceState.STOPPED, created=ago(720), since=ago(700),
        history=(Step("ready", ago(715), "proven"), Step("stopping", ago(700), "surplus")),
    )  # fmt: skip
    instances = (cold, warm, hot(8, "default"), unknown, resting)
    volumes = Volumes({"default": 50}, "0.0952")
    return Past(
        "ci", "eu-central-1", ago(1440), NOW, claims, instances, complete=True, volumes=volumes
    )


def reported() -> OperatorReport:
    """Three hours of the queue `default`, whose pool was made larger an hour ago."""
    whole = sample()
    ready = tuple(
        replace(each, history=(Step("ready", each.since, each.reason),))
        for each in whole.queues[0].instances
    )
    view = replace(whole, queues=(replace(whole.queues[0], instances=ready),))
    before = past()
    cold = replace(before.instances[0], proven=True)
    dead = replace(
        cold, key=SlotKey("dead", 0), job=None, history=(), created=ago(100), since=ago(99),
        proven=False, reason="the host says: the setup script ended with 3",
    )  # fmt: skip
    warm = replace(
        before.instances[1],
        proven=True,
        history=(Step("ready", ago(118), "the host wrote its row"), *before.instances[1].history),
    )
    launch = Launch(
        "cold", "default", cold.shape, LaunchState.SETTLED, ago(58), ago(59), "{}",
        2, "spec", "spot", errors=("InsufficientInstanceCapacity: no m7i.large",),
    )  # fmt: skip
    kept = Kept(
        view.queues[0],
        Read(before.claims, complete=True),
        Read((cold, warm, dead), complete=True),
        Read((launch,), complete=True),
    )
    name = "/mayfly/ci/queues/default/pool/hot"
    change = ParameterChange(name, ago(65), "1", "2", 4, "arn:aws:iam::1:user/bob")
    event = Event(change.at, "parameter", "default/pool/hot", "1", "2", change.who)
    changed = Changed({name: "2"}, Read((change,), complete=True), (event,))
    return report_of(view, ago(150), [kept], changed)


def plans() -> StackView:
    """A queue with a ready instance and two waiting jobs, of which one needs a launch."""
    record = a_queue()
    claims = (a_claim("job-1"), a_claim("job-2"))
    ready = (an_instance(InstanceState.READY, 0, spec=record.spec),)
    view = QueueView(record, configured(record), claims, ready, ledger=Ledger("deploy", ago(60)))
    return StackView("ci", "eu-central-1", NOW, (view,))


def shown(result: Result, width: int) -> str:
    """What a screen of this width shows."""
    stream = io.StringIO()
    write(result.document(), console(stream, width))
    return stream.getvalue()
